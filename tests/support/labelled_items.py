"""Labelled items for tests of the loop: small images whose label shows, in groups, without files."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from structloop.loop.datasets.items import LabelledItem

SIZE_PX = 64


def blob_image(seed: int, *, crystal: bool, size_px: int = SIZE_PX) -> Image.Image:
    """Grey noise; with a crystal, a sharp bright square somewhere."""
    random = np.random.default_rng(seed)
    pixels = 110 + 12 * random.standard_normal((size_px, size_px))
    if crystal:
        side = size_px // 5
        y, x = random.integers(0, size_px - side, 2)
        pixels[y : y + side, x : x + side] += 90
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), mode=None)


def labelled_item(index: int, group: str, *, crystal: bool, size_px: int = SIZE_PX) -> LabelledItem:
    """An item of that label; its key and its image follow from `index`."""
    return LabelledItem(
        key=f"item-{index:04d}",
        group=group,
        label="crystal" if crystal else "other",
        load=lambda: blob_image(index, crystal=crystal, size_px=size_px),
    )


def labelled_items(
    count: int, groups: Sequence[str], *, every: int = 3, start: int = 0, size_px: int = SIZE_PX
) -> tuple[LabelledItem, ...]:
    """`count` items dealt to `groups` in turn; in each group every `every`-th item is a crystal, not the first."""
    return tuple(
        labelled_item(
            start + index,
            groups[index % len(groups)],
            crystal=(index // len(groups)) % every == every - 1,
            size_px=size_px,
        )
        for index in range(count)
    )


__all__ = ["blob_image", "labelled_item", "labelled_items"]
