"""Pickers that are one network: from pictures at the working sampling to log-odds and offsets of every pixel.

Families differ in the network and in where its weights come from; views, padding, arithmetic and the meaning of the
scores are the same for all of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from structloop.core.errors import ModelFormatError
from structloop.models.pickers.architecture import STRIDE, trained_state
from structloop.models.pickers.protocol import ScoreMap, WorkingMicrograph
from structloop.models.runtime import Network, NetworkSource, Runtime, compile_network
from structloop.schema.models import PickerCard

DEFAULT_VIEWS = 4
_VIEWS: Mapping[int, tuple[tuple[bool, int], ...]] = {
    1: ((False, 0),),
    2: ((False, 0), (True, 2)),
    4: ((False, 0), (False, 2), (True, 0), (True, 2)),
    8: tuple((mirrored, turns) for mirrored in (False, True) for turns in range(4)),
}
"""Ways to look at a picture: mirrored in x or not, then turned by so many quarters. Four keep its shape."""


class NetworkPicker:
    """A loaded network `(n, 1, h, w) -> (n, 3, h, w)`; satisfies `Picker`.

    Args:
        card: Of the model; its parameter `views` (1, 2, 4 or 8) says in how many mirrored and turned copies a
            micrograph is looked at.
        network: In eval mode, weights loaded; its pictures' sides are multiples of `STRIDE`.
        runtime: Engine, arithmetic and threads.

    Raises:
        ModelFormatError: The card asks for another number of views.
    """

    def __init__(self, card: PickerCard, network: nn.Module, runtime: Runtime) -> None:
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
        """Copies of the weights that training changes, for one that starts from them."""
        return {name: tensor.detach().clone() for name, tensor in trained_state(self._trained).items()}

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


__all__ = ["DEFAULT_VIEWS", "NetworkPicker"]
