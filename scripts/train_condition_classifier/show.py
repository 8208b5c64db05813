"""Draws the sheet of simulated conditions that the docs show.

python scripts/train_condition_classifier/show.py --out docs/images/simulated-conditions.jpg
"""

import argparse
from pathlib import Path

from PIL import Image

from structloop.imaging.micrograph_pictures import to_picture
from structloop.simulation.micrographs.conditions import CONDITIONS, make_up_condition

CELL_PX, GAP_PX = 200, 4
FIRST, ROWS = 900_000, 2


def main() -> None:
    """Writes a picture of one column per condition."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    step = CELL_PX + GAP_PX
    sheet = Image.new("L", (step * len(CONDITIONS) - GAP_PX, step * ROWS - GAP_PX), 255)
    for column, condition in enumerate(CONDITIONS):
        for row in range(ROWS):
            made = make_up_condition(len(CONDITIONS) * (FIRST + row) + column, condition)
            picture = to_picture(made.image, 512)
            side = min(picture.size) - 20
            cut = picture.crop((10, 10, 10 + side, 10 + side)).resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
            sheet.paste(cut, (column * step, row * step))
    sheet.save(asked.out, quality=85)


if __name__ == "__main__":
    main()
