"""A classifier judged on labelled items: how well it tells, for which kinds and groups, and how fast."""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import EvaluationSetError, ImageError
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.evaluation.binary import BinaryEvaluation, calibration_error, evaluate_binary
from structloop.loop.evaluation.intervals import Estimate, wilson_interval
from structloop.models.calibration import class_probabilities, crystal_probabilities
from structloop.models.classifiers.protocol import Classifier, PreparedImage, stack_images
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

Tell = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class ReviewLoad:
    """What a threshold asks of people: alarms to look at.

    Attributes:
        groups: How many (plates).
        mean: Alarms per group.
        median, ninth_tenth, most: Of the alarms over groups.
        share: Alarms among all items.
        per_positive: Alarms per positive found; infinite where none was.
    """

    groups: int
    mean: float
    median: float
    ninth_tenth: float
    most: int
    share: float
    per_positive: float

    def to_json(self) -> dict[str, Any]:
        """As JSON; infinity is null."""
        return {
            "groups": self.groups,
            "mean": self.mean,
            "median": self.median,
            "ninth_tenth": self.ninth_tenth,
            "most": self.most,
            "share": self.share,
            "per_positive": self.per_positive if math.isfinite(self.per_positive) else None,
        }


@dataclass(frozen=True)
class KindResult:
    """The items of one kind or group.

    Attributes:
        name: Of the kind or group.
        positives, negatives: How many.
        recall: Share of its positives that alarm; None without one.
        false_alarms: Share of its negatives that alarm; None without one.
    """

    name: str
    positives: int
    negatives: int
    recall: Estimate | None
    false_alarms: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "positives": self.positives,
            "negatives": self.negatives,
            "recall": None if self.recall is None else self.recall.to_json(),
            "false_alarms": None if self.false_alarms is None else self.false_alarms.to_json(),
        }


@dataclass(frozen=True)
class Judgement:
    """One model judged on items.

    Attributes:
        card: The model.
        modality: Of the images.
        items: Those that were scored, in the order given.
        is_positive, probabilities: `(n,)` each.
        threshold: The model's alarm threshold for the modality.
        overall: All items together.
        load: Alarms per group.
        by_tag: Per name of a tag (such as `detail`, a crystal type), its values.
        by_group: Per group.
        seconds_per_image: Reading and preparing included, loading the model not.
        unreadable: Items left out, by key, with the reason.
        said: The likeliest label of each item, of a model with more than two labels; None of others.
        certainty: `(n,)`, how probable each label that was said is to the model; None where nothing was said.
    """

    card: ModelCard
    modality: Modality
    items: tuple[LabelledItem, ...]
    is_positive: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    threshold: float
    overall: BinaryEvaluation
    load: ReviewLoad
    by_tag: Mapping[str, tuple[KindResult, ...]]
    by_group: tuple[KindResult, ...]
    seconds_per_image: float
    unreadable: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] | None = None
    certainty: NDArray[np.float64] | None = None

    @property
    def groups(self) -> list[str]:
        """The group of each item."""
        return [item.group for item in self.items]

    @property
    def is_alarm(self) -> NDArray[np.bool_]:
        """`(n,)`, whether each item reaches the threshold."""
        return self.probabilities >= self.threshold

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """`(n,)`, whether the model is right: of two labels by its threshold, of more by the likeliest."""
        if self.said is None:
            return np.asarray(self.is_alarm == self.is_positive, dtype=np.bool_)
        return np.array([item.label == said for item, said in zip(self.items, self.said, strict=True)], dtype=np.bool_)

    @property
    def all_labels(self) -> Estimate | None:
        """Share of items of which the likeliest label is right; None of a model with two labels."""
        return None if self.said is None else wilson_interval(int(self.is_right.sum()), len(self.items))

    @property
    def calibration_error(self) -> float:
        """Of what the model says: of two labels of the positive's probability, of more of that of the label said."""
        if self.certainty is None:
            return self.overall.calibration_error
        return calibration_error(self.is_right, self.certainty)

    def confusion(self) -> dict[str, dict[str, int]]:
        """How often the model said what of items of each label; empty of a model with two labels."""
        counts = Counter(zip((item.label for item in self.items), self.said or (), strict=False))
        labels = self.card.labels if self.said is not None else ()
        return {label: {said: counts[label, said] for said in labels} for label in labels}

    def to_json(self) -> dict[str, Any]:
        """As JSON, without the items."""
        return {
            "model": {"name": self.card.name, "version": self.card.version},
            "modality": self.modality.value,
            "threshold": self.threshold,
            "items": len(self.items),
            "metrics": self.overall.to_json(),
            "review_load": self.load.to_json(),
            "by_tag": {name: [each.to_json() for each in values] for name, values in self.by_tag.items()},
            "by_group": [each.to_json() for each in self.by_group],
            "seconds_per_image": self.seconds_per_image,
            "unreadable": dict(self.unreadable),
        } | (
            {}
            if self.all_labels is None
            else {
                "all_labels": self.all_labels.to_json(),
                "confusion": self.confusion(),
                "calibration_error_of_labels": self.calibration_error,
            }
        )


def judge_items(
    classifier: Classifier,
    items: Sequence[LabelledItem],
    modality: Modality,
    *,
    prevalence: float = 0.05,
    batch_size: int = 16,
    threads: int | None = None,
    seed: int = 0,
    on_progress: Tell | None = None,
) -> Judgement:
    """Scores `items` and judges the result against their labels.

    Args:
        classifier: The model; it must serve `modality`.
        items: Labelled with the model's labels.
        modality: Of the images.
        prevalence: Share of positives for the precision in use.
        batch_size: Images per call of the network.
        threads: Threads that read images; None: one per core.
        seed: Of the bootstrap.
        on_progress: Called with images done, images in all, and what is done.

    Raises:
        EvaluationSetError: no item could be read, or a label is not the model's.
        UnsupportedModalityError: the model does not serve `modality`.
    """
    card = classifier.card
    for item in items:
        if item.label not in card.labels:
            raise EvaluationSetError(
                f"item '{item.key}' is labelled '{item.label}', which is none of {', '.join(card.labels)} of model "
                f"'{card.name}'"
            )
    found = np.full(len(items), np.nan)
    said, certainty = np.zeros(len(items), dtype=np.int64), np.zeros(len(items))
    unreadable: dict[str, str] = {}
    began = time.perf_counter()
    done = 0
    for batch in _prepared(classifier, items, modality, batch_size, threads or os.cpu_count() or 1):
        usable = [(index, image) for index, image in batch if not isinstance(image, ImageError)]
        unreadable |= {items[index].key: str(image) for index, image in batch if isinstance(image, ImageError)}
        if usable:
            logits = classifier.logits(stack_images([image for _, image in usable]), modality)
            rows = [index for index, _ in usable]
            found[rows] = crystal_probabilities(card, logits, modality)
            of_labels = class_probabilities(card, logits, modality)
            said[rows], certainty[rows] = of_labels.argmax(axis=1), of_labels.max(axis=1)
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(items), f"scoring with {card.name}")
    seconds = (time.perf_counter() - began) / max(1, len(items))
    scored = np.flatnonzero(np.isfinite(found))
    if not len(scored):
        raise EvaluationSetError("none of the items to judge by could be read; see that the images are where they were")
    return judgement_of(
        card,
        modality,
        [items[int(index)] for index in scored],
        found[scored],
        seconds_per_image=seconds,
        prevalence=prevalence,
        seed=seed,
        unreadable=unreadable,
        said=[card.labels[said[index]] for index in scored] if len(card.labels) > 2 else None,
        certainty=certainty[scored] if len(card.labels) > 2 else None,
    )


def judgement_of(
    card: ModelCard,
    modality: Modality,
    items: Sequence[LabelledItem],
    probabilities: NDArray[np.float64],
    *,
    seconds_per_image: float = 0.0,
    prevalence: float = 0.05,
    seed: int = 0,
    unreadable: Mapping[str, str] | None = None,
    said: Sequence[str] | None = None,
    certainty: NDArray[np.float64] | None = None,
) -> Judgement:
    """The judgement of probabilities that are known already; see `judge_items`."""
    truth = np.array([item.label == card.positive_label for item in items], dtype=np.bool_)
    threshold = card.alarm_threshold_for(modality)
    alarms = probabilities >= threshold
    groups = [item.group for item in items]
    names = sorted({name for item in items for name, _ in item.tags})
    return Judgement(
        card=card,
        modality=modality,
        items=tuple(items),
        is_positive=truth,
        probabilities=probabilities,
        threshold=threshold,
        overall=evaluate_binary(truth, probabilities, threshold, prevalence=prevalence, seed=seed),
        load=review_load(truth, alarms, groups),
        by_tag={name: _by_kind(truth, alarms, [item.tag(name) for item in items]) for name in names},
        by_group=_by_kind(truth, alarms, groups),
        seconds_per_image=seconds_per_image,
        unreadable=dict(unreadable or {}),
        said=None if said is None else tuple(said),
        certainty=certainty,
    )


def review_load(is_positive: NDArray[np.bool_], is_alarm: NDArray[np.bool_], groups: Sequence[str]) -> ReviewLoad:
    """Alarms per group.

    Args:
        is_positive, is_alarm: `(n,)` each, at least one item.
        groups: The group (plate) of each item.
    """
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    alarms = np.bincount(place, weights=is_alarm)
    hits = int((is_alarm & is_positive).sum())
    return ReviewLoad(
        groups=len(alarms),
        mean=float(alarms.mean()),
        median=float(np.median(alarms)),
        ninth_tenth=float(np.quantile(alarms, 0.9)),
        most=int(alarms.max()),
        share=float(is_alarm.mean()),
        per_positive=float(alarms.sum()) / hits if hits else math.inf,
    )


def _prepared(
    classifier: Classifier, items: Sequence[LabelledItem], modality: Modality, batch_size: int, threads: int
) -> Iterator[list[tuple[int, PreparedImage | ImageError]]]:
    def prepare(index: int) -> tuple[int, PreparedImage | ImageError]:
        try:
            with items[index].load() as image:
                return index, classifier.prepare(image, modality)
        except ImageError as error:
            return index, error

    waiting = iter(range(len(items)))
    with ThreadPoolExecutor(threads, thread_name_prefix="structloop-judge") as pool:
        while batch := list(islice(waiting, batch_size)):
            yield list(pool.map(prepare, batch))


def _by_kind(truth: NDArray[np.bool_], alarms: NDArray[np.bool_], kinds: Sequence[str]) -> tuple[KindResult, ...]:
    names = np.asarray(kinds)
    results = []
    for name in sorted(set(kinds) - {""}):
        inside = names == name
        positives, negatives = int((inside & truth).sum()), int((inside & ~truth).sum())
        recall = wilson_interval(int((inside & truth & alarms).sum()), positives) if positives else None
        false = wilson_interval(int((inside & ~truth & alarms).sum()), negatives) if negatives else None
        results.append(KindResult(name, positives, negatives, recall, false))
    return tuple(results)


__all__ = ["Judgement", "KindResult", "ReviewLoad", "judge_items", "judgement_of", "review_load"]
