"""A frozen SAM2 image encoder with adapters before its blocks, and a head that says what the heat map says.

The adapters are those that CryoFSL published for this encoder: what comes into a stage is projected to a thirty-second
of its width, once; every block has a small layer of its own on that, one layer shared by the stage takes it back to
the full width, and the result is added to what the block sees. Here the shared layer starts at zero, so that
training starts from the encoder as it was published. The head replaces SAM2's mask decoder: it reads the three levels
of the feature pyramid and gives log-odds and offsets of every working pixel.
"""

from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from structloop.models.pickers.heatmap_network import OUTPUTS, outputs_of, start_blank
from structloop.models.pickers.sam2_base import Sam2Shape

MAGNIFICATION = 2
"""The encoder sees so many pixels per working pixel: 26 per diameter, and features at 6.5, like the heat map."""

REDUCTION = 32
"""Width of a stage over that of its adapters."""

HEAD_CHANNELS = 96

_GREY_SPAN = 6.0
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEVELS = 3


class StageAdapter(nn.Module):
    """The adapters of all blocks that see features of one width.

    Args:
        width: Of the features.
        blocks: How many blocks.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        narrow = max(1, width // REDUCTION)
        self.down = nn.Linear(width, narrow)
        self.own = nn.ModuleList(nn.Linear(narrow, narrow) for _ in range(blocks))
        self.up = nn.Linear(narrow, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, narrow: Tensor, block: int) -> Tensor:
        """What is added before a block, `(n, h, w, width)`, of the projected features `(n, h, w, width / 32)`."""
        added: Tensor = self.up(functional.gelu(self.own[block](narrow)))
        return added


class _PixelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel: neither the batch nor the rest of the picture matters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, features: Tensor) -> Tensor:
        even: Tensor = self.norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return even


class _Refine(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            _PixelNorm(channels),
            nn.Conv2d(channels, channels, 3, 1, 1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, 1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        refined: Tensor = features + self.inner(features)
        return refined


class PickingHead(nn.Module):
    """Feature maps from coarse to fine, each twice the size of the one before -> log-odds and offsets.

    Args:
        inputs: Channels of the feature maps.
        channels: In the head.
    """

    def __init__(self, inputs: int, channels: int = HEAD_CHANNELS) -> None:
        super().__init__()
        self.across = nn.ModuleList(
            nn.Sequential(_PixelNorm(inputs), nn.Conv2d(inputs, channels, 1)) for _ in range(_LEVELS)
        )
        self.refine = nn.ModuleList(_Refine(channels) for _ in range(_LEVELS))
        last = nn.Conv2d(channels, 4 * OUTPUTS, 1)
        start_blank(last)
        self.last = nn.Sequential(_PixelNorm(channels), last)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """`(n, 3, 2 h, 2 w)`, where the finest level is `(n, inputs, h, w)`."""
        features: Tensor | None = None
        for across, refine, level in zip(self.across, self.refine, levels, strict=True):
            lateral = across(level)
            if features is not None:
                lateral = lateral + functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = refine(lateral)
        return outputs_of(self.last(features))


class Sam2Network(nn.Module):
    """Pictures `(n, 1, h, w)` at the working sampling -> `(n, 3, h, w)`: log-odds and offsets; sides in steps of 16.

    Args:
        encoder: `Sam2VisionModel`, frozen (`Sam2Base.encoder`).
        shape: Of the encoder.
    """

    def __init__(self, encoder: nn.Module, shape: Sam2Shape) -> None:
        super().__init__()
        self.frozen = encoder
        groups = [(width, len(list(blocks))) for width, blocks in groupby(shape.block_widths)]
        self.adapters = nn.ModuleList(StageAdapter(width, blocks) for width, blocks in groups)
        self.head = PickingHead(shape.fpn_hidden_size)
        self._places = tuple((group, block) for group, (_, blocks) in enumerate(groups) for block in range(blocks))
        self._ends = frozenset(blocks - 1 for blocks in accumulate(shape.blocks_per_stage))

    def train(self, mode: bool = True) -> "Sam2Network":
        """Training mode of adapters and head; the encoder stays as it is."""
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        outputs: Tensor = self.head(self.levels(in_colour(pictures)))
        return outputs

    def levels(self, seen: Tensor) -> tuple[Tensor, ...]:
        """The feature pyramid's maps of colour pictures `(n, 3, h, w)`, coarse to fine: strides 16, 8 and 4.

        In training, what a block computes inside is computed again on the way back instead of being kept (Chen et al.,
        2016): memory then grows with one block, not with all of them.
        """
        encoder = cast(Any, self.frozen)
        features = encoder.backbone.patch_embed(seen)
        features = features + _positions(encoder.backbone, features.shape[1], features.shape[2])
        narrow, ends = features, []
        for index, ((group, place), block) in enumerate(zip(self._places, encoder.backbone.blocks, strict=True)):
            adapter = cast(StageAdapter, self.adapters[group])
            if place == 0:
                narrow = adapter.down(features)
            features = features + adapter(narrow, place)
            if self.training and torch.is_grad_enabled():
                features = checkpoint(block, features, use_reentrant=False, preserve_rng_state=False)
            else:
                features = block(features)
            if index in self._ends:
                ends.append(features)
        maps, _ = encoder.neck(tuple(ends))
        return tuple(maps[-_LEVELS:])


def in_colour(pictures: Tensor) -> Tensor:
    """Working pictures `(n, 1, h, w)` as SAM2 sees: `(n, 3, 2 h, 2 w)`, three robust deviations to black and white."""
    wide = functional.interpolate(pictures, scale_factor=float(MAGNIFICATION), mode="bilinear", align_corners=False)
    grey = (wide / _GREY_SPAN + 0.5).clamp(0.0, 1.0)
    mean, deviation = (grey.new_tensor(each)[None, :, None, None] for each in (_MEAN, _DEVIATION))
    return (grey - mean) / deviation


def _positions(backbone: Any, height: int, width: int) -> Tensor:
    """Embedding of places, `(1, h, w, c)`: a coarse map stretched over the picture, and a window that repeats."""
    whole = functional.interpolate(backbone.pos_embed, size=(height, width), mode="bicubic")
    window = backbone.pos_embed_window
    tiled = window.tile(1, 1, height // window.shape[2], width // window.shape[3])
    return cast(Tensor, (whole + tiled).permute(0, 2, 3, 1))


__all__ = ["MAGNIFICATION", "REDUCTION", "PickingHead", "Sam2Network", "StageAdapter", "in_colour"]
