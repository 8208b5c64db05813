"""Family `fast-head`: a linear head, trained in seconds on frozen features, on another model's network.

A model of this family holds the whole of its base below ``base/`` (with the base's own card) and the head in
``head.safetensors``, so that it travels and is checked like any other. Features and head run as one network, on
OpenVINO or torch like the base's own. One model serves one modality.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ModelFormatError, UnsupportedModalityError
from structloop.models.adapters.tensors import check_shapes, read_tensors
from structloop.models.classifiers.features import FeatureFamily, FeatureSource
from structloop.models.classifiers.protocol import ImageBatch, PreparedImage
from structloop.models.model_folders import CARD_FILE, read_card, verify_files, write_card
from structloop.models.runtime import Network, NetworkSource, Runtime, compile_network
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

if TYPE_CHECKING:
    from torch import Tensor, nn

FAMILY = "fast-head"
BASE_FOLDER = "base"
HEAD_FILE = "head.safetensors"


@dataclass(frozen=True)
class LinearHead:
    """Log-odds of the positive label, linear in the features of a base.

    Attributes:
        centre: `(width,)`, taken off the features first, which keeps digits where features are large and alike.
        weights: `(width,)`.
        bias: Added to the sum; the log-odds at the centre.
    """

    centre: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of features `(n, width)`, `(n,)`."""
        values: NDArray[np.float64] = (features.astype(np.float64) - self.centre) @ self.weights + self.bias
        return values


@dataclass(frozen=True)
class SoftmaxHead:
    """Logits of more than two labels, linear in the features of a base.

    Attributes:
        centre: `(width,)`, taken off the features first, which keeps digits where features are large and alike.
        weights: `(labels, width)`.
        bias: `(labels,)`, the logits at the centre.
    """

    centre: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of features `(n, width)`, `(n, labels)`."""
        values: NDArray[np.float64] = (features.astype(np.float64) - self.centre) @ self.weights.T + self.bias
        return values


def features_of(family: object, folder: Path, card: ModelCard, modality: Modality) -> FeatureSource:
    """The features that a head on the classifier of `card` sees.

    Raises:
        ModelFormatError: its family gives no features.
        UnsupportedModalityError: it does not serve `modality`.
    """
    if not isinstance(family, FeatureFamily):
        raise ModelFormatError(
            f"model '{card.name}' is of family '{card.family}', which gives no features to put a fast head on; take a "
            "model of family 'compact', 'axis' or 'condition' as the base"
        )
    return family.feature_source(folder, card, modality)


def write_fast_head(target: Path, head: LinearHead | SoftmaxHead, base: ModelCard, base_folder: Path) -> None:
    """Writes the files of a model of this family to the empty folder `target`; its own card is left to the caller.

    Args:
        target: Where.
        head: The head.
        base: Card of the base.
        base_folder: Its files.

    Raises:
        ModelFormatError: the base's files are not those of its card.
    """
    from safetensors.numpy import save_file

    verify_files(base, base_folder)
    for file in base.files:
        copy = target / BASE_FOLDER / file.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(base_folder / file.path, copy)
    write_card(base, target / BASE_FOLDER)
    save_file(head_tensors(head), target / HEAD_FILE)


def head_tensors(head: LinearHead | SoftmaxHead) -> dict[str, NDArray[np.float32]]:
    """The tensors of a head's file, by name."""
    return {
        "centre": head.centre.astype(np.float32),
        "weight": head.weights.astype(np.float32),
        "bias": np.atleast_1d(np.asarray(head.bias, dtype=np.float32)),
    }


def read_head(folder: Path) -> LinearHead:
    """The head in the model's folder.

    Raises:
        ModelFormatError: the file is damaged or is no head.
    """
    return head_in(folder / HEAD_FILE)


def head_in(path: Path) -> LinearHead:
    """The head in a safetensors file.

    Raises:
        ModelFormatError: the file is damaged or is no head.
    """
    tensors = read_tensors(path)
    width = len(tensors["weight"]) if "weight" in tensors else 0
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    check_shapes(found, {"centre": (width,), "weight": (width,), "bias": (1,)}, str(path))
    return LinearHead(tensors["centre"].double().numpy(), tensors["weight"].double().numpy(), float(tensors["bias"][0]))


def read_softmax_head(folder: Path, labels: int) -> SoftmaxHead:
    """The head of that many labels in the model's folder.

    Raises:
        ModelFormatError: the file is damaged, or is no head of so many labels.
    """
    path = folder / HEAD_FILE
    tensors = read_tensors(path)
    width = len(tensors["centre"]) if "centre" in tensors else 0
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    check_shapes(found, {"centre": (width,), "weight": (labels, width), "bias": (labels,)}, str(path))
    centre, weights, bias = (tensors[name].double().numpy() for name in ("centre", "weight", "bias"))
    return SoftmaxHead(centre, weights, bias)


def read_base(folder: Path) -> tuple[ModelCard, Path]:
    """The card and the folder of the base inside the model's folder.

    Raises:
        ModelFormatError: there is no base, or it is no classifier.
    """
    below = folder / BASE_FOLDER
    if not (below / CARD_FILE).is_file():
        raise ModelFormatError(f"{folder}: the base's {BASE_FOLDER}/{CARD_FILE} is missing; import the model again")
    card = read_card(below)
    if not isinstance(card, ModelCard):
        raise ModelFormatError(f"{below / CARD_FILE} is a picker's card; a fast head sits on a classifier")
    return card, below


class FastHeadFamily:
    """Loads fast heads; satisfies `ClassifierFamily`."""

    name = FAMILY

    def load(self, folder: Path, card: ModelCard, runtime: Runtime) -> "FastHeadClassifier":
        """The classifier of `card`: base and head as one network.

        Raises:
            ModelFormatError: base, head and card do not fit together.
            UnknownPluginError: the base's family is not installed.
        """
        from structloop.models.families import classifier_families

        if len(card.modalities) != 1:
            raise ModelFormatError(f"model '{card.name}': a fast head serves one modality")
        base, below = read_base(folder)
        if card.input != base.input:
            raise ModelFormatError(f"model '{card.name}': its input is not that of its base '{base.name}'")
        source = features_of(classifier_families.get(base.family), below, base, card.modalities[0])
        if len(card.labels) != max(2, source.starts):
            raise ModelFormatError(
                f"model '{card.name}': a fast head on '{base.name}' has {max(2, source.starts)} labels, not "
                f"{len(card.labels)}"
            )
        head = read_head(folder) if source.starts == 1 else read_softmax_head(folder, len(card.labels))
        if len(head.centre) != source.width:
            raise ModelFormatError(
                f"{folder / HEAD_FILE}: the head takes {len(head.centre)} features, base '{base.name}' gives "
                f"{source.width}; it was trained on another base"
            )
        network = NetworkSource(
            key=f"{FAMILY}-{card.version}",
            build=lambda: _joined(source, head, positive_first=card.positive_index == 0),
            input_shape=source.input_shape,
            input_type=source.input_type,
        )
        return FastHeadClassifier(card, source, compile_network(network, source.runtime(runtime)))


class FastHeadClassifier:
    """A loaded fast head; satisfies `Classifier`."""

    def __init__(self, card: ModelCard, source: FeatureSource, network: Network) -> None:
        self._card = card
        self._source = source
        self._network = network

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._card

    @property
    def description(self) -> str:
        """Engine and arithmetic that it runs on."""
        return self._network.description

    def prepare(self, image: Image.Image, modality: Modality) -> PreparedImage:
        """One image as the base takes it; see `Classifier.prepare`."""
        self._check(modality)
        return self._source.prepare(image)

    def logits(self, batch: ImageBatch, modality: Modality) -> NDArray[np.float32]:
        """`(n, labels)` in the order of the card's labels; see `Classifier.logits`."""
        self._check(modality)
        return np.ascontiguousarray(self._network(batch))

    def _check(self, modality: Modality) -> None:
        if not self._card.serves(modality):
            served = self._card.modalities[0].value
            raise UnsupportedModalityError(f"model '{self._card.name}' serves {served}, not {modality.value}")


def average_heads(heads: Sequence[LinearHead], weights: Sequence[float]) -> LinearHead:
    """The weighted mean of heads on the same features: its log-odds are the weighted mean of theirs, exactly.

    Args:
        heads: At least one.
        weights: One each, not negative, not all zero; they are brought to a sum of one.

    Raises:
        ModelFormatError: the heads are of different widths.
        ValueError: weights that cannot be.
    """
    shares = np.asarray(weights, dtype=np.float64)
    if len(shares) != len(heads) or not heads or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError(f"{len(heads)} heads cannot be averaged with weights {list(weights)}")
    if len({len(head.weights) for head in heads}) != 1:
        raise ModelFormatError("heads of different widths have different bases and cannot be averaged")
    shares = shares / shares.sum()
    centre = shares @ np.stack([head.centre for head in heads])
    # What each says at the common centre.
    biases = np.array([head.bias + float((centre - head.centre) @ head.weights) for head in heads])
    return LinearHead(centre, shares @ np.stack([head.weights for head in heads]), float(shares @ biases))


def _rows(head: LinearHead | SoftmaxHead, positive_first: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and bias that give the logits of every label."""
    if isinstance(head, SoftmaxHead):
        return head.weights, head.bias
    signs = np.array([0.5, -0.5] if positive_first else [-0.5, 0.5])
    return signs[:, None] * head.weights[None, :], signs * head.bias


def _joined(source: FeatureSource, head: LinearHead | SoftmaxHead, *, positive_first: bool) -> "nn.Module":
    import torch
    from torch import nn

    below = source.build()
    rows, bias = _rows(head, positive_first)

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.below = below
            self.register_buffer("centre", torch.from_numpy(head.centre.astype(np.float32)))
            self.last = nn.Linear(source.width, len(rows))
            with torch.no_grad():
                self.last.weight.copy_(torch.from_numpy(rows))
                self.last.bias.copy_(torch.from_numpy(bias))

        def forward(self, images: "Tensor") -> "Tensor":
            logits: Tensor = self.last(self.below(images).float() - self.get_buffer("centre"))
            return logits

    return Joined().eval()


__all__ = [
    "BASE_FOLDER",
    "FAMILY",
    "HEAD_FILE",
    "FastHeadClassifier",
    "FastHeadFamily",
    "LinearHead",
    "SoftmaxHead",
    "average_heads",
    "features_of",
    "head_in",
    "head_tensors",
    "read_base",
    "read_head",
    "read_softmax_head",
    "write_fast_head",
]
