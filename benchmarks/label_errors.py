"""How well planted label errors are found, by which probabilities: three simulated laboratories, simulated experts.

    python benchmarks/label_errors.py --seeds 10 --drops 450

prints the second table of "Planted label errors" in docs/explanations/the-loop.md. Drops are rendered and their
features computed once, below ``--cache``, which `loop_facility.py` uses, too. Means over laboratories, then over seeds,
with 95 % intervals (Student's t).
"""

import argparse
from pathlib import Path

import numpy as np
from loop_facilities.batches import CYCLES, WELLS, draw
from loop_facilities.drops import card, default_cache, prepare_all, read
from loop_facilities.models import embedded, train
from loop_facilities.tables import interval
from numpy.typing import NDArray

from structloop.loop.curation.selection import ScoredItems, label_errors
from structloop.loop.training.fast_head import LabelledFeatures
from structloop.simulation.experts import SCORER
from structloop.simulation.laboratories import LABORATORIES

Floats = NDArray[np.float64]
SPARE = 100
"""Drops of which nothing is asked here: the frozen test set."""
PREVALENCE = 0.06

UNMOVED = "fast head out of fold, for even odds, as it is"
NOW = "fast head out of fold"
IN_SAMPLE = "fast head that has learnt the labels"
DEFAULT = "embedded default"
COLUMNS = ("suspects that are wrong", "wrong labels that are suspects", "wrong ones among the first")


def suspects(probability: Floats, human: NDArray[np.bool_]) -> NDArray[np.intp]:
    """What `label_errors` suspects."""
    count = len(probability)
    return label_errors(
        ScoredItems(
            probability=probability,
            threshold=np.full(count, 0.5),
            human=human.astype(np.int8),
            views=probability[:, None],
            project=np.zeros(count, np.int64),
            item=np.arange(count),
        )
    )


def unmoved_suspects(probability: Floats, human: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Confident learning on probabilities as they are, whatever prevalence they are for."""
    crystal = probability >= probability[human].mean()
    other = 1 - probability >= (1 - probability[~human]).mean()
    found = np.flatnonzero(np.where(human, other & ~crystal, crystal & ~other))
    return found[np.argsort(np.where(human, probability, 1 - probability)[found], kind="stable")]


def judged(found: NDArray[np.intp], wrong: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Precision, recall, and precision among as many first suspects as there are errors."""
    planted = int(wrong.sum())
    hits = float(wrong[found].sum())
    return hits / max(len(found), 1), hits / planted, float(wrong[found[:planted]].sum()) / planted


def run(folder: Path, name: str, seed: int, drops: int) -> dict[str, tuple[float, float, float]]:
    """One laboratory and seed: what each kind of probabilities finds."""
    plates = (drops - SPARE) // (CYCLES * WELLS)
    place = LABORATORIES.index(name)
    features = read(folder, name, drops)
    had, _ = draw(features, seed * 10 + place, prevalence=PREVALENCE, rates=SCORER, plates=plates, test_drops=SPARE)
    wrong = had.human != had.truth
    head = train(LabelledFeatures(had.features, had.human, had.plates), None, seed)
    if head is None or not wrong.any():
        return {}
    odds = head.out_of_fold / (1 - head.out_of_fold) * (1 - head.even) / head.even
    start = embedded(card(folder), had.features.shape[1])
    return {
        UNMOVED: judged(unmoved_suspects(odds / (1 + odds), had.human), wrong),
        NOW: judged(suspects(head.out_of_fold, had.human), wrong),
        IN_SAMPLE: judged(suspects(head.probability(had.features), had.human), wrong),
        DEFAULT: judged(suspects(start.probability(had.features), had.human), wrong),
    }


def main() -> None:
    """Runs and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--drops", type=int, default=964, help="of each laboratory; at least 388")
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    for name in LABORATORIES:
        prepare_all(options.cache, name, options.drops)
    by_seed: dict[str, list[Floats]] = {}
    for seed in range(options.seeds):
        labs = [run(options.cache, name, seed, options.drops) for name in LABORATORIES]
        for key in (UNMOVED, NOW, IN_SAMPLE, DEFAULT):
            by_seed.setdefault(key, []).append(np.mean([lab[key] for lab in labs if lab], axis=0))
    print("| probabilities | " + " | ".join(COLUMNS) + " |\n|---|" + "---:|" * len(COLUMNS))
    for key, rows in by_seed.items():
        print(f"| {key} | " + " | ".join(interval(list(column), 100.0) for column in np.transpose(rows)) + " |")
    for key, rows in by_seed.items():
        if key != NOW:
            less = np.transpose(by_seed[NOW]) - np.transpose(rows)
            print(f"| {NOW}, less {key} | " + " | ".join(interval(list(column), 100.0) for column in less) + " |")


if __name__ == "__main__":
    main()
