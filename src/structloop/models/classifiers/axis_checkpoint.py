"""Reading AXIS checkpoints: a PEFT adapter on a DINOv2 base, or a merged network, with every tensor accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structloop.core.errors import ModelFormatError, ModelNotFoundError
from structloop.models.adapters import lora
from structloop.models.adapters.dinov2_names import canonical_name
from structloop.models.adapters.tensors import check_shapes, read_json_object, read_tensors, weight_files
from structloop.models.classifiers import axis_preprocessing
from structloop.models.classifiers.dinov2 import Dinov2Architecture, read_architecture
from structloop.models.hub import locate
from structloop.schema.models import InputSpecification

if TYPE_CHECKING:
    from torch import Tensor

AXIS_LABELS = ("crystal", "other")
"""The documented order of the outputs: the classes sorted by name."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_HEAD = "classifier."
_BACKBONE = "dinov2."


@dataclass(frozen=True)
class AxisCheckpoint:
    """One network of the AXIS recipe, merged.

    Attributes:
        architecture: shape of the network.
        weights: every parameter by canonical name, fp32, head included.
        input: what the network takes.
        inherited: fields of the preprocessing file that only repeat those of the base and are not applied.
        base: what the adapter was trained on; None for a merged checkpoint.
    """

    architecture: Dinov2Architecture
    weights: Mapping[str, "Tensor"]
    input: InputSpecification
    inherited: tuple[str, ...]
    base: str | None


def read_checkpoint(
    folder: Path,
    *,
    base: str | None = None,
    labels: tuple[str, ...] | None = None,
    recipe_preprocessing: bool = False,
    allow_download: bool = False,
) -> AxisCheckpoint:
    """Reads and merges the checkpoint in `folder`.

    Args:
        folder: a PEFT adapter (``adapter_config.json``, ``adapter_model.safetensors``) or a merged network
            (``config.json``, ``model.safetensors``), with ``preprocessor_config.json`` in either.
        base: folder or hub id of the network below an adapter; None takes the one that the adapter names.
        labels: order of the outputs, where the checkpoint does not say it.
        recipe_preprocessing: take the recipe's preprocessing, whatever the file says.
        allow_download: whether the base may be fetched from the hub.

    Raises:
        ModelFormatError: tensors, classes, their order or the preprocessing are not the recipe's; named in the message.
        ModelNotFoundError: a folder is missing.
        DownloadRefusedError: the base is a hub id that is not on this machine, and may not be fetched.
    """
    if not folder.is_dir():
        raise ModelNotFoundError(f"no such folder: {folder}")
    if lora.is_adapter(folder):
        adapter = lora.read_adapter(folder, canonical_name)
        below = base or adapter.base
        if below is None:
            raise ModelFormatError(f"{folder / lora.CONFIG_FILE} names no base; give one with --base")
        below_folder = locate(below, allow_download=allow_download)
        architecture, weights = read_network(below_folder)
        # The head of the base, where it has one, is not the one that was trained.
        backbone = {name: tensor for name, tensor in weights.items() if not name.startswith(_HEAD)}
        weights = lora.merge(backbone, adapter, architecture.linear_modules())
        where, base = folder / lora.WEIGHTS_FILE, below
        config = read_json_object(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    else:
        architecture, weights = read_network(folder)
        where, base = folder / WEIGHTS_FILE, None
        config = read_json_object(folder / CONFIG_FILE)
    _check_labels(config, labels, folder, is_adapter=base is not None)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    classes = shapes.get("classifier.weight", (len(AXIS_LABELS),))[0]
    if classes != len(AXIS_LABELS):
        raise ModelFormatError(f"{where}: the head has {classes} classes, the AXIS family has {len(AXIS_LABELS)}")
    check_shapes(shapes, architecture.shapes(len(AXIS_LABELS)), str(where))
    specification, inherited = axis_preprocessing.RECIPE, list[str]()
    file = folder / axis_preprocessing.FILE
    if file.is_file() and not recipe_preprocessing:
        specification, inherited = axis_preprocessing.read_preprocessing(
            read_json_object(file), architecture.patch_size, str(file)
        )
    return AxisCheckpoint(architecture, weights, specification, tuple(inherited), base)


def read_network(folder: Path) -> tuple[Dinov2Architecture, dict[str, "Tensor"]]:
    """Architecture and parameters, by canonical name, of a published DINOv2: a bare backbone, or one with a head.

    Raises:
        ModelFormatError: a file is missing or damaged, or it is no DINOv2 that is supported.
    """
    config = read_json_object(folder / CONFIG_FILE)
    weights: dict[str, Tensor] = {}
    for file in weight_files(folder):
        for stored, tensor in read_tensors(file).items():
            # A bare backbone, as the base is published, has no prefix.
            full = stored if stored.startswith((_BACKBONE, _HEAD)) else _BACKBONE + stored
            weights[canonical_name(full)] = tensor
    use_mask_token = f"{_BACKBONE}embeddings.mask_token" in weights
    return read_architecture(config | {"use_mask_token": use_mask_token}, str(folder / CONFIG_FILE)), weights


def _check_labels(config: Mapping[str, Any], given: tuple[str, ...] | None, folder: Path, *, is_adapter: bool) -> None:
    stated = _labels_in(config, folder)
    if stated is not None and given is not None and stated != given:
        raise ModelFormatError(
            f"{folder / CONFIG_FILE}: the outputs are {', '.join(stated)}, but --labels says {', '.join(given)}"
        )
    labels = stated or given or (AXIS_LABELS if is_adapter else None)
    if labels is None:
        raise ModelFormatError(
            f"{folder / CONFIG_FILE} does not say what its outputs are (id2label); give --labels crystal,other if so"
        )
    if tuple(reversed(labels)) == AXIS_LABELS:
        raise ModelFormatError(
            f"{folder}: the classes are the other way round ({labels[0]} = 0, {labels[1]} = 1); the AXIS family has "
            "crystal = 0, other = 1. Swap the rows of the head and its labels, then import again"
        )
    if labels != AXIS_LABELS:
        raise ModelFormatError(f"{folder}: the classes are {', '.join(labels)}; the AXIS family has crystal, other")


def _labels_in(config: Mapping[str, Any], folder: Path) -> tuple[str, ...] | None:
    id2label = config.get("id2label")
    if not id2label:
        return None
    where = folder / CONFIG_FILE
    if not isinstance(id2label, Mapping) or sorted(map(str, id2label)) != sorted(map(str, range(len(id2label)))):
        raise ModelFormatError(f"{where}: id2label = {id2label!r} does not number its classes from 0")
    labels = tuple(str(id2label[key]).lower() for key in sorted(id2label, key=int))
    label2id = config.get("label2id")
    if isinstance(label2id, Mapping) and label2id:
        turned = tuple(str(name).lower() for name, _ in sorted(label2id.items(), key=lambda item: int(item[1])))
        if turned != labels:
            raise ModelFormatError(f"{where}: id2label and label2id contradict each other")
    # The library's placeholders say nothing.
    return None if all(label.startswith("label_") for label in labels) else labels


__all__ = ["AXIS_LABELS", "CONFIG_FILE", "WEIGHTS_FILE", "AxisCheckpoint", "read_checkpoint", "read_network"]
