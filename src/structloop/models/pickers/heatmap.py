"""Family `heatmap`: the picker that ships with structloop. See `docs/explanations/few-shot-picking.md`."""

from collections.abc import Mapping
from pathlib import Path

import safetensors
from safetensors.torch import load_file
from torch import Tensor

from structloop.core.errors import ModelFormatError
from structloop.models.pickers.heatmap_network import HeatmapNetwork
from structloop.models.pickers.network_picker import DEFAULT_VIEWS, NetworkPicker
from structloop.models.runtime import Runtime
from structloop.schema.models import PickerCard, Scalar

WEIGHTS_FILE = "model.safetensors"


class HeatmapPicker(NetworkPicker):
    """A loaded heat-map network; satisfies `Picker`. See `NetworkPicker`."""


class HeatmapFamily:
    """Loads heat-map pickers; satisfies `PickerFamily`."""

    @property
    def name(self) -> str:
        """The family's name in cards."""
        return "heatmap"

    def load(self, folder: Path, card: PickerCard, runtime: Runtime) -> HeatmapPicker:
        """The picker of `card`, whose weights are ``model.safetensors`` in `folder`.

        Raises:
            ModelFormatError: the card asks for what this family cannot do, or the weights do not fit.
        """
        state = read_weights(folder / WEIGHTS_FILE)
        return picker_of(card, state, runtime)


def picker_of(card: PickerCard, state: Mapping[str, Tensor], runtime: Runtime | None = None) -> HeatmapPicker:
    """A picker of weights in memory.

    Raises:
        ModelFormatError: the weights are not a heat-map network's.
    """
    return HeatmapPicker(card, network_of(state), runtime or Runtime())


class HeatmapArchitecture:
    """The heat-map network as training knows it; satisfies `Architecture`."""

    @property
    def family(self) -> str:
        """The family of its cards."""
        return "heatmap"

    @property
    def identity(self) -> str:
        """Nothing is frozen."""
        return ""

    @property
    def base(self) -> str | None:
        """There is none."""
        return None

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """For the card."""
        return {"views": DEFAULT_VIEWS}

    def build(self) -> HeatmapNetwork:
        """Random weights."""
        return HeatmapNetwork()

    def picker(self, card: PickerCard, state: Mapping[str, Tensor], runtime: Runtime | None = None) -> HeatmapPicker:
        """See `picker_of`."""
        return picker_of(card, state, runtime)


def network_of(state: Mapping[str, Tensor]) -> HeatmapNetwork:
    """The network with these weights, in eval mode.

    Raises:
        ModelFormatError: a tensor is missing, too many, or of another shape.
    """
    network = HeatmapNetwork()
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise ModelFormatError(f"the weights do not fit the heat-map network: {error}") from error
    return network.eval().requires_grad_(False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, 16-bit floats widened to 32.

    Raises:
        ModelFormatError: the file is unreadable.
    """
    try:
        state = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelFormatError(f"cannot read weights {path}: {error}; install the model again") from error
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


__all__ = [
    "DEFAULT_VIEWS",
    "WEIGHTS_FILE",
    "HeatmapArchitecture",
    "HeatmapFamily",
    "HeatmapPicker",
    "network_of",
    "picker_of",
    "read_weights",
]
