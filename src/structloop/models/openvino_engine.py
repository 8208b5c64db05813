"""Networks on OpenVINO: converted from torch once, kept on disk, run by as many parallel requests as pay off."""

import hashlib
import json
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino.frontend import FrontEndManager

from structloop.core.errors import ModelFormatError
from structloop.core.log import get_logger
from structloop.models.runtime import NetworkSource, Runtime, check_batch

_log = get_logger(__name__)
_GRAPH = "network.xml"
_WEIGHTS = "network.bin"
_MANIFEST = "complete.json"


class OpenVinoNetwork:
    """A network run by OpenVINO on the processor; see `structloop.models.runtime.Network`.

    Args:
        source: the network.
        runtime: precision, threads and cache.
        graph: its OpenVINO graph where the caller has it (an eight-bit one, say); None converts it, or takes it from
            the cache.
    """

    def __init__(self, source: NetworkSource, runtime: Runtime, graph: Any = None) -> None:
        core = ov.Core()
        self._source = source
        self._precision = _resolve_precision(core, runtime)
        if graph is None:
            graph = _converted(core, source, runtime.cache_folder)
        # Streams: each request runs on few threads and many run side by side, which keeps all cores busy without the
        # losses of splitting one image's work.
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _OPENVINO_NAME[self._precision]}
        if runtime.threads is not None:
            options["INFERENCE_NUM_THREADS"] = str(runtime.threads)
        compiled = core.compile_model(graph, "CPU", options)
        self._queue = ov.AsyncInferQueue(compiled)
        self._lock = threading.Lock()

    @property
    def description(self) -> str:
        """Engine, version, device and arithmetic."""
        return f"OpenVINO {_version()} CPU {self._precision}, {len(self._queue)} requests at once"

    def __call__(self, batch: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Outputs `(n, ...)` for a batch `(n, c, h, w)`."""
        check_batch(batch, self._source)
        with self._lock:
            return self._run(batch)

    def _run(self, batch: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.float32]:
        step = self._source.images_per_request
        # One request is made even for an empty batch: it tells the shape of the outputs.
        starts = range(0, max(1, len(batch)), step)
        outputs: list[NDArray[np.float32] | None] = [None] * len(starts)

        def keep(request: Any, index: int) -> None:
            outputs[index] = np.array(request.get_output_tensor(0).data, dtype=np.float32)

        self._queue.set_callback(keep)
        for index, start in enumerate(starts):
            piece = batch[start : start + step]
            if len(piece) < step:
                filling = np.zeros((step - len(piece), *batch.shape[1:]), dtype=batch.dtype)
                piece = np.concatenate([piece, filling])
            # The queue copies the piece into the request's own memory before it returns.
            self._queue.start_async([np.ascontiguousarray(piece)], index)
        self._queue.wait_all()
        return np.concatenate([output for output in outputs if output is not None])[: len(batch)]


_OPENVINO_NAME = {"fp32": "f32", "bf16": "bf16"}


def _resolve_precision(core: Any, runtime: Runtime) -> str:
    if runtime.precision != "auto":
        return runtime.precision
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"


def _version() -> str:
    return str(ov.get_version()).split("-", 1)[0]


def convert(source: NetworkSource) -> Any:
    """The OpenVINO graph of `source`, in fp32, for a fixed number of images per request.

    Raises:
        ModelFormatError: OpenVINO cannot express the network.
    """
    import torch
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    shape = (source.images_per_request, *source.input_shape)
    example = torch.zeros(shape, dtype=getattr(torch, source.input_type))
    module = source.build().eval()
    # `openvino.convert_model` does the same, but reports each use to its maker over the network; this does not.
    frontend = FrontEndManager().load_by_framework("pytorch")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Tracing is what OpenVINO's importer understands best; torch calls it deprecated, and warns of Python
            # branches on shapes, which are fixed here.
            warnings.simplefilter("ignore")
            # Tracing once more to compare, which torch does by default, takes longer than all the rest.
            # The decoder must outlive the conversion: the frontend does not keep it.
            once = {"check_trace": False}
            decoder = TorchScriptPythonDecoder(module, example_input=(example,), trace_kwargs=once)
            graph = frontend.convert(frontend.load(decoder))
        graph.reshape(list(shape))
    except (ov.frontend.OpConversionFailure, ov.frontend.GeneralFailure) as error:
        raise ModelFormatError(f"OpenVINO cannot convert network {source.key}: {error}") from error
    return graph


def _converted(core: Any, source: NetworkSource, cache: Path | None) -> Any:
    if cache is None:
        return convert(source)
    return cached_graph(core, cache / graph_folder_name(source), lambda: convert(source))


def graph_folder_name(source: NetworkSource) -> str:
    """Where a converted network is kept below the cache: it changes with weights, input and OpenVINO version."""
    parts = [source.key, _version(), source.input_type, *map(str, (source.images_per_request, *source.input_shape))]
    return "openvino-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def cached_graph(core: Any, folder: Path, make: Callable[[], Any]) -> Any:
    """The graph in `folder`, made and kept there first where it is missing or incomplete.

    Two processes may do so at once: each writes a folder of its own and renames it; the loser's is dropped.
    """
    if _is_complete(folder):
        try:
            return core.read_model(str(folder / _GRAPH))
        except RuntimeError as error:
            _log.warning("cached network unreadable, converting again", folder=str(folder), reason=str(error))
    graph = make()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".network-", dir=folder.parent) as scratch:
        made = Path(scratch) / "graph"
        made.mkdir()
        ov.save_model(graph, str(made / _GRAPH), compress_to_fp16=False)
        sizes = {name: (made / name).stat().st_size for name in (_GRAPH, _WEIGHTS)}
        (made / _MANIFEST).write_text(json.dumps(sizes), encoding="utf-8")
        if folder.exists() and not _is_complete(folder):
            shutil.rmtree(folder, ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:
            if not _is_complete(folder):
                _log.warning("converted network could not be kept", folder=str(folder), pid=os.getpid())
    return graph


def _is_complete(folder: Path) -> bool:
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        return False
    sizes = json.loads(manifest.read_text(encoding="utf-8"))
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in sizes.items())
