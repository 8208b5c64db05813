"""The lattice of an image of repeating things, square or hexagonal or skewed by a tilt, at any pitch and rotation.

The image's autocorrelation, normalised for what the mask leaves of it at each shift (Padfield 2012, IEEE Trans. Image
Process. 21, 2706), has a peak at each lattice vector, whatever the things look like and however many are missing. Of
all pairs of peaks the one is taken whose lattice points are high and whose cell's middles are low: a lattice of twice
the pitch has high middles, one of half the pitch low points.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from structloop.grids.finding.flattening import FloatImage, Mask, blur, reduce

Vector = tuple[float, float]
LEAST_OVERLAP = 0.12
"""Share of the mask that must overlap at a shift for its autocorrelation to count."""


@dataclass(frozen=True)
class Lattice:
    """Two shortest lattice vectors (x, y), pixels.

    Attributes:
        strength: Autocorrelation at the lattice points above that at the middles between them, 0 to about 1.
    """

    first: Vector
    second: Vector
    strength: float

    @property
    def pitch_px(self) -> float:
        """Mean length of the two vectors."""
        return float((np.hypot(*self.first) + np.hypot(*self.second)) / 2)

    @property
    def angle_deg(self) -> float:
        """Angle between the vectors, 0 to 90 degrees: 90 for a square lattice, 60 for a hexagonal one."""
        cosine = np.dot(self.first, self.second) / np.hypot(*self.first) / np.hypot(*self.second)
        return float(np.degrees(np.arccos(np.clip(abs(cosine), 0, 1))))

    @property
    def hexagonal(self) -> bool:
        """Whether it is nearer to a hexagonal lattice than to a square one."""
        return self.angle_deg < 75

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Columns are the vectors: `matrix @ (i, j)` is a lattice point."""
        return np.array([self.first, self.second], dtype=float).T

    def neighbours(self) -> tuple[tuple[int, int], ...]:
        """Index steps to the nearest lattice points: 4 of a square lattice, 6 of a hexagonal one."""
        steps = [(1, 0), (-1, 0), (0, 1), (0, -1)]
        if self.hexagonal:
            steps += [(1, -1), (-1, 1)] if np.dot(self.first, self.second) > 0 else [(1, 1), (-1, -1)]
        return tuple(steps)


def autocorrelation(flat: FloatImage, mask: Mask) -> tuple[FloatImage, FloatImage]:
    """Normalised autocorrelation of the masked image, and the share of the mask that overlaps, both centred."""
    height, width = flat.shape
    shape = (fft.next_fast_len(2 * height - 1, real=True), fft.next_fast_len(2 * width - 1, real=True))
    weights = mask.astype(np.float32)
    values = np.where(mask, flat - flat[mask].mean(), 0.0).astype(np.float32)
    spectrum, spectrum_square, spectrum_mask = (fft.rfft2(part, shape) for part in (values, values**2, weights))

    def together(one: NDArray[np.complex64], other: NDArray[np.complex64]) -> NDArray[np.float32]:
        full = fft.irfft2(one * np.conj(other), shape)
        centred = np.roll(full, (height - 1, width - 1), axis=(0, 1))[: 2 * height - 1, : 2 * width - 1]
        return np.asarray(centred, dtype=np.float32)

    overlap = np.maximum(together(spectrum_mask, spectrum_mask), 1.0)
    mean_one = together(spectrum, spectrum_mask) / overlap
    mean_other = mean_one[::-1, ::-1]
    square_one = together(spectrum_square, spectrum_mask) / overlap
    variance_one = np.maximum(square_one - mean_one**2, 1e-6)
    variance_other = variance_one[::-1, ::-1]
    joint = together(spectrum, spectrum) / overlap - mean_one * mean_other
    share = overlap / max(float(weights.sum()), 1.0)
    return np.asarray(joint / np.sqrt(variance_one * variance_other), dtype=np.float32), np.asarray(share)


@dataclass(frozen=True)
class _View:
    """The autocorrelation as it is looked at for one range of pitches: averaged over blocks, its slow part taken out.

    The slow part comes of the mask's outline and of gradients, not of what repeats. Shifts are in blocks.
    """

    height: FloatImage
    share: FloatImage
    block: int

    @classmethod
    def of(cls, correlation: FloatImage, share: FloatImage, shortest_px: float, reach_px: float) -> "_View":
        block = max(1, int(shortest_px / 8)) | 1
        halves = [
            int(min(size // 2 - block // 2, reach_px + 3 * shortest_px) // block) * block + block // 2
            for size in correlation.shape
        ]
        middle = [size // 2 for size in correlation.shape]
        window = tuple(slice(m - h, m + h + 1) for m, h in zip(middle, halves, strict=True))
        small, small_share = reduce(correlation[window], block), reduce(share[window], block)
        pitch = shortest_px / block
        smooth = ndimage.gaussian_filter(small, max(0.8, pitch / 8))
        return cls(smooth - blur(small, 2.0 * pitch), small_share, block)

    def peaks(self, shortest: float, longest: float, most: int = 24) -> NDArray[np.float64]:
        """The highest peaks in the upper half plane, as (x, y) shifts."""
        wide = max(3, int(shortest * 0.7) | 1)
        top = (ndimage.maximum_filter(self.height, wide) == self.height) & (self.share > LEAST_OVERLAP)
        y, x = np.nonzero(top)
        dx, dy = x - self.height.shape[1] // 2, y - self.height.shape[0] // 2
        far = np.hypot(dx, dy)
        keep = (far >= shortest) & (far <= longest) & ((dy > 0) | ((dy == 0) & (dx > 0)))
        x, y, dx, dy = x[keep], y[keep], dx[keep], dy[keep]
        order = np.argsort(self.height[y, x] * self.share[y, x] ** 0.25)[::-1][:most]
        return np.stack([dx[order], dy[order]], axis=1).astype(float)


def _sample(field: FloatImage, dx: NDArray[np.floating], dy: NDArray[np.floating]) -> NDArray[np.float64]:
    centre_y, centre_x = field.shape[0] // 2, field.shape[1] // 2
    where = np.stack([np.asarray(dy) + centre_y, np.asarray(dx) + centre_x])
    return np.asarray(ndimage.map_coordinates(field, where, order=1, mode="constant", cval=np.nan), dtype=float)


_INDICES = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4) if (i, j) > (0, 0)], dtype=float)
_MIDDLES = np.array([(0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (-0.5, 0.5)])


def _strength(smooth: FloatImage, share: FloatImage, basis: NDArray[np.float64]) -> float:
    """How much higher the lattice points are than the middles, near the origin and where there is overlap."""
    points = _INDICES @ basis
    middles = np.concatenate([_INDICES[:, None, :] + _MIDDLES[None], np.zeros((1, 4, 2)) + _MIDDLES[None]]) @ basis
    high = _sample(smooth, points[:, 0], points[:, 1])
    overlap = _sample(share, points[:, 0], points[:, 1])
    low = _sample(smooth, middles[..., 0], middles[..., 1])
    low_overlap = _sample(share, middles[..., 0], middles[..., 1])
    weight = np.where(np.isfinite(high) & (overlap > LEAST_OVERLAP), overlap, 0.0)
    low_weight = np.where(np.isfinite(low) & (low_overlap > LEAST_OVERLAP), low_overlap, 0.0)
    if np.count_nonzero(weight) < 2 or not low_weight.any():
        return -1.0
    mean_high = float(np.sum(np.nan_to_num(high) * weight) / weight.sum())
    # The middle that is highest on average decides: it is where a finer lattice would have its points.
    by_middle = [
        float(np.sum(np.nan_to_num(low[:, k]) * low_weight[:, k]) / max(float(low_weight[:, k].sum()), 1e-9))
        for k in range(4)
    ]
    return mean_high - max(by_middle)


def _shortest(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two shortest vectors of the same lattice (Gauss reduction), acute where it is hexagonal."""
    one, other = basis[0].copy(), basis[1].copy()
    for _ in range(32):
        if one @ one > other @ other:
            one, other = other, one
        steps = round(float(one @ other) / float(one @ one))
        if steps == 0:
            break
        other = other - steps * one
    return np.stack([one, other])


def _refine(smooth: FloatImage, share: FloatImage, basis: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Fits the vectors to the peaks up to `reach` lattice steps away, from near to far."""
    for limit in range(1, reach + 1):
        indices, found, weights = [], [], []
        radius = 0.25 * float(np.min(np.hypot(basis[:, 0], basis[:, 1])))
        for i in range(-limit, limit + 1):
            for j in range(-limit, limit + 1):
                if (i, j) <= (0, 0):
                    continue
                guess = i * basis[0] + j * basis[1]
                peak = _climb(smooth, share, guess, radius)
                if peak is not None:
                    indices.append((i, j))
                    found.append(peak[0])
                    weights.append(peak[1])
        if len(indices) < 3 or np.linalg.matrix_rank(np.array(indices)) < 2:
            continue
        root = np.sqrt(np.array(weights))[:, None]
        basis = np.linalg.lstsq(np.array(indices, dtype=float) * root, np.array(found) * root, rcond=None)[0]
    return basis


def _climb(
    smooth: FloatImage, share: FloatImage, guess: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], float] | None:
    centre_y, centre_x = smooth.shape[0] // 2, smooth.shape[1] // 2
    x, y, r = guess[0] + centre_x, guess[1] + centre_y, max(1.0, radius)
    x0, x1, y0, y1 = int(x - r), int(x + r) + 2, int(y - r), int(y + r) + 2
    if x0 < 1 or y0 < 1 or x1 >= smooth.shape[1] - 1 or y1 >= smooth.shape[0] - 1:
        return None
    window = smooth[y0:y1, x0:x1]
    row, column = np.unravel_index(int(np.argmax(window)), window.shape)
    if row in (0, window.shape[0] - 1) or column in (0, window.shape[1] - 1):
        return None
    py, px = y0 + int(row), x0 + int(column)
    if share[py, px] < LEAST_OVERLAP or smooth[py, px] <= 0:
        return None
    offset = []
    for before, here, after in (
        (smooth[py, px - 1], smooth[py, px], smooth[py, px + 1]),
        (smooth[py - 1, px], smooth[py, px], smooth[py + 1, px]),
    ):
        bend = before - 2 * here + after
        offset.append(float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0)
    return np.array([px + offset[0] - centre_x, py + offset[1] - centre_y]), float(smooth[py, px])


def estimate_lattice(
    flat: FloatImage, mask: Mask, shortest_px: float = 5.0, longest_px: float | None = None
) -> Lattice | None:
    """The lattice of a flattened image, or None where nothing repeats.

    Args:
        flat: See `flattening.flatten`.
        mask: Which pixels count.
        shortest_px, longest_px: Pitches to look for; at most 0.45 of the shorter side.
    """
    if mask.sum() < 100:
        return None
    longest_px = longest_px or 0.45 * min(flat.shape)
    correlation, share = autocorrelation(flat, mask)
    best: tuple[float, float, NDArray[np.float64]] | None = None
    scale = shortest_px
    while scale < longest_px:
        view = _View.of(correlation, share, scale, 4 * scale)
        shortest, longest = scale / view.block, longest_px / view.block
        peaks = view.peaks(shortest, min(4 * shortest, longest))
        for pair in _pairs(peaks, shortest, longest):
            strength = _strength(view.height, view.share, pair)
            # Of lattices that explain the image about as well, the finer one: each has coarser ones within it.
            worth = strength * float(np.hypot(*(pair[0] * view.block))) ** -0.2 if strength > 0 else strength
            if best is None or worth > best[0]:
                best = worth, strength, pair * view.block
        scale *= 1.8
    if best is None:
        return None
    pitch = float(np.hypot(best[2][:, 0], best[2][:, 1]).mean())
    view = _View.of(correlation, share, min(pitch, 8.0), 4.5 * pitch)
    smooth = ndimage.gaussian_filter(view.height, pitch / 16) if pitch > 16 else view.height
    basis = _shortest(_refine(smooth, view.share, best[2], reach=4))
    (a, b), (c, d) = basis.tolist()
    return Lattice((a, b), (c, d), best[1])


def _pairs(peaks: NDArray[np.float64], shortest: float, longest: float) -> Iterator[NDArray[np.float64]]:
    """Reduced pairs of peaks that could span the lattice of a film or mesh: of like lengths, no sharp angle."""
    for a in range(len(peaks)):
        for b in range(a + 1, len(peaks)):
            pair = np.stack([peaks[a], peaks[b]])
            area = abs(pair[0, 0] * pair[1, 1] - pair[0, 1] * pair[1, 0])
            if area < 0.5 * shortest**2:
                continue
            pair = _shortest(pair)
            lengths = np.hypot(pair[:, 0], pair[:, 1])
            if lengths[0] < shortest or lengths[1] > min(longest, 1.6 * lengths[0]):
                continue
            if area > 0.7 * lengths[0] * lengths[1]:
                yield pair


__all__ = ["Lattice", "Vector", "autocorrelation", "estimate_lattice"]
