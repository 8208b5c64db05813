"""Family `compact`: the classifier that ships with structloop. See `docs/explanations/default-model.md`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from structloop.core.errors import ImageFormatError, ModelFormatError, UnsupportedModalityError
from structloop.models.classifiers.compact_network import HEAD_FEATURES, HEADS, CompactNetwork
from structloop.models.classifiers.efficientnet_lite import STRIDE
from structloop.models.classifiers.features import FeatureSource
from structloop.models.classifiers.protocol import Classifier, ImageBatch
from structloop.models.runtime import Network, NetworkSource, Runtime, compile_network
from structloop.schema.images import Modality
from structloop.schema.models import InputSpecification, ModelCard

WIDTH_PX, HEIGHT_PX = 512, 416
"""The network's usual input: between the aspect ratios 4:3 and 5:4 that imagers have."""

_MEDIAN_STEP = 16
_DIRECT_MODES = frozenset({"L", "RGB"})
_CONVERTIBLE_MODES = frozenset({"1", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"})


def fit_grey(
    image: Image.Image, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX, fill: int | None = None
) -> Image.Image:
    """The whole image in grey, as large as fits `width_px` x `height_px`, centred, its aspect ratio kept.

    Antialiased; images that are much larger are first averaged by a whole number, which costs little.

    Args:
        image: 8-bit, any size and mode.
        width_px: width of the result.
        height_px: height of the result.
        fill: grey of the border; the image's median where None.

    Raises:
        ImageFormatError: the mode holds more than 8 bits per channel.
    """
    if image.mode not in _DIRECT_MODES | _CONVERTIBLE_MODES:
        raise ImageFormatError(
            f"image mode {image.mode!r} is not 8-bit; bring it to 8 bits first (structloop.imaging reads files so)"
        )
    scale = min(width_px / image.width, height_px / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    factor = int(0.5 / scale) if scale < 0.25 and min(image.size) > 64 else 1
    direct = image if image.mode in _DIRECT_MODES else image.convert("RGB")
    smaller = direct.reduce(factor) if factor > 1 else direct
    grey = smaller if smaller.mode == "L" else smaller.convert("L")
    resized = grey if grey.size == size else grey.resize(size, Image.Resampling.BILINEAR)
    if size == (width_px, height_px):
        return resized
    level = int(np.median(np.asarray(resized)[::_MEDIAN_STEP, ::_MEDIAN_STEP])) if fill is None else fill
    canvas = Image.new("L", (width_px, height_px), level)
    canvas.paste(resized, ((width_px - size[0]) // 2, (height_px - size[1]) // 2))
    return canvas


class _Logits(nn.Module):
    """Log-odds per head -> two-class logits per head, `(n, 4)`: crystal and other of each head in turn."""

    def __init__(self, network: CompactNetwork, crystal_first: bool) -> None:
        super().__init__()
        self.network = network
        self._signs = (0.5, -0.5) if crystal_first else (-0.5, 0.5)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.network(images)
        first, second = self._signs
        columns = [scores[:, head : head + 1] * sign for head in range(len(HEADS)) for sign in (first, second)]
        return torch.cat(columns, dim=1)


class _Features(nn.Module):
    """What one head makes its score of; the first is the card's log-odds of a crystal."""

    def __init__(self, network: CompactNetwork, head: int) -> None:
        super().__init__()
        self.network = network
        self._head = head

    def forward(self, images: Tensor) -> Tensor:
        return self.network.head_features(images, self._head)


class CompactClassifier:
    """A loaded compact classifier; satisfies `Classifier`."""

    def __init__(self, card: ModelCard, network: Network) -> None:
        self._card = card
        self._network = network

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._card

    @property
    def description(self) -> str:
        """Engine and arithmetic that it runs on."""
        return self._network.description

    def prepare(self, image: Image.Image, modality: Modality) -> NDArray[np.uint8]:
        """One image as `(1, h, w)` uint8; see `Classifier.prepare`."""
        self._check(modality)
        specification = self._card.input
        grey = fit_grey(image, specification.width_px, specification.height_px)
        return np.array(grey, dtype=np.uint8)[np.newaxis]

    def logits(self, batch: ImageBatch, modality: Modality) -> NDArray[np.float32]:
        """`(n, 2)` in the order of the card's labels; see `Classifier.logits`."""
        self._check(modality)
        first = 2 * HEADS.index(modality.value)
        return np.ascontiguousarray(self._network(batch)[:, first : first + 2])

    def _check(self, modality: Modality) -> None:
        _check_serves(self._card, modality)


class CompactFamily:
    """Loads compact classifiers; satisfies `ClassifierFamily`."""

    @property
    def name(self) -> str:
        """The family's name in cards."""
        return "compact"

    def load(self, folder: Path, card: ModelCard, runtime: Runtime) -> Classifier:
        """The classifier of `card`, whose weights are ``model.safetensors`` in `folder`.

        It computes in fp32 unless `runtime` names another precision: the network is fast enough, and bf16 moves some
        probabilities by a few hundredths (see `docs/explanations/default-model.md`).

        Raises:
            ModelFormatError: the card asks for what this family cannot do, or the weights do not fit.
        """
        _check_card(card)
        precise = replace(runtime, precision="fp32") if runtime.precision == "auto" else runtime
        path = folder / "model.safetensors"
        network = load_network(path)
        crystal_first = card.positive_index == 0
        shape = (1, card.input.height_px, card.input.width_px)

        def build() -> nn.Module:
            return _Logits(network, crystal_first).eval()

        return CompactClassifier(card, compile_network(NetworkSource(card.version, build, shape, "uint8"), precise))

    def feature_source(self, folder: Path, card: ModelCard, modality: Modality) -> FeatureSource:
        """The features that the head of `modality` makes its score of; see `FeatureFamily`.

        Raises:
            ModelFormatError, UnsupportedModalityError: see `FeatureFamily.feature_source`.
        """
        _check_card(card)
        _check_serves(card, modality)
        network = load_network(folder / "model.safetensors")
        width_px, height_px = card.input.width_px, card.input.height_px

        def prepare(image: Image.Image) -> NDArray[np.uint8]:
            return np.array(fit_grey(image, width_px, height_px), dtype=np.uint8)[np.newaxis]

        return FeatureSource(
            key=f"features-{card.version}-{modality.value}",
            build=lambda: _Features(network, HEADS.index(modality.value)).eval(),
            width=HEAD_FEATURES,
            prepare=prepare,
            input_shape=(1, height_px, width_px),
            input_type="uint8",
            precision="fp32",
        )


def load_network(path: Path) -> CompactNetwork:
    """The network with the weights of a safetensors file (16- or 32-bit floats), in eval mode.

    Raises:
        ModelFormatError: the file is unreadable, or lacks a tensor, has one too many, or one of another shape.
    """
    try:
        state = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelFormatError(f"cannot read weights {path}: {error}; install the model again") from error
    network = CompactNetwork()
    widened = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    try:
        network.load_state_dict(widened, strict=True)
    except RuntimeError as error:
        raise ModelFormatError(f"weights {path} do not fit the compact network: {error}") from error
    return network.eval().requires_grad_(False)


def _check_serves(card: ModelCard, modality: Modality) -> None:
    if not card.serves(modality):
        served = ", ".join(served.value for served in card.modalities)
        raise UnsupportedModalityError(f"model {card.name} does not score {modality.value} images; it serves: {served}")


def _check_card(card: ModelCard) -> None:
    expected: InputSpecification = card.input
    if expected.width_px % STRIDE or expected.height_px % STRIDE:
        raise ModelFormatError(
            f"card {card.name}: input {expected.width_px} x {expected.height_px} px must be multiples of {STRIDE}"
        )
    if expected.colour != "grayscale" or expected.resize != "pad":
        raise ModelFormatError(f"card {card.name}: family compact takes colour 'grayscale' and resize 'pad'")
    if len(card.labels) != 2:
        raise ModelFormatError(f"card {card.name}: family compact has 2 labels, not {len(card.labels)}")
    foreign = [modality.value for modality in card.modalities if modality.value not in HEADS]
    if foreign:
        raise ModelFormatError(f"card {card.name}: family compact has no head for {', '.join(foreign)}")
