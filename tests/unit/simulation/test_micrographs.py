from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs import Detector, expected_micrograph, height_um_at, render_micrograph
from structloop.simulation.micrographs.canvas import _pool, worker_count
from structloop.simulation.micrographs.materials import CARBON, ICE, Material
from structloop.simulation.molecules import random_rotations
from structloop.simulation.optics import Envelope, Optics
from structloop.simulation.specimen import Blob, Particles, Specimen

FloatArray = NDArray[np.float32]
PERFECT = Detector.perfect()


def molecules(x: list[float], y: list[float], z_nm: float = 0.0, name: str = "tetramer-465") -> Particles:
    count = len(x)
    return Particles(
        np.array(x, np.float32),
        np.array(y, np.float32),
        np.full(count, z_nm, np.float32),
        random_rotations(count, 1) if count else np.zeros((0, 4), np.float32),
        np.zeros(count, np.int32),
        np.ones(count, np.float32),
        (name,),
    )


def specimen(
    *,
    size: tuple[int, int] = (512, 512),
    pixel: float = 1.0,
    ice_nm: float = 0.0,
    film: float = 0.0,
    particles: Particles | None = None,
) -> Specimen:
    """A plain specimen; size is (height, width)."""

    def flat(value: float) -> FloatArray:
        return np.full((4, 4), value, np.float32)

    return Specimen(
        width_px=size[1],
        height_px=size[0],
        pixel_size_angstrom=pixel,
        ice_nm=flat(ice_nm),
        film=flat(film),
        film_nm=12.0,
        film_material="carbon",
        crystalline=flat(0),
        stain_nm=flat(0),
        particles=molecules([], []) if particles is None else particles,
        seed=5,
    )


def radial(image: FloatArray, pixel: float, sector_deg: float | None = None) -> tuple[NDArray[np.float64], ...]:
    """Radial mean power of an image and its frequencies, of all directions or of a sector of +-8 degrees."""
    power = np.abs(np.fft.fft2(image - image.mean())) ** 2
    ky, kx = np.meshgrid(np.fft.fftfreq(len(image), pixel), np.fft.fftfreq(image.shape[1], pixel), indexing="ij")
    bins = np.rint(np.hypot(kx, ky) * pixel * len(image)).astype(int)
    weight = np.ones(power.shape)
    if sector_deg is not None:
        off = np.mod(np.rad2deg(np.arctan2(ky, kx)) - sector_deg + 90, 180) - 90
        weight = (np.abs(off) < 8).astype(float)
    count = np.bincount(bins.ravel(), weight.ravel())
    mean = np.bincount(bins.ravel(), (power * weight).ravel()) / np.maximum(count, 1)
    return np.arange(len(mean)) / (len(image) * pixel), mean


def minima_near(k: NDArray[np.float64], power: NDArray[np.float64], wanted: NDArray[np.float64]) -> list[float]:
    """Where the power is least near each wanted frequency, by a parabola through the square root-free dip."""
    found = []
    for zero in wanted:
        near = np.flatnonzero(np.abs(k - zero) < 0.0035)
        fit = np.polyfit(k[near], power[near], 2)
        found.append(-fit[1] / (2 * fit[0]))
    return found


def test_thon_rings_of_carbon_lie_where_the_ctf_is_zero() -> None:
    optics = Optics(defocus_u_um=1.2, defocus_v_um=1.2, envelope=Envelope.none())
    image = expected_micrograph(specimen(size=(1024, 1024), film=1.0), optics, 50.0, detector=PERFECT)
    k, power = radial(image, 1.0)
    zeros = optics.ctf_zeros(0, 5)
    np.testing.assert_allclose(minima_near(k, power, zeros), zeros, rtol=0.004)


@pytest.mark.parametrize("angle", [25.0, 115.0])
def test_rings_are_astigmatic_in_the_direction_that_is_told(angle: float) -> None:
    optics = Optics(defocus_u_um=1.5, defocus_v_um=1.1, angle_deg=angle, envelope=Envelope.none())
    image = expected_micrograph(specimen(size=(1024, 1024), film=1.0), optics, 50.0, detector=PERFECT)
    for direction in (angle, angle + 90):
        k, power = radial(image, 1.0, direction)
        zeros = optics.ctf_zeros(direction, 3)
        np.testing.assert_allclose(minima_near(k, power, zeros), zeros, rtol=0.012)


def test_the_specimens_height_adds_to_the_defocus() -> None:
    optics = Optics(defocus_u_um=1.0, defocus_v_um=1.0, envelope=Envelope.none())
    lifted = replace(specimen(film=1.0), height_um=0.4)
    higher = expected_micrograph(lifted, optics, 50.0)
    np.testing.assert_array_equal(higher, expected_micrograph(specimen(film=1.0), optics.defocused(0.4), 50.0))


@pytest.mark.parametrize("binning", [1, 2, 4])
def test_molecules_lie_where_they_are_told(binning: int) -> None:
    particles = molecules([150.3, 371.8], [260.6, 90.25])
    optics = Optics(defocus_u_um=0, defocus_v_um=0, amplitude_contrast=1.0, cs_mm=0, envelope=Envelope.none())
    image = expected_micrograph(specimen(size=(400, 512), particles=particles), optics, 10.0, binning, detector=PERFECT)
    dark = 1 - image / (10.0 * binning**2)
    for x, y in zip(particles.x_px, particles.y_px, strict=True):
        here_x, here_y = (x - (binning - 1) / 2) / binning, (y - (binning - 1) / 2) / binning
        reach = 100 // binning
        rows = slice(max(0, round(here_y) - reach), round(here_y) + reach)
        columns = slice(max(0, round(here_x) - reach), round(here_x) + reach)
        down, across = np.mgrid[: image.shape[0], : image.shape[1]]
        cut = dark[rows, columns]
        centre = (cut * across[rows, columns]).sum() / cut.sum(), (cut * down[rows, columns]).sum() / cut.sum()
        assert centre == pytest.approx((here_x, here_y), abs=0.06)


@pytest.mark.parametrize(("binning", "tilt_deg"), [(1, 0.0), (4, 0.0), (4, 20.0)])
def test_the_border_cuts_the_picture_and_not_the_molecules(binning: int, tilt_deg: float) -> None:
    at_border, optics = [1.0, 256.0, 530.0, 300.0], Optics(defocus_u_um=2, defocus_v_um=2)
    small, large = (
        replace(specimen(size=(side, side), particles=molecules([x + more for x in at_border], [200 + more] * 4)),
                tilt_deg=tilt_deg)
        for side, more in ((512, 0), (1024, 256))
    )  # fmt: skip
    cut, whole = (expected_micrograph(each, optics, 10.0, binning) / (10 * binning**2) for each in (small, large))
    inside = slice(256 // binning, 768 // binning)
    assert np.abs(whole - 1).max() > 0.1
    # Tiles of a tilted specimen have each one defocus, and lie elsewhere in the larger picture.
    assert np.abs(cut - whole[inside, inside]).max() < (0.05 if tilt_deg else 0.001)


def test_molecules_are_dark_in_underfocus_and_bright_in_heavy_stain() -> None:
    particles = molecules([256], [256])
    optics = Optics(defocus_u_um=2, defocus_v_um=2)
    frozen = expected_micrograph(specimen(particles=particles), optics, 10.0)
    assert frozen[246:266, 246:266].mean() < frozen.mean()
    stained = replace(specimen(particles=particles), stain_nm=np.full((4, 4), 15, np.float32))
    with_molecule = expected_micrograph(stained, optics, 10.0)
    without = expected_micrograph(replace(stained, particles=molecules([], [])), optics, 10.0)
    assert with_molecule[246:266, 246:266].mean() > without[246:266, 246:266].mean()


@pytest.mark.parametrize(("z_nm", "pixel"), [(20.0, 1.0), (80.0, 1.0), (-80.0, 1.0)])
def test_a_molecule_has_the_defocus_of_its_height(z_nm: float, pixel: float) -> None:
    optics = Optics(defocus_u_um=0.8, defocus_v_um=0.8)
    high = specimen(pixel=pixel, particles=molecules([256], [256], z_nm))
    middle = specimen(pixel=pixel, particles=molecules([256], [256]))
    got = expected_micrograph(high, optics, 1.0) - 1
    wanted = expected_micrograph(middle, optics.defocused(z_nm / 1000), 1.0) - 1
    assert np.linalg.norm(got - wanted) < 0.04 * np.linalg.norm(wanted)


def test_a_tilted_specimen_has_the_defocus_of_each_place() -> None:
    flat = specimen(size=(1024, 1024), film=1.0, pixel=1.2)
    tilted = replace(flat, tilt_deg=50.0, tilt_axis_deg=90.0)
    # The axis points down, so height changes along x: with the axis turned by 90 degrees it falls towards +x.
    left, right = height_um_at(tilted, 0.0, 511.5), height_um_at(tilted, 1023.0, 511.5)
    assert float(left) == pytest.approx(np.tan(np.deg2rad(50)) * 511.5 * 1.2e-4, rel=1e-5)
    assert float(right) == pytest.approx(-float(left), rel=1e-5)
    optics = Optics(defocus_u_um=1.0, defocus_v_um=1.0)
    image = expected_micrograph(tilted, optics, 10.0)
    where = (slice(300, 700), slice(32, 224))
    there = float(height_um_at(tilted, 127.5, 511.5))
    local = expected_micrograph(flat, optics.defocused(there), 10.0)
    nominal = expected_micrograph(flat, optics, 10.0)
    assert np.corrcoef(image[where].ravel(), local[where].ravel())[0, 1] > 0.97
    assert np.corrcoef(image[where].ravel(), nominal[where].ravel())[0, 1] < 0.9


@pytest.mark.parametrize("binning", [1, 4])
@pytest.mark.parametrize("energy_filter", [True, False])
def test_the_mean_follows_dose_and_thickness(binning: int, energy_filter: bool) -> None:
    optics = Optics(energy_filter=energy_filter)
    image = render_micrograph(specimen(ice_nm=60.0, pixel=1.5), optics, 30.0, 3, binning)
    free_path = 395.0 if energy_filter else 900.0
    wanted = 30.0 * 1.5**2 * binning**2 * np.exp(-60.0 / free_path)
    assert image.mean() == pytest.approx(wanted, rel=0.004)
    assert image.dtype == np.float32


@pytest.mark.parametrize("material", [ICE, CARBON])
def test_slower_electrons_are_lost_sooner(material: Material) -> None:
    assert material.mean_free_path_nm(Optics(voltage_kv=200)) < 0.85 * material.mean_free_path_nm(Optics())


def test_electrons_at_an_edge_are_moved_and_not_lost() -> None:
    half = np.zeros((8, 8), np.float32)
    half[:, 4:] = 1
    edge = replace(specimen(), film=half, film_nm=15.0)
    image = expected_micrograph(edge, Optics(), 1.0)
    assert image[:, :128].mean() == pytest.approx(1, abs=0.01)
    assert image[:, 192:320].max() > 1.1
    lost = 1 - np.exp(-15.0 / CARBON.mean_free_path_nm(Optics()))
    assert 1 - image[:, 400:].mean() == pytest.approx(lost, abs=0.02)


@pytest.mark.parametrize("rate", [0.3, 5.0, 40.0, 400.0])
def test_shot_noise_is_poisson(rate: float) -> None:
    image = render_micrograph(specimen(), Optics(), rate, 7, detector=PERFECT)
    assert image.mean() == pytest.approx(rate, rel=0.01)
    assert image.var() == pytest.approx(rate, rel=0.02)
    skewness = ((image - image.mean()) ** 3).mean() / image.var() ** 1.5
    assert skewness == pytest.approx(rate**-0.5, abs=0.04)


def test_a_camera_that_misses_electrons_is_noisier_by_that() -> None:
    image = render_micrograph(specimen(), Optics(), 30.0, 7, detector=Detector(1.0, 0.5))
    assert image.mean() == pytest.approx(30, rel=0.01)
    assert image.var() == pytest.approx(60, rel=0.02)


def test_an_integrating_camera_blurs_its_noise_too() -> None:
    counting = render_micrograph(specimen(), Optics(), 30.0, 7, detector=Detector(0.3, 1.0))
    integrating = render_micrograph(specimen(), Optics(), 30.0, 7, detector=Detector(0.3, 1.0, counting=False))
    for image, at_nyquist in ((counting, 1.0), (integrating, 0.09)):
        k, power = radial(image, 1.0)
        low = power[(k > 0.01) & (k < 0.03)].mean()
        assert power[(k > 0.49) & (k < 0.5)].mean() / low == pytest.approx(at_nyquist, rel=0.25)


@pytest.mark.parametrize("binning", [2, 4])
@pytest.mark.parametrize("ice_nm", [0.0, 30.0])
def test_rendering_binned_agrees_with_binning(binning: int, ice_nm: float) -> None:
    busy = replace(
        specimen(size=(512, 768), pixel=1.1, ice_nm=ice_nm, particles=molecules([100, 400, 500.5], [100, 300, 420.25])),
        blobs=(Blob(600, 120, 60, 30, "ice", 0.2, 1),),
    )
    optics = Optics(defocus_u_um=1.5, defocus_v_um=1.4, angle_deg=40)
    full = expected_micrograph(busy, optics, 20.0)
    summed = full.reshape(512 // binning, binning, 768 // binning, binning).sum((1, 3))
    direct = expected_micrograph(busy, optics, 20.0, binning)
    assert direct.mean() == pytest.approx(summed.mean(), rel=0.002)
    ky, kx = np.fft.fftfreq(len(summed))[:, None], np.fft.rfftfreq(summed.shape[1])[None, :]
    low = (np.hypot(kx, ky) < 0.3) & (np.hypot(kx, ky) > 0)
    of_summed, of_direct = np.fft.rfft2(summed)[low], np.fft.rfft2(direct)[low]
    gain = np.vdot(of_direct, of_summed) / np.vdot(of_direct, of_direct)
    assert abs(gain - 1) < 0.02
    if ice_nm == 0:
        # With ice the summed picture also has what pixels fold back from beyond their Nyquist frequency.
        assert np.linalg.norm(of_summed - of_direct) < 0.05 * np.linalg.norm(of_summed)


def test_the_same_seeds_make_the_same_bits_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = specimen(ice_nm=30.0, particles=molecules([100, 400, 130], [100, 300, 110]))
    pictures = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        worker_count.cache_clear()
        _pool.cache_clear()
        pictures.append(render_micrograph(busy, Optics(), 20.0, 1))
    monkeypatch.undo()
    worker_count.cache_clear()
    _pool.cache_clear()
    np.testing.assert_array_equal(pictures[0], pictures[1])


def test_another_exposure_has_other_noise_and_the_same_specimen() -> None:
    ice = specimen(ice_nm=30.0, film=1.0)
    first, second = (render_micrograph(ice, Optics(), 20.0, seed) for seed in (1, 2))
    expected = expected_micrograph(ice, Optics(), 20.0)
    noise = np.corrcoef((first - expected).ravel(), (second - expected).ravel())[0, 1]
    assert abs(noise) < 0.01
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.1


def test_drift_blurs_along_its_direction() -> None:
    moving = replace(specimen(film=1.0), drift_angstrom_per_s=(4.0, 0.0))
    image = expected_micrograph(moving, Optics(), 10.0, exposure_s=2.0)
    still = expected_micrograph(specimen(film=1.0), Optics(), 10.0)
    for direction, least, most in ((0.0, 0.0, 0.05), (90.0, 0.5, 1.0)):
        k, blurred = radial(image, 1.0, direction)
        _, sharp = radial(still, 1.0, direction)
        near = (k > 0.115) & (k < 0.135)
        assert least <= blurred[near].sum() / sharp[near].sum() <= most


def test_crystalline_ice_has_its_ring() -> None:
    crystalline = replace(specimen(ice_nm=40.0), crystalline=np.ones((4, 4), np.float32))
    k, power = radial(expected_micrograph(crystalline, Optics(), 10.0), 1.0)
    assert power[np.abs(k - 1 / 3.67) < 0.004].mean() > 3 * power[np.abs(k - 0.235) < 0.004].mean()


def test_gold_stops_most_electrons() -> None:
    gold = replace(specimen(film=1.0), film_nm=50.0, film_material="gold")
    assert expected_micrograph(gold, Optics(), 1.0).mean() < 0.2


def test_nonsense_is_refused() -> None:
    with pytest.raises(SimulationError, match="dose"):
        render_micrograph(specimen(), Optics(), -1.0, 1)
    with pytest.raises(SimulationError, match="binning"):
        render_micrograph(specimen(), Optics(), 1.0, 1, binning=0)
    with pytest.raises(SimulationError, match="efficiency"):
        Detector(efficiency=0)
    with pytest.raises(SimulationError, match="mtf_at_nyquist"):
        Detector(mtf_at_nyquist=1.5)


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0])
def test_molecules_look_the_same_on_the_coarser_grid_that_they_are_worked_out_on(tilt_deg: float) -> None:
    lone = replace(specimen(particles=molecules([240.3], [251.8])), tilt_deg=tilt_deg)
    # A picture of an odd number of pixels has no coarser grid.
    odd = replace(lone, width_px=511, height_px=511, tilt_deg=tilt_deg)
    even, fine = (expected_micrograph(one, Optics(), 10.0)[80:420, 80:420] for one in (lone, odd))
    assert fine.std() > 0.05
    assert np.abs(even - fine).max() < (0.02 if tilt_deg == 0 else 0.1) * np.abs(fine - fine.mean()).max()
