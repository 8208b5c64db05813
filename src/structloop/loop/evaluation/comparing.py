"""Two models on the same items: who is better, by how much, and whether it could be chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from structloop.core.errors import EvaluationSetError
from structloop.loop.evaluation.intervals import Estimate
from structloop.loop.evaluation.judging import Judgement, judgement_of
from structloop.loop.evaluation.paired import (
    McNemar,
    PairedDifferences,
    mcnemar,
    paired_differences,
    paired_proportions,
)


@dataclass(frozen=True)
class Comparison:
    """A candidate beside the model that it would replace, on the same items.

    Attributes:
        current, candidate: Each judged on those items that both could score.
        mcnemar: On which items only one of them is right.
        recall_difference: Candidate minus current on the same positives: the wider, below, of Tango's interval and that
            by drawing groups; None without a positive.
        differences: Candidate minus current, by drawing groups.
        disagreements: Items on which they say different things, those first where one of them is most certain.
    """

    current: Judgement
    candidate: Judgement
    mcnemar: McNemar
    recall_difference: Estimate | None
    differences: PairedDifferences
    disagreements: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "current": self.current.to_json(),
            "candidate": self.candidate.to_json(),
            "mcnemar": {
                "only_current_right": self.mcnemar.only_first,
                "only_candidate_right": self.mcnemar.only_second,
                "p_value": self.mcnemar.p_value,
            },
            "recall_difference": None if self.recall_difference is None else self.recall_difference.to_json(),
            "differences": {
                name: None if value is None else value.to_json() for name, value in self.differences.values.items()
            },
            "groups": self.differences.groups,
            "disagreements": list(self.disagreements),
        }


def compare(current: Judgement, candidate: Judgement, *, seed: int = 0) -> Comparison:
    """Compares two judgements on the items that are in both.

    Args:
        current, candidate: Of the same set.
        seed: Of the bootstrap.

    Raises:
        EvaluationSetError: they have no item in common, label one differently, or are of different modalities.
    """
    if current.modality is not candidate.modality:
        raise EvaluationSetError(
            f"'{current.card.name}' was judged on {current.modality.value} images and '{candidate.card.name}' on "
            f"{candidate.modality.value} ones; judge both on the same images"
        )
    shared = {item.key for item in current.items} & {item.key for item in candidate.items}
    if not shared:
        raise EvaluationSetError("the two models were judged on different items; judge both on the same set")
    one, two = _only(current, shared), _only(candidate, shared)
    for first, second in zip(one.items, two.items, strict=True):
        if first.key != second.key or first.label != second.label:
            raise EvaluationSetError(
                f"item '{first.key}' is not the same in both judgements; judge both on the same set"
            )
    truth = one.is_positive
    differences = paired_differences(
        truth, one.probabilities, two.probabilities, (one.threshold, two.threshold), one.groups, seed=seed
    )
    differ = np.flatnonzero(one.is_alarm != two.is_alarm)
    certainty = np.abs(one.probabilities - two.probabilities)[differ]
    return Comparison(
        current=one,
        candidate=two,
        mcnemar=mcnemar(one.is_right, two.is_right),
        recall_difference=_recall_difference(one, two, differences.values["recall"]),
        differences=differences,
        disagreements=tuple(one.items[differ[place]].key for place in np.argsort(-certainty, kind="stable")),
    )


def sides_difference(comparison: Comparison, acceptable: Sequence[str]) -> Estimate | None:
    """How much better the candidate tells acceptable labels from the others: candidate minus current.

    Of the items of either side the share that is said to be on that side, both sides counting alike; by the likeliest
    label. The interval is the wider, below and above, of two: Tango's of both sides put together as independent ones
    (the square-and-add method of Zou and Donner, Statistics in Medicine 27, 2008), and that by drawing groups.

    Args:
        comparison: Of models with more than two labels.
        acceptable: Some of the labels.

    Returns:
        None where one side has no item, or the models have two labels.
    """
    current, candidate = comparison.current, comparison.candidate
    if current.said is None or candidate.said is None:
        return None
    truth = np.array([item.label in acceptable for item in current.items], dtype=np.bool_)
    if truth.all() or not truth.any():
        return None
    one, two = (
        np.array([said in acceptable for said in each], dtype=np.bool_) for each in (current.said, candidate.said)
    )
    parts = [paired_proportions((one == truth)[side], (two == truth)[side]) for side in (truth, ~truth)]
    value = sum(part.value for part in parts) / 2
    low = value - math.hypot(*(part.value - part.low for part in parts)) / 2
    high = value + math.hypot(*(part.high - part.value for part in parts)) / 2
    by_groups = paired_differences(
        truth, one.astype(np.float64), two.astype(np.float64), (0.5, 0.5), current.groups, seed=current.overall.seed
    ).values["balanced_accuracy"]
    if by_groups is None:
        return Estimate(value, low, high)
    return Estimate(value, min(low, by_groups.low), max(high, by_groups.high))


def _recall_difference(one: Judgement, two: Judgement, by_groups: Estimate | None) -> Estimate | None:
    truth = one.is_positive
    if not truth.any():
        return None
    tango = paired_proportions(one.is_alarm[truth], two.is_alarm[truth])
    if by_groups is None:
        return tango
    # Each covers what the other does not see: few differing items, and items of one plate that differ together.
    return Estimate(tango.value, min(tango.low, by_groups.low), max(tango.high, by_groups.high))


def _only(judgement: Judgement, keys: set[str]) -> Judgement:
    inside = [index for index, item in enumerate(judgement.items) if item.key in keys]
    order = sorted(inside, key=lambda index: judgement.items[index].key)
    return _rows(judgement, order)


def _rows(judgement: Judgement, rows: Sequence[int]) -> Judgement:
    return judgement_of(
        judgement.card,
        judgement.modality,
        [judgement.items[row] for row in rows],
        judgement.probabilities[list(rows)],
        seconds_per_image=judgement.seconds_per_image,
        prevalence=judgement.overall.prevalence,
        seed=judgement.overall.seed,
        unreadable=judgement.unreadable,
        said=None if judgement.said is None else [judgement.said[row] for row in rows],
        certainty=None if judgement.certainty is None else judgement.certainty[list(rows)],
    )


__all__ = ["Comparison", "compare", "sides_difference"]
