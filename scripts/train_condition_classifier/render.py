"""Renders pictures of simulated micrographs in each condition, as people and the classifier see them.

    python scripts/train_condition_classifier/render.py --out FOLDER --first 0 --count 250

Writes ``CONDITION-SEED.png`` (8 bits, longest side 512 pixels); those that are there already are left as they are.
"""

import argparse
from pathlib import Path

from structloop.imaging.micrograph_pictures import to_picture
from structloop.simulation.micrographs.conditions import CONDITIONS, make_up_condition

LONGEST_PX = 512


def main() -> None:
    """Renders what is asked for, one seed of every condition after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="First seed.")
    parser.add_argument("--count", type=int, default=250, help="Seeds per condition.")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for seed in range(asked.first, asked.first + asked.count):
        for place, condition in enumerate(CONDITIONS):
            target = asked.out / f"{condition}-{seed}.png"
            if not target.exists():
                # Different scenes for different conditions.
                made = make_up_condition(len(CONDITIONS) * seed + place, condition)
                to_picture(made.image, LONGEST_PX).save(target)


if __name__ == "__main__":
    main()
