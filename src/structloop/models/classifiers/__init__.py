"""Classifiers of drop images: the protocol, and the families that come with structloop."""

from structloop.models.classifiers.protocol import (
    Checkpoint,
    CheckpointConverter,
    Classifier,
    ClassifierFamily,
    ConversionRequest,
    ImageBatch,
    PreparedImage,
    stack_images,
)

__all__ = [
    "Checkpoint",
    "CheckpointConverter",
    "Classifier",
    "ClassifierFamily",
    "ConversionRequest",
    "ImageBatch",
    "PreparedImage",
    "stack_images",
]
