"""How far forty labels go: fast heads from the first afternoon's labels against heads from two thousand.

    python benchmarks/fast_head.py --seeds 20 --lab steep

A simulated laboratory that the embedded default was not trained on scores its first three plates (288 drops, 5 % with
crystals); the queue chooses forty drops, they are labelled, and a head is trained. Its average precision on a frozen
test set is compared with that of a head from 2,000 labelled drops, each seed with plates and test set of its own. Then
the time to train on 2,000 images whose features are cached. Drops are rendered once and their features kept below
``--cache``, which the benchmark of the loop shares.
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from loop_facilities.batches import TestSet
from loop_facilities.drops import Drops, base, default_cache, prepare_all, read
from loop_facilities.models import calibrated
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import average_precision_score

from structloop.core.errors import TrainingError
from structloop.loop.curation.mixing import mix
from structloop.loop.curation.selection import UNLABELLED, ScoredItems, flagged, near_threshold
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.training.fast_head import LabelledFeatures, fit_fast_head
from structloop.loop.training.feature_cache import FeatureCache
from structloop.schema.images import Modality
from structloop.schema.loop import CurationReason
from structloop.schema.models import ModelCard
from structloop.simulation.laboratories import LABORATORIES
from structloop.store.files import DerivedFiles

PREVALENCE = 0.05
WELLS, PLATES = 96, 3
CHOSEN, ALL = 40, 2000
TEST_DROPS = 400
FLOOR = 0.9


@dataclass(frozen=True)
class Afternoon:
    """Labelled drops of a seed, and what heads are tested on."""

    features: NDArray[np.float32]
    truth: NDArray[np.bool_]
    test: TestSet

    @property
    def plates(self) -> list[str]:
        """Names of the plates."""
        return [str(index // WELLS) for index in range(len(self.truth))]


def deal(drops: Drops, labels: int, seed: int) -> Afternoon:
    """A test set, and `labels` drops on plates."""
    rng = np.random.default_rng([seed, 404])
    order = rng.permutation(len(drops))
    test, rest = order[:TEST_DROPS], order[TEST_DROPS:]
    grows = rest[drops.can_grow[rest]]
    crystals = grows[: rng.binomial(labels, PREVALENCE)]
    others = rest[~np.isin(rest, crystals)][: labels - len(crystals)]
    chosen = rng.permutation(np.concatenate([crystals, others]))
    truth = np.isin(chosen, crystals)
    features = np.where(truth[:, None], drops.grown[chosen], drops.bare[chosen])
    grown = drops.can_grow[test]
    held = TestSet(np.where(grown[:, None], drops.grown[test], drops.bare[test]), grown, PREVALENCE)
    return Afternoon(features, truth, held)


def queue(card: ModelCard, log_odds: NDArray[np.float32], seed: int) -> NDArray[np.intp]:
    """The forty drops that the loop's queue asks for when nobody has labelled anything and the imager looks new.

    Drops near the embedded default's threshold and the drift alarm's (any drop of the new imager) share it, by the
    queue's own shares.
    """
    count = len(log_odds)
    probability = calibrated(card.calibration_for(Modality.VISIBLE), log_odds.astype(np.float64))
    items = ScoredItems(
        probability=probability,
        threshold=np.full(count, card.alarm_threshold_for(Modality.VISIBLE)),
        human=np.full(count, UNLABELLED, np.int8),
        views=probability[:, None],
        project=np.zeros(count, np.int64),
        item=np.arange(count),
    )
    rng = np.random.default_rng([seed, 405])
    found = {
        CurationReason.NEAR_THRESHOLD: near_threshold(items),
        CurationReason.DRIFT: flagged(np.ones(count, np.bool_), rng),
    }
    chosen = mix(found, CHOSEN, project=items.project, item=items.item)
    return np.array([each.index for each in chosen])


def precision_of(day: Afternoon, rows: NDArray[np.intp], seed: int, *, from_base: bool = True) -> float:
    """Average precision of a head from some of the labels; NaN where they teach nothing."""
    plates = day.plates
    labelled = LabelledFeatures(day.features[rows], day.truth[rows], [plates[row] for row in rows])
    try:
        fit = fit_fast_head(labelled, from_base=from_base, seed=seed)
    except TrainingError:
        return float("nan")
    return ranked(day.test, fit.head.log_odds(day.test.features))


def ranked(test: TestSet, scores: NDArray[np.floating]) -> float:
    """Average precision at the natural prevalence."""
    return float(average_precision_score(test.truth, scores, sample_weight=test.weights))


def compare(card: ModelCard, drops: Drops, labels: int, seeds: int) -> float:
    """Prints the comparison; returns the median of what forty chosen labels reach of all labels."""
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        day = deal(drops, labels, seed)
        first = PLATES * WELLS
        chosen = queue(card, day.features[:first, 0], seed)
        some = np.random.default_rng([seed, 406]).permutation(first)[:CHOSEN]
        everything = np.arange(labels)
        whole = precision_of(day, everything, seed)
        found[f"{labels} labels"].append(whole)
        found["embedded default, no label"].append(ranked(day.test, day.test.features[:, 0]))
        found["40 labels chosen by the queue"].append(precision_of(day, chosen, seed))
        found["40 labels at random"].append(precision_of(day, some, seed))
        found["40 chosen labels, not starting from the default"].append(
            precision_of(day, chosen, seed, from_base=False)
        )
        found["crystals among the chosen"].append(float(day.truth[chosen].sum()))
        found["crystals among the random"].append(float(day.truth[some].sum()))
    whole_all = np.array(found[f"{labels} labels"])
    print("| head | average precision, median | of that from all labels, median (quartiles) | seeds without a head |")
    print("|---|---:|---:|---:|")
    for name, values in found.items():
        if name.startswith("crystals"):
            continue
        row = np.array(values)
        missing = int(np.isnan(row).sum())
        # A seed of which no head could be trained reaches nothing.
        share = np.nan_to_num(row) / whole_all
        low, middle, high = np.quantile(share, [0.25, 0.5, 0.75])
        print(
            f"| {name} | {np.nanmedian(row):.3f} | {100 * middle:.1f} % ({100 * low:.1f} to {100 * high:.1f}) "
            f"| {missing} of {seeds} |"
        )
    for name in ("chosen", "random"):
        print(f"\nCrystals among the {name} 40: {np.median(found[f'crystals among the {name}']):.0f} (median).", end="")
    print()
    return float(np.median(np.nan_to_num(found["40 labels chosen by the queue"]) / whole_all))


class _Known:
    """Stands in for an extractor: the features are known, and images hold their row's number."""

    key = "known-features"

    def __init__(self, features: NDArray[np.float32]) -> None:
        self._features = features
        self.width = features.shape[1]

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """The row's number."""
        return np.array(image.getpixel((0, 0)), dtype=np.float32)

    def features(self, prepared: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The rows."""
        return self._features[[int(row) for row in prepared]]


def measure_time(drops: Drops, labels: int) -> None:
    """Prints how long training takes: reading cached features, and the fit."""
    day = deal(drops, labels, 0)
    items = [
        LabelledItem(
            key=str(row),
            group=day.plates[row],
            label="crystal" if day.truth[row] else "other",
            load=lambda row=row: Image.new("I", (1, 1), row),
            sha256=hashlib.sha256(str(row).encode()).hexdigest(),
        )
        for row in range(labels)
    ]
    extractor = _Known(day.features)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(DerivedFiles(Path(folder)), threads=2)
        cache.features(extractor, items)  # type: ignore[arg-type]
        wall, processor = time.perf_counter(), time.process_time()
        found = cache.features(extractor, items)  # type: ignore[arg-type]
        reading = time.perf_counter() - wall
        fit_fast_head(LabelledFeatures(found.features, day.truth, day.plates))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(
        f"\nTraining on {labels} images with cached features, by the wall {wall:.1f} s (reading {reading:.1f} s), "
        f"{processor:.1f} processor seconds; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Compares and measures the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--lab", choices=LABORATORIES, default="steep")
    parser.add_argument("--labels", type=int, default=ALL)
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    wanted = options.labels + TEST_DROPS
    prepare_all(options.cache, options.lab, wanted)
    drops = read(options.cache, options.lab, wanted)
    reached = compare(base(options.cache).card, drops, options.labels, options.seeds)
    measure_time(drops, options.labels)
    print(f"\n40 chosen labels reach {reached:.1%} of {options.labels} labels' average precision (floor: {FLOOR:.0%})")
    if reached < FLOOR:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
