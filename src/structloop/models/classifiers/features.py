"""Frozen features of a classifier: what its network sees in an image, before the last layer says what that means.

A family that gives them (`FeatureFamily`) can carry a fast head: a new last layer, trained in seconds on cached
features, while everything below stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.models.classifiers.protocol import ImageBatch, PreparedImage, stack_images
from structloop.models.runtime import NetworkSource, Precision, Runtime, compile_network
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class FeatureSource:
    """The part of a classifier that gives features of images of one modality.

    Attributes:
        key: Identifies weights, graph and modality among all networks.
        build: Makes the torch module, in eval mode: batches as the classifier takes them -> features `(n, width)`. Of a
            classifier with two labels the first feature is its own log-odds of the positive label, uncalibrated; of one
            with more labels the first features are its logits, one per label.
        width: Features per image.
        starts: How many of the first features are the classifier's own answer.
        prepare: One image as the network's input, `(c, h, w)`; safe to call from many threads.
        input_shape: `(c, h, w)`.
        input_type: Of the batch.
        precision: The arithmetic that the features need; `auto` leaves the choice to the runtime.
    """

    key: str
    build: "Callable[[], nn.Module]"
    width: int
    prepare: Callable[[Image.Image], PreparedImage]
    input_shape: tuple[int, int, int]
    input_type: Literal["uint8", "float32"]
    precision: Precision = "auto"
    starts: int = 1

    def runtime(self, wanted: Runtime) -> Runtime:
        """`wanted`, with the arithmetic that the features need where it leaves the choice."""
        return replace(wanted, precision=self.precision) if wanted.precision == "auto" else wanted


@runtime_checkable
class FeatureFamily(Protocol):
    """What a family adds when its classifiers can carry a fast head."""

    def feature_source(self, folder: Path, card: ModelCard, modality: Modality) -> FeatureSource:
        """The features of the classifier of `card`, whose checked files lie in `folder`.

        Raises:
            ModelFormatError: the weights do not fit the network that the card describes.
            UnsupportedModalityError: the classifier does not serve `modality`.
        """
        ...


class FeatureExtractor:
    """Features of images, on the engine that the runtime chooses.

    Args:
        source: Which features.
        runtime: Engine, arithmetic, threads, and where converted networks are kept.
    """

    def __init__(self, source: FeatureSource, runtime: Runtime) -> None:
        self._source = source
        self._network = compile_network(
            NetworkSource(source.key, source.build, source.input_shape, source.input_type), source.runtime(runtime)
        )

    @property
    def width(self) -> int:
        """Features per image."""
        return self._source.width

    @property
    def starts(self) -> int:
        """How many of the first features are the classifier's own answer."""
        return self._source.starts

    @property
    def key(self) -> str:
        """What makes features comparable: those of another key mean something else."""
        return self._source.key

    def prepare(self, image: Image.Image) -> PreparedImage:
        """One image as the network's input.

        Raises:
            ImageFormatError: its mode holds more than 8 bits per channel.
        """
        return self._source.prepare(image)

    def features(self, prepared: Sequence[PreparedImage]) -> NDArray[np.float32]:
        """`(n, width)` of prepared images; the first columns are the classifier's own answer."""
        if not prepared:
            return np.zeros((0, self.width), dtype=np.float32)
        batch: ImageBatch = stack_images(prepared)
        return np.ascontiguousarray(self._network(batch))


__all__ = ["FeatureExtractor", "FeatureFamily", "FeatureSource"]
