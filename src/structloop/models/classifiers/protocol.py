"""What a classifier of drop images is, and what a family of classifiers must be able to do.

A family is a plugin: an object that satisfies `ClassifierFamily`, named in the entry-point group
``structloop.classifier_families``. The built-in families are registered there in the same way. Subclass
`structloop.testing.classifiers.ClassifierTests` to check one's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast, runtime_checkable

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


def stack_images(images: Sequence[PreparedImage]) -> ImageBatch:
    """A batch `(n, c, h, w)` of at least one prepared image, all of the same classifier."""
    # numpy's stubs lose the element type of a union of arrays.
    return cast(ImageBatch, np.stack(images))


@runtime_checkable
class Classifier(Protocol):
    """A trained network that tells drop images with crystals from others.

    `prepare` and `logits` are called from many threads at once; `prepare` touches no network, `logits` gets batches of
    whatever size is convenient, the last one usually smaller.
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


@dataclass(frozen=True)
class Checkpoint:
    """A folder of trained weights in another program's format, and the images they are for."""

    folder: Path
    modalities: tuple[Modality, ...]


@dataclass(frozen=True)
class ConversionRequest:
    """What a family needs to make a model of checkpoints that come without a card.

    Attributes:
        name: name of the model to be.
        checkpoints: one network each; together they may serve several modalities, each once.
        origin: where they come from, for the card.
        licence: None where the family knows it or it is unknown; the card then says so.
        base: folder or hub id of the pretrained network below an adapter; None takes the one the adapter names.
        labels: order of the outputs, where the checkpoint does not say it.
        alarm_threshold: calibrated probability from which a score is an alarm.
        preprocessing: `file` follows the checkpoint's own preprocessing file and refuses what it cannot do exactly;
            `recipe` takes the family's documented preprocessing instead.
        allow_download: whether the base may be fetched from the hub.
    """

    name: str
    checkpoints: tuple[Checkpoint, ...]
    origin: str
    licence: str | None = None
    base: str | None = None
    labels: tuple[str, ...] | None = None
    alarm_threshold: float = 0.5
    preprocessing: Literal["file", "recipe"] = "file"
    allow_download: bool = False


@runtime_checkable
class CheckpointConverter(Protocol):
    """What a family adds when it can import checkpoints of another program."""

    def recognises(self, folder: Path) -> bool:
        """Whether `folder` looks like a checkpoint that this family converts; reads names and small files only."""
        ...

    def convert(self, request: ConversionRequest, target: Path) -> ModelCard:
        """Writes the model's files to the empty folder `target` and returns its card, without the list of files.

        Raises:
            ModelFormatError: the checkpoint is incomplete, foreign, or does not fit what it says of itself.
            ModelNotFoundError: a folder is missing.
            DownloadRefusedError: the base is not at hand and may not be fetched.
        """
        ...
