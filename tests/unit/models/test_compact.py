"""The compact family: framing, the network's properties, loading, and the model that ships."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from structloop.core.errors import ImageFormatError, ModelFormatError, UnsupportedModalityError
from structloop.models.calibration import crystal_probabilities
from structloop.models.classifiers import Classifier
from structloop.models.classifiers.compact import (
    HEIGHT_PX,
    WIDTH_PX,
    CompactFamily,
    fit_grey,
    load_network,
)
from structloop.models.classifiers.compact_network import CompactNetwork, normalise_contrast
from structloop.models.classifiers.efficientnet_lite import PYRAMID_CHANNELS, EfficientNetLite
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import (
    FP32_LOGIT_TOLERANCE,
    Engine,
    Precision,
    Runtime,
)
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard
from structloop.simulation.drops import render_uv_with_truth, render_visible_with_truth, sample_scene

BF16_PROBABILITY_DIFFERENCE = 0.06
"""More than structloop allows the big networks, which is why this family uses bf16 only where it is asked for."""

TORCH = Runtime(engine="torch", precision="fp32", threads=1)


def _batch(classifier: Classifier, image: Image.Image, modality: Modality) -> NDArray[np.uint8]:
    return np.asarray(classifier.prepare(image, modality), dtype=np.uint8)[np.newaxis]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> ModelRegistry:
    return ModelRegistry(tmp_path_factory.mktemp("home"))


@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    mode=st.sampled_from(["L", "RGB", "RGBA", "P", "1", "LA", "CMYK"]),
)
@settings(max_examples=15, deadline=None)
def test_any_size_and_mode_fits(width: int, height: int, mode: str) -> None:
    fitted = fit_grey(Image.new(mode, (width, height)))
    assert fitted.size == (WIDTH_PX, HEIGHT_PX)
    assert fitted.mode == "L"


def test_fitting_keeps_the_aspect_ratio_and_pads_with_the_median() -> None:
    image = Image.new("L", (1000, 1000), 80)
    image.paste(200, (400, 400, 600, 600))
    fitted = np.asarray(fit_grey(image))
    assert (fitted[:, :40] == 80).all()
    bright = fitted > 140
    assert abs(int(bright.any(axis=0).sum()) - int(bright.any(axis=1).sum())) <= 1


def test_fitting_does_not_alias_large_images() -> None:
    checks = np.indices((2000, 2500)).sum(axis=0) % 2 * 255
    fitted = np.asarray(fit_grey(Image.fromarray(checks.astype(np.uint8))))
    assert fitted.std() < 3


def test_more_than_eight_bits_are_refused() -> None:
    with pytest.raises(ImageFormatError, match=r"I;16.*8 bits"):
        fit_grey(Image.new("I;16", (20, 20)))


def test_contrast_is_normalised() -> None:
    rng = np.random.default_rng(3)
    picture = torch.from_numpy(rng.uniform(0.2, 0.8, (1, 1, 96, 128)).astype(np.float32))
    first, second = normalise_contrast(picture), normalise_contrast(0.6 * picture + 0.2)
    assert torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1] > 0.999
    assert abs(float(first.std()) - float(second.std())) < 0.1
    assert float(normalise_contrast(torch.full((1, 1, 96, 128), 0.4)).abs().max()) < 0.1


def test_pyramid_shapes() -> None:
    with torch.inference_mode():
        features = EfficientNetLite().eval()(torch.zeros(2, 3, 64, 96))
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(2, c, 64 // s, 96 // s) for c, s in zip(PYRAMID_CHANNELS, (4, 8, 16, 32), strict=True)]


def test_evidence_and_scores_have_one_entry_per_head() -> None:
    with torch.inference_mode():
        scores, evidence = CompactNetwork().eval().detailed(torch.zeros(3, 1, 96, 128, dtype=torch.uint8))
    assert tuple(scores.shape) == (3, 2)
    assert tuple(evidence.shape) == (3, 2, 12, 16)


def test_unreadable_and_unfitting_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ModelFormatError, match=r"model\.safetensors"):
        load_network(path)
    state = {name: tensor.contiguous() for name, tensor in CompactNetwork().state_dict().items()}
    state.pop("backbone.stem.1.weight")
    save_file(state, path)
    with pytest.raises(ModelFormatError, match=r"backbone\.stem\.1\.weight"):
        load_network(path)


def test_the_default_is_complete_small_and_says_where_it_fails(registry: ModelRegistry) -> None:
    card = registry.verify(registry.default_name)
    assert isinstance(card, ModelCard)
    assert sum(file.size_bytes for file in card.files) <= 20_000_000
    assert card.labels == ("crystal", "other")
    assert card.training.synthetic
    assert card.limitations
    assert card.licence == "Apache-2.0"
    assert {Modality.VISIBLE, Modality.UV} <= set(card.modalities)
    assert any(metric.name == "AUC" and metric.low is not None for metric in card.metrics)


def test_cards_that_the_family_cannot_serve_are_refused(registry: ModelRegistry) -> None:
    card = registry.card(registry.default_name)
    folder = registry.folder(registry.default_name)
    for changes, message in (
        ({"input": card.input.model_copy(update={"width_px": 500})}, "multiples of 32"),
        ({"input": card.input.model_copy(update={"resize": "squash"})}, "resize 'pad'"),
        ({"labels": ("crystal", "clear", "other")}, "2 labels"),
        ({"modalities": (Modality.SHG,), "calibration": {}, "modality_alarm_thresholds": {}}, "shg"),
    ):
        with pytest.raises(ModelFormatError, match=message):
            CompactFamily().load(folder, card.updated(**changes), TORCH)


def test_label_order_is_the_cards(registry: ModelRegistry) -> None:
    card = registry.card(registry.default_name)
    folder = registry.folder(registry.default_name)
    turned = CompactFamily().load(folder, card.updated(labels=("other", "crystal")), TORCH)
    usual = CompactFamily().load(folder, card, TORCH)
    batch = np.random.default_rng(1).integers(0, 255, (1, 1, HEIGHT_PX, WIDTH_PX), dtype=np.uint8)
    np.testing.assert_allclose(turned.logits(batch, Modality.UV), usual.logits(batch, Modality.UV)[:, ::-1], atol=1e-5)


def test_modalities_without_a_head_are_refused(registry: ModelRegistry) -> None:
    classifier = registry.load(registry.default_name, TORCH)
    with pytest.raises(UnsupportedModalityError, match="shg"):
        classifier.prepare(Image.new("L", (20, 20)), Modality.SHG)


@pytest.mark.parametrize(
    ("engine", "precision", "tolerance"),
    [
        ("openvino", "fp32", FP32_LOGIT_TOLERANCE),
        ("openvino", "auto", FP32_LOGIT_TOLERANCE),
        ("openvino", "bf16", BF16_PROBABILITY_DIFFERENCE),
    ],
)
def test_engines_agree(registry: ModelRegistry, engine: Engine, precision: Precision, tolerance: float) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
    reference = registry.load(registry.default_name, TORCH)
    other = registry.load(registry.default_name, Runtime(engine=engine, precision=precision, threads=1))
    images = [Image.fromarray(render_visible_with_truth(sample_scene(seed)).image) for seed in range(3)]
    batch = np.concatenate([_batch(reference, image, Modality.VISIBLE) for image in images])
    first, second = (model.logits(batch, Modality.VISIBLE) for model in (reference, other))
    if precision != "bf16":
        np.testing.assert_allclose(first, second, atol=tolerance * max(1.0, float(np.abs(first).max())))
    else:
        given = [crystal_probabilities(reference.card, logits, Modality.VISIBLE) for logits in (first, second)]
        np.testing.assert_allclose(given[0], given[1], atol=tolerance)


@pytest.mark.parametrize("modality", [Modality.VISIBLE, Modality.UV])
def test_crystals_raise_the_score_of_their_own_scene(registry: ModelRegistry, modality: Modality) -> None:
    """Pairs of simulated scenes that differ in nothing but their crystals, of facilities never trained on."""
    classifier = registry.load(registry.default_name, TORCH)
    render = render_visible_with_truth if modality is Modality.VISIBLE else render_uv_with_truth
    raised = []
    for seed in range(990_000, 990_040):
        rendered = render(sample_scene(seed, prevalence=1.0, empty_wells=0.0), 640, twin=True)
        if not (rendered.truth.crystal and rendered.truth.recognisable) or rendered.twin is None:
            continue
        pair = [_batch(classifier, Image.fromarray(image), modality) for image in (rendered.image, rendered.twin)]
        logits = classifier.logits(np.concatenate(pair), modality)
        raised.append(float(logits[0, 0] - logits[1, 0]) > 0)
        if len(raised) == 10:
            break
    assert np.mean(raised) >= 0.8
