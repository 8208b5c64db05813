"""What labelled items look like to models that have not learnt from their labels: to find labels that look wrong."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from structloop.core.errors import TrainingError
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.training.fast_head import fit_fast_head
from structloop.loop.training.fast_head_models import HeadBase, labelled_features
from structloop.loop.training.feature_cache import FeatureCache
from structloop.loop.training.groups import usable_folds
from structloop.models.calibration import apply_calibration

FEWEST_OF_A_CLASS = 10
"""Labels of each of the two classes, below which the folds of a head say more about chance than about labels."""


def held_out_probabilities(
    base: HeadBase,
    cache: FeatureCache,
    items: Sequence[LabelledItem],
    *,
    seconds: float,
    seed: int = 0,
    on_progress: Callable[[int, int | None, str], None] | None = None,
) -> dict[str, float]:
    """The probability of the base's positive label of each item, by a fast head that had not seen the item's group.

    Heads are fitted by folds that never cut a group, on features of a base that has learnt from none of these labels;
    probabilities are for the share of positives among the labels. Features are computed once and kept.

    Args:
        base: What gives the features.
        cache: Where they are kept.
        items: With the labels of people, of two classes; those looked at first come first.
        seconds: How long features may be computed that are not kept yet.
        seed: Of the folds.
        on_progress: Called with what is done, of how much, and what it is.

    Returns:
        By key, of the items whose features are known; empty where labels are too few, or teach nothing that holds on
        other groups.
    """
    end = time.monotonic() + seconds
    found = cache.features(base.extractor, items, on_progress=on_progress, should_stop=lambda: time.monotonic() > end)
    train = labelled_features(found, base.card.positive_label)
    positives = int(train.is_positive.sum())
    if min(positives, len(train.groups) - positives) < FEWEST_OF_A_CLASS:
        return {}
    if usable_folds(train.groups, train.is_positive, 2) < 2:
        return {}
    try:
        fit = fit_fast_head(train, positive_class_id=base.card.positive_index, seed=seed)
    except TrainingError:
        # Out of fold these labels are told no better than by chance: no head knows better than the scores.
        return {}
    odds = fit.out_of_fold
    probabilities = apply_calibration(fit.calibration, np.stack([odds / 2, -odds / 2], axis=1), 0)
    return {item.key: float(value) for item, value in zip(found.items, probabilities, strict=True)}


__all__ = ["FEWEST_OF_A_CLASS", "held_out_probabilities"]
