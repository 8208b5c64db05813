"""SAM2 models for the tests: narrow encoders with random weights, in the layout of the Hugging Face library."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from structloop.models.pickers.sam2_base import Sam2Shape

NARROW = Sam2Shape(
    blocks_per_stage=(1, 1, 2, 1),
    embed_dim_per_stage=(32, 64, 96, 128),
    num_attention_heads_per_stage=(1, 1, 2, 2),
    global_attention_blocks=(3,),
    fpn_hidden_size=16,
)


def random_encoder(shape: Sam2Shape = NARROW, seed: int = 0) -> nn.Module:
    """A frozen encoder whose embedding of places is random too; the library starts that at zero."""
    torch.manual_seed(seed)
    encoder = shape.build()
    for name, parameter in encoder.named_parameters():
        if "pos_embed" in name:
            nn.init.normal_(parameter, std=0.1)
    return encoder.eval().requires_grad_(False)


def write_base(folder: Path, seed: int = 0, kind: str = "sam2_video") -> Path:
    """A checkpoint of a narrow SAM2 model, packed as the library packs `kind`."""
    folder.mkdir(parents=True)
    weights = {name: tensor.contiguous() for name, tensor in random_encoder(seed=seed).state_dict().items()}
    told = NARROW.model_dump(mode="json")
    vision: dict[str, object] = {name: told.pop(name) for name in tuple(told) if name.startswith("fpn_")}
    vision |= {"model_type": "sam2_vision_model", "backbone_config": told}
    config = vision if kind == "sam2_vision_model" else {"model_type": kind, "vision_config": vision}
    if kind != "sam2_vision_model":
        weights = {f"vision_encoder.{name}": tensor for name, tensor in weights.items()}
        weights["mask_decoder.iou_token.weight"] = torch.zeros(1, 16)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors")
    return folder


__all__ = ["NARROW", "random_encoder", "write_base"]
