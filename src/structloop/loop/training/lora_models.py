"""From labelled images to an AXIS model among the models: validation, LoRA training, calibration, threshold, card."""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ImageError, TrainingError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.training.fast_head_models import check_labels
from structloop.loop.training.groups import carve_validation
from structloop.loop.training.logistic import class_weights
from structloop.loop.training.thresholds import choose_threshold
from structloop.models.calibration import apply_calibration, fit_platt
from structloop.models.classifiers import axis
from structloop.models.classifiers.axis_checkpoint import AXIS_LABELS
from structloop.models.classifiers.axis_preprocessing import RECIPE, prepare_grayscale
from structloop.models.registry import ModelRegistry
from structloop.models.training.lora_settings import LoraProgress, LoraResult, LoraSettings, TrainingImages
from structloop.schema.images import Modality
from structloop.schema.models import InputSpecification, ModelCard, TrainingDataset

if TYPE_CHECKING:
    from structloop.models.training.lora_network import LoraStart

VALIDATION_SHARE = 0.15


@dataclass(frozen=True)
class LoraRequest:
    """What a LoRA training is asked.

    Attributes:
        name: Of the model to be.
        start: Name of an AXIS model (its adapter is continued where it is kept), or folder or hub id of an adapter
            (which is continued) or of a bare DINOv2 (a new adapter).
        modality: Of the images.
        base: Folder or hub id of the network below an adapter that is given by folder or hub id.
        recipe: The numbers of the training.
        prevalence: Share of positives for which the probabilities shall hold; None: validation's.
        allow_download: Whether start and base may be fetched.
        specification: What the network is shown, for a start that is no model; tests take smaller images.
    """

    name: str
    start: str
    modality: Modality
    base: str | None = None
    recipe: LoraSettings = field(default_factory=LoraSettings)
    prevalence: float | None = None
    allow_download: bool = False
    specification: InputSpecification = RECIPE


@dataclass(frozen=True)
class TrainedLora:
    """A trained model that has joined the others.

    Attributes:
        card: Its card.
        result: The course of the training.
        unreadable: Images that could not be read, by key, with the reason.
    """

    card: ModelCard
    result: LoraResult
    unreadable: dict[str, str]


@dataclass(frozen=True)
class _Beginning:
    start: "LoraStart"
    specification: InputSpecification
    licence: str
    came_from: str


def train_lora_model(
    registry: ModelRegistry,
    request: LoraRequest,
    split: Split,
    dataset: TrainingDataset,
    *,
    folder: Path | None = None,
    replace_existing: bool = False,
    on_progress: Callable[[LoraProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedLora:
    """Trains a model by the AXIS recipe and adds it to the models; the split's test items are not looked at.

    Validation decides when to stop, sets the threshold and the calibration. It is the split's, or whole groups carved
    from training where the split has none.

    Args:
        registry: Where the start is, and the model goes.
        request: What is asked.
        split: Labelled items; labels are crystal and other.
        dataset: What the card says they are.
        folder: Where the training's state is kept; the same folder goes on after a killed process.
        replace_existing: Whether a model of that name is replaced.
        on_progress: Called after each step.
        should_stop: Asked before each step.

    Raises:
        TrainingError: labels that are not the family's, too few groups, or no space for the state.
        TrainingStoppedError: `should_stop` said so.
        ModelError: the start cannot be used, or the name is taken.
    """
    from structloop.models.training.lora import train_lora

    check_labels(split.train + split.validation, AXIS_LABELS)
    begin = _beginning(registry, request)
    train, validation = _parts(split, request.recipe.seed)
    unreadable: dict[str, str] = {}
    images = [_images(part, begin.specification, unreadable) for part in (train, validation)]
    with tempfile.TemporaryDirectory(prefix="structloop-lora-") as scratch:
        result = train_lora(
            begin.start,
            images[0],
            images[1],
            class_weights(images[0].class_ids),
            begin.specification,
            request.recipe,
            Path(scratch) / request.modality.value,
            folder=folder,
            on_progress=on_progress,
            should_stop=should_stop,
        )
        card = _card(request, begin, result, images[1].class_ids == 0, dataset, len(train))
        card = registry.add(card, Path(scratch), replace_existing=replace_existing)
    return TrainedLora(card, result, unreadable)


def _beginning(registry: ModelRegistry, request: LoraRequest) -> _Beginning:
    from structloop.models.training.lora_network import start_from_checkpoint, start_from_network

    if request.start not in registry.names():
        start = start_from_checkpoint(request.start, base=request.base, allow_download=request.allow_download)
        return _Beginning(start, request.specification, "as its base's and its data's; see there", request.start)
    card = registry.card(request.start)
    registry.verify(request.start)
    if card.family != axis.FAMILY:
        raise TrainingError(
            f"model '{card.name}' is of family '{card.family}'; LoRA training starts from a model of family 'axis' or "
            "from a DINOv2 checkpoint, and a fast head can be trained on any"
        )
    network = axis.network_folder(card, request.modality)
    start = start_from_network(registry.folder(card.name) / network, card.base or f"{card.name}@{card.version}")
    return _Beginning(start, card.input, card.licence, f"{card.name}@{card.version}")


def _parts(split: Split, seed: int) -> tuple[Sequence[LabelledItem], Sequence[LabelledItem]]:
    if len({item.label for item in split.validation}) == len(AXIS_LABELS):
        return split.train, split.validation
    everything = (*split.train, *split.validation)
    truth = np.array([item.label == AXIS_LABELS[0] for item in everything])
    inside = carve_validation([item.group for item in everything], truth, share=VALIDATION_SHARE, seed=seed)
    return (
        [item for item, held in zip(everything, inside, strict=True) if not held],
        [item for item, held in zip(everything, inside, strict=True) if held],
    )


def _images(
    items: Sequence[LabelledItem], specification: InputSpecification, unreadable: dict[str, str]
) -> TrainingImages:
    def read(index: int) -> NDArray[np.uint8] | None:
        item = items[index]
        try:
            with item.load() as image:
                return prepare_grayscale(image, specification)
        except ImageError as error:
            unreadable[item.key] = str(error)
            return None

    whole = "\n".join(f"{item.key}\t{item.sha256}\t{item.label}" for item in items)
    class_ids = np.array([AXIS_LABELS.index(item.label) for item in items], dtype=np.int64)
    return TrainingImages(class_ids, read, hashlib.sha256(whole.encode()).hexdigest())


def _card(
    request: LoraRequest,
    begin: _Beginning,
    result: LoraResult,
    is_crystal: NDArray[np.bool_],
    dataset: TrainingDataset,
    images: int,
) -> ModelCard:
    readable = np.isfinite(result.validation_logits[:, 0])
    logits, truth = result.validation_logits[readable].astype(np.float64), is_crystal[readable]
    note = f"Platt, on {len(truth)} validation images of groups that the weights were not trained on"
    try:
        calibration = fit_platt(logits, truth, 0, prevalence=request.prevalence, note=note)
    except ValueError as error:
        raise TrainingError(
            f"what was learnt says nothing about validation ({error}); look through the labels, label more images, or "
            "train longer"
        ) from error
    continued = "continued" if begin.start.adapter is not None else "new"
    stopped = f", stopped early after step {result.steps}" if result.stopped_early else ""
    return ModelCard(
        name=request.name,
        summary=f"DINOv2 tuned on {request.modality.value} drop images by the AXIS recipe ({continued} adapter)",
        family=axis.FAMILY,
        input=begin.specification,
        labels=AXIS_LABELS,
        positive_label=AXIS_LABELS[0],
        modalities=(request.modality,),
        calibration={request.modality: calibration},
        parameters={
            f"network.{request.modality.value}": request.modality.value,
            "seed": request.recipe.seed,
            "epochs": request.recipe.epochs,
            "learning_rate": request.recipe.learning_rate,
        },
        alarm_threshold=choose_threshold(truth, apply_calibration(calibration, logits, 0)),
        base=begin.start.name,
        licence=begin.licence,
        origin=f"trained by structloop from {begin.came_from} ({continued} adapter) on {images} images; weights "
        f"of step {result.kept_step}{stopped}; {result.device}",
        created=datetime.now(UTC).date(),
        training=dataset,
        limitations=(
            f"Trained on {images} images; its threshold and calibration rest on {int(truth.sum())} crystals among "
            f"{len(truth)} validation images.",
        ),
    )


__all__ = ["VALIDATION_SHARE", "LoraRequest", "TrainedLora", "train_lora_model"]
