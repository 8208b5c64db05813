"""The images that a model finds most alike to one: of those it learnt from, else of those that people here labelled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from PIL import Image

from structloop.core.errors import ImageError, JobCanceledError
from structloop.crystals.datasets import LabelChoice, drop_labels
from structloop.crystals.explaining.subjects import Subject
from structloop.crystals.review import images_of
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.datasets.manifest import ManifestRow
from structloop.loop.datasets.versions import DatasetInfo, dataset_rows
from structloop.loop.evaluation.nearest import nearest
from structloop.loop.promotion.lineage import learnt_from
from structloop.loop.tasks import load_whole_image
from structloop.loop.training.feature_cache import FeatureCache
from structloop.models.classifiers.fast_head import FAMILY as FAST_HEAD
from structloop.models.classifiers.features import FeatureExtractor, FeatureFamily
from structloop.models.families import classifier_families
from structloop.schema.loop import Partition
from structloop.schema.models import ModelCard
from structloop.store import Database, KeptFiles

Tell = Callable[[int, int | None, str], None]
Origin = Literal["training", "facility", "none"]

MOST_NEW = 400
"""Images whose features are computed for one explanation, where they are not known yet."""


@dataclass(frozen=True, slots=True)
class Example:
    """An image that is alike.

    Attributes:
        row: The image with its label, and what that rests on. Where it is in no data set, the part means nothing.
        distance: Cosine distance of features, 0 to 2.
        is_itself: Whether it is the explained image itself.
    """

    row: ManifestRow
    distance: float
    is_itself: bool


@dataclass(frozen=True)
class NearestExamples:
    """The images most alike, and among which they were looked for.

    Attributes:
        origin: `training`: images that the model learnt from; `facility`: images that people here labelled, from which
            it has not learnt; `none`: there is nothing to compare with.
        dataset: What the model learnt from, if that is known here.
        note: What a reader must know of it, in words.
        compared, total: Images compared, and images there are.
        unreadable: Images that could not be read.
        examples: The nearest first.
    """

    origin: Origin
    dataset: DatasetInfo | None
    note: str
    compared: int
    total: int
    unreadable: int
    examples: tuple[Example, ...]


def gives_features(card: ModelCard) -> bool:
    """Whether images can be compared as the model sees them."""
    return card.family == FAST_HEAD or isinstance(classifier_families.get(card.family), FeatureFamily)


def nearest_examples(
    database: Database,
    kept: KeptFiles,
    cache: FeatureCache,
    subject: Subject,
    card: ModelCard,
    open_extractor: Callable[[], FeatureExtractor],
    *,
    count: int = 6,
    most_new: int = MOST_NEW,
    on_progress: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> NearestExamples:
    """The images most alike to one, as a model sees them.

    Args:
        database: Where trainings, labels and images are.
        kept: Manifests of data sets.
        cache: Features that are known already.
        subject: The image.
        card: Of the model.
        open_extractor: Opens the model's features; called only where there is something to compare.
        count: How many at most.
        most_new: Images whose features are computed now; of more that are not known, some are drawn, the same each
            time, and the rest is left out and told of.
        on_progress: Called with images done, images in all, and what is done.
        should_stop: Asked between batches.

    Raises:
        ImageError: the image itself cannot be used.
        ModelError: the model's features cannot be had although its family gives them.
        JobCanceledError: `should_stop` said so.
        NotFoundError: the manifest of the data set is missing or damaged.
    """
    model = f"{card.name}@{card.version}"
    if not gives_features(card):
        note = (
            f"The family '{card.family}' of {card.name} gives no features, so no image can be told to be alike to it."
        )
        return NearestExamples("none", None, note, 0, 0, 0, ())
    dataset = learnt_from(database, card.name, card.version)
    if dataset is not None:
        origin: Origin = "training"
        rows = [row for row in dataset_rows(dataset, kept) if row.partition is Partition.TRAIN]
        note = f"{model} learnt from {dataset.name}; these are images of its training part."
    else:
        origin = "facility"
        rows = _labelled_here(database, subject)
        note = (
            f"{model} was not trained on a data set of this facility, so there are no training images to show. These "
            "are the nearest images that people here have labelled; the model has not learnt from them."
        )
    if not rows:
        nothing = (
            f"{model} was not trained on a data set of this facility, and nobody here has labelled a "
            f"{subject.modality.value} image yet: there is nothing to compare with."
            if dataset is None
            else f"the training part of {dataset.name} is empty."
        )
        return NearestExamples("none", dataset, nothing, 0, 0, 0, ())
    extractor = open_extractor()
    own = cache.features(extractor, [_item(subject.sha256, subject.open)])
    if not own.items:
        # The cache keeps only the words of an error; this raises the error itself.
        subject.open().close()
        raise ImageError(next(iter(own.unreadable.values())))
    chosen = _chosen(rows, extractor, cache, most_new)
    found = cache.features(
        extractor,
        [_item(row.sha256, partial(load_whole_image, row.image()), row.key) for row in chosen],
        on_progress=on_progress,
        should_stop=should_stop,
    )
    if should_stop is not None and should_stop():
        raise JobCanceledError("the comparison was stopped before it was done")
    by_key = {row.key: row for row in chosen}
    examples = tuple(
        Example(row, distance, row.sha256 == subject.sha256)
        for place, distance in nearest(own.features[0], found.features, count)
        for row in [by_key[found.items[place].key]]
    )
    if len(chosen) < len(rows):
        note += f" {len(chosen):,} of {len(rows):,} images were compared; the features of the others are not known yet."
    return NearestExamples(origin, dataset, note, len(found.items), len(rows), len(found.unreadable), examples)


def _labelled_here(database: Database, subject: Subject) -> list[ManifestRow]:
    """Images of that light that curators settled or people annotated, as rows of no data set."""
    labels = {each.item: each for each in drop_labels(database, LabelChoice.ANNOTATED)}
    images = images_of(database, labels, subject.modality)
    return [
        ManifestRow(
            key=image.key,
            partition=Partition.TRAIN,
            label=labels[item].label,
            detail=labels[item].detail,
            source=labels[item].source,
            project=image.project,
            group=image.group,
            path=str(image.path),
            sha256=image.sha256,
            modality=image.modality,
            imager=image.source,
            kind=image.kind,
            item_id=item.item_id,
            occasion_id=item.occasion_id,
            curation_item_id=labels[item].curation_item_id,
            annotation_id=labels[item].annotation_id,
        )
        for item, image in sorted(images.items())
        # Its own label is no evidence for its score.
        if image.sha256 != subject.sha256
    ]


def _chosen(
    rows: Sequence[ManifestRow], extractor: FeatureExtractor, cache: FeatureCache, most_new: int
) -> list[ManifestRow]:
    known = cache.known(extractor, [row.sha256 for row in rows])
    new = [place for place, is_known in enumerate(known) if not is_known]
    if len(new) <= most_new:
        return list(rows)
    drawn = set(np.random.default_rng(0).permutation(new)[:most_new].tolist())
    return [row for place, row in enumerate(rows) if known[place] or place in drawn]


def _item(sha256: str, load: Callable[[], Image.Image], key: str = "") -> LabelledItem:
    return LabelledItem(key, "", "", load, sha256=sha256)


__all__ = ["MOST_NEW", "Example", "NearestExamples", "Origin", "gives_features", "nearest_examples"]
