"""Eight-bit networks: linear layers of an OpenVINO graph quantised after training, with OpenVINO alone.

Weights are quantised symmetrically per output channel, the activations that enter them asymmetrically per tensor,
between the smallest and the largest value seen on sample images (Jacob et al., CVPR 2018; Nagel et al., "A White Paper
on Neural Network Quantization", 2021). Everything else (attention, normalisation, head) stays in floating point.

What this does to the probabilities depends on the weights: networks with a few very large activations lose most. So
measure the difference on images of one's own before serving an eight-bit network, and state it on the card.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from structloop.core.errors import ModelFormatError

_ACTIVATION_LEVELS = 256
_WEIGHT_LEVELS = 255
"""One less than 256: symmetric about zero."""

_SMALLEST_RANGE = 1e-6


def quantise_linear_layers(
    graph: Any, samples: Iterable[NDArray[np.float32] | NDArray[np.uint8]], *, minimum_outputs: int = 16
) -> Any:
    """A copy of `graph` whose linear layers compute in 8 bits.

    Args:
        graph: an OpenVINO model with one input and fp32 weights; it is not changed.
        samples: inputs as the network will see them, at least one; some tens of typical images are enough.
        minimum_outputs: layers with fewer outputs (a classifier's head) stay in floating point.

    Raises:
        ModelFormatError: the graph has no linear layer to quantise.
        ValueError: no samples were given.
    """
    observed = graph.clone()
    layers = _linear_layers(observed, minimum_outputs)
    if not layers:
        raise ModelFormatError("the graph has no linear layer with constant weights; there is nothing to quantise")
    ranges = _activation_ranges(observed, layers, samples)
    quantised = graph.clone()
    shared: dict[tuple[str, int], Any] = {}
    for layer in _linear_layers(quantised, minimum_outputs):
        source = layer.input_value(0)
        key = (source.get_node().get_friendly_name(), source.get_index())
        if key not in shared:
            low, high = (np.float32(value) for value in ranges[key])
            shared[key] = ops.fake_quantize(source, low, high, low, high, _ACTIVATION_LEVELS).output(0)
        layer.input(0).replace_source_output(shared[key])
        layer.input(1).replace_source_output(_quantised_weights(layer).output(0))
    quantised.validate_nodes_and_infer_types()
    return quantised


def _linear_layers(graph: Any, minimum_outputs: int) -> list[Any]:
    found = []
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        weights = node.input_value(1)
        if weights.get_node().get_type_name() != "Constant" or len(weights.get_partial_shape()) != 2:
            continue
        if weights.get_shape()[_output_axis(node)] >= minimum_outputs:
            found.append(node)
    return found


def _output_axis(layer: Any) -> int:
    return 0 if layer.get_attributes()["transpose_b"] else 1


def _quantised_weights(layer: Any) -> Any:
    weights = layer.input_value(1).get_node()
    values = np.array(weights.data, dtype=np.float32)
    largest = np.abs(values).max(axis=1 - _output_axis(layer), keepdims=True)
    bound = np.maximum(largest, _SMALLEST_RANGE).astype(np.float32)
    return ops.fake_quantize(weights, -bound, bound, -bound, bound, _WEIGHT_LEVELS)


def _activation_ranges(
    graph: Any, layers: list[Any], samples: Iterable[NDArray[np.float32] | NDArray[np.uint8]]
) -> dict[tuple[str, int], tuple[float, float]]:
    sources = {}
    for layer in layers:
        source = layer.input_value(0)
        sources[(source.get_node().get_friendly_name(), source.get_index())] = source
    results = []
    for source in sources.values():
        axes = ops.constant(np.arange(len(source.get_partial_shape()), dtype=np.int64))
        results += [ops.result(ops.reduce_min(source, axes)), ops.result(ops.reduce_max(source, axes))]
    observer = ov.Core().compile_model(
        ov.Model(results, graph.get_parameters(), "ranges"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    # Zero lies within every range, so that padding and rectified values are exact.
    lows, highs = np.zeros(len(sources)), np.zeros(len(sources))
    seen = False
    for sample in samples:
        seen = True
        found = [float(value) for value in observer([sample]).values()]
        lows, highs = np.minimum(lows, found[0::2]), np.maximum(highs, found[1::2])
    if not seen:
        raise ValueError("quantisation needs sample images")
    highs = np.maximum(highs, lows + _SMALLEST_RANGE)
    return {key: (float(low), float(high)) for key, low, high in zip(sources, lows, highs, strict=True)}


__all__ = ["quantise_linear_layers"]
