"""Judging picks against labels, particle-wise and pixel-wise, and comparing methods."""

from structloop.particles.evaluation.comparing import Comparison, compare_methods
from structloop.particles.evaluation.discs import PixelCounts, count_pixels
from structloop.particles.evaluation.judging import RADII, judge_picks
from structloop.particles.evaluation.matching import Matching, match_picks
from structloop.particles.evaluation.results import MethodResult, MicrographResult, PicksReport, RadiusResult
from structloop.particles.evaluation.scores import PrecisionRecall, ScoreQuality, precision_recall, score_quality

__all__ = [
    "RADII",
    "Comparison",
    "Matching",
    "MethodResult",
    "MicrographResult",
    "PicksReport",
    "PixelCounts",
    "PrecisionRecall",
    "RadiusResult",
    "ScoreQuality",
    "compare_methods",
    "count_pixels",
    "judge_picks",
    "match_picks",
    "precision_recall",
    "score_quality",
]
