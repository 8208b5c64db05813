"""Networks on torch: CUDA where present, processors elsewhere."""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from structloop.models.runtime import NetworkSource, Runtime, check_batch, processor_has_bf16


class TorchNetwork:
    """A network run by torch; see `structloop.models.runtime.Network`."""

    def __init__(self, source: NetworkSource, runtime: Runtime) -> None:
        if runtime.threads is not None:
            torch.set_num_threads(runtime.threads)
        self._source = source
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._module = source.build().eval().to(self._device)
        self._precision = _resolve_precision(runtime, self._device)
        self._lock = threading.Lock()

    @property
    def description(self) -> str:
        """Engine, version, device and arithmetic."""
        return f"torch {torch.__version__} {self._device.type} {self._precision}"

    def __call__(self, batch: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Outputs `(n, ...)` for a batch `(n, c, h, w)`."""
        check_batch(batch, self._source)
        if len(batch) == 0:
            # Networks do not take empty batches; one blank image tells the shape of the outputs.
            return self._run(np.zeros((1, *batch.shape[1:]), dtype=batch.dtype))[:0]
        # A GPU takes the batch whole; a processor's caches are served better by small pieces.
        step = len(batch) if self._device.type == "cuda" else self._source.images_per_request
        pieces = [self._run(batch[start : start + step]) for start in range(0, len(batch), step)]
        return np.concatenate(pieces)

    def _run(self, piece: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock, torch.inference_mode(), self._arithmetic():
            tensor = torch.from_numpy(np.ascontiguousarray(piece)).to(self._device)
            output: NDArray[np.float32] = self._module(tensor).float().cpu().numpy()
        return output

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self._precision == "bf16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16)
        return nullcontext()


def _resolve_precision(runtime: Runtime, device: torch.device) -> Literal["fp32", "bf16"]:
    if runtime.precision != "auto":
        return runtime.precision
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else processor_has_bf16()
    return "bf16" if native else "fp32"
