from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs import (
    Look,
    Recipe,
    expected_micrograph,
    make_up_micrograph,
    make_up_optics,
    make_up_specimen,
    particle_truth,
)
from structloop.simulation.optics import Optics
from structloop.simulation.specimen import Blob

_CLEAN = replace(Recipe.clean(), coverage=(0.1, 0.12))


def test_a_seed_makes_the_same_specimen_and_another_a_different_one() -> None:
    first, again, other = (make_up_specimen(seed, width_px=1024, height_px=768) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.truth.x_px, again.truth.x_px)
    np.testing.assert_array_equal(first.specimen.ice_nm, again.specimen.ice_nm)
    assert first.specimen.seed == again.specimen.seed != other.specimen.seed


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9))
def test_whatever_is_made_up_can_be_rendered_and_its_truth_holds(seed: int) -> None:
    made = make_up_micrograph(seed, width_px=1024, height_px=768, binning=4, recipe=Recipe(stained=0.2, film_edge=0.5))
    assert made.image.shape == (192, 256)
    assert np.isfinite(made.image).all()
    assert made.image.min() >= 0 or made.image.min() > -0.2 * made.image.mean()
    truth = made.truth
    inside = truth.inside
    assert ((truth.x_px[inside] >= -0.5) & (truth.x_px[inside] <= 255.5)).all()
    assert ((truth.y_px[inside] >= -0.5) & (truth.y_px[inside] <= 191.5)).all()
    assert not (truth.visible & ~inside).any()
    assert not (truth.visible & (truth.intact < 0.5)).any()


@pytest.mark.parametrize("closeness", [0.7, 1.1])
def test_molecules_keep_their_distance(closeness: float) -> None:
    recipe = replace(_CLEAN, closeness=(closeness, closeness), coverage=(0.4, 0.4))
    truth = make_up_specimen(5, kinds=("shell-480",), recipe=recipe).truth
    assert len(truth.x_px) > 200
    places = np.stack([truth.x_px, truth.y_px], axis=1)
    nearest = np.asarray(cKDTree(places).query(places, k=2)[0])[:, 1]
    assert nearest.min() >= closeness * truth.diameter_px[0] * 0.999
    assert nearest.min() < closeness * truth.diameter_px[0] * 1.1


def test_the_coverage_is_what_is_asked() -> None:
    truth = make_up_specimen(6, kinds=("ring-420",), recipe=_CLEAN).truth
    covered = truth.inside.sum() * np.pi / 4 * truth.diameter_px[0] ** 2 / 4096**2
    assert covered == pytest.approx(0.11, abs=0.025)


def test_a_clean_recipe_has_nothing_but_whole_molecules() -> None:
    made = make_up_specimen(2, recipe=_CLEAN)
    assert made.specimen.blobs == ()
    assert not made.specimen.film.any()
    assert not made.specimen.crystalline.any()
    assert made.specimen.tilt_deg == 0
    assert (made.truth.visible == made.truth.inside).all()


def test_everything_in_the_recipe_happens() -> None:
    sure = replace(Recipe.every(1.0), empty=0.0, stained=0.0)
    made = make_up_specimen(8, recipe=sure)
    assert {blob.material for blob in made.specimen.blobs} == {"ice", "protein", "gold"}
    assert made.specimen.film_material == "gold"
    assert 0 < (made.specimen.film > 0.5).mean() < 1
    assert made.specimen.crystalline.max() > 0
    assert made.specimen.tilt_deg >= 10
    assert made.specimen.drift_angstrom_per_s != (0, 0)
    assert len(made.specimen.particles.kinds) > 1
    assert (made.truth.intact < 1).any()
    assert made.truth.on_film.any()


def test_molecules_under_lumps_and_on_film_are_not_to_be_found() -> None:
    made = make_up_specimen(9, width_px=1024, height_px=1024, recipe=replace(_CLEAN, coverage=(0.3, 0.3)))
    film = np.zeros((64, 64), np.float32)
    film[:, 40:] = 1
    truth = particle_truth(
        replace(made.specimen, film=film, film_nm=15.0, blobs=(Blob(200, 200, 150, 30, "ice", 0, 1),))
    )
    assert (truth.on_film == (truth.x_px > 640))[np.abs(truth.x_px - 640) > 30].all()
    assert truth.covered[np.hypot(truth.x_px - 200, truth.y_px - 200) < 140].all()
    assert not truth.visible[truth.on_film | truth.covered].any()
    assert truth.visible.any()


def test_the_truth_points_at_dark_spots_of_the_picture() -> None:
    made = make_up_specimen(
        4, kinds=("shell-480",), recipe=replace(_CLEAN, closeness=(1.3, 1.3)), width_px=2048, height_px=2048
    )
    picture = expected_micrograph(made.specimen, Optics(defocus_u_um=2.0, defocus_v_um=2.0), 40.0, 4)
    truth = made.truth.binned(4)
    ok = truth.visible & (np.minimum(truth.x_px, truth.y_px) > 20) & (np.maximum(truth.x_px, truth.y_px) < 490)
    y, x = np.indices((33, 33)) - 16
    disc = np.hypot(x, y) < 14
    middle = np.median(picture)
    darker = [
        picture[round(b) - 16 : round(b) + 17, round(a) - 16 : round(a) + 17][disc].mean() < middle
        for a, b in zip(truth.x_px[ok], truth.y_px[ok], strict=True)
    ]
    assert np.mean(darker) > 0.97


def test_recipes_out_of_range_are_refused() -> None:
    with pytest.raises(SimulationError, match="gold"):
        Recipe(gold=1.5)
    with pytest.raises(SimulationError, match="ice_nm"):
        Recipe(ice_nm=(50, 20))
    with pytest.raises(SimulationError, match="unknown molecule"):
        make_up_specimen(1, kinds=("nothing",))


@given(st.integers(0, 10**9))
def test_made_up_optics_are_underfocused_within_the_range(seed: int) -> None:
    optics = make_up_optics(seed, defocus_um=(0.8, 2.0))
    assert 0.8 <= optics.mean_defocus_um <= 2.0
    assert optics.defocus_u_um >= optics.defocus_v_um > 0


def test_a_published_look_has_streaks_eight_bits_and_no_fine_detail() -> None:
    made = make_up_micrograph(3, width_px=1024, height_px=1024, pixel_size_angstrom=1.77, kinds=("tetramer-465",))
    picture = Look.empiar_10017()(made.image, 1.77)
    assert picture.shape == made.image.shape
    assert (picture == np.rint(picture)).all()
    assert 0 <= picture.min() <= picture.max() <= 255
    assert picture.mean() == pytest.approx(128, abs=1)
    assert (picture[:110, 300] == picture[110, 300]).all()
    assert (picture[300, -110:] == picture[300, -111]).all()
    assert len(np.unique(picture[110:-110, 300])) > 10
    inside = picture[150:-150, 150:-150]
    assert np.abs(np.diff(inside, axis=0)).mean() < 0.15 * inside.std()


def test_looks_can_be_inverted_and_left_as_floats() -> None:
    made = make_up_micrograph(3, width_px=512, height_px=512, binning=2)
    np.testing.assert_array_equal(Look(eight_bit=False)(made.image, 2.0), made.image)
    np.testing.assert_array_equal(Look(eight_bit=False, inverted=True)(made.image, 2.0), -made.image)
    with pytest.raises(SimulationError, match="border"):
        Look(border_px=200)(made.image, 2.0)
