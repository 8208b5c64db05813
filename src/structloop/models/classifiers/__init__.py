"""Classifiers of drop images: the protocol, and the families that come with structloop."""

from structloop.models.classifiers.protocol import Classifier, ClassifierFamily, ImageBatch, PreparedImage

__all__ = ["Classifier", "ClassifierFamily", "ImageBatch", "PreparedImage"]
