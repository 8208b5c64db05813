"""The tables. Importing this package makes all of them known to `Base.metadata`."""

from structloop.store.tables.base import Base
from structloop.store.tables.jobs import Job
from structloop.store.tables.loop import Annotation
from structloop.store.tables.models import ModelVersion
from structloop.store.tables.plates import (
    Drop,
    DropImageFile,
    ImportProblem,
    ImportRun,
    Inspection,
    Plate,
    Project,
)
from structloop.store.tables.scores import ExperimentScore, ImageScore, Scoring, scoring_key

__all__ = [
    "Annotation",
    "Base",
    "Drop",
    "DropImageFile",
    "ExperimentScore",
    "ImageScore",
    "ImportProblem",
    "ImportRun",
    "Inspection",
    "Job",
    "ModelVersion",
    "Plate",
    "Project",
    "Scoring",
    "scoring_key",
]
