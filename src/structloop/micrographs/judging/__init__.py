"""Indicators of an exposure judged together, pooled over places, and a rule that says when a place may be left.

judgement = judge(Indicators(total_motion_angstrom=22, ctf_resolution_angstrom=3.6, ctf_confidence=0.99), Limits())
judgement.problematic, judgement.reasons
"""

from structloop.micrographs.judging.indicators import Indicators, Judgement, Limits, Reason, judge
from structloop.micrographs.judging.learning import LearnedLimit, LearnedLimits, MarkedExposure, learn_limits
from structloop.micrographs.judging.leaving import Leaving, LeavingRule, fixed_rule_exposures
from structloop.micrographs.judging.margins import Margin, MarginRule, spreads, spreads_of_others
from structloop.micrographs.judging.pooling import Pooled, pooled

__all__ = [
    "Indicators",
    "Judgement",
    "LearnedLimit",
    "LearnedLimits",
    "Leaving",
    "LeavingRule",
    "Limits",
    "Margin",
    "MarginRule",
    "MarkedExposure",
    "Pooled",
    "Reason",
    "fixed_rule_exposures",
    "judge",
    "learn_limits",
    "pooled",
    "spreads",
    "spreads_of_others",
]
