"""Whether images show a specimen displaced as expected, on grids too, whose lattices look the same at many places.

Every displacement is judged by the correlation of what both images show then, so that a large overlap counts for
nothing; what changes slowly is taken out. One pair of images of a lattice tells a displacement only up to a lattice
vector: the expected one is then about as good as others, and would be as good if it were wrong. So displacements are
judged together: the mistakes that microscopes make (a wrong sign, axis, angle or scale) turn, mirror or stretch all of
them likewise, and none of these may explain all pairs better than none.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from structloop.instruments.microscope import TakenImage

FloatArray = NDArray[np.float64]

SIZE_PX = 512
"""Images are compared at most this large."""
LEAST_OVERLAP = 0.2
"""Displacements that leave a smaller share of the image in common are not looked at."""
LEAST_CORRELATION = 0.05
"""Images that correlate less have nothing in common."""
AMONG_THE_BEST = 0.85
"""Share of the best correlation that a pair must reach where it is expected: what no alias of a lattice lacks."""
AS_GOOD = 0.995
"""Share of the best mistake's mean correlation that the expected displacements must reach."""

CLEARLY_OFF = 2.0
"""Mistakes count that put a displacement off by more than so many tolerances."""

_SCALES: list[float] = np.round(np.arange(0.1, 2.01, 0.1), 2).tolist()
_ANGLES_DEG = tuple(range(0, 360, 5))


@dataclass(frozen=True)
class Pair:
    """Two images of one preset.

    Attributes:
        first, second: The images.
        expected_px: By how many pixels (x, y) what both show should lie further in the second.
    """

    first: TakenImage
    second: TakenImage
    expected_px: FloatArray


def _mistakes() -> tuple[FloatArray, list[str]]:
    """What a wrong microscope does to every displacement: matrices (n, 2, 2), and each in words."""
    matrices, words = [np.zeros((2, 2))], ["nothing moved"]
    for mirrored, scale, angle_deg in itertools.product((False, True), _SCALES, _ANGLES_DEG):
        c, s = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
        matrices.append(np.array([[c, s], [s, -c]] if mirrored else [[c, -s], [s, c]]))
        words.append(f"{'mirrored, ' if mirrored else ''}scaled by {scale:g} and turned by {angle_deg} degrees")
    return np.stack(matrices), words


class _Judged:
    """One pair: how well each displacement fits, and how well the best within some pixels of it does."""

    def __init__(self, pair: Pair, within_px: float) -> None:
        facts = pair.first.facts
        self.binning = max(1, -(-max(facts.width_px, facts.height_px) // SIZE_PX))
        self.expected = pair.expected_px / self.binning
        self.within = max(within_px / self.binning, 1.5)
        found = fft.fftshift(correlation(pair.first, pair.second, self.binning))
        self._middle = np.array([found.shape[1] // 2, found.shape[0] // 2])
        row, column = np.unravel_index(int(found.argmax()), found.shape)
        self.measured_px = (np.array([column, row]) - self._middle) * float(self.binning)
        self.best = float(found.max())
        reach = int(self.within)
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        near = np.hypot(x, y) <= self.within
        self._found, self._around = found, np.stack([x[near], y[near]], axis=1)
        self.there = float(self.at(self.expected[None])[0])

    def at(self, displacements: FloatArray) -> FloatArray:
        """The best correlation within the tolerance of each of some displacements (n, 2), binned pixels."""
        places = np.round(displacements).astype(int)[:, None] + self._around + self._middle
        columns, rows = places[..., 0], places[..., 1]
        high, wide = self._found.shape
        inside = (rows >= 0) & (rows < high) & (columns >= 0) & (columns < wide)
        found = np.where(inside, self._found[rows.clip(0, high - 1), columns.clip(0, wide - 1)], -1.0)
        best: FloatArray = found.max(axis=1)
        return best


def correlation(first: TakenImage, second: TakenImage, binning: int) -> FloatArray:
    """Correlation of what two images of one shape share at each displacement, -1 to 1.

    Returns:
        Entry (dy, dx), wrapped, in binned pixels; -1 where they share less than `LEAST_OVERLAP`.
    """
    a, b = (_detail(image.pixels(binning).astype(np.float64)) for image in (first, second))
    shape = tuple(fft.next_fast_len(2 * size, real=True) for size in a.shape)

    def spectrum(image: FloatArray) -> NDArray[np.complex128]:
        return np.asarray(fft.rfft2(image, s=shape))

    def sums(left: NDArray[np.complex128], right: NDArray[np.complex128]) -> FloatArray:
        return np.asarray(fft.irfft2(np.conj(left) * right, s=shape))

    ones, of_a, of_b = spectrum(np.ones_like(a)), spectrum(a), spectrum(b)
    shared = sums(ones, ones)
    counted = np.maximum(shared, 1.0)
    sum_a, sum_b = sums(of_a, ones), sums(ones, of_b)
    energy_a = np.maximum(sums(spectrum(a * a), ones) - sum_a * sum_a / counted, 0.0)
    energy_b = np.maximum(sums(ones, spectrum(b * b)) - sum_b * sum_b / counted, 0.0)
    floor = 1e-3 * float(np.sqrt(energy_a.max() * energy_b.max())) + 1e-12
    result: FloatArray = (sums(of_a, of_b) - sum_a * sum_b / counted) / np.maximum(np.sqrt(energy_a * energy_b), floor)
    result[shared < LEAST_OVERLAP * a.size] = -1.0
    return result


def _detail(pixels: FloatArray) -> FloatArray:
    """What changes within an eighth of the image, less the noise of single pixels and the brightest and darkest."""
    smooth = ndimage.gaussian_filter(pixels, 1.0)
    even = smooth - ndimage.gaussian_filter(smooth, min(pixels.shape) / 8)
    low, high = np.percentile(even, (0.5, 99.5))
    detail: FloatArray = np.clip(even, low, high)
    return detail


def check_displacements(pairs: Sequence[Pair], within_px: float) -> None:
    """Make sure that images show what they share displaced as expected.

    Args:
        pairs: Best two or more, displaced in different directions: one alone can be an alias of a lattice.
        within_px: How far a displacement may be from the expected one.
    """
    judged = [_Judged(pair, within_px) for pair in pairs]
    for each in judged:
        assert each.best > LEAST_CORRELATION, "the images have nothing in common: look where there is something to see"
        assert each.there >= AMONG_THE_BEST * each.best, (
            f"displaced by {_told(each.measured_px)} px (x, y), expected {_told(each.expected * each.binning)} within "
            f"{within_px:.1f} px; correlation there {each.there:.3f}, at best {each.best:.3f}"
        )
    matrices, words = _mistakes()
    means, off = np.zeros(len(matrices)), np.zeros(len(matrices))
    for each in judged:
        displacements = matrices @ each.expected
        means += each.at(displacements) / len(judged)
        off = np.maximum(off, np.hypot(*(displacements - each.expected).T) / each.within)
    means[off <= CLEARLY_OFF] = -1.0
    worst, expected = int(means.argmax()), float(np.mean([each.there for each in judged]))
    assert expected >= AS_GOOD * means[worst], (
        f"{words[worst]} against what was expected: mean correlation {means[worst]:.3f} then, {expected:.3f} "
        f"as expected, of {len(judged)} pairs of images"
    )


def _told(displacement_px: FloatArray) -> str:
    return f"({displacement_px[0]:.1f}, {displacement_px[1]:.1f})"


__all__ = ["Pair", "check_displacements", "correlation"]
