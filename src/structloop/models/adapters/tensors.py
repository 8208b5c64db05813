"""Reading safetensors and JSON files of checkpoints, with errors that name file and tensor."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from structloop.core.errors import ModelFormatError

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS_FILE = "model.safetensors"
_INDEX_FILE = "model.safetensors.index.json"
_NAMED = 4


def read_tensors(path: Path, wanted: Callable[[str], bool] | None = None) -> dict[str, "Tensor"]:
    """The tensors of a safetensors file by name, as fp32: all, or those whose name is `wanted`.

    Raises:
        ModelFormatError: the file is damaged, or a tensor is not of finite numbers.
    """
    import torch
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelFormatError(f"{path} cannot be read as safetensors: {error}") from error
    tensors = {}
    for name, tensor in stored.items():
        if wanted is not None and not wanted(name):
            continue
        if not tensor.is_floating_point():
            raise ModelFormatError(f"{path}: tensor '{name}' holds {tensor.dtype}, not floating-point numbers")
        if not bool(torch.isfinite(tensor).all()):
            raise ModelFormatError(f"{path}: tensor '{name}' holds numbers that are not finite")
        tensors[name] = tensor.float()
    return tensors


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a safetensors file's tensors; only its header is read.

    Raises:
        ModelFormatError: the file is damaged.
    """
    try:
        with safe_open(path, framework="np") as stored:
            return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelFormatError(f"{path} cannot be read as safetensors: {error}") from error


def check_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Refuses weights that are not exactly those expected.

    Raises:
        ModelFormatError: naming what is missing, what is unexpected, and the first wrong shape.
    """
    missing, foreign = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or foreign:
        parts = [f"missing {describe_some(missing)}"] if missing else []
        parts += [f"unexpected {describe_some(foreign)}"] if foreign else []
        raise ModelFormatError(f"{where}: {'; '.join(parts)}")
    for name, shape in expected.items():
        if tuple(found[name]) != tuple(shape):
            raise ModelFormatError(
                f"{where}: tensor '{name}' is {tuple(found[name])}, the network needs {tuple(shape)}"
            )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a network in the Hugging Face library's layout: one, or the parts that an index lists.

    Raises:
        ModelFormatError: there is none, only a pickle, or the index names files elsewhere.
    """
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if (folder / _INDEX_FILE).is_file():
        names = set(read_json_object(folder / _INDEX_FILE).get("weight_map", {}).values())
        if any(not isinstance(name, str) or Path(name).name != name for name in names):
            raise ModelFormatError(f"{folder / _INDEX_FILE} names files outside its folder")
        return [folder / name for name in sorted(names)]
    if (folder / "pytorch_model.bin").is_file():
        raise ModelFormatError(
            f"{folder / 'pytorch_model.bin'} is a pickle, which can run code when it is loaded; save the network as "
            "safetensors and import that"
        )
    raise ModelFormatError(f"{folder}: {WEIGHTS_FILE} is missing")


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelFormatError: it is missing, no JSON, or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path.parent}: {path.name} is missing") from error
    except ValueError as error:
        raise ModelFormatError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelFormatError(f"{path} holds {type(content).__name__}, not an object")
    return content


def describe_some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


__all__ = [
    "WEIGHTS_FILE",
    "check_shapes",
    "describe_some",
    "read_json_object",
    "read_shapes",
    "read_tensors",
    "weight_files",
]
