"""Family `sam2`: a frozen SAM2 encoder with adapters; see `docs/explanations/few-shot-picking.md`.

A model of this family holds adapters and head only. Its card names the base, a folder or a hub id, and the
SHA-256 of the encoder in it; a base that has moved is found again when its new place is written into the card's `base`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from torch import Tensor, nn

from structloop.core.errors import ModelError, ModelFormatError
from structloop.models.adapters.tensors import check_shapes
from structloop.models.pickers.architecture import trained_state
from structloop.models.pickers.heatmap import WEIGHTS_FILE, read_weights
from structloop.models.pickers.learning import load_trained
from structloop.models.pickers.network_picker import NetworkPicker
from structloop.models.pickers.sam2_base import Sam2Base, read_base
from structloop.models.pickers.sam2_network import Sam2Network
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.runtime import Runtime
from structloop.schema.models import PickerCard, Scalar

SAM2 = "sam2"
BASE_SHA256 = "base_sha256"
DEFAULT_VIEWS = 1
"""One look at a micrograph already takes far longer than the heat map's four."""

_PEAK, _PATCHES = 1e-3, 2


class Sam2Picker(NetworkPicker):
    """A loaded SAM2 picker; satisfies `Picker`. See `NetworkPicker`."""


class Sam2Architecture:
    """SAM2 with adapters as training knows it; satisfies `Architecture`.

    Args:
        base: The encoder, which all networks of this architecture share.
    """

    def __init__(self, base: Sam2Base) -> None:
        self._base = base

    @property
    def family(self) -> str:
        """The family of its cards."""
        return SAM2

    @property
    def identity(self) -> str:
        """The checksum of the encoder."""
        return self._base.sha256

    @property
    def base(self) -> str:
        """Folder or hub id of the encoder."""
        return self._base.source

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """For the card."""
        return {"views": DEFAULT_VIEWS, BASE_SHA256: self._base.sha256}

    @cached_property
    def _encoder(self) -> nn.Module:
        return self._base.encoder()

    def build(self) -> Sam2Network:
        """Adapters that change nothing yet, and a head that says the same of every place."""
        return Sam2Network(self._encoder, self._base.shape)

    def picker(self, card: PickerCard, state: Mapping[str, Tensor], runtime: Runtime | None = None) -> Sam2Picker:
        """The picker of trained adapters and head.

        Raises:
            ModelFormatError: the weights do not fit the base, or OpenVINO was asked for.
        """
        network = self.build()
        expected = {name: tuple(tensor.shape) for name, tensor in trained_state(network).items()}
        check_shapes(
            {name: tuple(tensor.shape) for name, tensor in state.items()},
            expected,
            f"model '{card.name}': adapters and head on the base {self._base.source}",
        )
        load_trained(network, state)
        return Sam2Picker(card, network.eval().requires_grad_(False), on_torch(runtime))


class Sam2Family:
    """Loads SAM2 pickers; satisfies `PickerFamily`."""

    @property
    def name(self) -> str:
        """The family's name in cards."""
        return SAM2

    def load(self, folder: Path, card: PickerCard, runtime: Runtime) -> Sam2Picker:
        """The picker of `card`: its adapters and head are in `folder`, its base where the card says.

        Raises:
            ModelFormatError: the base is missing or another one, the weights do not fit it, or OpenVINO was asked for.
        """
        runtime = on_torch(runtime)
        return base_of(card).picker(card, read_weights(folder / WEIGHTS_FILE), runtime)


def base_of(card: PickerCard, *, allow_download: bool = False) -> Sam2Architecture:
    """The architecture on the base that `card` names.

    Raises:
        ModelFormatError: the card names no base, it cannot be read, or it is not the one that the model learnt with.
    """
    wanted = card.parameters.get(BASE_SHA256)
    if card.base is None or not isinstance(wanted, str):
        raise ModelFormatError(
            f"card {card.name}: a {SAM2} picker's card gives its SAM2 model in base and parameters.{BASE_SHA256}"
        )
    try:
        base = read_base(card.base, allow_download=allow_download)
    except ModelError as error:
        raise ModelFormatError(
            f"model '{card.name}' needs the SAM2 model '{card.base}' that it was trained on: {error}. If it lies "
            "elsewhere on this machine, write its folder into the field base of the model's card.json"
        ) from error
    if base.sha256 != wanted:
        raise ModelFormatError(
            f"model '{card.name}' was trained on another SAM2 encoder than that of '{card.base}' (SHA-256 "
            f"{base.sha256[:12]}..., the card says {wanted[:12]}...); write the right folder into the field base of "
            "the model's card.json"
        )
    return Sam2Architecture(base)


def on_torch(runtime: Runtime | None) -> Runtime:
    """`runtime` on torch, the one engine that these networks run on.

    Raises:
        ModelFormatError: OpenVINO was asked for.
    """
    runtime = runtime or Runtime()
    if runtime.engine == "openvino":
        raise ModelFormatError(f"{SAM2} pickers run on torch only; set the runtime to 'auto' or 'torch'")
    return replace(runtime, engine="torch")


def settings_for_sam2(settings: TrainingSettings) -> TrainingSettings:
    """`settings` with the learning rate and the patches per step that this network is trained with."""
    return replace(settings, peak=_PEAK, patches=_PATCHES)


__all__ = [
    "BASE_SHA256",
    "SAM2",
    "Sam2Architecture",
    "Sam2Family",
    "Sam2Picker",
    "base_of",
    "on_torch",
    "settings_for_sam2",
]
