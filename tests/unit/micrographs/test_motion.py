"""Motion is found to a fraction of a pixel, undone place by place, and weighted by dose as by the book."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from structloop.core.errors import ImageChangedError, MotionError, MovieError
from structloop.micrographs.motion import (
    AlignmentOptions,
    CorrectedMovie,
    Dose,
    DoseWeights,
    MotionField,
    MotionOptions,
    correct_motion,
    critical_exposure,
    memory_bound_bytes,
    summary_of,
)
from structloop.micrographs.motion.patches import PatchPlan
from structloop.micrographs.motion.summing import FrameSum
from structloop.micrographs.movies import Correction, open_movie
from structloop.schema.motion import MotionTrack
from structloop.simulation.movies import Motion
from support.movies import write_mrc_movie

HEIGHT, WIDTH, FRAMES = 320, 384, 10
Array64 = NDArray[np.float64]


class Waves:
    """A picture of many plane waves: known at every place, between pixels too."""

    def __init__(self, seed: int, count: int = 40, highest: float = 0.12) -> None:
        draw = np.random.default_rng(seed)
        self.k = draw.uniform(-highest, highest, (count, 2))
        self.phase = draw.uniform(0, 2 * np.pi, count)
        self.height = 0.5 / count**0.5

    def at(self, x: Array64, y: Array64) -> Array64:
        total = np.ones(x.shape, np.float32)
        x, y = x.astype(np.float32), y.astype(np.float32)
        for (kx, ky), phase in zip(2 * np.pi * self.k, self.phase, strict=True):
            total += self.height * np.cos(np.float32(kx) * x + np.float32(ky) * y + np.float32(phase))
        return np.maximum(total, 0)


def expected(motion: Motion, seed: int, electrons: float) -> Array64:
    """Frames without noise; displacements are small against their change, so that one step back finds the source."""
    waves = Waves(seed)
    x, y = np.meshgrid(np.arange(motion.width_px, dtype=float), np.arange(motion.height_px, dtype=float))
    frames = []
    for frame in range(motion.frames):
        dx, dy = motion.at(x, y, frame)
        dx, dy = motion.at(x - dx, y - dy, frame)
        frames.append(waves.at(x - dx, y - dy))
    return electrons * np.stack(frames)


def movie_of(path: Path, motion: Motion, seed: int = 1, electrons: float = 4.0) -> Path:
    counts = np.random.default_rng(seed).poisson(expected(motion, seed, electrons))
    return write_mrc_movie(path, counts.astype(np.int16), 1.3)


def corrected(path: Path, **options: Any) -> CorrectedMovie:
    with open_movie(path) as movie:
        return correct_motion(movie, Correction.of(movie.header), MotionOptions(**options))


def error_px(field: MotionField, motion: Motion) -> float:
    """Root mean square distance of paths, each about its own mean, over the frame."""
    x, y = np.meshgrid(np.linspace(20, field.width_px - 21, 7), np.linspace(20, field.height_px - 21, 7))
    true = np.stack([np.stack(motion.at(x, y, int(frame))) for frame in field.frames])
    off = field.at(x, y) - true
    off -= off.mean(axis=0)
    return float(np.sqrt((off**2).sum(axis=1).mean()))


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Motion]:
    motion = Motion.realistic(4, FRAMES, WIDTH, HEIGHT, drift_px=8.0, bend_px=1.5)
    return movie_of(tmp_path_factory.mktemp("movies") / "usual.mrcs", motion), motion


def test_tracks_are_found(usual: tuple[Path, Motion]) -> None:
    path, motion = usual
    result = corrected(path)
    assert error_px(result.field, motion) < 0.08
    assert result.summary is not None
    true = MotionTrack("", "", np.arange(FRAMES), motion.drift_px - motion.drift_px[0], 0)
    assert result.summary.total_angstrom == pytest.approx(true.steps_px().sum() * 1.3, rel=0.1)
    assert result.pixel_size_angstrom == pytest.approx(1.3)
    assert (result.field.track(100, 80)[0] == 0).all()


def test_without_local_motion_only_the_whole_is_found(usual: tuple[Path, Motion]) -> None:
    path, motion = usual
    result = corrected(path, alignment=AlignmentOptions(local=False))
    assert (result.field.coefficients_px[:, :, 1:] == 0).all()
    assert error_px(result.field, motion) > error_px(corrected(path).field, motion)


@pytest.mark.parametrize("seed", [2, 3])
def test_large_drift_is_found(tmp_path: Path, seed: int) -> None:
    motion = Motion.realistic(seed, 12, WIDTH, HEIGHT, drift_px=30.0, bend_px=1.0)
    assert error_px(corrected(movie_of(tmp_path / "movie.mrcs", motion, seed)).field, motion) < 0.15


def test_a_sudden_step_is_not_smoothed_away(tmp_path: Path) -> None:
    motion = Motion.still(FRAMES, WIDTH, HEIGHT)
    motion.drift_px[5:] += (4.0, -2.5)
    result = corrected(movie_of(tmp_path / "movie.mrcs", motion))
    assert error_px(result.field, motion) < 0.15


def test_what_stands_still_stays(tmp_path: Path) -> None:
    motion = Motion.still(FRAMES, WIDTH, HEIGHT)
    assert error_px(corrected(movie_of(tmp_path / "movie.mrcs", motion)).field, motion) < 0.06


def test_the_micrograph_is_what_the_first_frame_saw(usual: tuple[Path, Motion]) -> None:
    path, motion = usual
    result = corrected(path)
    sharp = Waves(1).at(*np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float)))
    inner = (slice(24, -24), slice(24, -24))
    first = expected(motion, 1, 4.0)[0]
    got = result.micrograph / FRAMES
    # The first frame's own displacement stays: places are those of the first frame.
    agreement = np.corrcoef(got[inner].ravel(), first[inner].ravel())[0, 1]
    plain = np.mean([np.asarray(frame) for frame in expected(motion, 1, 4.0)], axis=0)
    assert agreement > 0.9
    assert agreement > np.corrcoef(plain[inner].ravel(), first[inner].ravel())[0, 1] + 0.05
    assert got.mean() == pytest.approx(4 * sharp.mean(), rel=0.02)


def test_frames_are_resampled_exactly() -> None:
    draw = np.random.default_rng(0)
    coefficients = np.zeros((2, 2, 6))
    coefficients[1, :, 0] = (3.37, -1.61)
    coefficients[1, 0, 1] = 0.8
    field = MotionField(WIDTH, HEIGHT, np.arange(2), coefficients, np.zeros(2))
    x, y = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
    dx, dy = field.at(x, y)[1]
    waves = Waves(int(draw.integers(99)))
    still = waves.at(x, y)
    u = x - dx
    for _ in range(4):
        moved = field.at(u, y - dy)[1]
        u = x - moved[0]
    adder = FrameSum(field, np.ones((1, 2), np.float32))
    adder.add([1], [waves.at(u, y - moved[1]).astype(np.float32)])
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(adder.sums[0][inner] - still[inner]).max() < 0.1
    assert np.sqrt(np.mean((adder.sums[0][inner] - still[inner]) ** 2)) < 0.012


def test_critical_exposure_is_that_of_the_paper() -> None:
    assert critical_exposure(np.array([0.25]), 300.0)[0] == pytest.approx(0.245 * 0.25**-1.665 + 2.81)
    assert critical_exposure(np.array([0.1]), 200.0)[0] == pytest.approx(0.8 * (0.245 * 0.1**-1.665 + 2.81))
    with pytest.raises(MotionError, match="voltage_kv is 30"):
        critical_exposure(np.array([0.1]), 30.0)


@pytest.mark.parametrize(("frames", "dose"), [(5, 1.0), (40, 1.5), (12, 8.0)])
def test_few_sums_weight_as_frame_by_frame(frames: int, dose: float) -> None:
    pictures = np.random.default_rng(1).standard_normal((frames, 96, 90)).astype(np.float32)
    weights = DoseWeights.of(np.arange(frames), dose, 300.0, 1.1, pre_exposure=2.0)
    sums = np.tensordot(weights.weights, pictures, axes=1)
    assert weights.sums <= 7
    np.testing.assert_allclose(weights.unweighted(sums), pictures.sum(axis=0), atol=1e-4)
    ky, kx = np.meshgrid(fft.fftfreq(96), fft.rfftfreq(90), indexing="ij")
    critical = critical_exposure(np.hypot(ky, kx) / 1.1, 300.0)
    kept = np.exp(-(2.0 + dose * (np.arange(frames) + 1))[:, None, None] / (2 * critical))
    norm = np.sqrt((kept**2).sum(axis=0) / frames)
    by_frame = fft.irfft2((fft.rfft2(pictures) * kept).sum(axis=0) / norm, s=(96, 90))
    difference = np.abs(weights.weighted(sums, 1) - by_frame).max()
    assert difference < 0.02 * by_frame.std()


def test_dose_weighting_keeps_noise_white_and_low_frequencies(usual: tuple[Path, Motion]) -> None:
    result = corrected(usual[0], dose=Dose(2.0, 300.0))
    assert result.dose_weighted is not None
    assert result.dose_weighted.mean() == pytest.approx(result.micrograph.mean(), rel=1e-3)
    assert result.summary is not None
    assert result.summary.early_angstrom + result.summary.late_angstrom == pytest.approx(result.summary.total_angstrom)
    with pytest.raises(MotionError, match="pixel_size_angstrom -1 is out of range"):
        DoseWeights.of(np.arange(3), 1.0, 300.0, -1.0)


def test_early_motion_ends_at_four_electrons() -> None:
    track = MotionTrack("m", "structloop", np.arange(5), np.array([[0, 0], [3, 4], [3, 5], [3, 6], [3, 8.0]]), 0)
    summary = summary_of(track, 2.0, 1.5)
    # Frame 2 ends at 3 e/A^2, frame 3 at 4.5.
    assert (summary.total_angstrom, summary.early_angstrom, summary.late_angstrom) == (18.0, 10.0, 8.0)
    # Of so few and strong frames, none after the first ends that early: what moved until then was not seen.
    strong = summary_of(track, 2.0, 2.5)
    assert np.isnan(strong.early_angstrom)
    assert (strong.total_angstrom, strong.late_angstrom) == (18.0, 18.0)


def test_frames_thrown_away_and_empty_ones(usual: tuple[Path, Motion], tmp_path: Path) -> None:
    path, motion = usual
    counts = np.random.default_rng(1).poisson(expected(motion, 1, 4.0)).astype(np.int16)
    counts[3] = 0
    result = corrected(write_mrc_movie(tmp_path / "movie.mrcs", counts, 1.3), skip_first=1, skip_last=2)
    assert result.field.frames.tolist() == [1, 2, 4, 5, 6, 7]
    assert any("without any electron were thrown away: 4" in remark for remark in result.remarks)
    assert error_px(result.field, motion) < 0.12
    with pytest.raises(MotionError, match="leaves fewer than two"):
        corrected(path, skip_first=9)
    with pytest.raises(MovieError, match="hold no electron at all"):
        corrected(write_mrc_movie(tmp_path / "dark.mrcs", np.zeros_like(counts), 1.3))


def test_hot_pixels_do_not_hold_the_picture(usual: tuple[Path, Motion], tmp_path: Path) -> None:
    _, motion = usual
    counts = np.random.default_rng(1).poisson(expected(motion, 1, 4.0)).astype(np.int16)
    draw = np.random.default_rng(9)
    counts[:, draw.integers(0, HEIGHT, 60), draw.integers(0, WIDTH, 60)] += 60
    result = corrected(write_mrc_movie(tmp_path / "hot.mrcs", counts, 1.3))
    assert error_px(result.field, motion) < 0.1
    assert any("defective pixels" in remark for remark in result.remarks)


def test_noise_alone_is_said_to_be_uncertain(tmp_path: Path) -> None:
    counts = np.random.default_rng(5).poisson(1.0, (6, 256, 256)).astype(np.int16)
    path = write_mrc_movie(tmp_path / "noise.mrcs", counts, 1.3)
    assert any("motion is uncertain" in remark for remark in corrected(path).remarks)
    # Other noise has nothing in common at all.
    counts = np.random.default_rng(6).poisson(1.0, (6, 256, 256)).astype(np.int16)
    with pytest.raises(MotionError, match="nothing in common"):
        corrected(write_mrc_movie(tmp_path / "other.mrcs", counts, 1.3))


def test_a_movie_that_changes_is_not_believed(usual: tuple[Path, Motion], tmp_path: Path) -> None:
    path = tmp_path / "movie.mrcs"
    path.write_bytes(usual[0].read_bytes())
    with open_movie(path) as movie:
        path.write_bytes(path.read_bytes() + b"more")
        with pytest.raises(ImageChangedError):
            correct_motion(movie, Correction.of(movie.header))


def test_reading_frames_again_gives_the_same(usual: tuple[Path, Motion]) -> None:
    kept, again = corrected(usual[0]), corrected(usual[0], raw_bytes=0)
    np.testing.assert_array_equal(kept.micrograph, again.micrograph)


def test_the_bound_on_memory_does_not_grow_with_the_frames(usual: tuple[Path, Motion]) -> None:
    with open_movie(usual[0]) as movie:
        options = MotionOptions(raw_bytes=0)
        assert memory_bound_bytes(movie, options) < (384 << 20) * 1.5 + 60 * 4 * HEIGHT * WIDTH


def test_frequencies_above_the_highest_are_not_kept() -> None:
    wide, narrow = (PatchPlan.of(1024, 1024, 10, 1 << 30, highest) for highest in (0.36, 0.2))
    assert float(narrow.frequencies()[1].max()) <= 0.2 < float(wide.frequencies()[1].max()) <= 0.36
    with pytest.raises(MotionError, match="highest_frequency is 0"):
        AlignmentOptions(highest_frequency=0.0)
