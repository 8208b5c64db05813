"""How networks are run: which engine, in which arithmetic, on how many threads.

One small interface hides three engines: OpenVINO on processors, torch on CUDA devices, and torch on processors where
OpenVINO is not installed. A family describes its network once (`NetworkSource`: how to build it with torch, and what
goes in), `compile_network` makes a `Network` of it, a callable from batch to outputs.

What may be expected of the engines, relative to torch fp32 on the same weights:

==========================  =============================================================
arithmetic                  largest difference
==========================  =============================================================
fp32, any engine            1e-4 in a logit (relative to 1 or the logit, whichever is larger)
bf16, any engine            0.02 in a probability
==========================  =============================================================

Eight-bit networks (`quantisation`) are measured by a benchmark and not served yet: their difference depends on the
weights, and no command measures it on a facility's own images and writes it on a card.

The result for one image never depends on the batch it came in: OpenVINO networks are compiled for a fixed number of
images per request and the last request is filled up.
"""

import importlib.util
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ModelFormatError

if TYPE_CHECKING:
    import torch

Engine = Literal["auto", "openvino", "torch"]
Precision = Literal["auto", "fp32", "bf16"]

FP32_LOGIT_TOLERANCE = 1e-4
BF16_PROBABILITY_TOLERANCE = 0.02

# Above this many pixels an image keeps a core busy on its own; below it, requests carry several images.
_LARGE_IMAGE_PX = 300 * 300
_SMALL_IMAGES_PER_REQUEST = 4


@dataclass(frozen=True)
class Runtime:
    """What the caller wants of the serving engine.

    Attributes:
        engine: `auto` takes CUDA through torch where present, else OpenVINO where installed, else torch.
        precision: `auto` takes bf16 where the processor (or GPU) has instructions for it, else fp32.
        threads: processor threads to use; None for all.
        cache_folder: where converted networks are kept (usually `STRUCTLOOP_HOME/cache/networks`); None keeps none.
    """

    engine: Engine = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    cache_folder: Path | None = None


@dataclass(frozen=True)
class NetworkSource:
    """A network, described so that it is built only when an engine needs it.

    Attributes:
        key: identifies weights and graph among all networks ever cached; a card's version does.
        build: makes the torch module, in eval mode, weights loaded; it maps one batch tensor to one output tensor.
        input_shape: `(c, h, w)` of one image.
        input_type: type of the batch; a module that takes `uint8` normalises it itself, which saves memory traffic.
    """

    key: str
    build: "Callable[[], torch.nn.Module]"
    input_shape: tuple[int, int, int]
    input_type: Literal["uint8", "float32"] = "float32"

    @property
    def images_per_request(self) -> int:
        """How many images an OpenVINO request carries."""
        _, height, width = self.input_shape
        return 1 if height * width >= _LARGE_IMAGE_PX else _SMALL_IMAGES_PER_REQUEST


class Network(Protocol):
    """A compiled network. Callers from several threads wait for each other: one batch keeps all cores busy."""

    @property
    def description(self) -> str:
        """Engine, version, device and arithmetic, for logs and benchmarks."""
        ...

    def __call__(self, batch: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Outputs `(n, ...)` for a batch `(n, c, h, w)` of the source's type; an empty batch is allowed.

        Raises:
            ValueError: shape or type are not the source's.
        """
        ...


def compile_network(source: NetworkSource, runtime: Runtime) -> Network:
    """The network of `source` on the engine and in the arithmetic that `runtime` asks for.

    Raises:
        ModelFormatError: `engine="openvino"` was asked for and is not installed, or cannot convert the network.
    """
    engine = choose_engine(runtime.engine)
    if engine == "openvino":
        from structloop.models.openvino_engine import OpenVinoNetwork

        return OpenVinoNetwork(source, runtime)
    from structloop.models.torch_engine import TorchNetwork

    return TorchNetwork(source, runtime)


def choose_engine(wanted: Engine) -> Literal["openvino", "torch"]:
    """Resolves `auto`; see `Runtime.engine`.

    Raises:
        ModelFormatError: OpenVINO was asked for and is not installed.
    """
    installed = importlib.util.find_spec("openvino") is not None
    if wanted == "openvino" and not installed:
        raise ModelFormatError(
            "runtime 'openvino' was asked for but OpenVINO is not installed: `pip install openvino`, or set the "
            "runtime to 'auto' or 'torch'"
        )
    if wanted == "torch" or not installed:
        return "torch"
    if wanted == "auto" and _cuda_is_present():
        return "torch"
    return "openvino"


def processor_has_bf16() -> bool:
    """Whether this processor multiplies bf16 natively (AVX512-BF16, AMX, or Arm's BF16); False where unknown."""
    if platform.system() != "Linux":
        return False
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(value.split())
    return False


def check_batch(batch: NDArray[np.float32] | NDArray[np.uint8], source: NetworkSource) -> None:
    """Refuses a batch that is not `(n, *source.input_shape)` of the source's type.

    Raises:
        ValueError: with both shapes and types in the message.
    """
    if batch.ndim != 4 or batch.shape[1:] != source.input_shape or batch.dtype != np.dtype(source.input_type):
        raise ValueError(
            f"network {source.key} takes (n, {', '.join(map(str, source.input_shape))}) {source.input_type}, "
            f"got {batch.shape} {batch.dtype}"
        )


def _cuda_is_present() -> bool:
    # Importing torch takes seconds, so it is asked only where a driver could be.
    if not (Path("/proc/driver/nvidia/version").exists() or platform.system() == "Windows"):
        return False
    import torch

    return bool(torch.cuda.is_available())


__all__ = [
    "BF16_PROBABILITY_TOLERANCE",
    "FP32_LOGIT_TOLERANCE",
    "Engine",
    "Network",
    "NetworkSource",
    "Precision",
    "Runtime",
    "check_batch",
    "choose_engine",
    "compile_network",
    "processor_has_bf16",
]
