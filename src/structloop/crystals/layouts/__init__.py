"""Layouts: how imagers name their folders and files, each a plugin of the group `structloop.crystal_layouts`."""

from structloop.crystals.layouts.choosing import Choice, LayoutCatalog, choose_layout
from structloop.crystals.layouts.protocol import LAYOUT_GROUP, Layout, ListingLayout, Recognition, Skip

__all__ = [
    "LAYOUT_GROUP",
    "Choice",
    "Layout",
    "LayoutCatalog",
    "ListingLayout",
    "Recognition",
    "Skip",
    "choose_layout",
]
