"""What every particle picker must do. Authors of a family subclass `PickerTests` in their own tests.

class TestMyFamily(PickerTests):
    @pytest.fixture
    def picker(self) -> Picker:
        return MyFamily().load(folder, card, Runtime(precision="fp32"))

A picker that was not trained to find dark round particles sets ``finds_discs = False``.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.preparing import prepare
from structloop.models.pickers.protocol import Picker, WorkingMicrograph


class PickerTests:
    """Subclass it and give a fixture `picker`. Scores are compared within `tolerance`."""

    tolerance = 1e-3
    finds_discs = True

    @pytest.fixture
    def picker(self) -> Picker:
        """The picker under test."""
        raise NotImplementedError("a subclass of PickerTests gives the fixture `picker`")

    def test_it_fulfils_the_protocol_and_says_how_it_sees(self, picker: Picker) -> None:
        """The object is a `Picker`, and its card is a picker's."""
        assert isinstance(picker, Picker)
        assert picker.card.task == "particle-picking"
        assert picker.card.working_diameter_px > 0

    def test_maps_have_the_shape_of_their_micrographs_whatever_it_is(self, picker: Picker) -> None:
        """Upright, lying, of odd sides: one map each, in order, scores from 0 to 1."""
        seen = [noise(shape, seed) for seed, shape in enumerate([(64, 64), (96, 64), (75, 131)])]
        maps = picker.score_maps(seen)
        assert [each.probability.shape for each in maps] == [each.pixels.shape for each in seen]
        for each in maps:
            assert each.probability.dtype == np.float32
            assert ((each.probability >= 0) & (each.probability <= 1)).all()
            if each.offsets_px is not None:
                assert each.offsets_px.shape == (2, *each.probability.shape)
                assert np.isfinite(each.offsets_px).all()

    def test_no_micrograph_gives_no_map(self, picker: Picker) -> None:
        """An empty list is not an error."""
        assert picker.score_maps([]) == []

    def test_a_map_depends_on_its_micrograph_alone(self, picker: Picker) -> None:
        """Neither on those beside it, nor on the mask, nor on how often it is asked."""
        first, second = noise((64, 80), 1), noise((64, 80), 2)
        together = picker.score_maps([first, second])
        masked = replace(first, mask=np.ones_like(first.mask))
        for alone in (picker.score_maps([first])[0], picker.score_maps([masked])[0]):
            np.testing.assert_allclose(alone.probability, together[0].probability, atol=self.tolerance)
        np.testing.assert_allclose(
            picker.score_maps([second])[0].probability, together[1].probability, atol=self.tolerance
        )

    def test_what_it_looks_at_is_left_alone(self, picker: Picker) -> None:
        """The micrograph's arrays are not written to."""
        seen = noise((64, 64), 3)
        before = seen.pixels.copy()
        picker.score_maps([seen])
        assert np.array_equal(seen.pixels, before)

    def test_discs_are_found_where_they_are_once_each_and_not_in_the_mask(self, picker: Picker) -> None:
        """On a lying micrograph, with a masked corner, particles are found within 0.3 diameters."""
        if not self.finds_discs:
            pytest.skip("the picker was not made to find dark discs")
        diameter = 40.0
        stored, centres = discs((900, 1300), diameter, 1)
        mask = np.zeros((9, 13), np.bool_)
        mask[:3, :3] = True
        seen = prepare(stored, diameter_px=diameter, mask=mask, working_diameter_px=picker.card.working_diameter_px)
        found, raw = find_peaks(
            picker.score_maps([seen])[0], seen, working_diameter_px=picker.card.working_diameter_px, floor=0.0
        )
        assert (np.diff(raw) <= 1e-9).all()
        assert not ((found[:, 0] < 290) & (found[:, 1] < 290)).any()
        open_ = centres[~((centres[:, 0] < 320) & (centres[:, 1] < 320))]
        best = found[: len(open_)]
        apart = np.linalg.norm(open_[:, None] - best[None], axis=2)
        assert (apart.min(axis=1) <= 0.3 * diameter).mean() >= 0.9
        assert (apart.min(axis=0) <= 0.3 * diameter).mean() >= 0.9
        assert (np.sort(apart, axis=1)[:, 1] > 0.3 * diameter).all()

    def test_memory_does_not_grow_with_the_number_of_micrographs(self, picker: Picker) -> None:
        """What a micrograph needed is given back before the next."""
        picker.score_maps([noise((64, 64), 4)])
        tracemalloc.start()
        try:
            for seed in range(8):
                picker.score_maps([noise((64, 64), seed)])
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < 4_000_000


def noise(shape: tuple[int, int], seed: int) -> WorkingMicrograph:
    """A micrograph of nothing but noise, `shape` (height, width) in working pixels."""
    pixels = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    native = (shape[0] * 4, shape[1] * 4)
    return WorkingMicrograph(pixels, np.zeros(shape, np.bool_), 4.0, native)


def discs(shape: tuple[int, int], diameter: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A stored micrograph (height, width) of dark balls in noise, and their centres (n, 2), none near an edge."""
    draw = np.random.default_rng(seed)
    height, width = shape
    step = 2.2 * diameter
    rows = np.arange(1.5 * diameter, height - 1.5 * diameter, step)
    columns = np.arange(1.5 * diameter, width - 1.5 * diameter, step)
    lattice = np.array([(x, y) for y in rows for x in columns])
    centres = lattice + draw.uniform(-0.4, 0.4, lattice.shape) * diameter
    picture = draw.normal(100.0, 6.0, shape)
    y, x = np.mgrid[:height, :width]
    for column, row in centres:
        top, left = int(row - diameter), int(column - diameter)
        here = np.s_[top : top + int(2 * diameter) + 2, left : left + int(2 * diameter) + 2]
        depth = 1 - ((x[here] - column) ** 2 + (y[here] - row) ** 2) / (0.45 * diameter) ** 2
        picture[here] -= 10.0 * np.sqrt(np.maximum(depth, 0))
    return picture.astype(np.float32), centres.astype(np.float64)


__all__ = ["PickerTests", "discs", "noise"]
