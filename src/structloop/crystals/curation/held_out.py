"""What labelled drops look like to models that have not learnt from these labels."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial

import numpy as np

from structloop.core.errors import ModelError
from structloop.crystals.annotations import TASK
from structloop.crystals.curation.candidates import human_labels
from structloop.crystals.review import UV, VISIBLE
from structloop.crystals.schemes import CRYSTAL
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.datasets.labels import settled_labels
from structloop.loop.promotion.bench import Bench, in_production, modality_of
from structloop.loop.tasks import REVIEW_TASKS, ReviewTask
from structloop.loop.training.fast_head_models import HeadBase, open_base
from structloop.loop.training.feature_cache import FeatureCache
from structloop.loop.training.held_out import FEWEST_OF_A_CLASS, held_out_probabilities
from structloop.schema.loop import ItemKey

MOST_LABELS = 4_000
"""Labelled drops that are looked at: half of them crystals, where there are so many."""
SECONDS = 6.0
"""How long features may be computed that were not kept before; a person may be waiting for the queue."""


def held_out_drops(
    bench: Bench,
    plates: Collection[int] | None = None,
    *,
    seconds: float = SECONDS,
    seed: int = 0,
    on_progress: Callable[[int, int | None, str], None] | None = None,
) -> dict[ItemKey, float]:
    """Crystal probabilities of drops that people labelled, by fast heads that had not seen the drop's plate.

    Heads learn from what people said, put right where curators settled it. Of visible light and UV the higher
    probability counts, as in scores. A drop whose features are neither kept nor computed in time is left out: it has
    its score.

    Args:
        bench: Models, cached features, labels.
        plates: Only drops of these plates; None: of all.
        seconds: See `SECONDS`.
        seed: Of folds, and of which drops are taken where there are more than `MOST_LABELS`.
        on_progress: Called with what is done, of how much, and what it is.
    """
    with bench.database.snapshot() as session:
        labels = {key: said.label for key, said in human_labels(session, plates).items()}
        settled, unsettled = settled_labels(session, TASK)
    labels |= {each.item: each.label for each in settled if each.item in labels}
    chosen = _chosen({key: label for key, label in labels.items() if key not in unsettled}, seed)
    found: dict[ItemKey, float] = {}
    end = time.monotonic() + seconds
    for task in (VISIBLE, UV):
        images = task.find_images(bench.database, chosen)
        items = {
            image.key: LabelledItem(image.key, image.group, labels[key], partial(task.load, image), image.sha256)
            for key in chosen
            if (image := images.get(key)) is not None
        }
        if not _enough(items.values()) or (base := _base(bench, task)) is None:
            continue
        probabilities = held_out_probabilities(
            base,
            FeatureCache(bench.derived, threads=bench.threads),
            list(items.values()),
            seconds=end - time.monotonic(),
            seed=seed,
            on_progress=on_progress,
        )
        for key, image in images.items():
            if image.key in probabilities:
                found[key] = max(found.get(key, 0.0), probabilities[image.key])
    return found


def _chosen(labels: dict[ItemKey, str], seed: int) -> list[ItemKey]:
    """Labelled drops in the order in which their features are asked for: crystals and others in turn."""
    order = np.random.default_rng(seed).permutation(len(labels)).tolist()
    keys = sorted(labels)
    crystals = [keys[place] for place in order if labels[keys[place]] == CRYSTAL]
    others = [keys[place] for place in order if labels[keys[place]] != CRYSTAL]
    share = max(MOST_LABELS // 2, MOST_LABELS - len(others))
    ranked = [(rank / max(len(part), 1), key) for part in (crystals[:share], others) for rank, key in enumerate(part)]
    return [key for _, key in sorted(ranked)[:MOST_LABELS]]


def _enough(items: Collection[LabelledItem]) -> bool:
    counts = Counter(item.label == CRYSTAL for item in items)
    return min(counts[True], counts[False]) >= FEWEST_OF_A_CLASS


def _base(bench: Bench, task: ReviewTask) -> HeadBase | None:
    """What gives features that learnt from no label of ours: the base of what is in production, else the default."""
    for name in dict.fromkeys((in_production(bench, task), bench.registry.default_name)):
        try:
            base = open_base(bench.registry, name, modality_of(task), bench.runtime)
        except ModelError:
            # It is damaged, gives no features, or serves another modality; scoring tells whoever needs to know.
            continue
        if base.card.training.name not in REVIEW_TASKS.names():
            return base
    return None


__all__ = ["MOST_LABELS", "SECONDS", "held_out_drops"]
