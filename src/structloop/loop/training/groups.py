"""Cutting training items into parts without cutting a group: folds, and the validation carved from training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structloop.core.errors import TrainingError


def group_folds(groups: Sequence[str], is_positive: ArrayLike, folds: int, *, seed: int) -> NDArray[np.int64]:
    """The fold of every item, `(n,)`, 0 to `folds` - 1; the items of a group share theirs.

    Groups with the most positives are dealt first, each to the fold that has the fewest positives so far (then the
    fewest items), so that folds are alike as far as groups allow.

    Args:
        groups: The group of each item.
        is_positive: `(n,)`.
        folds: At least 2, at most as many as there are groups.
        seed: Order of groups that are alike.

    Raises:
        TrainingError: there are fewer groups than folds.
    """
    truth = np.asarray(is_positive, dtype=np.bool_)
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    if not 2 <= folds <= len(names):
        raise TrainingError(
            f"{len(names)} groups (plates or projects) cannot be cut into {folds} folds; label items of more groups"
        )
    positives = np.bincount(place, weights=truth, minlength=len(names))
    items = np.bincount(place, minlength=len(names))
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.lexsort((-items[shuffled], -positives[shuffled]))]
    of_group = np.empty(len(names), dtype=np.int64)
    held_positives, held_items = np.zeros(folds), np.zeros(folds)
    for group in order:
        fold = int(np.lexsort((held_items, held_positives))[0]) if positives[group] else int(np.argmin(held_items))
        of_group[group] = fold
        held_positives[fold] += positives[group]
        held_items[fold] += items[group]
    return of_group[place]


def usable_folds(groups: Sequence[str], is_positive: ArrayLike, most: int) -> int:
    """How many folds leave both classes in what each fold is judged by; below 2: none do.

    Each class must lie in as many groups as there are folds.
    """
    truth = np.asarray(is_positive, dtype=np.bool_)
    names = np.asarray(groups)
    return min(most, len(np.unique(names[truth])), len(np.unique(names[~truth])))


def carve_validation(groups: Sequence[str], is_positive: ArrayLike, *, share: float, seed: int) -> NDArray[np.bool_]:
    """Which items become validation, `(n,)`: whole groups, about `share` of the items, both classes on both sides.

    Raises:
        TrainingError: a class lies in one group only, so that no cut leaves it on both sides.
    """
    truth = np.asarray(is_positive, dtype=np.bool_)
    most = usable_folds(groups, truth, max(2, round(1 / share)))
    if most < 2:
        raise TrainingError(
            "validation cannot be carved from the training groups: each class must lie in at least two groups (plates "
            "or projects); label items of more of them"
        )
    validation: NDArray[np.bool_] = group_folds(groups, truth, most, seed=seed) == 0
    return validation


__all__ = ["carve_validation", "group_folds", "usable_folds"]
