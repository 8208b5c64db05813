"""How well each place of an image matches a template."""

from typing import Any

import numpy as np
from skimage import feature

from structloop.grids.finding.flattening import FloatImage


def match_map(flat: FloatImage, template: FloatImage) -> FloatImage:
    """Normalised cross-correlation, -1 to 1, of the shape of the image; the template's sides are odd."""
    half = template.shape[0] // 2
    matching: Any = feature
    return np.asarray(matching.match_template(np.pad(flat, half), template), dtype=np.float32)


__all__ = ["match_map"]
