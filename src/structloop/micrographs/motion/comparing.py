"""Frames against the sum of the others: correlations, and slopes and curvatures of the probability of small shifts.

All of it works on patches' coefficients, shifted back as the present motion says; see `aligning` for the method.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from structloop.core.errors import NoSignalError
from structloop.micrographs.motion.patches import ComplexArray, FloatArray, PatchPlan

Array64 = NDArray[np.float64]

# Lowest rows and columns carry gradients of ice, and what defects of columns leave.
_LOWEST = 2
_RING_BINS = 64
_INDEPENDENT = 0.7
"""Patches fade at their rims, so that neighbouring coefficients tell in part the same; measured on simulated frames."""


_COARSE_B_FACTORS_PX2 = (4000.0, 1000.0, 300.0)

Mapper = Callable[[Callable[[int], None], Iterable[int]], None]


class Comparison:
    """The frames' coefficients, and what is measured between them."""

    def __init__(self, spectra: ComplexArray, plan: PatchPlan, b_factor_px2: float, executor: Executor | None) -> None:
        self.spectra = spectra
        self.plan = plan
        self.frames = len(spectra)
        self.ky, self.kx = plan.frequencies()
        self._map: Mapper = _mapper(executor)
        k = np.hypot(self.ky, self.kx)
        highest = float(min(self.ky.max(), self.kx.max()))
        self.mask = (k <= highest) & (np.abs(self.ky) >= _LOWEST * self.ky[-1, 0] / plan.kept[0])
        self.mask &= self.kx >= _LOWEST * self.kx[0, 1]
        self.ring = np.minimum((k / highest * _RING_BINS).astype(np.int64), _RING_BINS - 1)
        self.falloff = np.exp(-b_factor_px2 * k**2 / 4).astype(np.float32)
        self.there = np.bincount(self.ring[self.mask], minlength=_RING_BINS) > 0
        self.evidence = 0.0
        self.per_ring = np.maximum(np.bincount(self.ring[self.mask], minlength=_RING_BINS), 1)
        totals = np.zeros((self.frames, *plan.shape[1:]))
        of_patch = np.zeros((self.frames, plan.patches))

        def add(frame: int) -> None:
            squares = _squared(self.spectra[frame])
            totals[frame] = squares.sum(axis=0, dtype=np.float64)
            of_patch[frame] = (squares * self.falloff_masked).sum(axis=(1, 2))

        self.falloff_masked = np.where(self.mask, self.falloff, 0).astype(np.float32)
        self._map(add, range(self.frames))
        self.totals = totals
        self.power = totals.sum(axis=0)
        self.patch_power = of_patch.sum(axis=0)

    def rings_sum(self, plane: NDArray[np.floating[Any]]) -> Array64:
        """Sums of a plane (rows, columns) by ring."""
        return np.asarray(np.bincount(self.ring[self.mask], plane[self.mask], minlength=_RING_BINS), np.float64)

    def rings(self, plane: NDArray[np.float64]) -> Array64:
        """Means of a plane (rows, columns) by ring."""
        return np.asarray(self.rings_sum(plane) / self.per_ring)

    def coarse(self) -> Array64:
        """Shifts (frames, 2) of the whole by peaks of correlations with the sum of the others; they are undone.

        Low frequencies, which survive in a sum that is not yet sharp, come first; a frame whose peak lies far from its
        neighbours' takes theirs.
        """
        white = np.maximum(self.rings(self.power), 1e-30)[self.ring]
        shifts = np.zeros((self.frames, 2))
        k2 = self.ky**2 + self.kx**2
        for b_factor in _COARSE_B_FACTORS_PX2:
            weight = (np.exp(-b_factor * k2 / 4) * self.mask / white).astype(np.float32)
            total = self.total()
            found = np.zeros((self.frames, 2))

            def of_frame(
                frame: int, total: ComplexArray = total, weight: FloatArray = weight, found: Array64 = found
            ) -> None:
                own = self.spectra[frame]
                cross = np.einsum("pyx,pyx->yx", own, total.conj()) - self.totals[frame]
                found[frame] = self._peak(cross * weight)

            self._map(of_frame, range(self.frames))
            step = _without_outliers(found, shifts, 2 * b_factor**0.5 / (2 * np.pi))
            step -= step.mean(axis=0)
            shifts += step
            self.shift(np.repeat(step[:, None, :], self.plan.patches, axis=1))
        return shifts

    def total(self, planes: FloatArray | None = None) -> ComplexArray:
        """Sum of the frames as they stand, each weighted by its plane (frames, rows, columns)."""
        total = np.empty(self.plan.shape, np.complex64)

        def of_patch(patch: int) -> None:
            if planes is None:
                total[patch] = self.spectra[:, patch].sum(axis=0)
            else:
                total[patch] = np.einsum("fyx,fyx->yx", self.spectra[:, patch], planes)

        self._map(of_patch, range(self.plan.patches))
        return total

    def _peak(self, cross: ComplexArray) -> Array64:
        """Where the correlation is highest, pixels of the frame."""
        kept_y, kept_x = self.plan.kept
        tall, wide = (
            min(size, fft.next_fast_len(4 * kept)) // 2 * 2
            for size, kept in zip(self.plan.size, self.plan.kept, strict=True)
        )
        whole = np.zeros((tall, wide // 2 + 1), np.complex64)
        whole[: kept_y + 1, : kept_x + 1] = cross[kept_y:]
        whole[-kept_y:, : kept_x + 1] = cross[:kept_y]
        correlation = fft.irfft2(whole, s=(tall, wide))
        y, x = np.unravel_index(int(correlation.argmax()), correlation.shape)
        peak = correlation[y, x]
        place = []
        for before, after, at, side in (
            (correlation[y - 1, x], correlation[(y + 1) % tall, x], y, tall),
            (correlation[y, x - 1], correlation[y, (x + 1) % wide], x, wide),
        ):
            bend = before - 2 * peak + after
            offset = float((before - after) / (2 * bend)) if bend < 0 else 0.0
            place.append(((int(at) if at <= side // 2 else int(at) - side) + offset) / side)
        return np.array([place[1] * self.plan.size[1], place[0] * self.plan.size[0]]) * self.plan.binning

    def noise(self, by_ring: Array64) -> Array64:
        """The noise's power by ring: shot noise changes little from ring to ring, whatever a single ring says."""
        known = np.interp(np.arange(_RING_BINS), np.flatnonzero(self.there), by_ring[self.there])
        middle = ndimage.median_filter(known, 15, mode="nearest")
        return np.asarray(np.maximum(middle, 0.3 * np.median(middle)))

    def fade(self) -> Array64:
        """How the amplitude of the signal falls from frame to frame, (frames, rings), 1 in the first.

        Radiation damps high frequencies first. For every ring an exponential is taken from what early and late frames
        have in common with all the others.
        """
        total = self.total()
        planes = np.empty((self.frames, *self.plan.shape[1:]))

        def of_frame(frame: int) -> None:
            own = self.spectra[frame]
            common = own.real * total.real
            common += own.imag * total.imag
            planes[frame] = common.sum(axis=0, dtype=np.float64) - self.totals[frame]

        self._map(of_frame, range(self.frames))
        half = self.frames // 2
        early, late = (
            np.maximum(ndimage.gaussian_filter1d(self.rings_sum(part.sum(axis=0)), 3.0, mode="nearest"), 0)
            for part in (planes[:half], planes[-half:])
        )
        rate = np.log(np.maximum(early, 1e-30) / np.maximum(late, 0.05 * early + 1e-30)) / (self.frames - half)
        rate = _smoothed(np.clip(rate, 0, 3.0 / self.frames))
        return np.asarray(np.exp(-np.arange(self.frames)[:, None] * rate[None, :]))

    def slopes(self, fade: Array64) -> tuple[Array64, Array64, float]:
        """Slopes (frames, patches, 2) and curvatures (.., 2, 2) of the log of the probability; the signal's share.

        Args:
            fade: Amplitudes (frames, rings).
        """
        n = self.frames
        planes = fade[:, self.ring].astype(np.float32)
        total = self.total(planes)
        squares = _squared(total)
        all_power = self.rings(self.power) / (n * self.plan.patches)
        energy = (fade**2).sum(axis=0)
        # Of the weighted sum's power, what is not each frame's own: S^2 times this.
        pairs = energy**2 - (fade**4).sum(axis=0)
        own = np.einsum("fyx,fyx->yx", planes.astype(np.float64) ** 2, self.totals)
        signal = self.rings(squares.sum(axis=0, dtype=np.float64) - own) / (pairs * self.plan.patches)
        noise = self.noise(all_power - signal * energy / n)
        signal = np.clip(_smoothed(signal), 0, all_power)
        # What each patch has of the frames' own power is taken off before patches are compared.
        own_share = float((own * self.falloff_masked).sum()) / self.patch_power.sum()
        strengths = (squares * self.falloff_masked).sum(axis=(1, 2)) - self.patch_power * own_share
        if strengths.sum() <= 0 or signal.max() <= 0:
            raise NoSignalError(
                "the frames have nothing in common by which they could be aligned: too few electrons, an empty hole, "
                "or no specimen; leave the movie out"
            )
        strengths = np.clip(strengths / strengths.mean(), 0.05, 5.0)
        of_patch = signal[None, :] * strengths[:, None]
        by_ring = 2 * _INDEPENDENT * of_patch / (noise * (energy * of_patch + noise))
        # Curvature by ring and patch for each frame: a sum over rings of what their coefficients contribute.
        curvature = np.empty((n, self.plan.patches, 2, 2))
        contributed = by_ring * of_patch
        for at, (first, second) in enumerate(((self.kx, self.kx), (self.ky, self.ky), (self.kx, self.ky))):
            turned = self.rings_sum((2 * np.pi) ** 2 * first * second * self.falloff_masked)
            of_frames = np.einsum("fr,pr,r->fp", fade**2 * (energy - fade**2), contributed, turned)
            axes = ((0, 0), (1, 1), (0, 1))[at]
            curvature[:, :, axes[0], axes[1]] = curvature[:, :, axes[1], axes[0]] = of_frames
        weight = by_ring[:, self.ring].astype(np.float32)
        weight *= self.falloff_masked
        total *= weight
        slopes = np.empty((n, self.plan.patches, 2))
        turn = np.float32(-2 * np.pi)
        waves = np.stack(np.broadcast_arrays(turn * self.kx, turn * self.ky)).reshape(2, -1)

        def of_frame(frame: int) -> None:
            own = self.spectra[frame]
            # Im(F conj(T)) equals Im(F conj(T - F)): a frame is not compared with itself.
            cross = own.imag * total.real
            cross -= own.real * total.imag
            slopes[frame] = cross.reshape(self.plan.patches, -1) @ (waves * planes[frame].reshape(-1)).T

        self._map(of_frame, range(n))
        ratio = signal * energy / noise
        by_chance = self.per_ring * self.plan.patches
        explained = squares.sum(axis=0, dtype=np.float64)
        mean_square = self.rings(explained) / (self.plan.patches * np.maximum(energy * noise, 1e-30))
        self.evidence = float((by_chance * (mean_square * ratio / (1 + ratio) - np.log1p(ratio)))[self.there].sum())
        share = float((signal * self.per_ring).sum() / max((all_power * self.per_ring).sum(), 1e-30))
        return slopes, curvature, share

    def shift(self, moved_px: Array64) -> None:
        """Undoes displacements (frames, patches, 2)."""
        self._map(lambda frame: self._shift_frame(frame, moved_px[frame]), range(self.frames))

    def _shift_frame(self, frame: int, moved_px: Array64) -> None:
        # What was displaced by d has the phase exp(-2 pi i k d).
        down = np.exp(2j * np.pi * self.ky[None, :, 0] * moved_px[:, 1:]).astype(np.complex64)
        across = np.exp(2j * np.pi * self.kx * moved_px[:, :1]).astype(np.complex64)
        self.spectra[frame] *= down[:, :, None]
        self.spectra[frame] *= across[:, None, :]


def _without_outliers(step: Array64, shifts: Array64, reach_px: float) -> Array64:
    """Steps, where a frame's place lies no farther than `reach_px` from the median of its neighbours'; else those."""
    places = step + shifts
    around = np.stack([np.median(places[max(0, n - 2) : n + 3], axis=0) for n in range(len(places))])
    far = np.hypot(*(places - around).T) > reach_px
    places[far] = around[far]
    return np.asarray(places - shifts)


def _smoothed(values: Array64) -> Array64:
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)


def _squared(values: ComplexArray) -> FloatArray:
    squares = np.square(values.real)
    squares += np.square(values.imag)
    return squares


def _mapper(executor: Executor | None) -> Mapper:
    def here(function: Callable[[int], None], numbers: Iterable[int]) -> None:
        for number in numbers:
            function(number)

    if executor is None:
        return here
    pool = executor

    def there(function: Callable[[int], None], numbers: Iterable[int]) -> None:
        list(pool.map(function, numbers))

    return there


__all__ = ["Comparison"]
