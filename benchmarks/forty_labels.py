"""How far forty labels go: fast heads from the first afternoon's labels against heads from two thousand.

    python benchmarks/forty_labels.py --seeds 20 --lab steep

A simulated laboratory that the embedded default was not trained on scores its first three plates (288 drops, 5 % with
crystals); the queue chooses forty drops, they are labelled, and a head is trained. Its average precision on a frozen
test set is compared with that of a head from 2,000 labelled drops, each seed with plates and test set of its own. Drops
are rendered once and their features kept below ``--cache``, which the benchmark of the loop shares. How long training
takes is measured by ``fast_head.py``.
"""

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from loop_facilities.batches import TestSet
from loop_facilities.drops import Drops, card, default_cache, prepare_all, read
from loop_facilities.keeping import code_digest
from loop_facilities.models import calibrated
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from structloop.core.errors import TrainingError
from structloop.loop.curation.mixing import mix
from structloop.loop.curation.selection import UNLABELLED, ScoredItems, flagged, near_threshold
from structloop.loop.training.fast_head import LabelledFeatures, fit_fast_head
from structloop.schema.images import Modality
from structloop.schema.loop import CurationReason
from structloop.schema.models import ModelCard
from structloop.simulation.laboratories import DEVELOPMENT, LABORATORIES

PREVALENCE = 0.05
WELLS, PLATES = 96, 3
CHOSEN, ALL = 40, 2000
TEST_DROPS = 300
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
    held = TestSet(test, np.where(grown[:, None], drops.grown[test], drops.bare[test]), grown, PREVALENCE)
    return Afternoon(features, truth, held)


def queue(default: ModelCard, log_odds: NDArray[np.float32], seed: int) -> NDArray[np.intp]:
    """The forty drops that the loop's queue asks for when nobody has labelled anything and the imager looks new.

    Drops near the embedded default's threshold and the drift alarm's (any drop of the new imager) share it, by the
    queue's own shares.
    """
    count = len(log_odds)
    probability = calibrated(default.calibration_for(Modality.VISIBLE), log_odds.astype(np.float64))
    items = ScoredItems(
        probability=probability,
        threshold=np.full(count, default.alarm_threshold_for(Modality.VISIBLE)),
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


def one_seed(default: ModelCard, drops: Drops, labels: int, seed: int) -> dict[str, float]:
    """Average precisions of a seed, by head."""
    day = deal(drops, labels, seed)
    first = PLATES * WELLS
    chosen = queue(default, day.features[:first, 0], seed)
    some = np.random.default_rng([seed, 406]).permutation(first)[:CHOSEN]
    return {
        f"{labels} labels": precision_of(day, np.arange(labels), seed),
        "embedded default, no label": ranked(day.test, day.test.features[:, 0]),
        "40 labels chosen by the queue": precision_of(day, chosen, seed),
        "40 labels at random": precision_of(day, some, seed),
        "40 chosen labels, not starting from the default": precision_of(day, chosen, seed, from_base=False),
        "crystals among the chosen": float(day.truth[chosen].sum()),
        "crystals among the random": float(day.truth[some].sum()),
    }


def compare(folder: Path, lab: str, labels: int, seeds: int) -> float:
    """Prints the comparison; returns the median of what forty chosen labels reach of all labels.

    Seeds that were measured before are read from the cache.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        kept = folder / "forty" / code_digest() / f"{lab}-{labels}-{seed}.json"
        if not kept.exists():
            drops = read(folder, lab, labels + TEST_DROPS)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(one_seed(card(folder), drops, labels, seed)), encoding="utf-8")
        for name, value in json.loads(kept.read_text(encoding="utf-8")).items():
            found[name].append(value)
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


def main() -> None:
    """Compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--lab", choices=(*LABORATORIES, *DEVELOPMENT), default="steep")
    parser.add_argument("--labels", type=int, default=ALL)
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    prepare_all(options.cache, options.lab, options.labels + TEST_DROPS)
    reached = compare(options.cache, options.lab, options.labels, options.seeds)
    print(f"\n40 chosen labels reach {reached:.1%} of {options.labels} labels' average precision (floor: {FLOOR:.0%})")
    if reached < FLOOR:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
