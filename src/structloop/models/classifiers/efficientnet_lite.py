"""The feature extractor of the compact classifier: EfficientNet-Lite0, truncated, as a feature pyramid.

EfficientNet (Tan & Le, ICML 2019) in its "lite" form (Google, 2020): no squeeze-and-excitation, ReLU6 instead of
swish, fixed stem. Convolutions are padded as TensorFlow's ``SAME`` does for sizes that are multiples of 32, so
that the published ImageNet weights mean here what they meant there. Parameter names are our own;
`imagenet_state` translates those of the `efficientnet-lite-pytorch` package.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

STRIDE = 32
"""Input heights and widths must be multiples of this."""

_BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STEM_CHANNELS = 32
_STAGES = (
    _Stage(repeats=1, kernel=3, stride=1, expansion=1, channels=16),
    _Stage(repeats=2, kernel=3, stride=2, expansion=6, channels=24),
    _Stage(repeats=2, kernel=5, stride=2, expansion=6, channels=40),
    _Stage(repeats=3, kernel=3, stride=2, expansion=6, channels=80),
    _Stage(repeats=3, kernel=5, stride=1, expansion=6, channels=112),
    _Stage(repeats=4, kernel=5, stride=2, expansion=6, channels=192),
)
"""The stages kept. The published network goes on with 320 and 1280 channels, which serve its 1000 classes."""

PYRAMID_CHANNELS = (24, 40, 112, 192)
"""Channels of what `EfficientNetLite.forward` returns, at 1/4, 1/8, 1/16 and 1/32 of the input."""

_PYRAMID_STAGES = (1, 2, 4, 5)


def _same_padding(kernel: int, stride: int) -> tuple[int, int, int, int]:
    total = kernel - stride
    return (total // 2, total - total // 2, total // 2, total - total // 2)


class _ConvNorm(nn.Sequential):
    """Padding, convolution without bias, batch normalisation and, unless `linear`, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        symmetric = stride == 1
        layers: list[nn.Module] = [] if symmetric else [nn.ZeroPad2d(_same_padding(kernel, stride))]
        padding = kernel // 2 if symmetric else 0
        layers.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False))
        layers.append(nn.BatchNorm2d(outputs, eps=_BATCH_NORM_EPSILON, momentum=0.01))
        if not linear:
            layers.append(nn.ReLU6())
        super().__init__(*layers)


class _InvertedBottleneck(nn.Module):
    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        width = inputs * stage.expansion
        layers = [] if stage.expansion == 1 else [_ConvNorm(inputs, width, 1)]
        layers.append(_ConvNorm(width, width, stage.kernel, stride, groups=width))
        layers.append(_ConvNorm(width, stage.channels, 1, linear=True))
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == stage.channels

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layers(inputs)
        return inputs + outputs if self.residual else outputs


class EfficientNetLite(nn.Module):
    """The stem and six stages of EfficientNet-Lite0."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _ConvNorm(3, _STEM_CHANNELS, 3, 2)
        self.stages = nn.ModuleList()
        inputs = _STEM_CHANNELS
        for stage in _STAGES:
            blocks = []
            for repeat in range(stage.repeats):
                blocks.append(_InvertedBottleneck(inputs, stage, stage.stride if repeat == 0 else 1))
                inputs = stage.channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`(n, 3, h, w)` normalised images -> features of `PYRAMID_CHANNELS`, h and w multiples of `STRIDE`."""
        features: Tensor = self.stem(images)
        pyramid: list[Tensor] = []
        for index, stage in enumerate(self.stages):
            features = stage(features)
            if index in _PYRAMID_STAGES:
                pyramid.append(features)
        return pyramid[0], pyramid[1], pyramid[2], pyramid[3]


def imagenet_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translates a state dictionary of `efficientnet-lite-pytorch` into that of `EfficientNetLite`.

    Args:
        published: the contents of an ``efficientnet-lite0-*.pth`` file.

    Raises:
        KeyError: a tensor that the truncated network needs is missing.
    """
    norm_fields = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    state: dict[str, Tensor] = {}

    def take(conv: str, norm: str, target: str, padded: bool) -> None:
        first = 1 if padded else 0
        state[f"{target}.{first}.weight"] = published[f"{conv}.weight"]
        for field in norm_fields:
            state[f"{target}.{first + 1}.{field}"] = published.get(f"{norm}.{field}", torch.tensor(0))

    take("_conv_stem", "_bn0", "stem", padded=True)
    block = 0
    for index, stage in enumerate(_STAGES):
        for repeat in range(stage.repeats):
            source, target, layer = f"_blocks.{block}", f"stages.{index}.{repeat}.layers", 0
            if stage.expansion != 1:
                take(f"{source}._expand_conv", f"{source}._bn0", f"{target}.{layer}", padded=False)
                layer += 1
            padded = repeat == 0 and stage.stride == 2
            take(f"{source}._depthwise_conv", f"{source}._bn1", f"{target}.{layer}", padded)
            take(f"{source}._project_conv", f"{source}._bn2", f"{target}.{layer + 1}", padded=False)
            block += 1
    return state
