"""Small checkpoints with random weights, in the formats that are imported from elsewhere.

They have the files, names and shapes of real ones, take the same path through the program, and take milliseconds.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Weights = dict[str, NDArray[np.float32]]

_FORMER_LINEAR = (
    "attention.attention.query",
    "attention.attention.key",
    "attention.attention.value",
    "attention.output.dense",
    "mlp.fc1",
    "mlp.fc2",
)
"""Linear layers of a DINOv2 block as version 4 of the Hugging Face library called them."""

TINY_DINOV2: Mapping[str, int | float | str | bool] = {
    "model_type": "dinov2",
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "mlp_ratio": 4,
    "image_size": 518,
    "patch_size": 14,
    "num_channels": 3,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
}
"""``config.json`` of a DINOv2 with the inputs of the real one and two thin blocks."""


def dinov2_weights(seed: int, config: Mapping[str, int | float | str | bool] = TINY_DINOV2) -> Weights:
    """Random weights of a bare DINOv2 backbone, under the names that its publisher uses (version 4's, no prefix)."""
    draw = _drawer(seed)
    hidden, patch = int(config["hidden_size"]), int(config["patch_size"])
    inner = hidden * int(config["mlp_ratio"])
    tokens = (int(config["image_size"]) // patch) ** 2 + 1
    weights = {
        "embeddings.cls_token": draw(1, 1, hidden),
        "embeddings.mask_token": draw(1, hidden),
        "embeddings.position_embeddings": draw(1, tokens, hidden),
        "embeddings.patch_embeddings.projection.weight": draw(hidden, 3, patch, patch) * np.float32(0.3),
        "embeddings.patch_embeddings.projection.bias": draw(hidden),
        "layernorm.weight": 1 + draw(hidden),
        "layernorm.bias": draw(hidden),
    }
    for block in range(int(config["num_hidden_layers"])):
        stem = f"encoder.layer.{block}"
        for norm in ("norm1", "norm2"):
            weights[f"{stem}.{norm}.weight"] = 1 + draw(hidden)
            weights[f"{stem}.{norm}.bias"] = draw(hidden)
        for scale in ("layer_scale1", "layer_scale2"):
            weights[f"{stem}.{scale}.lambda1"] = 1 + draw(hidden)
        for layer in _FORMER_LINEAR:
            outputs = inner if layer == "mlp.fc1" else hidden
            inputs = inner if layer == "mlp.fc2" else hidden
            weights[f"{stem}.{layer}.weight"] = draw(outputs, inputs)
            weights[f"{stem}.{layer}.bias"] = draw(outputs)
    return weights


def lora_weights(base: Weights, seed: int, rank: int = 4, classes: int = 2) -> Weights:
    """Random LoRA pairs for every linear layer of `base`, and a head, under PEFT's names of version 4's layers."""
    draw = _drawer(seed)
    hidden = base["layernorm.weight"].shape[0]
    weights = {
        "base_model.model.classifier.weight": draw(classes, 2 * hidden) * np.float32(5),
        "base_model.model.classifier.bias": draw(classes),
    }
    for name, weight in base.items():
        module = name.removesuffix(".weight")
        if module.endswith(_FORMER_LINEAR):
            outputs, inputs = weight.shape
            weights[f"base_model.model.dinov2.{module}.lora_A.weight"] = draw(rank, inputs)
            weights[f"base_model.model.dinov2.{module}.lora_B.weight"] = draw(outputs, rank)
    return weights


def write_base(folder: Path, weights: Weights, config: Mapping[str, object] = TINY_DINOV2) -> Path:
    """A folder as ``facebook/dinov2-base`` is: ``config.json`` and ``model.safetensors``."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(dict(config)), encoding="utf-8")
    save_file(weights, folder / "model.safetensors")
    return folder


def write_adapter(folder: Path, weights: Weights, base: str, *, rank: int = 4, alpha: int = 8) -> Path:
    """A folder as the published AXIS checkpoints are: adapter, its configuration, the preprocessing file, no config."""
    folder.mkdir(parents=True)
    save_file(weights, folder / "adapter_model.safetensors")
    adapter = {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.1,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "modules_to_save": ["classifier"],
        "target_modules": ["query", "key", "value", "dense", "fc1", "fc2"],
        "use_dora": False,
        "use_rslora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
    }
    (folder / "adapter_config.json").write_text(json.dumps(adapter), encoding="utf-8")
    preprocessor = {
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_processor_type": "BitImageProcessor",
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": 518, "width": 518},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")
    return folder


def _drawer(seed: int) -> Callable[..., NDArray[np.float32]]:
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> NDArray[np.float32]:
        return (0.2 * generator.standard_normal(shape)).astype(np.float32)

    return draw


__all__ = ["TINY_DINOV2", "Weights", "dinov2_weights", "lora_weights", "write_adapter", "write_base"]
