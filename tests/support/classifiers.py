"""A classifier that needs no network: it calls bright images crystals. Deterministic, fast, and it counts its calls."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ModelNotFoundError
from structloop.models.classifiers.protocol import Classifier, ImageBatch, PreparedImage
from structloop.schema.images import Modality
from structloop.schema.models import InputSpecification, ModelCard, ModelFile, TrainingDataset


def brightness_card(
    name: str = "brightness",
    modalities: Sequence[Modality] = (Modality.VISIBLE, Modality.UV),
    *,
    alarm_threshold: float = 0.5,
    weights: str = "0",
) -> ModelCard:
    """The card of a brightness classifier; another digit for `weights` makes another version."""
    return ModelCard(
        name=name,
        summary="Calls bright images crystals.",
        family="brightness",
        input=InputSpecification(width_px=8, height_px=8, colour="grayscale", resize="squash", mean=(0.0,), std=(1.0,)),
        labels=("crystal", "other"),
        modalities=tuple(modalities),
        files=(ModelFile(path="model.safetensors", size_bytes=0, sha256=weights * 64),),
        alarm_threshold=alarm_threshold,
        licence="Apache-2.0",
        origin="tests",
        training=TrainingDataset(name="none", version="1", description="none"),
    )


@dataclass
class BrightnessClassifier:
    """Crystal probability is the mean grey value over 255, nearly."""

    card: ModelCard
    images_seen: int = 0
    largest_batch: int = 0

    def prepare(self, image: Image.Image, modality: Modality) -> PreparedImage:
        """The mean grey value, as a 1 x 1 x 1 image."""
        grey = np.asarray(image.convert("L"), dtype=np.float64)
        return np.full((1, 1, 1), grey.mean() / 255, dtype=np.float32)

    def logits(self, batch: ImageBatch, modality: Modality) -> NDArray[np.float32]:
        """Log-odds of the mean grey value."""
        self.images_seen += len(batch)
        self.largest_batch = max(self.largest_batch, len(batch))
        share = np.clip(np.asarray(batch, dtype=np.float64).reshape(len(batch)), 1e-6, 1 - 1e-6)
        crystal = np.log(share / (1 - share))
        return np.stack([crystal, np.zeros_like(crystal)], axis=1).astype(np.float32)


@dataclass
class BrightnessModels:
    """A source of brightness classifiers, by name."""

    cards: dict[str, ModelCard]
    default_name: str = "brightness"
    loaded: dict[str, BrightnessClassifier] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, *cards: ModelCard) -> "BrightnessModels":
        """A source of these; the first is the default."""
        chosen = cards or (brightness_card(),)
        return cls({card.name: card for card in chosen}, default_name=chosen[0].name)

    def card(self, name: str) -> ModelCard:
        """The card of a model."""
        if name not in self.cards:
            raise ModelNotFoundError(f"no model '{name}'")
        return self.cards[name]

    def load(self, name: str) -> Classifier:
        """The model, made once."""
        with self.lock:
            if name not in self.loaded:
                self.loaded[name] = BrightnessClassifier(self.card(name))
            return self.loaded[name]


__all__ = ["BrightnessClassifier", "BrightnessModels", "brightness_card"]
