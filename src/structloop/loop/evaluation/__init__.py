"""How well a classifier tells two classes apart: metrics with intervals, and their plots."""

from structloop.loop.evaluation.binary import BinaryEvaluation, ReliabilityBin, evaluate_binary
from structloop.loop.evaluation.curves import average_precision, precision_recall_curve, roc_auc, roc_curve
from structloop.loop.evaluation.intervals import Estimate, wilson_interval

__all__ = [
    "BinaryEvaluation",
    "Estimate",
    "ReliabilityBin",
    "average_precision",
    "evaluate_binary",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
    "wilson_interval",
]
