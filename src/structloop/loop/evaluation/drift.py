"""Drift: whether what an imager or a plate type shows looks like what a model was trained on.

Two samples are compared by the energy distance (Szekely & Rizzo, J. Stat. Plan. Inference 143, 2013), of scores and of
features. What chance does to it is found by permutation. Images of one plate resemble each other, so whole plates are
permuted: where plates of the training set and new ones are exchangeable, an alarm at level `alpha` is false with a
probability of at most `alpha`, whatever the images look like. With few plates no permutation is rare enough; then no
alarm is possible, and that is said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALPHA = 0.01
PERMUTATIONS = 999
_MOST_PER_GROUP = 40
_TESTS = 2


@dataclass(frozen=True, slots=True)
class TwoSampleTest:
    """One comparison of new images with those of the training set.

    Attributes:
        what: `scores` or `features`.
        distance: The energy distance of the two samples; 0 for equal distributions.
        p_value: By permutation of groups.
    """

    what: str
    distance: float
    p_value: float


@dataclass(frozen=True)
class DriftReport:
    """What is said of one source of images.

    Attributes:
        source: The imager or plate type.
        tests: Of scores and of features.
        alpha: The rate of false alarms, of all tests together.
        is_alarm: Whether the source looks new.
        possible: Whether an alarm was possible at all with so few groups.
        groups: Of the new images; of the training set.
        message: In words.
    """

    source: str
    tests: tuple[TwoSampleTest, ...]
    alpha: float
    is_alarm: bool
    possible: bool
    groups: tuple[int, int]
    message: str


@dataclass(frozen=True)
class DriftSample:
    """Images with what a model sees in them.

    Attributes:
        features: `(n, width)`; the first column is the model's log-odds.
        groups: The plate of each.
    """

    features: NDArray[np.float32]
    groups: Sequence[str]


def detect_drift(
    source: str,
    reference: DriftSample,
    new: DriftSample,
    *,
    alpha: float = ALPHA,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    to_label: int = 40,
) -> DriftReport:
    """Compares new images with the training set's.

    Args:
        source: The imager or plate type, for the message.
        reference: Of the training set.
        new: Of the source.
        alpha: Rate of false alarms over both tests (each is made at half of it: Bonferroni).
        permutations: Random permutations of groups.
        seed: Of the permutations, and of the images drawn from large groups.
        to_label: How many images the message asks to label.

    Raises:
        ValueError: a sample is empty, or widths differ.
    """
    if not len(reference.groups) or not len(new.groups) or reference.features.shape[1] != new.features.shape[1]:
        raise ValueError("drift needs images on both sides, with features of one base")
    random = np.random.default_rng(seed)
    old, fresh = _thinned(reference, random), _thinned(new, random)
    stacked = np.concatenate([old.features, fresh.features]).astype(np.float64)
    names = [f"0{name}" for name in old.groups] + [f"1{name}" for name in fresh.groups]
    unique, place = np.unique(np.asarray(names), return_inverse=True)
    is_new = np.array([name.startswith("1") for name in unique])
    counts = (int(is_new.sum()), int((~is_new).sum()))
    level = alpha / _TESTS
    # The actual labelling is one of the permutations, so no p-value is below one over their number.
    possible = 1 / min(math.comb(len(unique), counts[0]), permutations + 1) <= level
    scale = stacked.std(axis=0)
    standardised = (stacked - stacked.mean(axis=0)) / np.where(scale > 1e-9, scale, 1.0)
    tests = tuple(
        _test(what, values, place, is_new, permutations, random)
        for what, values in (("scores", standardised[:, :1]), ("features", standardised))
    )
    is_alarm = any(test.p_value <= level for test in tests)
    return DriftReport(
        source, tests, alpha, is_alarm, possible, counts, _message(source, tests, is_alarm, possible, alpha, to_label)
    )


def pick_diverse(reference: DriftSample, new: DriftSample, count: int) -> list[int]:
    """Which new images to label: the farthest from what is known, one after the other.

    Each pick is the image whose nearest neighbour among the training set and the earlier picks is farthest (Gonzalez,
    Theor. Comput. Sci. 38, 1985), so that near-duplicates are not picked twice.

    Args:
        reference: Of the training set.
        new: To pick from.
        count: How many, at most.

    Returns:
        Places in `new`, the farthest first.
    """
    if not len(new.groups):
        return []
    scale = np.concatenate([reference.features, new.features]).astype(np.float64).std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    fresh = new.features.astype(np.float64) / scale
    nearest = np.full(len(fresh), np.inf)
    for row in reference.features.astype(np.float64) / scale:
        np.minimum(nearest, np.sum((fresh - row) ** 2, axis=1), out=nearest)
    if not len(reference.groups):
        nearest = np.sum((fresh - fresh.mean(axis=0)) ** 2, axis=1)
    picked: list[int] = []
    while len(picked) < min(count, len(fresh)):
        farthest = int(np.argmax(nearest))
        picked.append(farthest)
        np.minimum(nearest, np.sum((fresh - fresh[farthest]) ** 2, axis=1), out=nearest)
        nearest[picked] = -1.0
    return picked


def energy_distance(first: Floats, second: Floats) -> float:
    """``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` of samples `(n, d)` and `(m, d)`; 0 only for equal distributions."""
    between = _distances(first, second).mean()
    return float(2 * between - _distances(first, first).mean() - _distances(second, second).mean())


def _test(
    what: str,
    values: Floats,
    place: NDArray[np.intp],
    is_new: NDArray[np.bool_],
    permutations: int,
    random: np.random.Generator,
) -> TwoSampleTest:
    # Sums of distances between groups hold all that any labelling of groups needs.
    member = np.eye(len(is_new))[place]
    sums = member.T @ _distances(values, values) @ member
    sizes = member.sum(axis=0)
    labels = np.concatenate([[is_new], np.array([random.permutation(is_new) for _ in range(permutations)])])
    labels = labels.astype(np.float64)
    ones, zeros = labels @ sizes, (1 - labels) @ sizes
    between = np.einsum("pi,ij,pj->p", labels, sums, 1 - labels, optimize=True) / (ones * zeros)
    within_new = np.einsum("pi,ij,pj->p", labels, sums, labels, optimize=True) / ones**2
    within_old = np.einsum("pi,ij,pj->p", 1 - labels, sums, 1 - labels, optimize=True) / zeros**2
    found = 2 * between - within_new - within_old
    # Groups differ in size; ties and rounding count against an alarm.
    at_least = int(np.sum(found >= found[0] - 1e-12))
    return TwoSampleTest(what, float(found[0]), at_least / (permutations + 1))


def _distances(first: Floats, second: Floats) -> Floats:
    squares = np.sum(first**2, axis=1)[:, None] + np.sum(second**2, axis=1)[None] - 2 * first @ second.T
    distances: Floats = np.sqrt(np.maximum(squares, 0.0))
    return distances


def _thinned(sample: DriftSample, random: np.random.Generator) -> DriftSample:
    """At most so many images of each group: a plate more or less should not weigh by how full it is."""
    groups = np.asarray(sample.groups)
    kept = np.concatenate(
        [
            np.sort(random.permutation(np.flatnonzero(groups == name))[:_MOST_PER_GROUP])
            for name in sorted(set(sample.groups))
        ]
    )
    return DriftSample(sample.features[kept], groups[kept].tolist())


def _message(
    source: str, tests: Sequence[TwoSampleTest], is_alarm: bool, possible: bool, alpha: float, to_label: int
) -> str:
    seen = ", ".join(f"{test.what}: p = {test.p_value:.3g}" for test in tests)
    if is_alarm:
        return f"{source} looks new ({seen}; false alarms: at most {alpha:.0%}): label these {to_label}"
    if not possible:
        return f"{source}: too few plates to tell whether it looks new ({seen})"
    return f"{source} looks like the training set ({seen})"


__all__ = [
    "ALPHA",
    "PERMUTATIONS",
    "DriftReport",
    "DriftSample",
    "TwoSampleTest",
    "detect_drift",
    "energy_distance",
    "pick_diverse",
]
