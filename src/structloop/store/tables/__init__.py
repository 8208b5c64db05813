"""The tables. Importing this package makes all of them known to `Base.metadata`."""

from structloop.store.tables.acquisition import (
    AcquisitionRemark,
    AcquisitionSession,
    Atlas,
    Exposure,
    Grid,
    GridImage,
    GridSquare,
    Hole,
)
from structloop.store.tables.base import Base
from structloop.store.tables.curation import (
    CurationDecision,
    CurationItem,
    CurationTally,
    DatasetVersion,
    FrozenTestSet,
    ImageFingerprint,
)
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession
from structloop.store.tables.jobs import Job
from structloop.store.tables.loop import Annotation
from structloop.store.tables.models import ModelVersion
from structloop.store.tables.particles import Micrograph, ParticleMark, ParticleProject, PickedMicrograph
from structloop.store.tables.plates import (
    Drop,
    DropImageFile,
    ImportProblem,
    ImportRun,
    Inspection,
    Plate,
    Project,
)
from structloop.store.tables.promotion import ModelRole, TrainingRun
from structloop.store.tables.scores import ExperimentScore, ImageScore, Scoring, scoring_key

__all__ = [
    "AcquisitionRemark",
    "AcquisitionSession",
    "Annotation",
    "Atlas",
    "Base",
    "CurationDecision",
    "CurationItem",
    "CurationTally",
    "DatasetVersion",
    "Drop",
    "DropImageFile",
    "ExperimentScore",
    "Exposure",
    "FrozenTestSet",
    "Grid",
    "GridImage",
    "GridSquare",
    "Hole",
    "ImageFingerprint",
    "ImageScore",
    "ImportProblem",
    "ImportRun",
    "Inspection",
    "Job",
    "Micrograph",
    "ModelRole",
    "ModelVersion",
    "ParticleMark",
    "ParticleProject",
    "PickedMicrograph",
    "Plate",
    "ProcessedExposure",
    "ProcessingSession",
    "Project",
    "Scoring",
    "TrainingRun",
    "scoring_key",
]
