"""Family `heatmap`: the picker that ships with structloop. See `docs/explanations/few-shot-picking.md`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.special import expit
from torch import Tensor

from structloop.core.errors import ModelFormatError
from structloop.models.pickers.heatmap_network import STRIDE, HeatmapNetwork
from structloop.models.pickers.protocol import ScoreMap, WorkingMicrograph
from structloop.models.runtime import Network, NetworkSource, Runtime, compile_network
from structloop.schema.models import PickerCard

WEIGHTS_FILE = "model.safetensors"
DEFAULT_VIEWS = 4
_VIEWS: Mapping[int, tuple[tuple[bool, int], ...]] = {
    1: ((False, 0),),
    2: ((False, 0), (True, 2)),
    4: ((False, 0), (False, 2), (True, 0), (True, 2)),
    8: tuple((mirrored, turns) for mirrored in (False, True) for turns in range(4)),
}
"""Ways to look at a picture: mirrored in x or not, then turned by so many quarters. Four keep its shape."""


class HeatmapPicker:
    """A loaded heat-map network; satisfies `Picker`.

    Args:
        card: Of the model; its parameter `views` (1, 2, 4 or 8) says in how many mirrored and turned copies a
            micrograph is looked at.
        network: In eval mode, weights loaded.
        runtime: Engine, arithmetic and threads.

    Raises:
        ModelFormatError: The card asks for another number of views.
    """

    def __init__(self, card: PickerCard, network: HeatmapNetwork, runtime: Runtime) -> None:
        views = card.parameters.get("views", DEFAULT_VIEWS)
        if not isinstance(views, int) or views not in _VIEWS:
            raise ModelFormatError(f"card {card.name}: parameters.views is {views!r}; it must be 1, 2, 4 or 8")
        self._card = card
        self._views = _VIEWS[views]
        self._trained = network
        self._runtime = runtime
        self._networks: dict[tuple[int, int], Network] = {}

    @property
    def card(self) -> PickerCard:
        """The card of the model."""
        return self._card

    @property
    def state(self) -> dict[str, Tensor]:
        """Copies of the weights, for a training that starts from them."""
        return {name: tensor.detach().clone() for name, tensor in self._trained.state_dict().items()}

    def score_maps(self, micrographs: Sequence[WorkingMicrograph]) -> list[ScoreMap]:
        """One map per micrograph; see `Picker.score_maps`."""
        return [self._map(micrograph.pixels) for micrograph in micrographs]

    def _map(self, pixels: NDArray[np.float32]) -> ScoreMap:
        height, width = pixels.shape
        whole = np.pad(pixels, ((0, -height % STRIDE), (0, -width % STRIDE)), mode="symmetric")
        total = np.zeros((3, *whole.shape), np.float32)
        by_shape: dict[tuple[int, int], list[tuple[bool, int]]] = {}
        for view in self._views:
            seen = whole.shape if view[1] % 2 == 0 else whole.shape[::-1]
            by_shape.setdefault((seen[0], seen[1]), []).append(view)
        for shape, views in by_shape.items():
            batch = np.stack([_turned(whole, *view) for view in views])[:, np.newaxis]
            for output, view in zip(self._network(shape)(np.ascontiguousarray(batch)), views, strict=True):
                # Outside of the network, which may compute in 16 bits: log-odds survive that, scores near 1 do not.
                output[0] = expit(output[0])
                total += _turned_back(output, *view)
        mean = np.asarray((total / np.float32(len(self._views)))[:, :height, :width], np.float32)
        return ScoreMap(mean[0], mean[1:])

    def _network(self, shape: tuple[int, int]) -> Network:
        if shape not in self._networks:
            # A graph is compiled for one shape; micrographs of one camera share it.
            key = f"{self._card.version}-{shape[0]}x{shape[1]}"
            self._networks[shape] = compile_network(
                NetworkSource(key, lambda: self._trained, (1, *shape)), self._runtime
            )
        return self._networks[shape]


def _turned(picture: NDArray[np.float32], mirrored: bool, quarters: int) -> NDArray[np.float32]:
    return np.rot90(picture[:, ::-1] if mirrored else picture, quarters)


def _turned_back(output: NDArray[np.float32], mirrored: bool, quarters: int) -> NDArray[np.float32]:
    """The outputs `(3, h, w)` of a turned picture, as if it had not been turned."""
    maps = np.rot90(output, -quarters, axes=(1, 2))
    dx, dy = maps[1], maps[2]
    for _ in range(quarters):
        dx, dy = -dy, dx
    whole = np.stack([maps[0], dx, dy])
    if mirrored:
        whole = whole[:, :, ::-1] * np.array([1, -1, 1], np.float32)[:, None, None]
    return whole


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


__all__ = ["DEFAULT_VIEWS", "WEIGHTS_FILE", "HeatmapFamily", "HeatmapPicker", "network_of", "picker_of", "read_weights"]
