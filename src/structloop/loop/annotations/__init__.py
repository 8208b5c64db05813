"""Annotations: label schemes and how they translate, and labels from elsewhere."""

from structloop.loop.annotations.schemes import LabelScheme, LabelSchemes

__all__ = ["LabelScheme", "LabelSchemes"]
