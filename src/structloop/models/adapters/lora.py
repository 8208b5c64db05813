"""LoRA adapters in PEFT's format: read, checked against the network below, and merged into it.

``W' = W + (alpha / r) * B @ A`` (Hu et al., ICLR 2022). Merging costs nothing at inference. Every option of
its configuration that would change this formula is refused rather than ignored; every tensor must find its place.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from structloop.core.errors import ModelFormatError
from structloop.models.adapters.tensors import describe_some, read_json_object, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_UNSAFE_WEIGHTS = "adapter_model.bin"

# Options of adapter_config.json that say how it was trained or stored, and nothing about the formula.
_NEUTRAL = frozenset(
    {
        "task_type",
        "peft_type",
        "auto_mapping",
        "peft_version",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
        "r",
        "lora_alpha",
        "lora_dropout",
        "target_modules",
        "exclude_modules",
        "use_rslora",
        "modules_to_save",
        "megatron_core",
        "qalora_group_size",
        "ensure_weight_tying",
        "bias",
        "init_lora_weights",
        "runtime_config",
    }
)
# Initialisations that leave the weights below as they were; others (PiSSA, OLoRA, LoftQ, CorDA) change them.
_PLAIN_INITIALISATIONS = (True, False, "gaussian", "orthogonal", "eva")


@dataclass(frozen=True)
class LoraAdapter:
    """An adapter, its tensors under canonical names.

    Attributes:
        folder: where it was read.
        base: the network it was trained on, as the adapter names it; None where it does not.
        scaling: what B @ A is multiplied with.
        down: A of each module, `(r, inputs)`.
        up: B of each module, `(outputs, r)`.
        saved: parameters that were trained in full, by name.
    """

    folder: Path
    base: str | None
    scaling: float
    down: Mapping[str, "Tensor"]
    up: Mapping[str, "Tensor"]
    saved: Mapping[str, "Tensor"]


def is_adapter(folder: Path) -> bool:
    """Whether `folder` holds an adapter in PEFT's format."""
    return (folder / CONFIG_FILE).is_file()


def read_adapter(folder: Path, canonical_name: Callable[[str], str]) -> LoraAdapter:
    """Reads a PEFT folder.

    Args:
        folder: with ``adapter_config.json`` and ``adapter_model.safetensors``.
        canonical_name: brings the name of a module or parameter to the one used in structloop.

    Raises:
        ModelFormatError: pickled weights only, an option that is not plain LoRA, or tensors that are not its pairs.
    """
    scaling, rank, base = _read_config(folder)
    if not (folder / WEIGHTS_FILE).is_file():
        if (folder / _UNSAFE_WEIGHTS).is_file():
            raise ModelFormatError(
                f"{folder / _UNSAFE_WEIGHTS} is a pickle, which can run code when it is loaded; save the adapter with "
                "safe_serialization=True and import that"
            )
        raise ModelFormatError(f"{folder}: {WEIGHTS_FILE} is missing")
    down: dict[str, Tensor] = {}
    up: dict[str, Tensor] = {}
    saved: dict[str, Tensor] = {}
    for stored, tensor in read_tensors(folder / WEIGHTS_FILE).items():
        if not stored.startswith(_PREFIX):
            raise ModelFormatError(f"{folder / WEIGHTS_FILE}: tensor '{stored}' does not start with '{_PREFIX}'")
        name = stored.removeprefix(_PREFIX)
        if name.endswith(".lora_A.weight"):
            down[canonical_name(name.removesuffix(".lora_A.weight"))] = tensor
        elif name.endswith(".lora_B.weight"):
            up[canonical_name(name.removesuffix(".lora_B.weight"))] = tensor
        elif "lora_" in name:
            raise ModelFormatError(f"{folder / WEIGHTS_FILE}: tensor '{stored}' is not part of plain LoRA")
        else:
            saved[canonical_name(name.replace(".modules_to_save.default.", ".").replace(".modules_to_save.", "."))] = (
                tensor
            )
    halves = sorted(set(down) ^ set(up))
    if halves:
        raise ModelFormatError(f"{folder / WEIGHTS_FILE}: only one half of LoRA modules {describe_some(halves)}")
    for name in down:
        if down[name].shape[0] != rank or up[name].shape[-1] != rank:
            raise ModelFormatError(
                f"{folder / WEIGHTS_FILE}: module '{name}' has rank {down[name].shape[0]}, {CONFIG_FILE} says {rank}"
            )
    return LoraAdapter(folder, base, scaling, down, up, saved)


def merge(weights: Mapping[str, "Tensor"], adapter: LoraAdapter, modules: Collection[str]) -> dict[str, "Tensor"]:
    """`weights` of the network below with the adapter added, and the parameters saved in full put in.

    Args:
        weights: parameters by canonical name, fp32.
        adapter: what was trained on them.
        modules: names of exactly those linear modules that the adapter must cover.

    Raises:
        ModelFormatError: modules are missing or foreign, or a shape does not fit; the message names them.
    """
    where = adapter.folder / WEIGHTS_FILE
    missing = sorted(set(modules) - set(adapter.down))
    foreign = sorted(set(adapter.down) - set(modules))
    if missing or foreign:
        counts = f"{len(adapter.down)} LoRA modules where the network has {len(modules)} linear layers"
        parts = [f"missing {describe_some(missing)}"] if missing else []
        parts += [f"unexpected {describe_some(foreign)}"] if foreign else []
        raise ModelFormatError(f"{where}: {counts}: {'; '.join(parts)}. It was trained on another network; refused")
    merged = dict(weights)
    for module in sorted(modules):
        name = f"{module}.weight"
        delta = adapter.scaling * (adapter.up[module].double() @ adapter.down[module].double())
        if delta.shape != weights[name].shape:
            raise ModelFormatError(
                f"{where}: module '{module}' is {tuple(delta.shape)}, the base's is {tuple(weights[name].shape)}"
            )
        # Summed in double precision, so that merging adds no rounding of its own to that of the stored weight.
        merged[name] = (weights[name].double() + delta).float()
    merged.update(adapter.saved)
    return merged


def _read_config(folder: Path) -> tuple[float, int, str | None]:
    path = folder / CONFIG_FILE
    config = read_json_object(path)
    if config.get("peft_type") != "LORA":
        raise ModelFormatError(f"{path}: peft_type is {config.get('peft_type')!r}, not 'LORA'")
    if config.get("bias", "none") != "none":
        raise ModelFormatError(f"{path}: bias is {config['bias']!r}; only adapters that leave biases alone are read")
    if config.get("init_lora_weights", True) not in _PLAIN_INITIALISATIONS:
        raise ModelFormatError(
            f"{path}: init_lora_weights is {config['init_lora_weights']!r}, which changes the weights below; convert "
            "it to plain LoRA first (PEFT's `path_initial_model_for_weight_conversion`)"
        )
    for option, value in config.items():
        if option not in _NEUTRAL and value:
            raise ModelFormatError(
                f"{path}: option {option} = {json.dumps(value)} is not plain LoRA and cannot be honoured"
            )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise ModelFormatError(f"{path}: r is {rank!r} and lora_alpha is {alpha!r}; both must be positive numbers")
    base = config.get("base_model_name_or_path")
    if base is not None and not isinstance(base, str):
        raise ModelFormatError(f"{path}: base_model_name_or_path is {base!r}, not text")
    return alpha / (rank**0.5 if config.get("use_rslora") else rank), rank, base or None


__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "LoraAdapter", "is_adapter", "merge", "read_adapter"]
