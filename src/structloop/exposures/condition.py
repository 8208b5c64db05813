"""The condition of an exposure: great, decent, contaminated, without ice, crystalline, or ice without molecules.

reader = open_condition(models, database)      # once: the model in production, else the one that ships with structloop
found = reader.classify(micrograph, 1.06)      # .label, .probability, .probabilities, .poor, .model

The picture is looked at as people see it, 512 pixels wide; where the micrograph is not binned and its pixel size known,
the rings of crystalline ice are looked for as well. It is the review task `micrographs/quality`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.exposures.review import QUALITY, USABLE
from structloop.loop.promotion.roles import standing
from structloop.models.calibration import class_probabilities
from structloop.models.classifiers.condition import RINGS
from structloop.models.classifiers.condition_features import ring_excess
from structloop.models.classifiers.protocol import Classifier, stack_images
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.store import Database

UNKNOWN = "unknown"
"""Said where no condition is probable enough."""
LEAST_PROBABILITY = 0.5
"""From this probability on a condition is said."""


@dataclass(frozen=True, slots=True)
class ConditionEstimate:
    """What the condition of an exposure probably is.

    Attributes:
        label: One of the labels of `micrographs/quality`, or `UNKNOWN`.
        probability: Of the likeliest label, calibrated.
        probabilities: Of all labels.
        poor: Probability that it is of no use: neither great nor decent. None where the condition is unknown, and of a
            model that no real picture taught: what simulation alone teaches is told, but judges no exposure.
        model: Who says so, `name@version`.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    poor: float | None
    model: str


class ConditionReader:
    """Tells the condition of micrographs; may be used from several threads.

    Args:
        classifier: A loaded model of the labels of `micrographs/quality`.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @property
    def model(self) -> str:
        """The model, `name@version`."""
        card = self._classifier.card
        return f"{card.name}@{card.version}"

    def classify(self, micrograph: NDArray[np.floating], pixel_size_angstrom: float | None = None) -> ConditionEstimate:
        """The condition of a micrograph.

        Args:
            micrograph: `(y, x)`, dense matter dark, any contrast.
            pixel_size_angstrom: Where it is not binned, for the rings of crystalline ice.

        Raises:
            ValueError: it is no picture, or holds values that are no numbers.
        """
        return self.classify_many([(micrograph, pixel_size_angstrom)])[0]

    def classify_many(
        self, micrographs: Sequence[tuple[NDArray[np.floating], float | None]]
    ) -> list[ConditionEstimate]:
        """The conditions of micrographs with their pixel sizes; see `classify`."""
        return self.classify_pictures([_picture(*each) for each in micrographs])

    def classify_pictures(self, pictures: Sequence[Image.Image]) -> list[ConditionEstimate]:
        """The conditions of pictures as people look at them, in 8 bits."""
        if not pictures:
            return []
        prepared = [self._classifier.prepare(each, Modality.ELECTRONS) for each in pictures]
        return self._said(self._classifier.logits(stack_images(prepared), Modality.ELECTRONS))

    def _said(self, logits: NDArray[np.float32]) -> list[ConditionEstimate]:
        card = self._classifier.card
        found = []
        for row in class_probabilities(card, logits, Modality.ELECTRONS):
            probabilities = dict(zip(card.labels, (float(each) for each in row), strict=True))
            label = max(probabilities, key=lambda name: probabilities[name])
            probability = probabilities[label]
            known = probability >= LEAST_PROBABILITY
            usable = sum(probabilities[each] for each in USABLE)
            found.append(
                ConditionEstimate(
                    label=label if known else UNKNOWN,
                    probability=probability,
                    probabilities=probabilities,
                    poor=min(max(1 - usable, 0.0), 1.0) if known and not card.training.synthetic else None,
                    model=self.model,
                )
            )
        return found


def open_condition(
    models: ModelRegistry, database: Database | None = None, runtime: Runtime | None = None
) -> ConditionReader:
    """The model in production for `micrographs/quality`, ready to run; else the one that ships with structloop.

    Args:
        models: The installed models.
        database: Where it is written which one is in production; without it the shipped one is taken.
        runtime: How networks are run.

    Raises:
        ModelError: the model is missing or damaged.
    """
    held = None if database is None else standing(database, QUALITY.name).production
    name = QUALITY.default_model if held is None else held.model.rpartition("@")[0]
    if name is None:
        raise ValueError(f"review task {QUALITY.name} names no default model")
    return ConditionReader(models.load(name, runtime))


def classify(micrograph: NDArray[np.floating], pixel_size_angstrom: float | None = None) -> ConditionEstimate:
    """The condition of a micrograph by the model that ships with structloop, loaded once; see `ConditionReader`."""
    return _shipped().classify(micrograph, pixel_size_angstrom)


@lru_cache(maxsize=1)
def _shipped() -> ConditionReader:
    from pathlib import Path
    from tempfile import gettempdir

    # A home without models of its own: only what is shipped is found.
    return open_condition(ModelRegistry(Path(gettempdir()) / "structloop-nobody"))


def _picture(micrograph: NDArray[np.floating], pixel_size_angstrom: float | None) -> Image.Image:
    if micrograph.ndim != 2 or not micrograph.size:
        raise ValueError(f"a micrograph has rows and columns; this one has the shape {micrograph.shape}")
    pixels = np.asarray(micrograph, np.float32)
    if not np.isfinite(pixels).all():
        raise ValueError("the micrograph holds values that are no numbers; correct its defects first")
    picture = Image.fromarray(pixels)
    rings = ring_excess(pixels, pixel_size_angstrom)
    if rings is not None:
        picture.info[RINGS] = rings
    return picture


__all__ = ["LEAST_PROBABILITY", "UNKNOWN", "ConditionEstimate", "ConditionReader", "classify", "open_condition"]
