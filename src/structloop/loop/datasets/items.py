"""Labelled items and their split: what training and evaluation are given, wherever the images come from."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class LabelledItem:
    """A labelled image, read when it is needed.

    Attributes:
        key: What it is called; unique within its data set.
        group: What it may never be parted from: items of one group are all in one part of a split.
        label: One of the review task's labels.
        load: Reads the image; raises `ImageError` where that fails.
        sha256: Hex digest of the image's contents; empty where not known.
        tags: What reports may be broken down by, as (name, value) pairs, such as ("detail", "needles").
    """

    key: str
    group: str
    label: str
    load: Callable[[], Image.Image]
    sha256: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    def tag(self, name: str) -> str:
        """The value of a tag; empty where the item has none of that name."""
        return dict(self.tags).get(name, "")


@dataclass(frozen=True, slots=True)
class Split:
    """Items in their parts; no group is in two of them.

    Attributes:
        train: What the weights are learnt from.
        validation: What the time to stop, the threshold and the calibration are chosen on.
        test: What is looked at once, at the end.
    """

    train: tuple[LabelledItem, ...]
    validation: tuple[LabelledItem, ...]
    test: tuple[LabelledItem, ...]

    def __post_init__(self) -> None:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        owner: dict[str, str] = {}
        for name, items in parts.items():
            for group in {item.group for item in items}:
                if owner.setdefault(group, name) != name:
                    raise ValueError(
                        f"group '{group}' is in both {owner[group]} and {name}; a split never cuts a group"
                    )
        counts = Counter(item.key for items in parts.values() for item in items)
        twice = [key for key, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"item '{twice[0]}' is there twice")


__all__ = ["LabelledItem", "Split"]
