"""Laplacian of Gaussian: round dark things of one size (Lindeberg, Int. J. Comput. Vision 30 (1998) 79)."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def blob_response(pixels: NDArray[np.float32], mask: NDArray[np.bool_], sigma_px: float) -> NDArray[np.float32]:
    """How much each place (y, x) looks like the middle of a dark blob, in robust deviations of the picture.

    Args:
        pixels: (y, x), particles dark.
        mask: (y, x), places that do not count for the deviation.
        sigma_px: Width of the Gaussian; a disc of radius r answers most at r / sqrt(2).
    """
    # What is masked may be many times darker than any particle.
    calm = np.where(mask, np.float32(0), pixels)
    response = ndimage.gaussian_laplace(calm, sigma_px, mode="nearest") * np.float32(sigma_px**2)
    return in_deviations(response, mask)


def in_deviations(response: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A map as multiples of its robust deviation from its median, over what is not masked."""
    counted = response[~mask] if not mask.all() else response.ravel()
    middle = float(np.median(counted))
    spread = 1.4826 * float(np.median(np.abs(counted - middle)))
    return np.asarray((response - np.float32(middle)) / np.float32(max(spread, 1e-12)), np.float32)


__all__ = ["blob_response", "in_deviations"]
