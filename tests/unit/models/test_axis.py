"""AXIS checkpoints give the recipe's logits, and whatever is not the recipe's is refused.

The recipe is computed here a second time, in numpy alone: its own resizing, normalisation, attention and head, from the
adapter's tensors as they lie in the file, LoRA left unmerged.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.special import erf

from structloop.core.errors import (
    DownloadRefusedError,
    ImageFormatError,
    ModelError,
    ModelFormatError,
    UnsupportedModalityError,
)
from structloop.models import hub
from structloop.models.calibration import crystal_probabilities
from structloop.models.classifiers.protocol import Checkpoint, ConversionRequest, stack_images
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import BF16_PROBABILITY_TOLERANCE, FP32_LOGIT_TOLERANCE, Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard, TemperatureCalibration
from structloop.testing.checkpoints import (
    TINY_DINOV2,
    Weights,
    dinov2_weights,
    lora_weights,
    write_adapter,
    write_base,
)

Array = NDArray[np.float64]
SCALING = 8 / 4


def recipe_logits(image: Image.Image, base: Weights, adapter: Weights) -> Array:
    pixels = np.asarray(image.convert("RGB"), dtype=np.int64)
    luma = (pixels @ np.array([19595, 38470, 7471]) + 0x8000) >> 16
    grey = _squash(_squash(luma.astype(np.float64), 518, axis=1), 518, axis=0)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalised = (grey[None] / 255 - mean[:, None, None]) / std[:, None, None]
    patches = normalised.reshape(3, 37, 14, 37, 14).transpose(1, 3, 0, 2, 4).reshape(37 * 37, -1)
    kernel = base["embeddings.patch_embeddings.projection.weight"].astype(np.float64)
    tokens = patches @ kernel.reshape(len(kernel), -1).T + base["embeddings.patch_embeddings.projection.bias"]
    x = np.concatenate([base["embeddings.cls_token"][0], tokens]) + base["embeddings.position_embeddings"][0]
    for block in range(int(TINY_DINOV2["num_hidden_layers"])):
        stem = f"encoder.layer.{block}"

        def linear(value: Array, layer: str, stem: str = stem) -> Array:
            name = f"{stem}.{layer}"
            down = adapter[f"base_model.model.dinov2.{name}.lora_A.weight"].astype(np.float64)
            up = adapter[f"base_model.model.dinov2.{name}.lora_B.weight"].astype(np.float64)
            plain = value @ base[f"{name}.weight"].astype(np.float64).T + base[f"{name}.bias"]
            return np.asarray(plain + SCALING * ((value @ down.T) @ up.T), dtype=np.float64)

        normed = _layer_norm(x, base, f"{stem}.norm1")
        query, key, value = (linear(normed, f"attention.attention.{each}") for each in ("query", "key", "value"))
        heads = []
        width = int(TINY_DINOV2["hidden_size"]) // int(TINY_DINOV2["num_attention_heads"])
        for start in range(0, int(TINY_DINOV2["hidden_size"]), width):
            own = slice(start, start + width)
            scores = query[:, own] @ key[:, own].T / math.sqrt(width)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            heads.append(weights / weights.sum(axis=1, keepdims=True) @ value[:, own])
        x = x + base[f"{stem}.layer_scale1.lambda1"] * linear(np.concatenate(heads, axis=1), "attention.output.dense")
        inner = linear(_layer_norm(x, base, f"{stem}.norm2"), "mlp.fc1")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = x + base[f"{stem}.layer_scale2.lambda1"] * linear(inner, "mlp.fc2")
    x = _layer_norm(x, base, "layernorm")
    features = np.concatenate([x[0], x[1:].mean(axis=0)])
    head = adapter["base_model.model.classifier.weight"].astype(np.float64)
    return np.asarray(head @ features + adapter["base_model.model.classifier.bias"], dtype=np.float64)


def _squash(values: Array, size: int, axis: int) -> Array:
    moved = np.moveaxis(values, axis, -1)
    length = moved.shape[-1]
    scale = length / size
    support = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    distances = np.abs(np.arange(length)[:, None] + 0.5 - centres[None]) / support
    weights = np.clip(1 - distances, 0, None)
    # Bytes in, bytes out after each axis, with Pillow's 22-bit weights: otherwise ties are rounded differently.
    fixed = np.floor(weights / weights.sum(axis=0) * 2**22 + 0.5)
    resized = np.floor((moved @ fixed + 2**21) / 2**22)
    return np.asarray(np.moveaxis(resized, -1, axis))


def _layer_norm(x: Array, base: Weights, name: str) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-6)
    return np.asarray(scaled * base[f"{name}.weight"] + base[f"{name}.bias"])


def drop_image(seed: int, size: tuple[int, int] = (700, 520)) -> Image.Image:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def base(tmp_path: Path) -> tuple[Path, Weights]:
    weights = dinov2_weights(1)
    return write_base(tmp_path / "base", weights), weights


def convert(home: Path, *checkpoints: Checkpoint, **answers: object) -> ModelCard:
    request = ConversionRequest(name="axis-test", checkpoints=checkpoints, origin="a test")
    return ModelRegistry(home).convert(ConversionRequest(**{**vars(request), **answers}))


def adapter_folder(folder: Path, base: tuple[Path, Weights], weights: Weights) -> Checkpoint:
    return Checkpoint(write_adapter(folder, weights, str(base[0])), (Modality.VISIBLE,))


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_transformers_4_pair_gives_the_recipes_logits(
    engine: str, home: Path, tmp_path: Path, base: tuple[Path, Weights]
) -> None:
    visible, uv = lora_weights(base[1], 2), lora_weights(base[1], 3)
    convert(
        home,
        Checkpoint(write_adapter(tmp_path / "vis", visible, str(base[0])), (Modality.VISIBLE,)),
        Checkpoint(write_adapter(tmp_path / "uv", uv, str(base[0])), (Modality.UV,)),
    )
    runtime = Runtime(engine=engine, precision="fp32", threads=1)  # type: ignore[arg-type]
    classifier = ModelRegistry(home).load("axis-test", runtime)
    images = {
        Modality.VISIBLE: [drop_image(1), drop_image(2, (1280, 1024)), drop_image(3).convert("L")],
        Modality.UV: [drop_image(4, (900, 600)), drop_image(5).convert("RGBA"), drop_image(6, (518, 518))],
    }
    probabilities, expected_probabilities = [], []
    for modality, adapter in ((Modality.VISIBLE, visible), (Modality.UV, uv)):
        batch = stack_images([classifier.prepare(image, modality) for image in images[modality]])
        logits = classifier.logits(batch, modality)
        expected = np.stack([recipe_logits(image, base[1], adapter) for image in images[modality]])
        assert np.ptp(expected[:, 0]) > 100 * FP32_LOGIT_TOLERANCE, "the images must differ for this to say anything"
        np.testing.assert_allclose(logits, expected, atol=FP32_LOGIT_TOLERANCE, rtol=0)
        probabilities.append(crystal_probabilities(classifier.card, logits, modality))
        shifted = np.exp(expected - expected.max(axis=1, keepdims=True))
        expected_probabilities.append(shifted[:, 0] / shifted.sum(axis=1))
    np.testing.assert_allclose(
        np.maximum(*probabilities), np.maximum(*expected_probabilities), atol=FP32_LOGIT_TOLERANCE
    )


def test_the_pair_is_combined_after_each_modality_is_calibrated(
    home: Path, tmp_path: Path, base: tuple[Path, Weights]
) -> None:
    adapter = lora_weights(base[1], 2)
    card = convert(home, Checkpoint(write_adapter(tmp_path / "vis", adapter, str(base[0])), tuple(Modality)[:2]))
    card = card.updated(calibration={Modality.UV: TemperatureCalibration(temperature=2.0)})
    logits = np.array([[1.0, -1.0], [0.5, 0.2]])
    assert crystal_probabilities(card, logits, Modality.VISIBLE)[0] == pytest.approx(1 / (1 + math.exp(-2)))
    assert crystal_probabilities(card, logits, Modality.UV)[0] == pytest.approx(1 / (1 + math.exp(-1)))


def test_bf16_stays_within_its_stated_tolerance(home: Path, tmp_path: Path, base: tuple[Path, Weights]) -> None:
    convert(home, adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2)))
    registry = ModelRegistry(home)
    exact = registry.load("axis-test", Runtime(engine="torch", precision="fp32", threads=1))
    batch = stack_images([exact.prepare(drop_image(seed), Modality.VISIBLE) for seed in range(3)])
    reference = crystal_probabilities(exact.card, exact.logits(batch, Modality.VISIBLE), Modality.VISIBLE)
    for engine in ("torch", "openvino"):
        fast = registry.load("axis-test", Runtime(engine=engine, precision="bf16", threads=1))
        found = crystal_probabilities(fast.card, fast.logits(batch, Modality.VISIBLE), Modality.VISIBLE)
        np.testing.assert_allclose(found, reference, atol=BF16_PROBABILITY_TOLERANCE)


def test_new_names_and_merged_checkpoints_give_the_same_model(
    home: Path, tmp_path: Path, base: tuple[Path, Weights]
) -> None:
    weights = lora_weights(base[1], 2)
    first = convert(home, adapter_folder(tmp_path / "former", base, weights))
    renamed = {_to_new(name): tensor for name, tensor in weights.items()}
    second = convert(home, adapter_folder(tmp_path / "new", base, renamed), name="renamed")
    merged = tmp_path / "merged"
    ModelRegistry(home).export("axis-test", tmp_path / "exported")
    (tmp_path / "exported" / "visible").rename(merged)
    config = json.loads((merged / "config.json").read_text()) | {"id2label": {"0": "crystal", "1": "other"}}
    (merged / "config.json").write_text(json.dumps(config))
    third = convert(home, Checkpoint(merged, (Modality.VISIBLE,)), name="merged")
    assert [file.sha256 for file in first.files if file.path.endswith(".safetensors")] == [
        file.sha256 for file in third.files if file.path.endswith(".safetensors")
    ]
    assert first.version == second.version


def _to_new(name: str) -> str:
    for old, new in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
        name = name.replace(f"attention.attention.{old}", f"attention.{new}")
    return name.replace("attention.output.dense", "attention.o_proj")


def test_a_missing_lora_module_is_refused_by_name(home: Path, tmp_path: Path, base: tuple[Path, Weights]) -> None:
    weights = lora_weights(base[1], 2)
    for half in "AB":
        del weights[f"base_model.model.dinov2.encoder.layer.1.attention.attention.value.lora_{half}.weight"]
    with pytest.raises(ModelFormatError, match=r"11 LoRA modules .* 12 .*missing 'dinov2.encoder.layer.1.*v_proj'"):
        convert(home, adapter_folder(tmp_path / "vis", base, weights))


def test_half_a_lora_module_is_refused(home: Path, tmp_path: Path, base: tuple[Path, Weights]) -> None:
    weights = lora_weights(base[1], 2)
    del weights["base_model.model.dinov2.encoder.layer.0.mlp.fc1.lora_B.weight"]
    with pytest.raises(ModelFormatError, match=r"one half of LoRA modules 'dinov2.encoder.layer.0.mlp.fc1'"):
        convert(home, adapter_folder(tmp_path / "vis", base, weights))


def test_foreign_tensors_wrong_shapes_and_a_missing_head_are_refused(
    home: Path, tmp_path: Path, base: tuple[Path, Weights]
) -> None:
    extra = lora_weights(base[1], 2) | {"base_model.model.dinov2.encoder.extra.weight": np.zeros((2, 2), np.float32)}
    with pytest.raises(ModelFormatError, match=r"unexpected 'dinov2.encoder.extra.weight'"):
        convert(home, adapter_folder(tmp_path / "extra", base, extra))
    headless = {name: each for name, each in lora_weights(base[1], 2).items() if "classifier.bias" not in name}
    with pytest.raises(ModelFormatError, match=r"missing 'classifier.bias'"):
        convert(home, adapter_folder(tmp_path / "headless", base, headless))
    with pytest.raises(ModelFormatError, match=r"3 classes"):
        convert(home, adapter_folder(tmp_path / "three", base, lora_weights(base[1], 2, classes=3)))
    other = dinov2_weights(1, dict(TINY_DINOV2) | {"hidden_size": 48})
    with pytest.raises(ModelFormatError, match=r"module 'dinov2.*' is \(.*48.*\), the base's is \(.*24.*\)"):
        convert(home, adapter_folder(tmp_path / "wide", base, lora_weights(other, 2)))


def test_classes_the_other_way_round_are_refused(home: Path, tmp_path: Path, base: tuple[Path, Weights]) -> None:
    checkpoint = adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2))
    with pytest.raises(ModelFormatError, match=r"other way round \(other = 0, crystal = 1\)"):
        convert(home, checkpoint, labels=("other", "crystal"))
    (checkpoint.folder / "config.json").write_text('{"id2label": {"0": "Other", "1": "Crystal"}}')
    with pytest.raises(ModelFormatError, match=r"other way round"):
        convert(home, checkpoint)
    with pytest.raises(ModelFormatError, match=r"outputs are other, crystal, but --labels says crystal, other"):
        convert(home, checkpoint, labels=("crystal", "other"))
    assert ModelRegistry(home).names() == ModelRegistry(tmp_path / "elsewhere").names()


def test_a_merged_checkpoint_must_say_its_classes(home: Path, base: tuple[Path, Weights]) -> None:
    with pytest.raises(ModelFormatError, match="give --labels"):
        convert(home, Checkpoint(base[0], (Modality.VISIBLE,)))


@pytest.mark.parametrize(
    ("option", "value"),
    [("use_dora", True), ("bias", "all"), ("rank_pattern", {"query": 8}), ("peft_type", "IA3"), ("r", 5)],
)
def test_adapters_that_are_not_plain_lora_are_refused(
    option: str, value: object, home: Path, tmp_path: Path, base: tuple[Path, Weights]
) -> None:
    checkpoint = adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2))
    file = checkpoint.folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {option: value}))
    with pytest.raises(ModelFormatError, match=r"adapter_(config|model)"):
        convert(home, checkpoint)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", {"shortest_edge": 256}),
        ("size", {"height": 500, "width": 518}),
        ("resample", 0),
        ("crop_size", {"height": 400, "width": 400}),
        ("do_normalize", False),
        ("rescale_factor", 1.0),
        ("do_flip_channel_order", True),
    ],
)
def test_preprocessing_that_is_not_the_recipes_is_refused_unless_set_aside(
    field: str, value: object, home: Path, tmp_path: Path, base: tuple[Path, Weights]
) -> None:
    checkpoint = adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2))
    file = checkpoint.folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    with pytest.raises(ModelFormatError, match=f"{field} = .*--preprocessing recipe"):
        convert(home, checkpoint)
    card = convert(home, checkpoint, preprocessing="recipe")
    assert (card.input.width_px, card.input.height_px) == (518, 518)
    assert any("set aside" in each for each in card.limitations)


def test_preprocessing_that_says_another_mean_or_size_is_followed(
    home: Path, tmp_path: Path, base: tuple[Path, Weights]
) -> None:
    checkpoint = adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2))
    file = checkpoint.folder / "preprocessor_config.json"
    changed = {"image_mean": [0.5, 0.5, 0.5], "size": {"height": 224, "width": 280}}
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    card = convert(home, checkpoint)
    assert card.input.mean == (0.5, 0.5, 0.5)
    classifier = ModelRegistry(home).load("axis-test", Runtime(engine="torch"))
    assert classifier.prepare(drop_image(1), Modality.VISIBLE).shape == (1, 224, 280)
    assert any("resample" in each for each in card.limitations)


def test_a_base_that_is_not_here_is_not_fetched(
    home: Path, tmp_path: Path, base: tuple[Path, Weights], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = write_adapter(tmp_path / "vis", lora_weights(base[1], 2), "facebook/dinov2-base")
    with pytest.raises(DownloadRefusedError, match="structloop models pull facebook/dinov2-base"):
        convert(home, Checkpoint(folder, (Modality.VISIBLE,)))


def test_pulling_an_adapter_fetches_its_base_too_and_records_the_revision(
    home: Path, tmp_path: Path, base: tuple[Path, Weights], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = write_adapter(tmp_path / "adapter", lora_weights(base[1], 2), "facebook/dinov2-base")
    folders = {"facebook/dinov2-base": base[0], "Marquez-Group-EMBL/AXIS-CRIMS_v3-uv": adapter}
    monkeypatch.setattr(
        hub, "fetch", lambda repository, revision=None: hub.Snapshot(folders[repository], repository, "0123abcd")
    )
    card = ModelRegistry(home).pull("Marquez-Group-EMBL/AXIS-CRIMS_v3-uv")
    assert isinstance(card, ModelCard)
    assert (card.name, card.modalities, card.base) == ("axis-crims_v3-uv", (Modality.UV,), "facebook/dinov2-base")
    assert card.origin == "https://huggingface.co/Marquez-Group-EMBL/AXIS-CRIMS_v3-uv at 0123abcd"
    assert "NC" in card.licence
    assert ModelRegistry(home).load("axis-crims_v3-uv", Runtime(engine="torch")).card == card


def test_pickled_weights_are_refused(home: Path, tmp_path: Path, base: tuple[Path, Weights]) -> None:
    checkpoint = adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2))
    (checkpoint.folder / "adapter_model.safetensors").rename(checkpoint.folder / "adapter_model.bin")
    with pytest.raises(ModelFormatError, match="pickle"):
        convert(home, checkpoint)


def test_what_the_model_does_not_serve_is_refused(home: Path, tmp_path: Path, base: tuple[Path, Weights]) -> None:
    convert(home, adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2)))
    classifier = ModelRegistry(home).load("axis-test", Runtime(engine="torch"))
    with pytest.raises(UnsupportedModalityError, match="serves visible, not uv"):
        classifier.prepare(drop_image(1), Modality.UV)
    with pytest.raises(ImageFormatError, match="8 bits"):
        classifier.prepare(Image.fromarray(np.zeros((20, 20), np.uint16)), Modality.VISIBLE)


def test_a_damaged_network_is_refused(home: Path, tmp_path: Path, base: tuple[Path, Weights]) -> None:
    convert(home, adapter_folder(tmp_path / "vis", base, lora_weights(base[1], 2)))
    weights = home / "models" / "axis-test" / "visible" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"model.safetensors is damaged"):
        ModelRegistry(home).load("axis-test")
