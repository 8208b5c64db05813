"""The engines agree within the stated tolerances, keep what they convert, and refuse what does not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from structloop.models.openvino_engine import OpenVinoNetwork, convert
from structloop.models.quantisation import quantise_linear_layers
from structloop.models.runtime import FP32_LOGIT_TOLERANCE, Engine, NetworkSource, Precision, Runtime, compile_network

GENERATOR = np.random.default_rng(0)
BATCH = GENERATOR.integers(0, 256, (7, 3, 32, 32), dtype=np.uint8)


class TinyNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.convolution = torch.nn.Conv2d(3, 24, 5, stride=2)
            self.wide = torch.nn.Linear(24, 64)
            self.narrow = torch.nn.Linear(64, 32)
            self.head = torch.nn.Linear(32, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.convolution(pixels.float() / 255 - 0.5).relu().mean((2, 3))
        hidden = torch.nn.functional.gelu(self.wide(features * 4))
        logits: torch.Tensor = self.head(self.narrow(hidden).relu())
        return logits * 4


SOURCE = NetworkSource("tiny", TinyNetwork, (3, 32, 32), "uint8")


@pytest.mark.parametrize(
    ("engine", "precision", "tolerance"),
    [
        ("openvino", "fp32", FP32_LOGIT_TOLERANCE),
        ("torch", "bf16", 0.05),
        ("openvino", "bf16", 0.05),
        ("openvino", "auto", 0.05),
        ("auto", "auto", 0.05),
    ],
)
def test_engines_agree(engine: Engine, precision: Precision, tolerance: float) -> None:
    reference = compile_network(SOURCE, Runtime("torch", "fp32", 1))(BATCH)
    network = compile_network(SOURCE, Runtime(engine, precision, 1))
    np.testing.assert_allclose(network(BATCH), reference, atol=tolerance)
    assert network.description


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_an_image_does_not_see_its_batch(engine: Engine) -> None:
    network = compile_network(SOURCE, Runtime(engine, "fp32", 2))
    together = network(BATCH)
    np.testing.assert_allclose(network(BATCH[4:5]), together[4:5], atol=1e-6)
    assert network(BATCH[:0]).shape == (0, 2)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_batch_of_another_shape_or_type_is_refused(engine: Engine) -> None:
    network = compile_network(SOURCE, Runtime(engine, "fp32", 1))
    with pytest.raises(ValueError, match=r"takes \(n, 3, 32, 32\) uint8"):
        network(BATCH.astype(np.float32))
    with pytest.raises(ValueError, match="takes"):
        network(BATCH[:, :, :16])


def test_a_kept_network_is_not_built_again_and_a_torn_one_is(tmp_path: Path) -> None:
    runtime = Runtime("openvino", "fp32", 1, tmp_path / "cache")
    expected = compile_network(SOURCE, runtime)(BATCH)

    def never() -> torch.nn.Module:
        raise AssertionError("built although it was kept")

    kept = NetworkSource("tiny", never, (3, 32, 32), "uint8")
    np.testing.assert_allclose(compile_network(kept, runtime)(BATCH), expected, atol=1e-6)
    (weights,) = (tmp_path / "cache").rglob("network.bin")
    weights.write_bytes(weights.read_bytes()[:100])
    np.testing.assert_allclose(compile_network(SOURCE, runtime)(BATCH), expected, atol=1e-6)
    np.testing.assert_allclose(compile_network(kept, runtime)(BATCH), expected, atol=1e-6)
    with pytest.raises(AssertionError, match="built although"):
        compile_network(NetworkSource("another", never, (3, 32, 32), "uint8"), runtime)


def test_eight_bits_are_close_and_leave_the_head_alone() -> None:
    graph = convert(SOURCE)
    eight = quantise_linear_layers(graph, [BATCH[:4]])
    kinds = [node.get_type_name() for node in eight.get_ordered_ops()]
    assert kinds.count("FakeQuantize") == 4, "two layers, their weights and their activations"
    assert "FakeQuantize" not in [node.get_type_name() for node in graph.get_ordered_ops()]
    reference = OpenVinoNetwork(SOURCE, Runtime("openvino", "fp32", 1), graph)(BATCH)
    found = OpenVinoNetwork(SOURCE, Runtime("openvino", "fp32", 1), eight)(BATCH)
    assert 0 < np.abs(found - reference).max() < 0.1
    with pytest.raises(ValueError, match="sample images"):
        quantise_linear_layers(graph, [])
