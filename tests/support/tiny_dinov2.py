"""A DINOv2 of two thin blocks for images of 28 x 28 pixels: what tests of LoRA training train."""

from pathlib import Path

from structloop.models.classifiers.axis_preprocessing import RECIPE
from structloop.schema.models import InputSpecification
from structloop.testing.checkpoints import TINY_DINOV2, dinov2_weights, write_base

SIDE_PX = 28
TINY_CONFIG = {**TINY_DINOV2, "image_size": SIDE_PX}
TINY_INPUT = InputSpecification.model_validate(RECIPE.model_dump() | {"width_px": SIDE_PX, "height_px": SIDE_PX})


def write_tiny_base(folder: Path, seed: int = 0) -> Path:
    """A base on disk, as DINOv2 is published."""
    return write_base(folder, dinov2_weights(seed, TINY_CONFIG), TINY_CONFIG)


__all__ = ["SIDE_PX", "TINY_CONFIG", "TINY_INPUT", "write_tiny_base"]
