"""From labelled images to a fast head among the models: features, fit, card, registry."""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import safetensors

from structloop.core.errors import TrainingError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.training.fast_head import FastHeadFit, LabelledFeatures, fit_fast_head
from structloop.loop.training.feature_cache import FeatureCache, ItemFeatures
from structloop.loop.training.softmax_head import ClassFeatures, SoftmaxHeadFit, fit_softmax_head
from structloop.models.classifiers import fast_head as family
from structloop.models.classifiers.features import FeatureExtractor
from structloop.models.families import classifier_families
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard, TrainingDataset

Tell = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class FastHeadSettings:
    """What a training of a fast head is asked.

    Attributes:
        name: Of the model to be.
        base: Name of the model whose features are used; of a fast head, its own base.
        modality: Of the images.
        from_base: Whether the penalty pulls towards the base's own answer.
        prevalence: Share of positives for which the probabilities shall hold; None: the training set's.
        seed: Of the folds.
    """

    name: str
    base: str
    modality: Modality
    from_base: bool = True
    prevalence: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class TrainedFastHead:
    """A fast head that has joined the models.

    Attributes:
        card: Its card.
        fit: How it came about.
        unreadable: Images that were left out, by key, with the reason.
    """

    card: ModelCard
    fit: FastHeadFit | SoftmaxHeadFit
    unreadable: dict[str, str]


@dataclass(frozen=True)
class HeadBase:
    """A classifier below heads: its card, its files and its features."""

    card: ModelCard
    folder: Path
    extractor: FeatureExtractor


def open_base(registry: ModelRegistry, name: str, modality: Modality, runtime: Runtime | None = None) -> HeadBase:
    """The model `name` as a base for heads; a fast head stands for the base that it sits on.

    Raises:
        ModelNotFoundError: no such model.
        ModelFormatError: it is damaged, or gives no features.
        UnsupportedModalityError: it does not serve `modality`.
    """
    card, folder = registry.card(name), registry.folder(name)
    registry.verify(name)
    if card.family == family.FAMILY:
        card, folder = family.read_base(folder)
    source = family.features_of(classifier_families.get(card.family), folder, card, modality)
    return HeadBase(card, folder, FeatureExtractor(source, registry.caching(runtime)))


def labelled_features(found: ItemFeatures, positive: str) -> LabelledFeatures:
    """Features with truth and groups, as a fit takes them."""
    truth = np.array([item.label == positive for item in found.items], dtype=np.bool_)
    return LabelledFeatures(found.features, truth, [item.group for item in found.items])


def train_fast_head(
    registry: ModelRegistry,
    cache: FeatureCache,
    settings: FastHeadSettings,
    split: Split,
    dataset: TrainingDataset,
    *,
    runtime: Runtime | None = None,
    replace_existing: bool = False,
    on_progress: Tell | None = None,
) -> TrainedFastHead:
    """Trains a fast head on `split` and adds it to the models; the split's test items are not looked at.

    Args:
        registry: Where the base is, and the model goes.
        cache: Features that are known already.
        settings: What is asked.
        split: Labelled items; labels are the base's.
        dataset: What the card says they are.
        runtime: How the base's network is run.
        replace_existing: Whether a model of that name is replaced.
        on_progress: Called with images done, images in all, and what is done.

    Raises:
        TrainingError: labels that are not the base's, or that nothing can be learnt from.
        ModelError: the base cannot be used, or the name is taken.
    """
    base = open_base(registry, settings.base, settings.modality, runtime)
    check_labels(split.train + split.validation, base.card.labels)
    everything = cache.features(base.extractor, split.train + split.validation, on_progress=on_progress)
    if base.extractor.starts > 1:
        return _train_softmax(registry, settings, base, everything, dataset, replace_existing, on_progress)
    held_out = {item.key for item in split.validation}
    positive = base.card.positive_label
    train = labelled_features(_part(everything, [item.key not in held_out for item in everything.items]), positive)
    validation = labelled_features(_part(everything, [item.key in held_out for item in everything.items]), positive)
    if on_progress is not None:
        on_progress(len(everything.items), len(everything.items), "fitting the head")
    fit = fit_fast_head(
        train,
        validation if len(validation.groups) else None,
        positive_class_id=base.card.positive_index,
        from_base=settings.from_base,
        prevalence=settings.prevalence,
        seed=settings.seed,
    )
    positives = int(train.is_positive.sum())
    shown = f"Its head was trained on {positives} images with and {len(train.groups) - positives} without the positive "
    card = _card(settings, base.card, fit, dataset, len(train.groups), shown + "label", fit.alarm_threshold)
    card = install_head(registry, fit.head, base, card, replace_existing=replace_existing)
    return TrainedFastHead(card, fit, everything.unreadable)


def class_features(found: ItemFeatures, labels: Sequence[str]) -> ClassFeatures:
    """Features with the places of their labels among `labels`, and groups."""
    class_ids = np.array([labels.index(item.label) for item in found.items], dtype=np.int64)
    return ClassFeatures(found.features, class_ids, [item.group for item in found.items])


def _train_softmax(
    registry: ModelRegistry,
    settings: FastHeadSettings,
    base: HeadBase,
    found: ItemFeatures,
    dataset: TrainingDataset,
    replace_existing: bool,
    on_progress: Tell | None,
) -> TrainedFastHead:
    """A head of more than two labels: there is no threshold to choose, so validation items are learnt from, too."""
    if on_progress is not None:
        on_progress(len(found.items), len(found.items), "fitting the head")
    labels = base.card.labels
    fit = fit_softmax_head(class_features(found, labels), len(labels), from_base=settings.from_base, seed=settings.seed)
    counts = Counter(item.label for item in found.items)
    card = _card(
        settings,
        base.card,
        fit,
        dataset,
        len(found.items),
        "Its head was trained on " + ", ".join(f"{counts[label]} {label}" for label in labels),
        base.card.alarm_threshold,
    )
    card = install_head(registry, fit.head, base, card, replace_existing=replace_existing)
    return TrainedFastHead(card, fit, found.unreadable)


def install_head(
    registry: ModelRegistry,
    head: family.LinearHead | family.SoftmaxHead,
    base: HeadBase,
    card: ModelCard,
    *,
    replace_existing: bool = False,
) -> ModelCard:
    """Adds a head on `base` to the models, under `card`, whose list of files is made anew.

    Raises:
        ModelExistsError: the name is taken.
        TrainingError, StoreUnavailableError: the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="structloop-fast-head-") as scratch:
        try:
            family.write_fast_head(Path(scratch), head, base.card, base.folder)
        except (OSError, safetensors.SafetensorError) as error:
            raise TrainingError(
                f"the head cannot be written to {scratch}: {error}; free some space there and train again; "
                "features that were computed are kept"
            ) from error
        return registry.add(card, Path(scratch), replace_existing=replace_existing)


def check_labels(items: Sequence[LabelledItem], labels: Sequence[str]) -> None:
    """Refuses labels that a model does not know.

    Raises:
        TrainingError: with an item and its label.
    """
    for item in items:
        if item.label not in labels:
            raise TrainingError(
                f"item '{item.key}' is labelled '{item.label}', which is none of {', '.join(labels)}; map its label "
                "first"
            )


def _part(found: ItemFeatures, chosen: Sequence[bool]) -> ItemFeatures:
    rows = np.flatnonzero(np.asarray(chosen, dtype=np.bool_))
    return ItemFeatures(tuple(found.items[row] for row in rows), found.features[rows], {})


def _card(
    settings: FastHeadSettings,
    base: ModelCard,
    fit: FastHeadFit | SoftmaxHeadFit,
    dataset: TrainingDataset,
    images: int,
    shown: str,
    alarm_threshold: float,
) -> ModelCard:
    return ModelCard(
        name=settings.name,
        summary=f"A linear head on the features of {base.name} for {settings.modality.value} images",
        task=base.task,
        family=family.FAMILY,
        input=base.input,
        labels=base.labels,
        positive_label=base.positive_label,
        modalities=(settings.modality,),
        calibration={settings.modality: fit.calibration},
        parameters={
            "base": f"{base.name}@{base.version}",
            "strength": fit.strength,
            "folds": fit.folds,
            "from_base": settings.from_base,
            "seed": settings.seed,
        },
        alarm_threshold=alarm_threshold,
        base=f"{base.name}@{base.version} ({base.licence})",
        licence=base.licence,
        origin=f"trained by structloop on {images} images",
        created=datetime.now(UTC).date(),
        training=dataset,
        limitations=(
            f"{shown}; everything below it is its base's.",
            *fit.remarks,
            *(f"Of its base: {each}" for each in base.limitations),
        ),
    )


__all__ = [
    "FastHeadSettings",
    "HeadBase",
    "TrainedFastHead",
    "check_labels",
    "class_features",
    "install_head",
    "labelled_features",
    "open_base",
    "train_fast_head",
]
