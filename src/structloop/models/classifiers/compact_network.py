"""The compact classifier's network: local evidence for crystals, gathered into one score per image.

Crystals are small, sharp and local; what fills the rest of an image is the style of its imager. So the network
normalises contrast within each image, computes evidence at every eighth pixel from a feature pyramid (Lin et al.,
CVPR 2017), and scores the image by its strongest evidence (multiple-instance pooling; Ilse et al., ICML 2018)
and by the features found there. Nothing averages over the whole image.

Visible light and UV share the features and have heads of their own.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from structloop.models.classifiers.efficientnet_lite import PYRAMID_CHANNELS, EfficientNetLite

HEADS = ("visible", "uv")
"""Order of the heads in `CompactOutput`."""

EVIDENCE_STRIDE = 8
"""Input pixels per element of the evidence map, in y and x."""

HEAD_FEATURES = 101
"""What `CompactNetwork.head_features` gives of an image: score, its two layers of statistics, the features found."""

_WIDTH = 64
_SHARPNESS = 1.0
_FEW, _MANY = 4, 48


class CompactOutput(NamedTuple):
    """What the network says of n images.

    Attributes:
        scores: `(n, 2)` log-odds of a crystal, one column per head of `HEADS`.
        evidence: `(n, 2, h / 8, w / 8)` local log-odds that a crystal is there.
    """

    scores: Tensor
    evidence: Tensor


def normalise_contrast(images: Tensor) -> Tensor:
    """Takes the imager's brightness, contrast and shading out of greyscale images `(n, 1, h, w)`, values 0 to 1.

    Each pixel is compared with a mixture of its surroundings (about 1/8 of the image) and the whole image, in units
    of a mixture of their standard deviations; the constant keeps sensor noise of empty images small.
    """
    height, width = int(images.shape[2]), int(images.shape[3])
    moments = torch.cat([images, images * images], dim=1)
    coarse = functional.avg_pool2d(moments, 16)
    coarse = functional.avg_pool2d(coarse, 3, 1, 1, count_include_pad=False)
    coarse = functional.avg_pool2d(coarse, 3, 1, 1, count_include_pad=False)
    local = functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    whole = coarse.mean(dim=(2, 3), keepdim=True)

    def deviation(pair: Tensor) -> Tensor:
        return (pair[:, 1:2] - pair[:, 0:1] ** 2).clamp_min(0.0).add(1e-6).sqrt()

    centre = 0.7 * local[:, 0:1] + 0.3 * whole[:, 0:1]
    scale = 0.5 * deviation(local) + 0.5 * deviation(whole) + 0.02
    return ((images - centre) / scale).clamp(-4.0, 4.0)


class _Refine(nn.Sequential):
    """A depthwise and a pointwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU6(),
        )


class _Head(nn.Module):
    """Evidence map and image score of one modality."""

    def __init__(self) -> None:
        super().__init__()
        self.local = nn.Sequential(nn.Conv2d(_WIDTH, _WIDTH, 1), nn.ReLU6(), nn.Conv2d(_WIDTH, 1, 1))
        self.gather = nn.Sequential(nn.Linear(_WIDTH + 4, 32), nn.ReLU6(), nn.Linear(32, 1))
        self.direct = nn.Linear(4, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        evidence, statistics, found = self._gathered(features)
        score = self.direct(statistics) + self.gather(torch.cat([found, 0.2 * statistics], dim=1))
        return score, evidence

    def penultimate(self, features: Tensor) -> Tensor:
        """Score, hidden layer, statistics and gathered features, `(n, HEAD_FEATURES)`: the score is linear in these."""
        _, statistics, found = self._gathered(features)
        gathered = torch.cat([found, 0.2 * statistics], dim=1)
        hidden = self.gather[1](self.gather[0](gathered))
        return torch.cat([self.direct(statistics) + self.gather[2](hidden), hidden, statistics, found], dim=1)

    def _gathered(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        evidence: Tensor = self.local(features)
        flat = evidence.flatten(1)
        ranked = flat.topk(_MANY, dim=1).values
        attention = torch.softmax(flat * _SHARPNESS, dim=1)
        found = torch.bmm(features.flatten(2), attention.unsqueeze(2)).squeeze(2)
        statistics = torch.cat(
            [
                ranked[:, :1],
                ranked[:, :_FEW].mean(dim=1, keepdim=True),
                ranked.mean(dim=1, keepdim=True),
                (torch.logsumexp(flat, dim=1, keepdim=True) - 8.0),
            ],
            dim=1,
        )
        return evidence, statistics, found


class CompactNetwork(nn.Module):
    """EfficientNet-Lite0 pyramid, evidence maps and image scores."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, _WIDTH, 1) for channels in PYRAMID_CHANNELS[1:])
        self.fine = nn.Conv2d(PYRAMID_CHANNELS[0], _WIDTH, 2, 2)
        self.refine = nn.ModuleList(_Refine(_WIDTH) for _ in PYRAMID_CHANNELS[1:])
        self.heads = nn.ModuleList(_Head() for _ in HEADS)

    def detailed(self, images: Tensor) -> CompactOutput:
        """Scores and evidence of greyscale images `(n, 1, h, w)`, values 0 to 255, h and w multiples of 32."""
        merged = self._merged(images)
        outputs = [head(merged) for head in self.heads]
        return CompactOutput(
            scores=torch.cat([score for score, _ in outputs], dim=1),
            evidence=torch.cat([evidence for _, evidence in outputs], dim=1),
        )

    def head_features(self, images: Tensor, head: int) -> Tensor:
        """What the head of index `head` makes its score of, `(n, HEAD_FEATURES)`; the first is the score itself.

        Args:
            images: As `detailed` takes them.
            head: Place in `HEADS`.
        """
        features: Tensor = self.heads[head].penultimate(self._merged(images))  # type: ignore[operator]
        return features

    def _merged(self, images: Tensor) -> Tensor:
        grey = normalise_contrast(images.to(torch.float32) / 255.0)
        quarter, eighth, sixteenth, thirtysecond = self.backbone(grey.expand(-1, 3, -1, -1))
        merged: Tensor = self.refine[2](self.lateral[2](thirtysecond))
        merged = functional.interpolate(merged, scale_factor=2.0, mode="nearest")
        merged = self.refine[1](merged + self.lateral[1](sixteenth))
        merged = functional.interpolate(merged, scale_factor=2.0, mode="nearest")
        finest: Tensor = self.refine[0](merged + self.lateral[0](eighth) + self.fine(quarter))
        return finest

    def forward(self, images: Tensor) -> Tensor:
        """Log-odds of a crystal, `(n, 2)`, one column per head of `HEADS`. See `detailed`."""
        return self.detailed(images).scores
