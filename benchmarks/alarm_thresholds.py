"""Which rule for the alarm threshold suits few labels, some of them wrong: on drops of the simulated laboratories.

    python benchmarks/alarm_thresholds.py --drops 600

From half of a laboratory's drops as many labels are drawn, with replacement, as it has after a cycle or three: with
crystals or without; true, or with the errors of experts, or with those that are left when two thirds were put right.
Each rule chooses a threshold on the embedded default's own score by these labels; recall and false alarms are those of
the other half. The mean over draws and laboratories is printed. Renderings are shared with ``loop_facility.py``.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from loop_facilities.drops import card, default_cache, prepare_all, read
from loop_facilities.models import embedded
from numpy.typing import NDArray

from structloop.loop.training.thresholds import choose_threshold
from structloop.simulation.experts import SCORER
from structloop.simulation.laboratories import LABORATORIES

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PREVALENCE = 0.06
SIZES = {"one cycle": 288, "three cycles": 864}
LABELS = {"true": 0.0, "a third of the errors left": 1 / 3, "as experts give them": 1.0}
SHIPPED = "embedded default's own"


def quantile(labels: Bools, probabilities: Floats, recall: float) -> float:
    """The highest that finds `recall` of the labelled crystals, but for alarms at more than half of the others."""
    found = np.quantile(probabilities[labels], 1 - recall, method="lower")
    return float(max(found, np.quantile(probabilities[~labels], 0.5, method="higher")))


def rules(labels: Bools, probabilities: Floats) -> dict[str, float]:
    """Thresholds by name of the rule."""
    return {
        "recall of 95 %": quantile(labels, probabilities, 0.95),
        "recall of 80 %": quantile(labels, probabilities, 0.80),
        "worth 2": choose_threshold(labels, probabilities, worth=2.0),
        "worth 1.5 (shipped)": choose_threshold(labels, probabilities),
        "worth 1": choose_threshold(labels, probabilities, worth=1.0),
    }


def with_errors(truth: Bools, share: float, random: np.random.Generator) -> Bools:
    """Labels of which so many of an expert's errors are left, at random drops."""
    rate = np.where(truth, SCORER.miss, SCORER.false_alarm) * share
    return truth ^ (random.random(len(truth)) < rate)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drops", type=int, default=600)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    found: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for name in LABORATORIES:
        prepare_all(options.cache, name, options.drops)
        drops = read(options.cache, name, options.drops)
        model = embedded(card(options.cache), drops.bare.shape[1])
        with_crystals, without = model.probability(drops.grown[drops.can_grow]), model.probability(drops.bare)
        print(f"{name}: {len(with_crystals)} pictures with crystals, {len(without)} without")
        for draw in range(options.draws):
            random = np.random.default_rng([draw, 12])
            halves = [np.array_split(random.permutation(each), 2) for each in (with_crystals, without)]
            for size, count in SIZES.items():
                truth = np.arange(count) < round(PREVALENCE * count)
                seen = np.where(truth, *(random.choice(half[0], count) for half in halves))
                for quality, share in LABELS.items():
                    labels = with_errors(truth, share, random)
                    if labels.all() or not labels.any():
                        continue
                    for rule, threshold in (*rules(labels, seen).items(), (SHIPPED, model.alarm)):
                        recall, false = (float((half[1] >= threshold).mean()) for half in halves)
                        found[rule, size, quality].append((recall, false))
    columns = [(size, quality) for size in SIZES for quality in LABELS]
    print("\n| threshold | " + " | ".join(f"{size}, {quality}" for size, quality in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for rule in dict.fromkeys(rule for rule, _, _ in found):
        cells = []
        for size, quality in columns:
            recall, false = np.mean(found[rule, size, quality], axis=0) * 100
            cells.append(f"{(recall + 100 - false) / 2:.1f} ({recall:.0f}, {false:.0f})")
        print(f"| {rule} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
