"""The heat-map network: a small U-Net that says of every working pixel whether a particle's centre is there, and where.

The first convolution halves the picture, so that the work is done at 6.5 pixels per diameter, and the last one gives
four pixels at once (Shi et al., CVPR 2016); three more halvings see about ten diameters around each place. Blocks are
residual (He et al., CVPR 2016), with batch normalisation, which at rest costs nothing and ties no picture to another.
"""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from structloop.models.pickers.architecture import STRIDE

CHANNELS = (32, 56, 96, 112)
OUTPUTS = 3
"""Log-odds that a particle's centre is here, and dx, dy to it in working pixels."""

OFFSET_REACH_PX = 4.0
"""Offsets stay within so many working pixels."""


class _Unit(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs, momentum=0.05),
            nn.SiLU(inplace=True),
        )


class _Block(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _Unit(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
        nn.init.zeros_(cast(Tensor, self.second[1].weight))

    def forward(self, features: Tensor) -> Tensor:
        return functional.silu(features + self.second(self.first(features)))


class HeatmapNetwork(nn.Module):
    """Pictures `(n, 1, h, w)` at the working sampling -> `(n, 3, h, w)`: log-odds and offsets; sides in steps of 16."""

    def __init__(self, channels: tuple[int, int, int, int] = CHANNELS) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Unit(1, 16), _Unit(16, channels[0], 2), _Block(channels[0]))
        self.down = nn.ModuleList(
            nn.Sequential(_Unit(shallow, deep, 2), _Block(deep)) for shallow, deep in pairwise(channels)
        )
        self.across = nn.ModuleList(nn.Conv2d(deep, shallow, 1) for shallow, deep in pairwise(channels))
        self.up = nn.ModuleList(_Block(shallow) for shallow in channels[:-1])
        last = nn.Conv2d(channels[0], 4 * OUTPUTS, 1)
        self.head = nn.Sequential(_Unit(channels[0], channels[0]), last)
        start_blank(last)

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        levels = [self.stem(pictures)]
        for step in self.down:
            levels.append(step(levels[-1]))
        features = levels[-1]
        for index in range(len(self.up) - 1, -1, -1):
            wider = functional.interpolate(self.across[index](features), scale_factor=2.0, mode="nearest")
            features = self.up[index](levels[index] + wider)
        return outputs_of(self.head(features))


def start_blank(last: nn.Conv2d) -> None:
    """Lets the layer before `outputs_of` start by saying the same of every place: hardly ever a centre, no offset."""
    nn.init.zeros_(last.weight)
    # A centre is on about one pixel in fifty.
    nn.init.zeros_(cast(Tensor, last.bias))
    nn.init.constant_(cast(Tensor, last.bias)[:4], -4.0)


def outputs_of(features: Tensor) -> Tensor:
    """Features `(n, 12, h, w)` as log-odds and offsets `(n, 3, 2 h, 2 w)`, offsets kept within `OFFSET_REACH_PX`."""
    fine = functional.pixel_shuffle(features, 2)
    offsets = OFFSET_REACH_PX * torch.tanh(fine[:, 1:] / OFFSET_REACH_PX)
    return torch.cat([fine[:, :1], offsets], dim=1)


__all__ = ["CHANNELS", "OFFSET_REACH_PX", "OUTPUTS", "STRIDE", "HeatmapNetwork", "outputs_of", "start_blank"]
