"""The general picker passes the suite that plugin authors use, and models that do not fit are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from structloop.core.errors import ModelFormatError
from structloop.models.pickers.heatmap import WEIGHTS_FILE, HeatmapFamily, picker_of
from structloop.models.pickers.heatmap_network import HeatmapNetwork
from structloop.models.pickers.protocol import Picker, WorkingMicrograph
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.models.runtime import Engine, Runtime
from structloop.testing.pickers import PickerTests, noise
from support.pickers import picker_card, random_picker


class TestGeneralPicker(PickerTests):
    @pytest.fixture(params=["torch", "openvino"])
    def picker(self, request: pytest.FixtureRequest, home: Path) -> Picker:
        engine: Engine = request.param
        return ModelRegistry(home).load_picker(GENERAL_PICKER, Runtime(engine, "fp32", threads=1))


def test_the_general_picker_is_small_and_says_what_it_is() -> None:
    registry = ModelRegistry(Path("/nowhere"))
    card = registry.picker_card(GENERAL_PICKER)
    assert registry.is_shipped(GENERAL_PICKER)
    assert sum(file.size_bytes for file in card.files) <= 10_000_000
    assert card.training.synthetic
    assert card.expected
    assert card.metrics
    assert card.limitations


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_views_are_turned_back_before_they_are_averaged(views: int) -> None:
    network = HeatmapNetwork()
    # A network whose log-odds are the picture and whose offsets are constant would be turned wrongly by half the views.
    seen = noise((48, 80), 1)
    one = picker_of(picker_card(parameters={"views": 1}), network.state_dict(), Runtime("torch", "fp32", threads=1))
    many = picker_of(
        picker_card(parameters={"views": views}), network.state_dict(), Runtime("torch", "fp32", threads=1)
    )

    class Echo:
        description = "an echo"

        def __call__(self, batch: np.ndarray) -> np.ndarray:
            # Offsets point down the slope of the picture, as a vector that turns with it.
            dy, dx = np.gradient(batch[:, 0], axis=(1, 2))
            return np.stack([batch[:, 0], dx, dy], axis=1).astype(np.float32)

    for picker in (one, many):
        for shape in ((48, 80), (80, 48)):
            picker._networks[shape] = Echo()
    expected, found = one.score_maps([seen])[0], many.score_maps([seen])[0]
    assert found.probability == pytest.approx(expected.probability, abs=1e-5)
    assert expected.offsets_px is not None
    assert found.offsets_px == pytest.approx(expected.offsets_px, abs=1e-5)


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    state = dict(HeatmapNetwork().state_dict())
    del state["head.1.bias"]
    save_file(state, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ModelFormatError, match="do not fit the heat-map network"):
        HeatmapFamily().load(tmp_path, picker_card(), Runtime())
    (tmp_path / WEIGHTS_FILE).write_bytes(b"nothing")
    with pytest.raises(ModelFormatError, match="cannot read weights"):
        HeatmapFamily().load(tmp_path, picker_card(), Runtime())


def test_a_card_that_asks_for_three_views_is_refused() -> None:
    with pytest.raises(ModelFormatError, match=r"parameters\.views is 3"):
        picker_of(picker_card(parameters={"views": 3}), HeatmapNetwork().state_dict())


def test_odd_sides_are_filled_up_and_cut_again() -> None:
    pixels = np.random.default_rng(1).standard_normal((37, 51)).astype(np.float32)
    seen = WorkingMicrograph(pixels, np.zeros((37, 51), np.bool_), 2.0, (74, 102))
    (found,) = random_picker().score_maps([seen])
    assert found.probability.shape == (37, 51)


def test_weights_handed_out_are_copies() -> None:
    picker = random_picker()
    before = picker.state
    for tensor in picker.state.values():
        tensor.zero_()
    assert all(torch.equal(picker.state[name], before[name]) for name in before)
