"""Movies: the frames a direct detector streams while the specimen drifts, bends and is damaged, with true tracks.

    motion = Motion.realistic(seed=3, frames=20, width_px=4096, height_px=4096)
    for frame in render_movie(specimen, Optics(), 1.0, 20, motion, seed=3):   # uint8 (y, x), counts
        ...
    dx, dy = motion.at(x, y, frame)                                           # truth, pixels

A place of the specimen at (x, y) of its own frame appears in movie frame f at (x + dx, y + dy). Programs write tracks
relative to one frame: `motion.track(x, y)` is relative to the first.

Frames are cut into tiles; each is shifted by its own displacement with a Fourier phase ramp (exact for any sub-pixel
shift), and what the displacement still changes within a tile is added to first order. The picture is mirrored at its
borders, so there the last few pixels of a frame show what moved in from the mirror. Within a frame, motion blurs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.canvas import in_bands, on_threads, tiles_of
from structloop.simulation.micrographs.detector import Detector
from structloop.simulation.micrographs.noise import generator_of
from structloop.simulation.micrographs.rendering import expected_micrograph
from structloop.simulation.optics import Optics
from structloop.simulation.specimen import FloatArray, Specimen

Array64 = NDArray[np.float64]
CountArray = NDArray[np.uint8] | NDArray[np.uint16]

_CORES = (256, 128, 64)
_WITHIN_TILE_PX = 0.4
_GUARD_PX = 24
_TAPER_PX = 14


@dataclass(frozen=True)
class Motion:
    """How the specimen moves: a drift of the whole, and a bend that is a quadratic surface in space.

    Attributes:
        width_px, height_px: Of the frames.
        drift_px: Displacement (x, y) of every frame, (frames, 2), at the middle of the frame's time.
        bend_px: Coefficients (frames, 2, 5) of u, v, u^2 - 1/3, u v, v^2 - 1/3, where u and v run from -1 to 1 over the
            frame: what moves differently from place to place; it has mean 0 over the frame.
    """

    width_px: int
    height_px: int
    drift_px: Array64
    bend_px: Array64

    def __post_init__(self) -> None:
        frames = len(self.drift_px)
        if self.drift_px.shape != (frames, 2) or self.bend_px.shape != (frames, 2, 5):
            raise SimulationError(
                f"motion has drift_px {self.drift_px.shape} and bend_px {self.bend_px.shape}; "
                "give (frames, 2) and (frames, 2, 5)"
            )

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.drift_px)

    @classmethod
    def still(cls, frames: int, width_px: int, height_px: int) -> "Motion":
        """Nothing moves."""
        return cls(width_px, height_px, np.zeros((frames, 2)), np.zeros((frames, 2, 5)))

    @classmethod
    def realistic(
        cls,
        seed: int,
        frames: int,
        width_px: int,
        height_px: int,
        *,
        drift_px: float = 8.0,
        bend_px: float = 2.0,
        frames_to_settle: float = 3.0,
    ) -> "Motion":
        """Motion as it is seen: fast in the first frames, settling to a slow drift that changes its direction.

        Args:
            seed: Decides all of it.
            frames: How many.
            width_px, height_px: Of the frames.
            drift_px: Typical length of the whole path, pixels.
            bend_px: Typical difference in displacement between places, at the end, pixels.
            frames_to_settle: In which the fast motion at the start falls to 1/e.
        """
        draw = generator_of(seed, 0x0714)
        time = np.arange(frames) + 0.5
        settled = 1 - np.exp(-time / frames_to_settle)
        burst = draw.normal(0, 0.4 * drift_px / 2**0.5, 2)
        drift = settled[:, None] * burst
        steady = draw.normal(0, 0.5 * drift_px / 2**0.5, 2)
        wander = _smooth_walk(draw, frames, 2) * (0.15 * drift_px)
        drift = drift + np.linspace(0, 1, frames)[:, None] * steady + wander
        pattern = draw.normal(0, 1, (2, 5)) * np.array([0.6, 0.6, 0.5, 0.5, 0.5]) * (bend_px / 2)
        late = draw.normal(0, 1, (2, 5)) * (0.25 * bend_px / 2)
        bend = settled[:, None, None] * pattern + np.linspace(0, 1, frames)[:, None, None] * late
        return cls(width_px, height_px, drift, bend)

    def at(self, x: Array64 | float, y: Array64 | float, frame: int) -> tuple[Array64, Array64]:
        """Displacement (dx, dy) in pixels of places of the specimen in a frame (counted from 0); arrays broadcast."""
        u = 2 * np.asarray(x, np.float64) / max(self.width_px - 1, 1) - 1
        v = 2 * np.asarray(y, np.float64) / max(self.height_px - 1, 1) - 1
        terms = (u, v, u * u - 1 / 3, u * v, v * v - 1 / 3)
        moved = []
        for axis in (0, 1):
            total = np.full(np.broadcast_shapes(u.shape, v.shape), self.drift_px[frame, axis], np.float64)
            for coefficient, term in zip(self.bend_px[frame, axis], terms, strict=True):
                total += coefficient * term
            moved.append(total)
        return moved[0], moved[1]

    def towards(self, x: float, y: float, frame: int) -> tuple[tuple[float, float], FloatArray]:
        """Displacement of what *appears* at a place of a frame, and its slopes: ddx/dx, ddx/dy, ddy/dx, ddy/dy."""
        dx, dy = (float(value) for value in self.at(x, y, frame))
        dx, dy = (float(value) for value in self.at(x - dx, y - dy, frame))
        from_x, from_y = x - dx, y - dy
        right = np.stack(self.at(from_x + 1, from_y, frame)) - np.stack(self.at(from_x - 1, from_y, frame))
        below = np.stack(self.at(from_x, from_y + 1, frame)) - np.stack(self.at(from_x, from_y - 1, frame))
        slopes = np.array([right[0], below[0], right[1], below[1]]) / 2
        return (dx, dy), slopes.astype(np.float32)

    def track(self, x: float, y: float) -> Array64:
        """Path (frames, 2) of one place, relative to the first frame, pixels."""
        path = np.array([np.stack(self.at(x, y, frame)) for frame in range(self.frames)])
        return np.asarray(path - path[0])

    def steepest(self) -> float:
        """Largest change of displacement per pixel of distance, over all frames and places (an upper bound)."""
        span = max(min(self.width_px, self.height_px) - 1, 1) / 2
        of_each = np.abs(self.bend_px) * np.array([1, 1, 2, 2, 2]) / span
        return float(of_each.sum(axis=2).max(initial=0.0))

    def largest_px(self) -> float:
        """Largest displacement along an axis anywhere in the frames."""
        edge_x, edge_y = np.linspace(0, self.width_px - 1, 5), np.linspace(0, self.height_px - 1, 5)
        x, y = np.meshgrid(edge_x, edge_y)
        return max((float(np.abs(np.stack(self.at(x, y, frame))).max()) for frame in range(self.frames)), default=0.0)


def _smooth_walk(draw: np.random.Generator, frames: int, axes: int) -> Array64:
    """A wandering path that starts at 0 and is about 1 away in the end."""
    velocity = np.zeros(axes)
    path = np.zeros((frames, axes))
    for frame in range(1, frames):
        velocity = 0.8 * velocity + draw.normal(0, 1, axes)
        path[frame] = path[frame - 1] + velocity
    return np.asarray(path / max(5.0 * max(frames, 1) ** 0.5, 1.0))


@dataclass(frozen=True)
class Camera:
    """What stands between electrons and raw counts.

    Attributes:
        gain: What raw counts are multiplied with to correct them (height, width), or None.
        defects: Pixels (height, width) that always read 0, or None.
    """

    gain: FloatArray | None = None
    defects: NDArray[np.bool_] | None = None

    @classmethod
    def made_up(cls, width_px: int, height_px: int, seed: int, spread: float = 0.04) -> "Camera":
        """Pixels and columns of uneven sensitivity, some dead pixels, a dead column and a dead patch."""
        draw = generator_of(seed, 0xCA3)
        sensitivity = 1 + spread * draw.standard_normal((height_px, width_px), dtype=np.float32)
        sensitivity *= 1 + np.float32(spread / 2) * draw.standard_normal(width_px, dtype=np.float32)
        sensitivity = np.clip(sensitivity, 0.5, 1.5)
        sensitivity /= sensitivity.mean()
        defects = draw.random((height_px, width_px), dtype=np.float32) < 2e-5
        defects[:, int(draw.integers(width_px))] = True
        top, left = int(draw.integers(max(height_px - 6, 1))), int(draw.integers(max(width_px - 6, 1)))
        defects[top : top + 5, left : left + 6] = True
        return cls((1 / sensitivity).astype(np.float32), defects)


def critical_dose_e_per_angstrom2(k: FloatArray, voltage_kv: float) -> FloatArray:
    """Dose at which the signal at a spatial frequency (1/Angstrom) has fallen to exp(-1/2) in amplitude.

    Grant & Grigorieff 2015, equation 3: 0.245 k^-1.665 + 2.81 at 300 kV, at 200 kV 0.8 times that.
    """
    at_300 = 0.245 * np.maximum(np.asarray(k, np.float64), 1e-4) ** -1.665 + 2.81
    return np.asarray(at_300 * np.interp(voltage_kv, [120.0, 200.0, 300.0], [0.6, 0.8, 1.0]), np.float32)


def render_movie(
    specimen: Specimen,
    optics: Optics,
    dose_e_per_pixel: float,
    frames: int,
    motion: Motion,
    seed: int,
    *,
    detector: Detector | None = None,
    camera: Camera | None = None,
    damage: bool = True,
) -> Iterator[CountArray]:
    """Frames of raw counts, one after the other; memory does not grow with their number.

    The picture is rendered once. Every frame shows it displaced, its signal damped by the dose received until the
    frame's middle, as counts: uint8 where 255 is out of reach, else uint16.

    Args:
        specimen: What lies under the beam; its stage drift is not used, the motion tells all.
        optics: Of the microscope.
        dose_e_per_pixel: Electrons per pixel and frame that fall on the specimen.
        frames: How many.
        motion: Of as many frames.
        seed: Of the shot noise.
        detector: The camera's transfer; its efficiency is the share of electrons that is counted.
        camera: Its gain and defects.
        damage: Whether the dose damps the signal.

    Raises:
        SimulationError: The motion or camera is of another size, or the dose is negative.
    """
    return _counts(
        expected_frames(specimen, optics, dose_e_per_pixel, frames, motion, detector=detector, damage=damage),
        detector or Detector(),
        camera or Camera(),
        seed,
        specimen,
    )


def expected_frames(
    specimen: Specimen,
    optics: Optics,
    dose_e_per_pixel: float,
    frames: int,
    motion: Motion,
    *,
    detector: Detector | None = None,
    damage: bool = True,
) -> Iterator[FloatArray]:
    """The frames without noise, expected electrons per pixel; each is a new float32 array. See `render_movie`."""
    if motion.frames != frames or (motion.width_px, motion.height_px) != (specimen.width_px, specimen.height_px):
        raise SimulationError(
            f"the motion is of {motion.frames} frames of {motion.width_px} x {motion.height_px}, the movie of {frames} "
            f"of {specimen.width_px} x {specimen.height_px}; make the motion for this movie"
        )
    size = specimen.pixel_size_angstrom
    if not (np.isfinite(dose_e_per_pixel) and dose_e_per_pixel >= 0):
        raise SimulationError(f"dose_e_per_pixel is {dose_e_per_pixel}; give 0 or more")
    picture = expected_micrograph(specimen, optics, dose_e_per_pixel / size**2, detector=detector, exposure_s=0.0)
    shifter = _Shifter(picture, motion)
    del picture

    def one(frame: int) -> FloatArray:
        dose = dose_e_per_pixel / size**2 * (frame + 0.5)
        return shifter.frame(frame, dose if damage else 0.0, size, optics.voltage_kv)

    return map(one, range(frames))


class _Shifter:
    """Spectra of overlapping tiles of one picture, from which displaced pictures are made."""

    def __init__(self, picture: FloatArray, motion: Motion) -> None:
        self._motion = motion
        self._shape = picture.shape
        margin = int(np.ceil(motion.largest_px())) + _GUARD_PX
        steepest = motion.steepest()
        core = next((size for size in _CORES if size / 2 * steepest <= _WITHIN_TILE_PX), _CORES[-1])
        self._size = int(fft.next_fast_len(core + 2 * margin, real=True))
        self._margin = (self._size - core) // 2
        after = self._size - self._margin
        padded = np.pad(picture, ((self._margin, after), (self._margin, after)), mode="symmetric")
        self._tiles = list(tiles_of(picture.shape[0], picture.shape[1], core))
        columns = self._size // 2 + 1
        self._spectra = np.empty((len(self._tiles), self._size, columns), np.complex64)

        # A tile fades to its mean at its rim, so that its opposite sides fit and shifting it makes no ripples.
        ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(_TAPER_PX) + 0.5) / _TAPER_PX)).astype(np.float32)
        fade = np.concatenate([ramp, np.ones(self._size - 2 * _TAPER_PX, np.float32), ramp[::-1]])
        fade_both = fade[:, None] * fade[None, :]

        def transform(index: int) -> None:
            rows, across = self._tiles[index]
            cut = padded[rows.start : rows.start + self._size, across.start : across.start + self._size]
            mean = cut.mean()
            self._spectra[index] = fft.rfft2((cut - mean) * fade_both + mean)

        on_threads(transform, range(len(self._tiles)))
        self._fy = fft.fftfreq(self._size)[:, None]
        self._fx = fft.rfftfreq(self._size)[None, :]

    def frame(self, frame: int, dose_e_per_angstrom2: float, pixel_angstrom: float, voltage_kv: float) -> FloatArray:
        image = np.empty(self._shape, np.float32)
        damping = self._damping(frame, dose_e_per_angstrom2, pixel_angstrom, voltage_kv)
        margin = self._margin

        def place(index: int) -> None:
            rows, columns = self._tiles[index]
            middle_x, middle_y = (columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2
            (dx, dy), slopes = self._motion.towards(middle_x, middle_y, frame)
            spectrum = self._spectra[index] * damping
            spectrum *= np.exp(-2j * np.pi * self._fx * dx).astype(np.complex64)
            spectrum *= np.exp(-2j * np.pi * self._fy * dy).astype(np.complex64)
            tile = fft.irfft2(spectrum, s=(self._size, self._size), overwrite_x=True)
            tall, wide = rows.stop - rows.start, columns.stop - columns.start
            inner = (slice(margin, margin + tall), slice(margin, margin + wide))
            # The tile was shifted by the displacement of its middle; what differs elsewhere in it is linear.
            x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - np.float32(middle_x)
            y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(middle_y)
            shown = tile[inner]
            across = _slope(tile[inner[0], margin - 2 : margin + wide + 2].T).T
            across *= slopes[0] * x + slopes[1] * y
            down = _slope(tile[margin - 2 : margin + tall + 2, inner[1]])
            down *= slopes[2] * x + slopes[3] * y
            across += down
            np.maximum(shown - across, 0, out=image[rows, columns])

        on_threads(place, range(len(self._tiles)))
        return image

    def _damping(self, frame: int, dose: float, pixel_angstrom: float, voltage_kv: float) -> FloatArray:
        """What radiation and the motion within the frame leave of the signal; 1 for the mean."""
        k = np.sqrt(self._fx**2 + self._fy**2).astype(np.float32) / np.float32(pixel_angstrom)
        factor = np.exp(-dose / (2 * critical_dose_e_per_angstrom2(k, voltage_kv)))
        path = self._motion.drift_px
        if len(path) > 1:
            first, last = max(frame - 1, 0), min(frame + 1, len(path) - 1)
            speed = (path[last] - path[first]) / (last - first)
            factor = factor * np.sinc(self._fx * speed[0] + self._fy * speed[1])
        factor[0, 0] = 1
        return np.asarray(factor, np.float32)


def _slope(rows: FloatArray) -> FloatArray:
    """Derivative down the rows by five-point differences; two rows are lost at either end."""
    near = rows[3:-1] - rows[1:-3]
    near *= np.float32(8 / 12)
    near -= (rows[4:] - rows[:-4]) * np.float32(1 / 12)
    return near


def _counts(
    expected: Iterator[FloatArray], detector: Detector, camera: Camera, seed: int, specimen: Specimen
) -> Iterator[CountArray]:
    shape = (specimen.height_px, specimen.width_px)
    for name, array in (("gain", camera.gain), ("defects", camera.defects)):
        if array is not None and array.shape != shape:
            raise SimulationError(f"the camera's {name} has shape {array.shape}, the frames {shape}; make them alike")
    for frame, rate in enumerate(expected):
        rate *= np.float32(detector.efficiency)
        if camera.gain is not None:
            rate /= camera.gain
        if camera.defects is not None:
            rate[camera.defects] = 0
        highest = float(rate.max())
        kind = np.uint8 if highest + 12 * highest**0.5 + 12 < 255 else np.uint16
        counts = np.empty(shape, kind)

        def draw(band: slice, frame: int = frame, rate: FloatArray = rate, counts: CountArray = counts) -> None:
            generator = generator_of(seed, 0x30F1E, frame, band.start)
            counts[band] = generator.poisson(rate[band])

        in_bands(shape[0], draw)
        yield counts


__all__ = ["Camera", "Motion", "critical_dose_e_per_angstrom2", "expected_frames", "render_movie"]
