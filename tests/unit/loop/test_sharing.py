"""Adapters and heads between labs: what travels, where it fits, and what an average is."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from structloop.core.errors import ModelExistsError, ModelFormatError, ModelNotFoundError
from structloop.loop.datasets.items import Split
from structloop.loop.evaluation.judging import judge_items
from structloop.loop.promotion.sharing import (
    AverageRequest,
    average_models,
    calibrate,
    evaluation_weights,
    export_shared,
    import_shared,
)
from structloop.loop.training.fast_head_models import FastHeadSettings, train_fast_head
from structloop.loop.training.feature_cache import FeatureCache
from structloop.loop.training.lora_models import LoraRequest, train_lora_model
from structloop.models.adapters.averaging import average_adapters
from structloop.models.adapters.lora import LoraAdapter
from structloop.models.calibration import log_odds
from structloop.models.classifiers.protocol import stack_images
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.models.training.lora_settings import LoraSettings
from structloop.schema.images import Modality
from structloop.schema.models import TrainingDataset
from structloop.store.files import DerivedFiles
from support.labelled_items import labelled_items
from support.tiny_dinov2 import TINY_INPUT, write_tiny_base
from support.tiny_models import TINY, add_tiny_model

RUNTIME = Runtime("torch", "fp32", threads=1)
DATASET = TrainingDataset(name="blobs", version="1", description="squares on noise", synthetic=True)
SPLIT = Split(labelled_items(24, ["a", "b", "c"]), labelled_items(12, ["v", "w"], start=300), ())


def tuned(home: Path, base: Path, name: str, seed: int = 3) -> ModelRegistry:
    registry = ModelRegistry(home)
    recipe = LoraSettings(rank=3, batch=6, learning_rate=0.005, epochs=2, threads=1, seed=seed)
    request = LoraRequest(name, str(base), Modality.VISIBLE, recipe=recipe, specification=TINY_INPUT)
    train_lora_model(registry, request, SPLIT, DATASET)
    return registry


def headed(home: Path, name: str, seed: int = 0) -> ModelRegistry:
    registry = ModelRegistry(home)
    if TINY not in registry.names():
        add_tiny_model(home, home / "scratch")
    items = labelled_items(60, ["a", "b", "c", "d"], start=1000 * seed)
    cache = FeatureCache(DerivedFiles(home / "derived"), threads=1)
    asked = FastHeadSettings(name, TINY, Modality.VISIBLE)
    train_fast_head(registry, cache, asked, Split(items, (), ()), DATASET, runtime=RUNTIME)
    return registry


def said(registry: ModelRegistry, name: str) -> NDArray[np.float64]:
    classifier = registry.load(name, RUNTIME)
    batch = stack_images([classifier.prepare(item.load(), Modality.VISIBLE) for item in SPLIT.validation])
    return log_odds(classifier.logits(batch, Modality.VISIBLE).astype(np.float64), 0)


def effect(adapter: LoraAdapter, module: str) -> torch.Tensor:
    return adapter.scaling * adapter.up[module].double() @ adapter.down[module].double()


def drawn(seed: int, rank: int, scaling: float) -> LoraAdapter:
    draw = torch.Generator().manual_seed(seed)
    down = {name: torch.randn(rank, 9, generator=draw) for name in ("q", "v")}
    up = {name: torch.randn(7, rank, generator=draw) for name in ("q", "v")}
    return LoraAdapter(Path(f"lab-{seed}"), None, scaling, down, up, {"classifier.weight": torch.full((2, 4), seed)})


def test_the_average_is_that_of_the_products_and_not_of_the_factors() -> None:
    adapters, weights = [drawn(1, 2, 0.8), drawn(2, 3, 0.5)], [1.0, 3.0]
    found = average_adapters(adapters, weights)
    assert (found.rank, found.lost) == (5, 0.0)
    for module in ("q", "v"):
        product = found.weights[f"{module}.lora_B"].double() @ found.weights[f"{module}.lora_A"].double()
        expected = 0.25 * effect(adapters[0], module) + 0.75 * effect(adapters[1], module)
        torch.testing.assert_close(product, expected, rtol=1e-5, atol=1e-5)
    assert found.weights["classifier.weight"][0, 0] == pytest.approx(1.75)


def test_rotating_a_labs_factors_changes_nothing() -> None:
    """Factors are known up to an invertible matrix between them; the mean of factors would change."""
    first, second = drawn(1, 3, 1.0), drawn(2, 3, 1.0)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(5))).Q
    turned = replace(
        second,
        down={name: turn.T @ each for name, each in second.down.items()},
        up={name: each @ turn for name, each in second.up.items()},
    )
    one, two = average_adapters([first, second], [1, 1]), average_adapters([first, turned], [1, 1])
    for module in ("q", "v"):
        torch.testing.assert_close(
            one.weights[f"{module}.lora_B"] @ one.weights[f"{module}.lora_A"],
            two.weights[f"{module}.lora_B"] @ two.weights[f"{module}.lora_A"],
            rtol=1e-4,
            atol=1e-4,
        )


def test_a_smaller_rank_is_the_best_there_is_and_its_loss_is_told() -> None:
    adapters = [drawn(1, 3, 1.0), drawn(2, 3, 1.0)]
    found = average_adapters(adapters, [1, 1], rank=2)
    assert found.rank == 2
    losses = []
    for module in ("q", "v"):
        exact = (effect(adapters[0], module) + effect(adapters[1], module)) / 2
        product = found.weights[f"{module}.lora_B"].double() @ found.weights[f"{module}.lora_A"].double()
        values = torch.linalg.svdvals(exact)
        best = float(values[2:].square().sum().sqrt())
        assert float((exact - product).norm()) == pytest.approx(best, rel=1e-4)
        losses.append(best / float(values.norm()))
    assert found.lost == pytest.approx(max(losses), rel=1e-4)
    assert average_adapters([adapters[0]], [2.0], rank=3).lost == 0.0


def test_what_cannot_be_averaged_is_refused() -> None:
    one = drawn(1, 2, 1.0)
    other = replace(one, down={"k": one.down["q"]}, up={"k": one.up["q"]})
    with pytest.raises(ModelFormatError, match="different layers"):
        average_adapters([one, other], [1, 1])
    for weights in ([0.0], [-1.0], [1.0, 1.0]):
        with pytest.raises(ValueError, match="cannot be averaged"):
            average_adapters([one], weights)
    with pytest.raises(ValueError, match="rank"):
        average_adapters([one], [1.0], rank=0)


def test_weights_by_evaluation_go_by_what_is_above_chance() -> None:
    assert evaluation_weights([0.9, 0.7, 0.4]) == pytest.approx((2 / 3, 1 / 3, 0.0))
    assert evaluation_weights([0.5, 0.3]) == (0.5, 0.5)


def test_an_adapter_travels_without_base_and_images_and_says_the_same_elsewhere(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base")
    there, here = tuned(tmp_path / "there", base, "theirs"), tuned(tmp_path / "here", base, "ours", seed=8)
    archive = tmp_path / "theirs.zip"
    shared = export_shared(there, "theirs", archive, {"balanced_accuracy": 0.9})
    with zipfile.ZipFile(archive) as opened:
        names = sorted(Path(name).name for name in opened.namelist())
    assert names == ["adapter_config.json", "adapter_model.safetensors", "shared.json"]
    assert archive.stat().st_size < (base / "model.safetensors").stat().st_size
    card, read = import_shared(here, archive)
    assert (read, read.evaluation) == (shared, {"balanced_accuracy": 0.9})
    assert card.calibration == there.card("theirs").calibration
    assert f"theirs@{there.card('theirs').version}" in card.origin
    np.testing.assert_allclose(said(here, "theirs"), said(there, "theirs"), rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelExistsError):
        import_shared(ModelRegistry(tmp_path / "here"), archive, name="ours")
    alone = ModelRegistry(tmp_path / "alone")
    with pytest.raises(ModelNotFoundError, match="no model here does"):
        import_shared(alone, archive)
    with pytest.raises(ModelFormatError, match="is not the base"):
        import_shared(alone, archive, base=str(write_tiny_base(tmp_path / "other", seed=4)))
    import_shared(alone, archive, base=str(base))
    np.testing.assert_allclose(said(alone, "theirs"), said(there, "theirs"), rtol=1e-5, atol=1e-5)


def test_adapters_of_two_labs_are_averaged_and_calibrated_here(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base")
    here = tuned(tmp_path / "here", base, "ours", seed=8)
    export_shared(tuned(tmp_path / "there", base, "theirs"), "theirs", tmp_path / "theirs.tgz", {})
    import_shared(here, tmp_path / "theirs.tgz")
    card = average_models(here, AverageRequest("both", ("ours", "theirs"), (1.0, 1.0)))
    assert "0.500 ours@" in card.origin
    assert "rank 6, exact" in card.origin
    assert card.calibration[Modality.VISIBLE].kind == "identity"
    better = calibrate(here, judge_items(here.load("both", RUNTIME), SPLIT.validation, Modality.VISIBLE))
    assert better.calibration[Modality.VISIBLE].kind == "platt"
    assert here.card("both") == better
    small = average_models(here, AverageRequest("small", ("ours", "theirs"), (1.0, 1.0), rank=3))
    assert "was dropped" in small.origin
    weights = load_file(here.folder("small") / "visible" / "adapter" / "adapter_model.safetensors")
    assert {len(tensor) for name, tensor in weights.items() if "lora_A" in name} == {3}
    tuned(tmp_path / "here", write_tiny_base(tmp_path / "other", seed=4), "foreign")
    with pytest.raises(ModelFormatError, match="different bases"):
        average_models(here, AverageRequest("mixed", ("ours", "foreign"), (1.0, 1.0)))


def test_heads_travel_and_average_exactly(tmp_path: Path) -> None:
    there, here = headed(tmp_path / "there", "theirs", seed=1), headed(tmp_path / "here", "ours")
    archive = tmp_path / "theirs.tar"
    export_shared(there, "theirs", archive, {})
    assert archive.stat().st_size < 30_000
    import_shared(here, archive)
    np.testing.assert_allclose(said(here, "theirs"), said(there, "theirs"), rtol=1e-4, atol=1e-3)
    average_models(here, AverageRequest("both", ("ours", "theirs"), (1.0, 3.0)))
    expected = 0.25 * said(here, "ours") + 0.75 * said(here, "theirs")
    np.testing.assert_allclose(said(here, "both"), expected, rtol=1e-3, atol=1e-2)
    with pytest.raises(ModelNotFoundError, match="to the bit"):
        import_shared(ModelRegistry(tmp_path / "alone"), archive)
    with pytest.raises(ModelFormatError, match="cannot travel without its base"):
        export_shared(here, TINY, tmp_path / "tiny.zip", {})


def test_archives_that_are_none_are_refused(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "home")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFoundError, match=r"no shared\.json"):
        import_shared(registry, tmp_path / "empty")
    (tmp_path / "empty" / "shared.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(ModelFormatError, match="not valid"):
        import_shared(registry, tmp_path / "empty")
