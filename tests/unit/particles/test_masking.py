"""Masks find what is there in micrographs of known truth, and leave particles alone."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from structloop.core.errors import ParticlesError
from structloop.particles.masking import find_mask
from structloop.simulation.micrographs import Look, MadeUpMicrograph, Recipe, make_up_micrograph
from structloop.simulation.micrographs.canvas import Canvas
from structloop.simulation.micrographs.strong import film_share
from support.tiny_micrographs import DIAMETER_PX, tiny_micrograph

KIND = ("tetramer-465",)


def made(seed: int, recipe: Recipe) -> tuple[MadeUpMicrograph, NDArray[np.bool_], float]:
    """A micrograph of 512 x 512 pixels, where film is in it, and the particle's diameter."""
    micrograph = make_up_micrograph(
        seed,
        width_px=2048,
        height_px=2048,
        pixel_size_angstrom=1.5,
        binning=4,
        kinds=KIND,
        recipe=recipe,
        dose_e_per_angstrom2=40.0,
    )
    share = film_share(micrograph.specimen, Canvas.of(micrograph.specimen, 4))
    film = np.zeros(micrograph.image.shape, np.bool_) if share is None else share > 0.5
    return micrograph, film, float(micrograph.truth.diameter_px[0])


def enlarged(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = ((np.arange(side) * have) // side for side, have in zip(shape, mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]


@pytest.mark.parametrize("filtered", [False, True])
def test_film_is_found_and_particles_are_not_lost(filtered: bool) -> None:
    recipe = replace(Recipe.every(0.0), film_edge=1.0, gold=0.0, coverage=(0.1, 0.2))
    overlaps, lost, visible = [], 0, 0
    for seed in range(4):
        micrograph, film, diameter = made(seed, recipe)
        pixels = micrograph.image
        if filtered:
            pixels = Look(highpass_angstrom=3000.0)(pixels, micrograph.pixel_size_angstrom)
        mask = find_mask(pixels, diameter_px=diameter)
        found = enlarged(mask.reasons["film"], film.shape)
        overlaps.append((found & film).sum() / (found | film).sum())
        truth = micrograph.truth
        xy = np.stack([truth.x_px, truth.y_px], axis=1)[truth.visible].astype(np.float64)
        lost, visible = lost + int(mask.at(xy).sum()), visible + len(xy)
    assert np.median(overlaps) > 0.9
    assert lost <= 0.05 * visible


def test_ice_that_grows_thicker_is_no_film_and_clean_ice_is_left_alone() -> None:
    for seed in range(4):
        micrograph, _, diameter = made(seed, replace(Recipe.every(0.0), coverage=(0.1, 0.2)))
        mask = find_mask(micrograph.image, diameter_px=diameter)
        assert not mask.reasons["film"].any()
        assert mask.masked.mean() < 0.02


def test_ice_lumps_and_gold_are_masked() -> None:
    found, there = 0, 0
    for seed in range(4):
        micrograph, _, diameter = made(seed, replace(Recipe.every(0.0), contamination=1.0, beads=1.0))
        mask = find_mask(micrograph.image, diameter_px=diameter)
        height, width = micrograph.image.shape
        for blob in micrograph.specimen.blobs:
            x, y, radius = (blob.x_px - 1.5) / 4, (blob.y_px - 1.5) / 4, blob.radius_px / 4
            large = blob.material == "gold" or (radius > diameter and blob.thickness_nm > 30)
            if large and 0 < x < width and 0 < y < height:
                there += 1
                found += bool(mask.at(np.array([[x, y]]))[0])
    assert there > 8
    assert found >= 0.7 * there


def test_many_strong_particles_are_no_lumps() -> None:
    micrograph = tiny_micrograph(1, height=400, width=400, count=60, noise=0.05)
    mask = find_mask(micrograph.pixels, diameter_px=DIAMETER_PX)
    assert not mask.at(micrograph.xy_px).any()


def test_crystalline_ice_is_seen_by_its_reflections() -> None:
    draw = np.random.default_rng(0)
    pixels = draw.normal(100, 5, (1024, 1024)).astype(np.float32)
    y, x = np.mgrid[:1024, :1024]
    pixels[:512] += (3 * np.sin(2 * np.pi * (x * 0.8 + y * 0.6) / 3.67))[:512].astype(np.float32)
    mask = find_mask(pixels, diameter_px=120.0, pixel_size_angstrom=1.0).reasons["crystalline"]
    middle = mask.shape[0] // 2
    assert mask[: middle - 1].all()
    assert not mask[middle + 1 :].any()
    assert not find_mask(pixels, diameter_px=120.0, pixel_size_angstrom=2.5).reasons["crystalline"].any()
    assert not find_mask(pixels, diameter_px=120.0).reasons["crystalline"].any()


@pytest.mark.parametrize("border", [12, 20])
def test_a_streaked_border_is_masked_to_its_width(border: int) -> None:
    micrograph = tiny_micrograph(2, height=400, width=520, count=60, border=border)
    mask = find_mask(micrograph.pixels, diameter_px=DIAMETER_PX)
    masked = enlarged(mask.reasons["border"], micrograph.pixels.shape)
    assert masked[:border].all()
    assert masked[:, -border:].all()
    assert not masked[border + 10 : -border - 10, border + 10 : -border - 10].any()
    assert mask.shares().keys() == {"border"}


def test_places_outside_are_masked_and_shares_count_once() -> None:
    micrograph = tiny_micrograph(3)
    mask = find_mask(micrograph.pixels, diameter_px=DIAMETER_PX)
    assert mask.at(np.array([[-1.0, 5.0], [280.0, 5.0], [140.0, 100.0]])).tolist() == [True, True, False]
    assert sum(mask.shares().values()) == pytest.approx(mask.masked.mean())


def test_bright_particles_have_dark_film_turned_round() -> None:
    micrograph, _film, diameter = made(0, replace(Recipe.every(0.0), film_edge=1.0, coverage=(0.1, 0.2)))
    dark = find_mask(micrograph.image, diameter_px=diameter)
    bright = find_mask(-micrograph.image, diameter_px=diameter, contrast="bright")
    np.testing.assert_array_equal(dark.masked, bright.masked)


def test_a_diameter_of_nothing_is_refused() -> None:
    with pytest.raises(ParticlesError, match="diameter"):
        find_mask(tiny_micrograph(0).pixels, diameter_px=0.0)
