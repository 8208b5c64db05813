"""Family `condition`: tells the condition of an exposure from measured features of its picture.

A softmax over few labels, linear in the features of `condition_features`, standardised and cut where they lie far
outside what it was trained on. It needs no picture network, and carries fast heads like any other family.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ModelFormatError, UnsupportedModalityError
from structloop.models.adapters.tensors import check_shapes, read_tensors
from structloop.models.classifiers.condition_features import FEATURE_NAMES, grey_of, picture_features
from structloop.models.classifiers.features import FeatureSource
from structloop.models.classifiers.protocol import ImageBatch, PreparedImage
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

if TYPE_CHECKING:
    from torch import Tensor, nn

FAMILY = "condition"
WEIGHTS_FILE = "model.safetensors"
RINGS = "structloop-rings"
"""Under this key of an image's `info` lies how far rings of crystalline ice stand out, where that was measured."""

_FARTHEST = 4.0
"""Standard deviations beyond which a feature is cut: nothing like it was in the training."""


@dataclass(frozen=True)
class ConditionHead:
    """The weights.

    Attributes:
        mean, scale: `(features,)`, of the training.
        weight: `(labels, features)`.
        bias: `(labels,)`.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def standardised(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features `(..., features)` as the weights take them."""
        return np.asarray(np.clip((features - self.mean) / self.scale, -_FARTHEST, _FARTHEST), np.float32)

    def logits(self, standardised: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(n, labels)` of `(n, features)`."""
        return np.asarray(standardised @ self.weight.T + self.bias, np.float32)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """What its file holds, by name."""
        return {"mean": self.mean, "scale": self.scale, "weight": self.weight, "bias": self.bias}


def read_condition_head(folder: Path, labels: int) -> ConditionHead:
    """The head in the model's folder.

    Raises:
        ModelFormatError: the file is damaged, or of other features or labels than the card's and this program's.
    """
    path = folder / WEIGHTS_FILE
    tensors = {name: np.asarray(tensor.numpy(), np.float32) for name, tensor in read_tensors(path).items()}
    width = len(FEATURE_NAMES)
    wanted = {"mean": (width,), "scale": (width,), "weight": (labels, width), "bias": (labels,)}
    check_shapes({name: tensor.shape for name, tensor in tensors.items()}, wanted, str(path))
    if not (tensors["scale"] > 0).all():
        raise ModelFormatError(f"{path}: a scale is not above 0; install the model again")
    return ConditionHead(**tensors)


class ConditionFamily:
    """Loads classifiers of the condition; satisfies `ClassifierFamily` and `FeatureFamily`."""

    name = FAMILY

    def load(self, folder: Path, card: ModelCard, runtime: Runtime) -> "ConditionClassifier":
        """The classifier of `card`, whose weights are ``model.safetensors`` in `folder`; the runtime changes nothing.

        Raises:
            ModelFormatError: the weights do not fit the card.
        """
        return ConditionClassifier(card, read_condition_head(folder, len(card.labels)))

    def feature_source(self, folder: Path, card: ModelCard, modality: Modality) -> FeatureSource:
        """Its logits and the features that they are made of; see `FeatureFamily`.

        Raises:
            ModelFormatError: the weights do not fit the card.
            UnsupportedModalityError: it does not serve `modality`.
        """
        classifier = ConditionClassifier(card, read_condition_head(folder, len(card.labels)))
        classifier.check(modality)
        width = len(FEATURE_NAMES)
        return FeatureSource(
            key=f"features-{card.version}-{modality.value}",
            build=lambda: _network(classifier.head),
            width=len(card.labels) + width,
            prepare=lambda image: classifier.prepare(image, modality),
            input_shape=(1, 1, width),
            input_type="float32",
            precision="fp32",
            starts=len(card.labels),
        )


class ConditionClassifier:
    """A loaded classifier of the condition; satisfies `Classifier`."""

    def __init__(self, card: ModelCard, head: ConditionHead) -> None:
        self._card = card
        self.head = head

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._card

    def prepare(self, image: Image.Image, modality: Modality) -> PreparedImage:
        """The standardised features of one picture, `(1, 1, features)`; see `Classifier.prepare`.

        A picture in floating point (mode `F`) is taken as it is.
        """
        self.check(modality)
        rings = image.info.get(RINGS)
        features = picture_features(grey_of(image), None if rings is None else float(rings))
        return self.head.standardised(features)[None, None]

    def logits(self, batch: ImageBatch, modality: Modality) -> NDArray[np.float32]:
        """`(n, labels)` in the order of the card's labels; see `Classifier.logits`."""
        self.check(modality)
        return self.head.logits(np.asarray(batch, np.float32).reshape(len(batch), len(self.head.mean)))

    def check(self, modality: Modality) -> None:
        """Refuses images of a modality that it does not serve.

        Raises:
            UnsupportedModalityError: so.
        """
        if not self._card.serves(modality):
            served = ", ".join(each.value for each in self._card.modalities)
            raise UnsupportedModalityError(f"model '{self._card.name}' serves {served}, not {modality.value}")


def _network(head: ConditionHead) -> "nn.Module":
    import torch
    from torch import nn

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(head.weight.shape[1], head.weight.shape[0])
            with torch.no_grad():
                self.last.weight.copy_(torch.from_numpy(head.weight))
                self.last.bias.copy_(torch.from_numpy(head.bias))

        def forward(self, images: "Tensor") -> "Tensor":
            flat = images.flatten(1)
            return torch.cat([self.last(flat), flat], dim=1)

    return Features().eval()


__all__ = [
    "FAMILY",
    "RINGS",
    "WEIGHTS_FILE",
    "ConditionClassifier",
    "ConditionFamily",
    "ConditionHead",
    "read_condition_head",
]
