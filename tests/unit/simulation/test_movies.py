from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs import Detector
from structloop.simulation.movies import (
    Camera,
    Motion,
    critical_dose_e_per_angstrom2,
    expected_frames,
    render_movie,
)
from structloop.simulation.optics import Optics
from structloop.simulation.specimen import Particles, Specimen

_OPTICS = Optics(defocus_u_um=1.0, defocus_v_um=1.0)


def film(size: int) -> Specimen:
    def flat(value: float) -> NDArray[np.float32]:
        return np.full((4, 4), value, np.float32)

    nothing = np.zeros(0, np.float32)
    none = Particles(
        nothing, nothing, nothing, np.zeros((0, 4), np.float32), np.zeros(0, np.int32), nothing, ("shell-480",)
    )
    return Specimen(size, size, 1.5, flat(20), flat(1), 15.0, "carbon", flat(0), flat(0), none, seed=3)


def shift_between(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shift (x, y) of the second patch against the first, by the phases of their cross power."""
    window = np.hanning(len(first))[:, None] * np.hanning(first.shape[1])[None, :]
    power = np.fft.fft2((first - first.mean()) * window)
    cross = np.fft.fft2((second - second.mean()) * window) * np.conj(power)
    ky, kx = np.meshgrid(np.fft.fftfreq(len(first)), np.fft.fftfreq(first.shape[1]), indexing="ij")
    low = np.hypot(kx, ky) < 0.25
    surface = np.fft.ifft2(np.where(low, cross, 0)).real
    top = np.unravel_index(int(surface.argmax()), surface.shape)
    start = [(int(p) + n // 2) % n - n // 2 for p, n in zip(top[::-1], surface.shape[::-1], strict=True)]
    kx, ky, cross = kx[low], ky[low], cross[low] / np.abs(cross[low]).sum()

    def against(shift: NDArray[np.float64]) -> float:
        return -float((cross * np.exp(2j * np.pi * (kx * shift[0] + ky * shift[1]))).real.sum())

    found = optimize.minimize(against, np.array(start, np.float64), method="Powell", tol=1e-6)
    return np.asarray(found.x, np.float64)


def test_tracks_are_those_the_frames_show() -> None:
    motion = Motion.realistic(5, 6, 1024, 1024, drift_px=7.0, bend_px=3.0)
    frames = list(expected_frames(film(1024), _OPTICS, 1.0, 6, motion, damage=False))
    half = 96
    for x, y in ((200, 220), (512, 512), (800, 300)):
        for frame in range(1, 6):
            moved = np.array(motion.at(x, y, frame)) - np.array(motion.at(x, y, 0))
            at_x, at_y = (round(float(v)) for v in np.array([x, y]) + np.array(motion.at(x, y, 0)))
            to_x, to_y = at_x + round(float(moved[0])), at_y + round(float(moved[1]))
            first = frames[0][at_y - half : at_y + half, at_x - half : at_x + half]
            second = frames[frame][to_y - half : to_y + half, to_x - half : to_x + half]
            seen = shift_between(first, second) + np.array([to_x - at_x, to_y - at_y])
            np.testing.assert_allclose(seen, moved, atol=0.02)


def test_a_whole_pixel_of_drift_moves_the_picture_by_a_pixel() -> None:
    drift = np.array([[0.0, 0.0], [3.0, -2.0]])
    motion = Motion(300, 300, drift, np.zeros((2, 2, 5)))
    still = Motion(300, 300, np.zeros((2, 2)), np.zeros((2, 2, 5)))
    moved = list(expected_frames(film(300), _OPTICS, 1.0, 2, motion, damage=False))[1]
    # The blur within a frame is the same in both, so compare with a picture blurred alike: the first frame.
    first = next(expected_frames(film(300), _OPTICS, 1.0, 2, motion, damage=False))
    # What blurs in a frame reaches over the edges of the tiles a little.
    wrong = moved[20:-20, 23:-17] - first[22:-18, 20:-20]
    assert np.sqrt(np.mean(wrong**2)) < 0.002 * first.std() / 0.08
    assert np.abs(wrong).max() < 0.01
    unmoved = list(expected_frames(film(300), _OPTICS, 1.0, 2, still, damage=False))
    np.testing.assert_allclose(unmoved[0], unmoved[1], atol=1e-6)


def test_realistic_motion_is_fast_first_and_smooth_in_space() -> None:
    early, late, paths = [], [], []
    for seed in range(60):
        motion = Motion.realistic(seed, 20, 4096, 4096)
        steps = np.linalg.norm(np.diff(motion.track(1000, 3000), axis=0), axis=1)
        early.append(steps[:2].mean())
        late.append(steps[-5:].mean())
        paths.append(steps.sum())
        near = np.stack(motion.at(1000, 1000, 19)) - np.stack(motion.at(1040, 1000, 19))
        assert np.abs(near).max() < 0.3
    assert np.mean(early) > 2 * np.mean(late)
    assert 3 < np.mean(paths) < 20
    np.testing.assert_array_equal(Motion.realistic(4, 9, 64, 64).drift_px, Motion.realistic(4, 9, 64, 64).drift_px)


def test_the_bend_has_no_mean_displacement() -> None:
    motion = Motion.realistic(1, 8, 101, 101)
    y, x = np.mgrid[:101, :101].astype(float)
    dx, dy = motion.at(x, y, 7)
    assert (dx.mean(), dy.mean()) == pytest.approx(tuple(motion.drift_px[7]), abs=0.06)


def test_counts_are_poisson_and_follow_the_dose() -> None:
    empty = film(256)
    empty = Specimen(**{**vars(empty), "ice_nm": empty.ice_nm * 0, "film": empty.film * 0})
    motion = Motion.still(12, 256, 256)
    frames = list(render_movie(empty, _OPTICS, 1.2, 12, motion, 4, detector=Detector.perfect()))
    assert all(frame.dtype == np.uint8 for frame in frames)
    stack = np.stack(frames).astype(float)
    assert stack.mean() == pytest.approx(1.2, rel=0.01)
    assert stack.var() == pytest.approx(1.2, rel=0.02)
    assert abs(np.corrcoef(stack[0].ravel(), stack[1].ravel())[0, 1]) < 0.02


def test_a_high_dose_takes_sixteen_bits() -> None:
    frame = next(render_movie(film(256), _OPTICS, 300.0, 1, Motion.still(1, 256, 256), 4))
    assert frame.dtype == np.uint16
    assert frame.mean() == pytest.approx(300 * 0.9 * np.exp(-20 / 395 - 15 / 300), rel=0.03)


def test_dose_takes_the_fine_signal_first() -> None:
    frames = list(expected_frames(film(512), _OPTICS, 4.0, 20, Motion.still(20, 512, 512)))
    first, last = (np.abs(np.fft.rfft2(frame - frame.mean())) for frame in (frames[0], frames[-1]))
    k = np.hypot(np.fft.fftfreq(512, 1.5)[:, None], np.fft.rfftfreq(512, 1.5)[None, :])
    dose = 4.0 / 1.5**2 * 19
    for frequency in (0.06, 0.2):
        near = np.abs(k - frequency) < 0.005
        wanted = np.exp(-dose / 2 / (0.245 * frequency**-1.665 + 2.81))
        assert last[near].mean() / first[near].mean() == pytest.approx(wanted, rel=0.12)
    assert frames[0].mean() == pytest.approx(frames[-1].mean(), rel=1e-3)


def test_critical_doses_are_those_of_the_paper() -> None:
    assert float(critical_dose_e_per_angstrom2(np.array(0.1), 300)) == pytest.approx(14.14, abs=0.02)
    assert float(critical_dose_e_per_angstrom2(np.array(0.1), 200)) == pytest.approx(0.8 * 14.14, abs=0.02)


def test_gain_and_defects_are_in_the_raw_counts_and_correct_away() -> None:
    camera = Camera.made_up(256, 256, 9, spread=0.2)
    assert camera.gain is not None
    assert camera.defects is not None
    frames = render_movie(film(256), _OPTICS, 20.0, 16, Motion.still(16, 256, 256), 4, camera=camera)
    total = np.sum([frame.astype(float) for frame in frames], axis=0)
    assert (total[camera.defects] == 0).all()
    good = ~camera.defects
    assert np.corrcoef(total[good], 1 / camera.gain[good])[0, 1] > 0.8
    assert abs(np.corrcoef((total * camera.gain)[good], camera.gain[good])[0, 1]) < 0.1


def test_frames_stream_and_are_the_same_again() -> None:
    motion = Motion.realistic(2, 5, 256, 256)
    frames = render_movie(film(256), _OPTICS, 1.0, 5, motion, 11)
    assert isinstance(frames, Iterator)
    again = list(render_movie(film(256), _OPTICS, 1.0, 5, motion, 11))
    for first, second in zip(frames, again, strict=True):
        np.testing.assert_array_equal(first, second)


def test_motion_and_camera_of_another_size_are_refused() -> None:
    with pytest.raises(SimulationError, match="frames"):
        render_movie(film(64), _OPTICS, 1.0, 5, Motion.still(4, 64, 64), 1)
    with pytest.raises(SimulationError, match="dose"):
        render_movie(film(64), _OPTICS, -1.0, 4, Motion.still(4, 64, 64), 1)
    with pytest.raises(SimulationError, match="gain"):
        next(
            render_movie(
                film(64), _OPTICS, 1.0, 4, Motion.still(4, 64, 64), 1, camera=Camera(np.ones((3, 3), np.float32))
            )
        )
    with pytest.raises(SimulationError, match="drift_px"):
        Motion(8, 8, np.zeros((3, 2)), np.zeros((2, 2, 5)))
