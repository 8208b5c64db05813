"""Training pickers from files: names matched, labels checked, resumable, into the registry."""

from structloop.particles.training.labelled import LabelledFiles, read_labelled
from structloop.particles.training.running import (
    BACKENDS,
    HEATMAP,
    SAM2,
    TrainingRequest,
    check_request,
    train_model,
)

__all__ = [
    "BACKENDS",
    "HEATMAP",
    "SAM2",
    "LabelledFiles",
    "TrainingRequest",
    "check_request",
    "read_labelled",
    "train_model",
]
