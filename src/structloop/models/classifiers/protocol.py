"""What a classifier of drop images is, and what a family of classifiers must be able to do.

A family is a plugin: an object that satisfies `ClassifierFamily`, named in the entry-point group
``structloop.classifier_families``. The built-in families are registered there in the same way. Subclass
`structloop.testing.classifiers.ClassifierTests` to check one's own.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

PreparedImage = NDArray[np.float32] | NDArray[np.uint8]
"""One image ready for the network, `(c, h, w)`."""

ImageBatch = NDArray[np.float32] | NDArray[np.uint8]
"""Prepared images stacked, `(n, c, h, w)`."""


@runtime_checkable
class Classifier(Protocol):
    """A trained network that tells drop images with crystals from others.

    `prepare` is called from many threads at once and touches no network; `logits` is called by one caller at a
    time with batches of whatever size is convenient, the last one usually smaller.
    """

    @property
    def card(self) -> ModelCard:
        """The card of the model that this classifier runs."""
        ...

    def prepare(self, image: Image.Image, modality: Modality) -> PreparedImage:
        """One image as the network's input, `(c, h, w)`, the same shape and type for every image.

        Args:
            image: an 8-bit image of any size and mode (`L`, `RGB`, `RGBA`, `P`).
            modality: how the image was taken; must be one of ``card.modalities``.

        Raises:
            ImageFormatError: the image's mode is not one that can be brought to 8 bits without a choice.
            UnsupportedModalityError: the model does not serve `modality`.
        """
        ...

    def logits(self, batch: ImageBatch, modality: Modality) -> NDArray[np.float32]:
        """Raw, uncalibrated outputs, `(n, len(card.labels))`, for prepared images `(n, c, h, w)`.

        The result for an image does not depend on the images beside it. An empty batch gives an empty result.

        Raises:
            UnsupportedModalityError: the model does not serve `modality`.
        """
        ...


@runtime_checkable
class ClassifierFamily(Protocol):
    """One kind of network and everything needed to bring it from files to a `Classifier`."""

    @property
    def name(self) -> str:
        """The name that cards give in `family`."""
        ...

    def load(self, folder: Path, card: ModelCard, runtime: Runtime) -> Classifier:
        """Builds the network of `card` from `folder`, whose files the registry has checked already.

        Raises:
            ModelFormatError: the weights do not fit the network that the card describes.
        """
        ...
