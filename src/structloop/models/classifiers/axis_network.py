"""The files of one network of the AXIS family, in a folder of its own.

``config.json`` and ``model.safetensors`` are a whole network. Where a folder ``adapter`` lies beside them, they are the
base that a LoRA adapter was trained on, without a head: the adapter is merged when the network is built, and training
can go on with the adapter itself instead of stacking another one on top.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from structloop.models.adapters import lora
from structloop.models.adapters.dinov2_names import canonical_name
from structloop.models.adapters.tensors import check_shapes, read_json_object, read_shapes, read_tensors
from structloop.models.classifiers.axis_checkpoint import AXIS_LABELS, CONFIG_FILE, WEIGHTS_FILE
from structloop.models.classifiers.dinov2 import Dinov2Architecture, read_architecture

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER_FOLDER = "adapter"
HEAD = ("classifier.weight", "classifier.bias")


def has_adapter(folder: Path) -> bool:
    """Whether the network in `folder` is kept as base and adapter."""
    return lora.is_adapter(folder / ADAPTER_FOLDER)


def network_architecture(folder: Path) -> Dinov2Architecture:
    """The architecture of the network in `folder`.

    Raises:
        ModelFormatError: ``config.json`` is missing or not DINOv2's.
    """
    return read_architecture(read_json_object(folder / CONFIG_FILE), str(folder / CONFIG_FILE))


def check_network(folder: Path) -> None:
    """Compares names and shapes of the stored weights with the architecture; an adapter is checked when it is merged.

    Raises:
        ModelFormatError: they do not fit.
    """
    expected = network_architecture(folder).shapes(len(AXIS_LABELS))
    if has_adapter(folder):
        expected = {name: shape for name, shape in expected.items() if name not in HEAD}
    where = folder / WEIGHTS_FILE
    check_shapes(read_shapes(where), expected, str(where))


def network_weights(folder: Path) -> Mapping[str, "Tensor"]:
    """Every parameter of the network in `folder` by canonical name, head included, an adapter merged.

    Raises:
        ModelFormatError: a file is damaged, or adapter and base do not fit together.
    """
    weights = read_tensors(folder / WEIGHTS_FILE)
    if not has_adapter(folder):
        return weights
    adapter = lora.read_adapter(folder / ADAPTER_FOLDER, canonical_name)
    return lora.merge(weights, adapter, network_architecture(folder).linear_modules())


__all__ = ["ADAPTER_FOLDER", "HEAD", "check_network", "has_adapter", "network_architecture", "network_weights"]
