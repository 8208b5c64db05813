"""Measures how far rings of crystalline ice stand out in simulated micrographs that are not binned.

python scripts/train_condition_classifier/rings.py --out rings.npz --first 200000 --count 40
"""

import argparse
from pathlib import Path

import numpy as np

from structloop.models.classifiers.condition_features import ring_excess
from structloop.simulation.micrographs.conditions import CONDITIONS, make_up_condition

FRAME_PX = (2048, 2048)


def main() -> None:
    """Writes the excess and the condition of each; as many of crystalline ice as of all others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=200_000)
    parser.add_argument("--count", type=int, default=40, help="Of crystalline ice, and of others.")
    asked = parser.parse_args()
    others = [each for each in CONDITIONS if each != "crystalline"]
    found, truth = [], []
    for seed in range(asked.first, asked.first + asked.count):
        for condition in ("crystalline", others[seed % len(others)]):
            made = make_up_condition(seed, condition, binning=1, frame_px=FRAME_PX)
            excess = ring_excess(made.image, made.pixel_size_angstrom)
            if excess is not None:
                found.append(excess)
                truth.append(condition == "crystalline")
    np.savez(asked.out, excess=found, crystalline=truth)
    print(f"{len(found)} micrographs")


if __name__ == "__main__":
    main()
