"""What people should look at: each reason finds its items among all that were scored, surest first.

Pure functions over arrays of one entry per item. Probabilities are of the positive label; NaN where there is none.
Human labels are 1 (positive), 0 (another label) and -1 (nobody said, or it could not be told).
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
UNLABELLED = -1

_LEAST, _FARTHEST, _HALVINGS = 1e-6, 30.0, 50


@dataclass(frozen=True, slots=True, eq=False)
class ScoredItems:
    """Everything that selection looks at, in arrays of one entry per item.

    Attributes:
        probability: (n,) the model's, NaN where it has none.
        threshold: (n,) from where the model says positive.
        human: (n,) int8, see the module's docstring.
        views: (n, m) the model's probability in each modality, NaN where there is none.
        project: (n,) int64, what the queue's cap counts by.
        item: (n,) int64, what near-duplicates in time share: for crystals the drop.
    """

    probability: Floats
    threshold: Floats
    human: NDArray[np.int8]
    views: Floats
    project: NDArray[np.int64]
    item: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.probability)
        shapes = {name: getattr(self, name).shape for name in ("threshold", "human", "project", "item")}
        wrong = {name: shape for name, shape in shapes.items() if shape != (count,)}
        if wrong or self.views.ndim != 2 or len(self.views) != count:
            raise ValueError(f"all arrays must have {count} entries; views is {self.views.shape}, wrong are {wrong}")

    def __len__(self) -> int:
        return len(self.probability)

    def chosen(self, which: NDArray[np.bool_]) -> "ScoredItems":
        """Some of them: `which` is `(n,)`."""
        return ScoredItems(*(getattr(self, field.name)[which] for field in fields(self)))


def disagreements(items: ScoredItems) -> Indices:
    """Items of which model and person say different things; those where the model is surest first."""
    with np.errstate(invalid="ignore"):
        says = items.probability >= items.threshold
    known = (items.human != UNLABELLED) & ~np.isnan(items.probability)
    found = np.flatnonzero(known & (says != (items.human == 1)))
    return _by(found, -np.abs(items.probability[found] - items.threshold[found]))


def near_threshold(items: ScoredItems, width: float = 0.15) -> Indices:
    """Unlabelled items whose probability is within `width` of the threshold, the closest first."""
    distance = np.abs(items.probability - items.threshold)
    found = np.flatnonzero((items.human == UNLABELLED) & (distance <= width))
    return _by(found, distance[found])


def conflicts(items: ScoredItems, gap: float = 0.5) -> Indices:
    """Unlabelled items of which the model says different things in two modalities, the widest gap first.

    The gap must be at least `gap`, and the threshold must lie within it.
    """
    views = items.views
    both = (~np.isnan(views)).sum(axis=1) >= 2
    high = np.where(both, np.nanmax(np.where(np.isnan(views), -np.inf, views), axis=1, initial=-np.inf), np.nan)
    low = np.where(both, np.nanmin(np.where(np.isnan(views), np.inf, views), axis=1, initial=np.inf), np.nan)
    with np.errstate(invalid="ignore"):
        width = high - low
        split = (high >= items.threshold) & (low < items.threshold) & (width >= gap)
    found = np.flatnonzero(split & (items.human == UNLABELLED))
    return _by(found, -width[found])


def label_errors(items: ScoredItems, out_of_sample: Floats | None = None) -> Indices:
    """Labelled items whose label is suspected to be wrong, the most suspect first (confident learning).

    An item counts for a class when its probability of it is at least the mean of those labelled so; one that counts for
    the other class only is suspect. Northcutt, Jiang and Chuang, JAIR 70 (2021), for two classes.

    Probabilities are first moved (in log-odds, all by as much) until their mean is the share of positive labels. A
    model calibrated for more positives than there are suspects too many of the other labels, among which the wrong ones
    of the positive labels, which are the likelier ones where positives are rare, come last.

    Args:
        items: The items.
        out_of_sample: (n,) probabilities by a model that has not learnt from the item's label; None: `probability`.
            A model that has learnt the label hides the error, so fewer are found, not more.
    """
    probability = items.probability if out_of_sample is None else out_of_sample
    if probability.shape != items.human.shape:
        raise ValueError(f"out_of_sample must be {items.human.shape}, got {probability.shape}")
    known = (items.human != UNLABELLED) & ~np.isnan(probability)
    positive, negative = known & (items.human == 1), known & (items.human == 0)
    if not positive.any() or not negative.any():
        return np.zeros(0, np.intp)
    probability = probability.copy()
    probability[known] = _with_mean(probability[known], float(positive.sum() / known.sum()))
    # Where labels are no better than chance the means cross, and nothing could be told from them.
    for_positive, for_negative = probability[positive].mean(), 1 - probability[negative].mean()
    with np.errstate(invalid="ignore"):
        counts_positive = known & (probability >= for_positive)
        counts_negative = known & (1 - probability >= for_negative)
    suspect = (negative & counts_positive & ~counts_negative) | (positive & counts_negative & ~counts_positive)
    found = np.flatnonzero(suspect)
    given = np.where(items.human[found] == 1, probability[found], 1 - probability[found])
    return _by(found, given)


def _with_mean(probability: Floats, mean: float) -> Floats:
    """Probabilities moved by the same log-odds, so that their mean is `mean`."""
    inside = np.clip(probability, _LEAST, 1 - _LEAST)
    odds = np.log(inside) - np.log1p(-inside)
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float(np.mean(1 / (1 + np.exp(-odds - middle)))) < mean:
            low = middle
        else:
            high = middle
    moved: Floats = 1 / (1 + np.exp(-odds - high))
    return moved


def agreements(items: ScoredItems, rng: np.random.Generator) -> Indices:
    """Items of which model and person say the same, in random order: what a blind audit draws from."""
    with np.errstate(invalid="ignore"):
        says = items.probability >= items.threshold
    known = (items.human != UNLABELLED) & ~np.isnan(items.probability)
    found = np.flatnonzero(known & (says == (items.human == 1)))
    return rng.permutation(found)


def flagged(flags: NDArray[np.bool_], rng: np.random.Generator) -> Indices:
    """Items that something else has marked, such as a drift alarm, in random order."""
    return rng.permutation(np.flatnonzero(flags))


def _by(found: Indices, key: Floats) -> Indices:
    return found[np.argsort(key, kind="stable")]


__all__ = [
    "UNLABELLED",
    "ScoredItems",
    "agreements",
    "conflicts",
    "disagreements",
    "flagged",
    "label_errors",
    "near_threshold",
]
