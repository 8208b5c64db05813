"""Thickness of ice of a simulated exposure, and of counts drawn by Beer and Lambert's law."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from structloop.core.errors import IceError
from structloop.micrographs.ice import (
    IceReference,
    ice_thickness,
    ice_thickness_of_zero_loss,
    thinnest_reference,
)
from structloop.simulation.micrographs import Recipe, make_up_specimen, render_micrograph
from structloop.simulation.micrographs.materials import ICE
from structloop.simulation.optics import Optics


def counts(thickness_nm: float | NDArray[np.float64], seed: int, path_nm: float = 320.0) -> NDArray[np.float64]:
    rate = 40 * np.exp(-np.asarray(thickness_nm) / path_nm)
    return np.random.default_rng(seed).poisson(np.broadcast_to(rate, (256, 256))).astype(np.float64)


@given(thickness=st.floats(0, 300), path=st.floats(100, 800), seed=st.integers(0, 99))
def test_thickness_against_vacuum_is_found(thickness: float, path: float, seed: int) -> None:
    ice = ice_thickness(counts(thickness, seed, path), IceReference(40.0, "vacuum"), mean_free_path_nm=path)
    assert ice.thickness_nm == pytest.approx(thickness, abs=5 * path * 2e-3)
    assert ice.spread_nm is not None
    assert ice.method == f"intensity against vacuum (Beer-Lambert), mean free path {path:g} nm"
    assert ice.relative == pytest.approx(thickness / path, abs=0.01)


def test_without_a_mean_free_path_it_is_relative_and_says_so() -> None:
    ice = ice_thickness(counts(64, 1), IceReference(40.0, "vacuum"))
    assert ice.thickness_nm is None
    assert ice.relative == pytest.approx(0.2, abs=0.01)
    assert ice.method.endswith("in mean free paths")


def test_against_the_thinnest_place_only_the_difference_is_known() -> None:
    reference = thinnest_reference([40 * math.exp(-nm / 320) for nm in np.linspace(20, 90, 60)] + [40.0, 52.0])
    assert reference.kind == "thinnest"
    ice = ice_thickness(counts(84, 2), reference, mean_free_path_nm=320)
    assert ice.thickness_nm == pytest.approx(64, abs=4)
    assert "the thinnest place" in ice.method
    assert any("comes on top" in remark for remark in ice.remarks)


def test_empty_holes_are_not_the_thinnest_ice() -> None:
    with_ice = [30.0 + 0.1 * place for place in range(20)]
    assert thinnest_reference([*with_ice, 60.0, 61.0]).intensity < 33


def test_the_zero_loss_ratio_needs_no_reference() -> None:
    ice = ice_thickness_of_zero_loss(counts(100, 3), counts(0, 4), mean_free_path_nm=320)
    assert ice.thickness_nm == pytest.approx(100, abs=3)
    assert ice.method == "zero-loss ratio, mean free path 320 nm"
    assert ice_thickness_of_zero_loss(counts(100, 3), counts(0, 4)).thickness_nm is None
    swapped = ice_thickness_of_zero_loss(counts(0, 3), counts(100, 4), mean_free_path_nm=320)
    assert swapped.remarks


def test_a_slope_is_uneven_and_masked_film_does_not_count() -> None:
    slope = np.linspace(20, 120, 256)[None, :]
    assert ice_thickness(counts(slope, 5), IceReference(40.0, "vacuum")).uneven > 0.05
    assert ice_thickness(counts(70, 5), IceReference(40.0, "vacuum")).uneven < 0.01
    with_film = counts(np.where(np.arange(256) < 100, 300.0, 50.0)[None, :], 6)
    masked = np.zeros((16, 16), np.bool_)
    masked[:, :7] = True
    ice = ice_thickness(with_film, IceReference(40.0, "vacuum"), mean_free_path_nm=320, masked=masked)
    assert ice.thickness_nm == pytest.approx(50, abs=3)


def test_brighter_than_vacuum_is_remarked() -> None:
    ice = ice_thickness(counts(0, 7) * 1.2, IceReference(40.0, "vacuum"), mean_free_path_nm=320)
    assert ice.thickness_nm == 0
    assert any("brighter than vacuum" in remark for remark in ice.remarks)


def test_what_says_nothing_of_thickness_is_refused() -> None:
    normalised = np.random.default_rng(8).standard_normal((64, 64)) - 0.1
    with pytest.raises(IceError, match="normalised or filtered"):
        ice_thickness(normalised, IceReference(40.0, "vacuum"))
    with pytest.raises(IceError, match="everything is masked"):
        ice_thickness(counts(10, 9), IceReference(40.0, "vacuum"), masked=np.ones((2, 2), np.bool_))
    with pytest.raises(IceError, match="mean free path"):
        ice_thickness(counts(10, 9), IceReference(40.0, "vacuum"), mean_free_path_nm=0)
    with pytest.raises(IceError, match="reference's intensity"):
        IceReference(math.nan, "vacuum")
    with pytest.raises(IceError, match="reference's spread"):
        IceReference(1.0, "vacuum", -1)
    with pytest.raises(IceError, match="too few"):
        thinnest_reference([1.0, 2.0])
    with pytest.raises(IceError, match="8 pixels a side"):
        ice_thickness(np.ones((4, 4)), IceReference(40.0, "vacuum"))


@pytest.mark.parametrize("wanted_nm", [30.0, 90.0])
def test_ice_of_a_rendered_exposure_is_as_thick_as_it_was_made(wanted_nm: float) -> None:
    """The renderer's own physics: inelastic losses behind the filter, structure, defocus, detector, counts."""
    recipe = replace(Recipe.clean(), ice_nm=(wanted_nm, wanted_nm), empty=1.0)
    made = make_up_specimen(
        3, width_px=512, height_px=512, pixel_size_angstrom=2.0, kinds=("tetramer-465",), recipe=recipe
    )
    optics = Optics(amplitude_contrast=0.1)
    image = render_micrograph(made.specimen, optics, 20.0, seed=1)
    vacuum = IceReference(20.0 * 2.0**2, "vacuum")
    found = ice_thickness(image, vacuum, mean_free_path_nm=ICE.mean_free_path_nm(optics))
    assert found.thickness_nm == pytest.approx(float(made.specimen.ice_nm.mean()), rel=0.1, abs=2)
