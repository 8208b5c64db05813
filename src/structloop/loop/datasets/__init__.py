"""Data sets: immutable versions of labelled images, their splits, and their exchange with other programs."""

from structloop.loop.datasets.items import LabelledItem, Split

__all__ = ["LabelledItem", "Split"]
