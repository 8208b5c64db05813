"""The image encoder of a SAM2 checkpoint: its shape, its weights, and the frozen network made of them.

SAM2 (Ravi et al., 2024) sees with Hiera, a transformer of four stages (Ryali et al., ICML 2023), and a feature pyramid
of three levels. Both come from a folder or a hub repository in the format of the Hugging Face library; prompts, mask
decoder and memory are not used, so checkpoints for pictures (``sam2``) and for video (``sam2_video``) serve alike.
Every weight of the encoder must be there, and nothing else under its name.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from structloop.core.errors import ModelFormatError
from structloop.models import hub
from structloop.models.adapters.tensors import check_shapes, read_json_object, read_tensors, weight_files

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIG_FILE = "config.json"
_ENCODER = "vision_encoder."
_WHOLE, _ENCODER_ONLY = ("sam2", "sam2_video"), "sam2_vision_model"
_PAIRS = ("patch_kernel_size", "patch_stride", "patch_padding", "query_stride")
_FIXED: Mapping[str, object] = {
    "patch_kernel_size": (7, 7),
    "patch_stride": (4, 4),
    "patch_padding": (3, 3),
    "query_stride": (2, 2),
    "num_channels": 3,
    "num_query_pool_stages": 3,
    "fpn_kernel_size": 1,
    "fpn_stride": 1,
    "fpn_padding": 0,
}
"""What all published encoders share, and what the strides of the picker's head rest on."""


class Sam2Shape(BaseModel):
    """The numbers of a ``config.json`` that shape the encoder. Defaults are the library's, which are SAM2 tiny's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    blocks_per_stage: tuple[int, ...] = (1, 2, 7, 2)
    embed_dim_per_stage: tuple[int, ...] = (96, 192, 384, 768)
    num_attention_heads_per_stage: tuple[int, ...] = (1, 2, 4, 8)
    window_size_per_stage: tuple[int, ...] = (8, 4, 14, 7)
    global_attention_blocks: tuple[int, ...] = (5, 7, 9)
    window_positional_embedding_background_size: tuple[int, int] = (7, 7)
    mlp_ratio: float = Field(default=4.0, gt=0)
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    patch_kernel_size: tuple[int, int] = (7, 7)
    patch_stride: tuple[int, int] = (4, 4)
    patch_padding: tuple[int, int] = (3, 3)
    query_stride: tuple[int, int] = (2, 2)
    num_channels: int = 3
    num_query_pool_stages: int = 3
    fpn_hidden_size: int = Field(default=256, ge=1)
    fpn_kernel_size: int = 1
    fpn_stride: int = 1
    fpn_padding: int = 0
    fpn_top_down_levels: tuple[int, ...] = (2, 3)

    @field_validator(*_PAIRS, mode="before")
    @classmethod
    def _both_ways(cls, value: object) -> object:
        return (value, value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        for name, value in _FIXED.items():
            if getattr(self, name) != value:
                raise ValueError(f"{name} is {getattr(self, name)}; SAM2 encoders have {value}")
        stages = ("blocks_per_stage", "embed_dim_per_stage", "num_attention_heads_per_stage", "window_size_per_stage")
        for name in stages:
            if len(getattr(self, name)) != 4 or min(getattr(self, name)) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; SAM2 encoders have four stages")
        if any(
            dim % heads for dim, heads in zip(self.embed_dim_per_stage, self.num_attention_heads_per_stage, strict=True)
        ):
            raise ValueError("embed_dim_per_stage is not divisible by num_attention_heads_per_stage")
        if self.window_size_per_stage[0] != 8:
            # Positions repeat with the first window, and sides come in steps of eight of its tokens.
            raise ValueError(f"window_size_per_stage begins with {self.window_size_per_stage[0]}; SAM2's with 8")
        return self

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Width of what goes into each block: the first of a stage still sees the width of the stage before."""
        dims = self.embed_dim_per_stage
        return tuple(
            dims[stage - 1] if stage > 0 and block == 0 else dims[stage]
            for stage, count in enumerate(self.blocks_per_stage)
            for block in range(count)
        )

    def build(self) -> "nn.Module":
        """The encoder (`Sam2VisionModel`) with random weights, on the device in force."""
        from transformers import Sam2VisionConfig, Sam2VisionModel

        told = self.model_dump(mode="json")
        neck = {name: told.pop(name) for name in tuple(told) if name.startswith("fpn_")}
        backbone = told | {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": self.embed_dim_per_stage[0],
            "num_attention_heads": self.num_attention_heads_per_stage[0],
        }
        channels = list(reversed(self.embed_dim_per_stage))
        config = Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=channels, **neck)
        network: nn.Module = Sam2VisionModel(config)
        return network

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight."""
        import torch

        with torch.device("meta"):
            return {name: tuple(tensor.shape) for name, tensor in self.build().state_dict().items()}


SIZES: Mapping[str, Sam2Shape] = {
    "tiny": Sam2Shape(),
    "small": Sam2Shape(blocks_per_stage=(1, 2, 11, 2), global_attention_blocks=(7, 10, 13)),
    "base-plus": Sam2Shape(
        blocks_per_stage=(2, 3, 16, 3),
        embed_dim_per_stage=(112, 224, 448, 896),
        num_attention_heads_per_stage=(2, 4, 8, 16),
        global_attention_blocks=(12, 16, 20),
        window_positional_embedding_background_size=(14, 14),
    ),
    "large": Sam2Shape(
        blocks_per_stage=(2, 6, 36, 4),
        embed_dim_per_stage=(144, 288, 576, 1152),
        num_attention_heads_per_stage=(2, 4, 8, 16),
        window_size_per_stage=(8, 4, 16, 8),
        global_attention_blocks=(23, 33, 43),
    ),
}
"""The published sizes, from the configuration files beside the original weights."""


@dataclass(frozen=True)
class Sam2Base:
    """An encoder that was read.

    Attributes:
        source: Folder or hub id, as a card names it.
        shape: Of the network.
        weights: Every weight by the library's name, fp32.
        sha256: Of shape and weights, however they were packed.
    """

    source: str
    shape: Sam2Shape
    weights: Mapping[str, "Tensor"]
    sha256: str

    def encoder(self) -> "nn.Module":
        """The frozen network, in eval mode."""
        import torch

        with torch.device("meta"):
            network = self.shape.build()
        network.load_state_dict(dict(self.weights), strict=True, assign=True)
        return network.eval().requires_grad_(False)


def read_base(source: str, *, allow_download: bool = False) -> Sam2Base:
    """Reads the encoder of `source`.

    Args:
        source: A folder with ``config.json`` and safetensors, or a hub id such as ``facebook/sam2.1-hiera-tiny``.
        allow_download: Whether a hub id that is not on this machine may be fetched.

    Raises:
        ModelNotFoundError: neither a folder nor a hub id.
        DownloadRefusedError: a hub id that is not on this machine, and may not be fetched or cannot be.
        ModelFormatError: it is no SAM2 encoder of the library's format, or weights are missing, foreign or misshapen.
    """
    remedy = f"run `hf download {source}` where there is network, allow it (--allow-download), or give a local folder"
    folder = hub.locate(source, allow_download=allow_download, remedy=remedy)
    shape, prefix = _read_shape(folder / CONFIG_FILE)
    weights: dict[str, Tensor] = {}
    files = weight_files(folder)
    for file in files:
        tensors = read_tensors(file, lambda name: name.startswith(prefix))
        weights |= {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    where = f"{files[0] if len(files) == 1 else folder} (SAM2's image encoder)"
    if not weights:
        raise ModelFormatError(
            f"{where}: no weight is called '{prefix}...'; the original checkpoints are not read: take the repository "
            "in the Hugging Face library's format, such as facebook/sam2.1-hiera-tiny"
        )
    check_shapes({name: tuple(tensor.shape) for name, tensor in weights.items()}, shape.shapes(), where)
    kept = source if hub.is_repository_id(source) else str(Path(source).resolve())
    return Sam2Base(kept, shape, weights, digest_of(shape, weights))


def digest_of(shape: Sam2Shape, weights: Mapping[str, "Tensor"]) -> str:
    """SHA-256 of what decides the features: the shape, and every weight by name."""
    whole = hashlib.sha256(json.dumps(shape.model_dump(mode="json"), sort_keys=True).encode())
    for name in sorted(weights):
        whole.update(name.encode())
        whole.update(weights[name].contiguous().numpy().data)
    return whole.hexdigest()


def _read_shape(path: Path) -> tuple[Sam2Shape, str]:
    """The shape in a ``config.json``, and what the encoder's weights are called by first."""
    config = read_json_object(path)
    kind = config.get("model_type")
    vision: Any = config.get("vision_config") if kind in _WHOLE else config
    if kind not in (*_WHOLE, _ENCODER_ONLY) or not isinstance(vision, Mapping):
        raise ModelFormatError(
            f"{path}: model_type is {kind!r}, which is no SAM2; give a SAM2 model in the Hugging Face library's "
            "format, such as facebook/sam2.1-hiera-tiny"
        )
    backbone = vision.get("backbone_config") or {}
    if not isinstance(backbone, Mapping):
        raise ModelFormatError(f"{path}: backbone_config holds {type(backbone).__name__}, not an object")
    told = {name: value for name, value in vision.items() if name.startswith("fpn_")} | dict(backbone)
    try:
        shape = Sam2Shape.model_validate({name: value for name, value in told.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ModelFormatError(f"{path}: {field + ': ' if field else ''}{first['msg']}") from error
    return shape, _ENCODER if kind in _WHOLE else ""


__all__ = ["CONFIG_FILE", "SIZES", "Sam2Base", "Sam2Shape", "digest_of", "read_base"]
