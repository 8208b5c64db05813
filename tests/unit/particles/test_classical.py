"""Pickers without a network find blobs, learn from labels, and fulfil the protocol."""

from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import ModelFormatError, ParticlesError
from structloop.models.pickers import LabelledMicrograph, Picker, PickerFamily
from structloop.models.pickers.calibration import probabilities
from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.preparing import prepare
from structloop.models.registry import ModelRegistry
from structloop.particles.classical import (
    LOG,
    TEMPLATE,
    ClassicalPicker,
    LogFamily,
    TemplateFamily,
    default_picker,
    fit_classical,
)
from structloop.particles.evaluation import match_picks
from support.tiny_micrographs import DIAMETER_PX, tiny_micrograph

FAMILIES = pytest.mark.parametrize("family", [LOG, TEMPLATE])


def labelled(seed: int, *, some: int | None = None) -> LabelledMicrograph:
    made = tiny_micrograph(seed)
    working = prepare(made.pixels, diameter_px=DIAMETER_PX)
    return LabelledMicrograph(working, made.xy_px[:some], None, str(seed))


def f1(picker: ClassicalPicker, seed: int) -> float:
    made = tiny_micrograph(seed)
    working = prepare(made.pixels, diameter_px=DIAMETER_PX)
    xy, raw = find_peaks(picker.score_maps([working])[0], working)
    kept = xy[probabilities(picker.card.calibration, raw) >= picker.card.threshold]
    return 2 * len(match_picks(kept, made.xy_px, 0.3 * DIAMETER_PX).picks) / max(1, len(kept) + len(made.xy_px))


@FAMILIES
def test_learned_from_three_micrographs_it_finds_another_s_particles(family: str) -> None:
    fitted = fit_classical([labelled(seed) for seed in range(3)], family=family, name="test")
    assert f1(fitted.picker(), 10) > 0.85
    assert fitted.card.expected
    assert fitted.card.expected[5].precision > 0.7
    assert isinstance(fitted.picker(), Picker)


@FAMILIES
def test_a_few_clicks_in_one_micrograph_are_enough(family: str) -> None:
    fitted = fit_classical([labelled(0, some=8)], family=family, name="test")
    assert f1(fitted.picker(), 11) > 0.6


@FAMILIES
def test_the_map_is_highest_at_the_particles_and_from_0_to_1(family: str) -> None:
    one = labelled(4)
    score = default_picker(family).score_maps([one.micrograph])[0].probability
    assert score.shape == one.micrograph.pixels.shape
    assert score.dtype == np.float32
    assert 0 <= score.min() <= score.max() <= 1
    column, row = np.rint(one.micrograph.to_working(one.xy_px)).astype(int).T
    assert np.median(score[row, column]) > np.quantile(score, 0.9)


@FAMILIES
def test_it_goes_into_the_registry_and_comes_back_the_same(family: str, tmp_path: Path) -> None:
    fitted = fit_classical([labelled(0)], family=family, name="kept", diameter_px=DIAMETER_PX)
    fitted.save(tmp_path / "weights")
    registry = ModelRegistry(tmp_path / "home", shipped=tmp_path / "none")
    registry.add(fitted.card, tmp_path / "weights")
    loaded = registry.load_picker("kept")
    one = labelled(5)
    np.testing.assert_array_equal(
        loaded.score_maps([one.micrograph])[0].probability, fitted.picker().score_maps([one.micrograph])[0].probability
    )
    assert loaded.card.diameter_px == DIAMETER_PX


def test_faults_are_refused() -> None:
    with pytest.raises(ParticlesError, match="no particle is marked"):
        fit_classical([labelled(0, some=0)], family=LOG, name="test")
    with pytest.raises(ParticlesError, match="no classical picker"):
        fit_classical([labelled(0)], family="heatmap", name="test")
    with pytest.raises(ModelFormatError, match="lacks its tensor"):
        ClassicalPicker(default_picker(LOG).card, {})
    assert isinstance(LogFamily(), PickerFamily)
    assert isinstance(TemplateFamily(), PickerFamily)
