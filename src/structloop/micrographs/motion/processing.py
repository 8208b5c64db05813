"""A movie from its file to its motion and its corrected micrograph; frames stream, memory stays below a bound."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from structloop.core.errors import MotionError, MovieError
from structloop.micrographs.motion.aligning import Alignment, AlignmentOptions, align
from structloop.micrographs.motion.doses import DoseWeights
from structloop.micrographs.motion.field import TERMS, MotionField, summary_of
from structloop.micrographs.motion.patches import PatchPlan
from structloop.micrographs.motion.summing import GROUP, FrameSum
from structloop.micrographs.movies import Correction, MovieFile, find_hot_pixels
from structloop.schema.motion import MotionSummary

FloatArray = NDArray[np.float32]

_CORES = 2
_CERTAIN_PER_FRAME = 25.0


@dataclass(frozen=True)
class Dose:
    """What dose weighting needs.

    Attributes:
        per_frame: Electrons per square Angstrom.
        voltage_kv: Of the microscope.
        before: Electrons per square Angstrom before the first frame.
    """

    per_frame: float
    voltage_kv: float
    before: float = 0.0


@dataclass(frozen=True)
class MotionOptions:
    """How a movie is corrected.

    Attributes:
        alignment: How frames are aligned.
        pixel_size_angstrom: Of the stored frames; None: what the header says.
        dose: For dose weighting; None: no dose-weighted micrograph.
        skip_first, skip_last: So many frames are thrown away at either end.
        find_hot: Whether hot and dead pixels are looked for in the sum of the frames.
        threads: On so many the work is done.
        raw_bytes: Raw frames are kept in memory where all take no more than this; else they are read again.
        spectra_bytes: What is kept of the frames to align them takes no more than this.
    """

    alignment: AlignmentOptions = field(default_factory=AlignmentOptions)
    pixel_size_angstrom: float | None = None
    dose: Dose | None = None
    skip_first: int = 0
    skip_last: int = 0
    find_hot: bool = True
    threads: int = _CORES
    raw_bytes: int = 512 << 20
    spectra_bytes: int = 384 << 20


@dataclass(frozen=True, eq=False)
class CorrectedMovie:
    """What came of a movie.

    Attributes:
        field: Where every place was in every frame.
        micrograph: The aligned sum (y, x), electrons (or what the gain makes of counts).
        dose_weighted: The same, frames weighted by dose; None where it was not asked for.
        summary: Total, early and late motion; None where no pixel size is known.
        pixel_size_angstrom: Of both pictures; None where it is not known.
        signal: Share of the frames' power, at the frequencies used, that they have in common.
        rounds: Rounds of small shifts that were needed.
        remarks: What people should know: frames thrown away, pixels mended, what the header leaves open.
    """

    field: MotionField
    micrograph: FloatArray
    dose_weighted: FloatArray | None
    summary: MotionSummary | None
    pixel_size_angstrom: float | None
    signal: float
    rounds: int
    remarks: tuple[str, ...]


def memory_bound_bytes(movie: MovieFile, options: MotionOptions | None = None) -> int:
    """Below how many bytes `correct_motion` stays for a movie, the interpreter with its libraries not counted.

    Raw frames and spectra take what the options allow, and are not there together with the sums; sums take up to eight
    pictures of 32 bits, frames in work one each per thread of reading and `GROUP` when they are added.
    """
    options = options or MotionOptions()
    header = movie.header
    picture = 4 * header.width_px * header.height_px
    raw = header.frames * header.frame_bytes
    raw = raw if raw <= options.raw_bytes else options.threads * header.frame_bytes
    correction = 3 * picture
    aligning = options.spectra_bytes + (options.spectra_bytes // 2) + 4 * options.threads * picture
    adding = (8 + 2 * GROUP + 4) * picture
    return raw + correction + max(aligning, adding)


def correct_motion(movie: MovieFile, correction: Correction, options: MotionOptions | None = None) -> CorrectedMovie:
    """Aligns a movie's frames as a whole and locally, and adds them up.

    Args:
        movie: Open for reading.
        correction: Of its frames: gain and defects.
        options: How.

    Raises:
        MovieError: a frame is broken, all are empty, or pixels are no numbers.
        NoSignalError: the frames have nothing in common; see `add_unaligned`.
        MotionError: fewer than two frames are left, or an option is out of range.
        ImageTruncatedError, ImageChangedError: the file ended early, or changed meanwhile.
    """
    options = options or MotionOptions()
    header = movie.header
    if options.skip_first < 0 or options.skip_last < 0 or header.frames - options.skip_first - options.skip_last < 2:
        raise MotionError(
            f"{header.path}: of {header.frames} frames, throwing away {options.skip_first} and {options.skip_last} "
            "leaves fewer than two"
        )
    with _threads(options.threads) as executor:
        source = _Frames(movie, options)
        total, empty = source.survey(executor)
        used = [number for number in source.numbers if number not in empty]
        if len(used) < 2:
            raise MovieError(f"{header.path}: {len(empty)} of its frames hold no electron at all; leave it out")
        remarks = [*header.remarks]
        if empty:
            remarks.append(f"frames without any electron were thrown away: {', '.join(str(n + 1) for n in empty)}")
        if options.find_hot:
            correction = _with_hot(correction, total)
        del total
        found = _aligned(source, used, correction, options, executor)
        numbers = np.array(used, np.int64)
        motion = MotionField(
            header.width_px, header.height_px, numbers, found.coefficients_px, found.precision_px
        ).relative_to_first()
        size = options.pixel_size_angstrom or header.pixel_size_angstrom
        weights = _weights(numbers, options.dose, size)
        adder = FrameSum(motion, weights.weights, executor)
        for start in range(0, len(used), GROUP):
            positions = list(range(start, min(start + GROUP, len(used))))
            frames = list(executor.map(lambda at: correction.apply(source.raw(used[at]), used[at]), positions))
            adder.add(positions, frames)
        movie.check_unchanged()
        micrograph = weights.unweighted(adder.sums)
        weighted = weights.weighted(adder.sums, options.threads) if options.dose is not None else None
    if options.pixel_size_angstrom is None and size is None:
        remarks.append("the header gives no pixel size; give it, and motion is told in angstrom, too")
    if found.evidence < _CERTAIN_PER_FRAME * len(used):
        remarks.append("the motion is uncertain: frames have little more in common than noise has by chance")
    per_frame = None if options.dose is None else options.dose.per_frame
    summary = None if size is None else summary_of(motion.whole(header.path.name), size, per_frame)
    return CorrectedMovie(
        motion,
        micrograph,
        weighted,
        summary,
        size,
        found.signal,
        found.rounds,
        (*remarks, *correction.remarks()),
    )


def add_unaligned(movie: MovieFile, correction: Correction, options: MotionOptions | None = None) -> CorrectedMovie:
    """A movie's frames added up as they are: what is left to do where `correct_motion` finds no signal.

    There is no motion to tell (`summary` is None, the field is still), and nothing is weighted by dose.

    Raises:
        MovieError, ImageTruncatedError, ImageChangedError: as `correct_motion`.
    """
    options = options or MotionOptions()
    header = movie.header
    numbers = range(options.skip_first, header.frames - options.skip_last)
    total = np.zeros(header.shape, np.float32)
    for number in numbers:
        total += correction.apply(movie.frame(number), number)
    movie.check_unchanged()
    count = len(numbers)
    field_ = MotionField(
        header.width_px,
        header.height_px,
        np.arange(numbers.start, numbers.stop, dtype=np.int64),
        np.zeros((count, 2, TERMS)),
        np.full(count, np.inf),
    )
    size = options.pixel_size_angstrom or header.pixel_size_angstrom
    remarks = (*header.remarks, *correction.remarks())
    return CorrectedMovie(field_, total, None, None, size, 0.0, 0, remarks)


def _aligned(
    source: "_Frames", used: list[int], correction: Correction, options: MotionOptions, executor: Executor
) -> Alignment:
    """The spectra of all frames live only as long as they are aligned."""
    height, width = correction.shape
    highest = options.alignment.highest_frequency
    plan = PatchPlan.of(height, width, len(used), options.spectra_bytes, highest)
    spectra = np.empty((len(used), *plan.shape), np.complex64)

    def transform(place: int) -> None:
        plan.transform(correction.apply(source.raw(used[place]), used[place]), spectra[place])

    list(executor.map(transform, range(len(used))))
    return align(spectra, plan, correction.shape, options.alignment, executor)


class _Frames:
    """Raw frames, kept in memory where they fit."""

    def __init__(self, movie: MovieFile, options: MotionOptions) -> None:
        self._movie = movie
        header = movie.header
        self.numbers = range(options.skip_first, header.frames - options.skip_last)
        self._keep = len(self.numbers) * header.frame_bytes <= options.raw_bytes
        self._kept: dict[int, NDArray[Any]] = {}

    def raw(self, number: int) -> NDArray[Any]:
        if number in self._kept:
            return self._kept[number]
        frame = self._movie.frame(number)
        if self._keep:
            self._kept[number] = frame
        return frame

    def survey(self, executor: Executor) -> tuple[FloatArray, list[int]]:
        """The sum of all raw frames, float32, and which of them hold nothing."""
        header = self._movie.header
        integer = header.dtype.kind in "iu" and header.dtype.itemsize <= 2
        total = np.zeros(header.shape, np.int32 if integer else np.float32)
        empty = []
        group = max(1, 2 * _CORES)
        for start in range(0, len(self.numbers), group):
            numbers = self.numbers[start : start + group]
            for number, frame in zip(numbers, executor.map(self.raw, numbers), strict=True):
                if frame.shape != header.shape:
                    raise MovieError(
                        f"{header.path}: frame {number + 1} is {frame.shape[1]} x {frame.shape[0]}, the first "
                        f"{header.width_px} x {header.height_px}; frames of one movie are alike"
                    )
                if not frame.any():
                    empty.append(number)
                total += frame
        return total.astype(np.float32), empty


def _with_hot(correction: Correction, total: FloatArray) -> Correction:
    if correction.gain is not None:
        total = total * np.where(np.isfinite(correction.gain), correction.gain, 0)
    if not np.isfinite(total.sum(dtype=np.float64)):
        # Neither hot nor dead: what is no number is mended, or told, frame by frame.
        finite = np.isfinite(total)
        total = np.where(finite, total, np.median(total[finite]) if finite.any() else 0).astype(np.float32)
    hot = find_hot_pixels(total, correction.defects if len(correction.bad) else None)
    return correction.with_defects(hot) if hot.any() else correction


def _weights(numbers: NDArray[np.int64], dose: Dose | None, size: float | None) -> DoseWeights:
    if dose is None:
        return DoseWeights.none(len(numbers))
    if size is None:
        raise MotionError("dose weighting needs the pixel size, which the header does not give; give it")
    return DoseWeights.of(numbers, dose.per_frame, dose.voltage_kv, size, dose.before)


@contextmanager
def _threads(count: int) -> Iterator[Executor]:
    """Our own threads; those of the linear algebra library would only be in their way."""
    if not 1 <= count <= 256:
        raise MotionError(f"threads is {count}; give 1 to 256")
    with ThreadPoolExecutor(count, "motion") as executor, threadpool_limits(1):
        yield executor


__all__ = ["CorrectedMovie", "Dose", "MotionOptions", "add_unaligned", "correct_motion", "memory_bound_bytes"]
