"""DINOv2 with LoRA adapters that learn: which adapter on which base, and the network that is trained.

``y = W x + b + (alpha / r) B A dropout(x)`` on every linear layer of every block; W and b stay, A, B and the head learn
(Hu et al., ICLR 2022; the initialisation is theirs as PEFT has it: A uniform in +-1 / sqrt(inputs), B zero).
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from structloop.core.errors import ModelFormatError, TrainingError
from structloop.models.adapters import lora
from structloop.models.adapters.dinov2_names import canonical_name
from structloop.models.adapters.tensors import read_tensors
from structloop.models.classifiers import axis_network
from structloop.models.classifiers.axis_checkpoint import AXIS_LABELS, CONFIG_FILE, WEIGHTS_FILE, read_network
from structloop.models.classifiers.dinov2 import Dinov2Architecture, build_network
from structloop.models.hub import locate
from structloop.models.training.lora_settings import LoraSettings
from structloop.schema.models import InputSpecification

_HEAD_DEVIATION = 0.02


@dataclass(frozen=True)
class LoraStart:
    """Where a training begins.

    Attributes:
        architecture: Of the base.
        base: The base's parameters by canonical name, without a head.
        head: Of two classes; None: one is drawn.
        adapter: The adapter that is continued; None: a new one.
        name: What the base is called, for cards.
    """

    architecture: Dinov2Architecture
    base: Mapping[str, Tensor]
    head: Mapping[str, Tensor] | None
    adapter: lora.LoraAdapter | None
    name: str

    def base_digest(self) -> str:
        """Of the base alone: adapters of the same digest can be put on each other's base, and averaged."""
        whole = hashlib.sha256()
        for name, tensor in sorted(self.base.items()):
            whole.update(f"{name}{tuple(tensor.shape)}".encode())
            whole.update(tensor.float().contiguous().numpy().tobytes())
        return whole.hexdigest()

    def digest(self) -> str:
        """Of every number in it, as hex SHA-256."""
        whole = hashlib.sha256()
        parts: list[tuple[str, Tensor]] = [*self.base.items(), *(self.head or {}).items()]
        if self.adapter is not None:
            whole.update(str(self.adapter.scaling).encode())
            for half, tensors in (("A", self.adapter.down), ("B", self.adapter.up), ("", self.adapter.saved)):
                parts += [(f"{name}.{half}", tensor) for name, tensor in tensors.items()]
        for name, tensor in sorted(parts, key=lambda part: part[0]):
            whole.update(name.encode())
            whole.update(tensor.contiguous().numpy().tobytes())
        return whole.hexdigest()


def start_from_network(folder: Path, name: str) -> LoraStart:
    """From a network of an AXIS model: its adapter is continued where it is kept; a merged network gets a new one.

    Args:
        folder: Of the network, below the model's folder.
        name: Of the base, for cards.

    Raises:
        ModelFormatError: files are damaged or do not fit.
    """
    axis_network.check_network(folder)
    architecture = axis_network.network_architecture(folder)
    weights = read_tensors(folder / WEIGHTS_FILE)
    if axis_network.has_adapter(folder):
        adapter = lora.read_adapter(folder / axis_network.ADAPTER_FOLDER, canonical_name)
        return _checked(LoraStart(architecture, weights, dict(adapter.saved), adapter, adapter.base or name))
    head = {key: weights.pop(key) for key in axis_network.HEAD}
    return LoraStart(architecture, weights, head, None, name)


def start_from_checkpoint(source: str, *, base: str | None = None, allow_download: bool = False) -> LoraStart:
    """From a published checkpoint: a PEFT adapter (which is continued) on its base, or a bare base (a new adapter).

    Args:
        source: Folder or hub id.
        base: Folder or hub id of the network below an adapter; None takes the one that it names.
        allow_download: Whether they may be fetched.

    Raises:
        ModelNotFoundError, DownloadRefusedError: a source is not here, and may not be fetched.
        ModelFormatError: files are damaged or do not fit.
    """
    folder = locate(source, allow_download=allow_download)
    if not lora.is_adapter(folder):
        architecture, weights = read_network(folder)
        backbone = {key: tensor for key, tensor in weights.items() if key not in axis_network.HEAD}
        return LoraStart(architecture, backbone, None, None, source)
    adapter = lora.read_adapter(folder, canonical_name)
    below = base or adapter.base
    if below is None:
        raise ModelFormatError(f"{folder / lora.CONFIG_FILE} names no base; give one")
    architecture, weights = read_network(locate(below, allow_download=allow_download))
    backbone = {key: tensor for key, tensor in weights.items() if key not in axis_network.HEAD}
    return _checked(LoraStart(architecture, backbone, dict(adapter.saved), adapter, below))


class LoraLinear(nn.Module):
    """A frozen linear layer with an adapter that learns."""

    def __init__(self, below: nn.Linear, down: Tensor, up: Tensor, scaling: float, dropout: float) -> None:
        super().__init__()
        self.below = below
        self.lora_A = nn.Parameter(down.clone())
        self.lora_B = nn.Parameter(up.clone())
        self.dropout = nn.Dropout(dropout)
        self.scaling = scaling

    def forward(self, inputs: Tensor) -> Tensor:
        """The layer's outputs."""
        added = nn.functional.linear(nn.functional.linear(self.dropout(inputs), self.lora_A), self.lora_B)
        outputs: Tensor = self.below(inputs) + added * self.scaling
        return outputs


class LoraNetwork:
    """A network with adapters, and the parameters of it that learn.

    Attributes:
        module: Grayscale bytes `(n, 1, h, w)` -> logits `(n, 2)`.
        trainable: By name: `<module>.lora_A`, `<module>.lora_B`, and the head's.
        scaling: Alpha / rank.
        rank: Of every adapter.
    """

    def __init__(self, start: LoraStart, specification: InputSpecification, settings: LoraSettings) -> None:
        draw = torch.Generator().manual_seed(settings.seed)
        head = start.head if start.head is not None else _drawn_head(start.architecture, draw)
        self.module = build_network(start.architecture, {**start.base, **head}, specification, start.name)
        self.module.requires_grad_(False)
        self.trainable: dict[str, nn.Parameter] = {}
        adapter = start.adapter
        self.rank = settings.rank if adapter is None else next(iter(adapter.down.values())).shape[0]
        self.scaling = settings.alpha / settings.rank if adapter is None else adapter.scaling
        self._start = start
        wanted = set(start.architecture.linear_modules())
        for stored, layer in list(self.module.named_modules()):
            name = canonical_name(stored.removeprefix("classifier."))
            if name not in wanted or not isinstance(layer, nn.Linear):
                continue
            if adapter is None:
                bound = 1 / math.sqrt(layer.in_features)
                down = (torch.rand(self.rank, layer.in_features, generator=draw) * 2 - 1) * bound
                up = torch.zeros(layer.out_features, self.rank)
            else:
                down, up = adapter.down[name], adapter.up[name]
            tuned = LoraLinear(layer, down, up, self.scaling, settings.dropout)
            parent, _, last = stored.rpartition(".")
            setattr(self.module.get_submodule(parent), last, tuned)
            self.trainable[f"{name}.lora_A"], self.trainable[f"{name}.lora_B"] = tuned.lora_A, tuned.lora_B
            wanted.discard(name)
        if wanted:
            raise ModelFormatError(f"{start.name}: linear layers {sorted(wanted)[:3]} were not found in the network")
        last_layer = self.module.get_submodule("classifier.classifier")
        for part, parameter in last_layer.named_parameters():
            parameter.requires_grad_(True)
            self.trainable[f"classifier.{part}"] = parameter

    def write(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Writes a network of the AXIS family, kept as base and adapter, to the new folder `folder`.

        Args:
            folder: Made here.
            weights: Of `trainable`, by name.

        Raises:
            TrainingError: the folder cannot be written.
        """
        named = {name: tensor.detach().cpu().float() for name, tensor in weights.items()}
        start = self._start
        write_adapted_network(folder, start.architecture, start.base, named, self.rank, self.scaling, start.name)


def write_adapted_network(
    folder: Path,
    architecture: Dinov2Architecture,
    base: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    rank: int,
    scaling: float,
    base_name: str,
) -> None:
    """Writes a network of the AXIS family, kept as base and adapter.

    Args:
        folder: Made here.
        architecture: Of the base.
        base: Its parameters, without a head.
        weights: `<module>.lora_A`, `<module>.lora_B` and the head's.
        rank, scaling: Of every module.
        base_name: What the base is called.

    Raises:
        TrainingError: the folder cannot be written.
    """
    stored = {}
    for name, tensor in weights.items():
        full = f"{name}.weight" if name.endswith((".lora_A", ".lora_B")) else name
        stored[f"base_model.model.{full}"] = tensor.contiguous()
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": scaling * rank,
        "bias": "none",
        "init_lora_weights": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in architecture.linear_modules()}),
        "modules_to_save": ["classifier"],
    }
    network = {"model_type": "dinov2", **architecture.model_dump()}
    labels = {"id2label": {str(index): label for index, label in enumerate(AXIS_LABELS)}}
    try:
        adapter = folder / axis_network.ADAPTER_FOLDER
        adapter.mkdir(parents=True)
        save_file(stored, adapter / lora.WEIGHTS_FILE)
        (adapter / lora.CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file({name: tensor.contiguous() for name, tensor in base.items()}, folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_text(json.dumps(network | labels, indent=2) + "\n", encoding="utf-8")
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainingError(
            f"the network cannot be written to {folder}: {error}; free some space and try again; a "
            "training goes on from its last saved state"
        ) from error


def _drawn_head(architecture: Dinov2Architecture, draw: torch.Generator) -> dict[str, Tensor]:
    shape = (len(AXIS_LABELS), 2 * architecture.hidden_size)
    weight = torch.randn(shape, generator=draw) * _HEAD_DEVIATION
    return {"classifier.weight": weight, "classifier.bias": torch.zeros(len(AXIS_LABELS))}


def _checked(start: LoraStart) -> LoraStart:
    if start.adapter is None:
        return start
    # Merging checks names, shapes and the number of modules; its result is not needed.
    lora.merge(start.base, start.adapter, start.architecture.linear_modules())
    missing = [name for name in axis_network.HEAD if name not in start.adapter.saved]
    if missing:
        raise ModelFormatError(f"{start.adapter.folder}: the head ({', '.join(missing)}) is not in the adapter")
    return start


__all__ = [
    "LoraLinear",
    "LoraNetwork",
    "LoraStart",
    "start_from_checkpoint",
    "start_from_network",
    "write_adapted_network",
]
