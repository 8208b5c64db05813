"""The family `axis` passes the suite that plugin authors use, on each engine."""

from pathlib import Path

import pytest

from structloop.models.classifiers.protocol import Checkpoint, Classifier, ConversionRequest
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Engine, Runtime
from structloop.schema.images import Modality
from structloop.testing.checkpoints import dinov2_weights, lora_weights, write_adapter, write_base
from structloop.testing.classifiers import ClassifierTests


class TestAxis(ClassifierTests):
    @pytest.fixture(params=["torch", "openvino"])
    def classifier(self, request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Classifier:
        engine: Engine = request.param
        weights = dinov2_weights(1)
        base = write_base(tmp_path / "base", weights)
        adapter = write_adapter(tmp_path / "adapter", lora_weights(weights, 2), str(base))
        checkpoint = Checkpoint(adapter, (Modality.VISIBLE, Modality.UV))
        registry = ModelRegistry(home)
        registry.convert(ConversionRequest(name="axis-test", checkpoints=(checkpoint,), origin="a test"))
        return registry.load("axis-test", Runtime(engine, "fp32", threads=1))
