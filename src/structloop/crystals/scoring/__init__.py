"""Scoring plates: every image once per model version, visible and UV apart, then combined per experiment."""

from structloop.crystals.scoring.assignment import ModelAssignment, ModelSource, assign_models
from structloop.crystals.scoring.finding import find_plate, plate_barcode, plates_below
from structloop.crystals.scoring.pipeline import ScoredImage, score_images
from structloop.crystals.scoring.report import ImageFailure, ScoreReport
from structloop.crystals.scoring.running import score_plate

__all__ = [
    "ImageFailure",
    "ModelAssignment",
    "ModelSource",
    "ScoreReport",
    "ScoredImage",
    "assign_models",
    "find_plate",
    "plate_barcode",
    "plates_below",
    "score_images",
    "score_plate",
]
