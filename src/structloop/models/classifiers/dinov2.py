"""DINOv2 with an image-classification head: its shape, its weights, and the network itself.

The head is a linear layer on the class token and the mean of the patch tokens, side by side (Oquab et al., TMLR 2024);
the implementation is the Hugging Face library's ``Dinov2ForImageClassification``.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from structloop.core.errors import ModelFormatError
from structloop.models.adapters.dinov2_names import former_name, uses_former_names
from structloop.models.adapters.tensors import check_shapes
from structloop.schema.models import InputSpecification

if TYPE_CHECKING:
    from torch import Tensor, nn

LINEAR_LAYERS = ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj", "mlp.fc1", "mlp.fc2")
"""Of each block, by canonical name."""


class Dinov2Architecture(BaseModel):
    """The numbers of a ``config.json`` that shape a DINOv2 network. Defaults are those of the library."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    hidden_size: int = Field(default=768, ge=1)
    num_hidden_layers: int = Field(default=12, ge=1)
    num_attention_heads: int = Field(default=12, ge=1)
    mlp_ratio: int = Field(default=4, ge=1)
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    image_size: int = Field(default=224, ge=1)
    patch_size: int = Field(default=14, ge=1)
    num_channels: int = Field(default=3, ge=3, le=3)
    qkv_bias: bool = True
    layerscale_value: float = 1.0
    use_mask_token: bool = True

    def linear_modules(self) -> tuple[str, ...]:
        """Canonical names of the linear layers that "all linear layers" means to LoRA: the head is none of them."""
        return tuple(
            f"dinov2.encoder.layer.{block}.{layer}"
            for block in range(self.num_hidden_layers)
            for layer in LINEAR_LAYERS
        )

    def shapes(self, classes: int) -> dict[str, tuple[int, ...]]:
        """Canonical name and shape of every parameter, head included."""
        hidden, inner = self.hidden_size, self.hidden_size * self.mlp_ratio
        patches = (self.image_size // self.patch_size) ** 2
        shapes: dict[str, tuple[int, ...]] = {
            "dinov2.embeddings.cls_token": (1, 1, hidden),
            "dinov2.embeddings.position_embeddings": (1, patches + 1, hidden),
            "dinov2.embeddings.patch_embeddings.projection.weight": (hidden, 3, self.patch_size, self.patch_size),
            "dinov2.embeddings.patch_embeddings.projection.bias": (hidden,),
            "dinov2.layernorm.weight": (hidden,),
            "dinov2.layernorm.bias": (hidden,),
            "classifier.weight": (classes, 2 * hidden),
            "classifier.bias": (classes,),
        }
        if self.use_mask_token:
            shapes["dinov2.embeddings.mask_token"] = (1, hidden)
        for block in range(self.num_hidden_layers):
            stem = f"dinov2.encoder.layer.{block}"
            for norm in ("norm1", "norm2"):
                shapes[f"{stem}.{norm}.weight"] = shapes[f"{stem}.{norm}.bias"] = (hidden,)
            for scale in ("layer_scale1", "layer_scale2"):
                shapes[f"{stem}.{scale}.lambda1"] = (hidden,)
            for layer in LINEAR_LAYERS:
                outputs = inner if layer == "mlp.fc1" else hidden
                inputs = inner if layer == "mlp.fc2" else hidden
                shapes[f"{stem}.{layer}.weight"] = (outputs, inputs)
                if self.qkv_bias or not layer.startswith(("attention.q", "attention.k", "attention.v")):
                    shapes[f"{stem}.{layer}.bias"] = (outputs,)
        return shapes


def read_architecture(config: Mapping[str, object], where: str) -> Dinov2Architecture:
    """The architecture that a ``config.json`` describes.

    Raises:
        ModelFormatError: it is not DINOv2, or a variant that is not supported (SwiGLU, DINOv2-giant's).
    """
    if config.get("model_type") != "dinov2":
        raise ModelFormatError(f"{where}: model_type is {config.get('model_type')!r}, not 'dinov2'")
    if config.get("use_swiglu_ffn"):
        raise ModelFormatError(f"{where}: use_swiglu_ffn (DINOv2-giant) is not supported")
    try:
        return Dinov2Architecture.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelFormatError(f"{where}: {first['loc'][0]}: {first['msg']}") from error


def build_network(
    architecture: Dinov2Architecture, weights: Mapping[str, "Tensor"], specification: InputSpecification, where: str
) -> "nn.Module":
    """The network from grayscale bytes `(n, 1, h, w)` to logits `(n, classes)`, in eval mode.

    The repetition to three channels, the division by 255 and the normalisation happen inside, so that a batch travels
    as one byte per pixel.

    Args:
        architecture: of the network.
        weights: every parameter by canonical name, head included.
        specification: gives mean and std.
        where: file that the weights come from, for errors.

    Raises:
        ModelFormatError: the weights are not exactly the network's parameters.
    """
    import torch
    from torch import nn
    from transformers import Dinov2Config, Dinov2ForImageClassification, PreTrainedModel

    classes = len(weights["classifier.weight"]) if "classifier.weight" in weights else 0
    check_shapes(
        {name: tuple(tensor.shape) for name, tensor in weights.items()}, architecture.shapes(max(classes, 1)), where
    )
    config = Dinov2Config(
        **architecture.model_dump(),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        drop_path_rate=0.0,
    )
    config.num_labels = classes
    # Made without memory or random numbers, and filled by assignment: every parameter comes from `weights`.
    with torch.device("meta"):
        classifier = Dinov2ForImageClassification(config)
    # Tracing reads every attribute, and the library warns of a loss that it cannot guess; none is used here.
    for part in classifier.modules():
        if isinstance(part, PreTrainedModel):
            part.loss_function = nn.functional.cross_entropy
    former = uses_former_names(classifier.state_dict())
    named = {former_name(name) if former else name: tensor for name, tensor in weights.items()}
    classifier.load_state_dict(named, strict=True, assign=True)

    class GrayscaleDinov2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = classifier
            self.register_buffer("mean", torch.tensor(specification.mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(specification.std).view(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            values = pixels.float() / 255.0
            normalised = (values - self.get_buffer("mean")) / self.get_buffer("std")
            logits: torch.Tensor = self.classifier(pixel_values=normalised).logits
            return logits

    return GrayscaleDinov2().eval()


def build_features(
    architecture: Dinov2Architecture, weights: Mapping[str, "Tensor"], specification: InputSpecification, where: str
) -> "nn.Module":
    """The network from grayscale bytes `(n, 1, h, w)` to `(n, 1 + 2 hidden_size)`, in eval mode.

    First the log-odds of the first of its two classes, then what the head sees: class token and mean of the patch
    tokens.

    Args:
        architecture, weights, specification, where: As `build_network` takes them, a head of two classes included.

    Raises:
        ModelFormatError: the weights are not exactly the network's parameters.
    """
    import torch
    from torch import nn

    network = build_network(architecture, weights, specification, where)
    head: nn.Linear = network.get_submodule("classifier.classifier")  # type: ignore[assignment]

    class Dinov2Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            values = pixels.float() / 255.0
            normalised = (values - self.network.get_buffer("mean")) / self.network.get_buffer("std")
            backbone = self.network.get_submodule("classifier.dinov2")
            tokens: torch.Tensor = backbone(pixel_values=normalised).last_hidden_state
            seen = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
            logits = head(seen)
            return torch.cat([logits[:, :1] - logits[:, 1:], seen], dim=1)

    return Dinov2Features().eval()


__all__ = ["LINEAR_LAYERS", "Dinov2Architecture", "build_features", "build_network", "read_architecture"]
