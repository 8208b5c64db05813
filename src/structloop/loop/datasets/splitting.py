"""Splits by group: projects stay whole, or plates where there are few projects; never an image on its own."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import numpy as np

from structloop.loop.datasets.manifest import ManifestRow
from structloop.schema.loop import Partition

FEWEST_PROJECTS = 5
"""From so many projects on, splits keep projects whole."""


class GroupBy(StrEnum):
    """What a split keeps together.

    Attributes:
        AUTO: Projects where there are at least `FEWEST_PROJECTS`, else plates.
        PROJECT: Projects; plates of no project stay whole.
        PLATE: Plates.
    """

    AUTO = "auto"
    PROJECT = "project"
    PLATE = "plate"


def resolve_grouping(by: GroupBy, rows: Iterable[ManifestRow]) -> GroupBy:
    """`PROJECT` or `PLATE`, whichever `by` comes to for these rows."""
    if by is not GroupBy.AUTO:
        return by
    projects = {row.project for row in rows if row.project}
    return GroupBy.PROJECT if len(projects) >= FEWEST_PROJECTS else GroupBy.PLATE


def group_name(row: ManifestRow, by: GroupBy) -> str:
    """The group of a row under a grouping that is not `AUTO`."""
    if by is GroupBy.PROJECT and row.project:
        return f"project {row.project}"
    return f"plate {row.group}"


def draw_groups(sizes: Mapping[str, int], share: float, seed: int, *, leave: int = 1) -> set[str]:
    """Draws whole groups at random until they hold at least `share` of the items: a test set at natural prevalence.

    Args:
        sizes: Items of each group.
        share: Wanted part of the items, 0 to 1.
        seed: Of the draw.
        leave: Groups that must be left over.

    Returns:
        The groups drawn: none where `share` is 0 or there are not enough groups.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share {share} must be at least 0 and less than 1")
    names = sorted(sizes)
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    wanted = share * sum(sizes.values())
    drawn: set[str] = set()
    held = 0
    for name in order:
        if held >= wanted or len(names) - len(drawn) <= leave:
            break
        drawn.add(name)
        held += sizes[name]
    return drawn


def split_groups(
    labels: Mapping[str, Counter[str]],
    *,
    positive: str,
    validation_share: float,
    seed: int,
    fixed: Mapping[str, Partition] | None = None,
) -> dict[str, Partition]:
    """Puts each group into training or validation.

    Groups that were placed before stay where they are. Of the others, groups are drawn at random into validation until
    it holds its share of all items and, where that is possible, one with the positive label; training keeps at least
    one group, and one with the positive label where there are two.

    Args:
        labels: How many items of each label each group has.
        positive: The label that is looked for.
        validation_share: Wanted part of the items, 0 to 1.
        seed: Of the draw.
        fixed: Where groups were placed before.
    """
    if not 0 <= validation_share < 1:
        raise ValueError(f"validation_share {validation_share} must be at least 0 and less than 1")
    parts: dict[str, Partition] = {
        name: part
        for name, part in (fixed or {}).items()
        if name in labels and part in (Partition.TRAIN, Partition.VALIDATION)
    }
    free = sorted(set(labels) - set(parts))
    order = [free[place] for place in np.random.default_rng(seed).permutation(len(free))]
    wanted = validation_share * sum(sum(counts.values()) for counts in labels.values())
    held = sum(sum(labels[name].values()) for name, part in parts.items() if part is Partition.VALIDATION)
    positives = _positives_by_part(labels, parts, positive)
    with_positives = [name for name in order if labels[name][positive] > 0]
    # Positives are rare: one group of them for training first, then one for validation, then as they come.
    if with_positives and not positives[Partition.TRAIN]:
        parts[with_positives.pop(0)] = Partition.TRAIN
    if with_positives and not positives[Partition.VALIDATION] and held < wanted:
        first = with_positives.pop(0)
        parts[first] = Partition.VALIDATION
        held += sum(labels[first].values())
    if order and Partition.TRAIN not in parts.values():
        parts[next(name for name in order if name not in parts)] = Partition.TRAIN
    for name in order:
        if name in parts:
            continue
        size = sum(labels[name].values())
        # A group that would more than double what validation lacks stays in training.
        if held < wanted and (held == 0 or held + size <= wanted + size / 2):
            parts[name] = Partition.VALIDATION
            held += size
        else:
            parts[name] = Partition.TRAIN
    return parts


def _positives_by_part(
    labels: Mapping[str, Counter[str]], parts: Mapping[str, Partition], positive: str
) -> Counter[Partition]:
    found: Counter[Partition] = Counter()
    for name, part in parts.items():
        found[part] += labels[name][positive]
    return found


def labels_by_group(rows: Sequence[ManifestRow], by: GroupBy) -> dict[str, Counter[str]]:
    """How many items of each label each group has."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[group_name(row, by)][row.label] += 1
    return dict(counts)


__all__ = [
    "FEWEST_PROJECTS",
    "GroupBy",
    "draw_groups",
    "group_name",
    "labels_by_group",
    "resolve_grouping",
    "split_groups",
]
