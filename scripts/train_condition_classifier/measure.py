"""Measures the features of rendered pictures, as they are and as other programs would have stored them.

    python scripts/train_condition_classifier/measure.py --pictures FOLDER --out features.npz --copies 2

Each copy has another contrast, another JPEG quality, and sometimes a slight low-pass, by a seed; the first is as
rendered. Rings of crystalline ice say nothing at this size: see `package.py`.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from structloop.models.classifiers.condition_features import grey_of, picture_features
from structloop.simulation.micrographs.conditions import CONDITIONS

BORDER_PX = 10


def restored(grey: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A picture as another program might have stored it."""
    if rng.random() < 0.4:
        grey = ndimage.gaussian_filter(grey, rng.uniform(0.3, 1.0))
    low, high = np.quantile(grey, (rng.uniform(0, 0.02), 1 - rng.uniform(0, 0.02)))
    stretched = np.clip((grey - low) / max(float(high - low), 1e-3), 0, 1) ** rng.uniform(0.8, 1.25)
    if rng.random() < 0.3:
        # Cut to a part of the field.
        tall, wide = (round(side * rng.uniform(0.7, 1)) for side in stretched.shape)
        stretched = stretched[:tall, :wide]
    picture = Image.fromarray((stretched * 255).astype(np.uint8))
    if rng.random() < 0.5:
        stored = io.BytesIO()
        picture.save(stored, "JPEG", quality=int(rng.integers(60, 95)))
        picture = Image.open(stored)
    return grey_of(picture)


def main() -> None:
    """Writes features `(n, width)`, labels and seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--most", type=int, default=None, help="Pictures per condition.")
    asked = parser.parse_args()
    rows, labels, seeds, copies = [], [], [], []
    for label, condition in enumerate(CONDITIONS):
        paths = sorted(asked.pictures.glob(f"{condition}-*.png"), key=lambda path: int(path.stem.rpartition("-")[2]))
        for path in paths[: asked.most]:
            seed = int(path.stem.rpartition("-")[2])
            # Simulated molecules that lie across the border leave marks of the renderer there.
            grey = grey_of(Image.open(path))[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
            for copy in range(asked.copies):
                shown = grey if copy == 0 else restored(grey, np.random.default_rng([seed, label, copy]))
                rows.append(picture_features(shown))
                labels.append(label)
                seeds.append(seed)
                copies.append(copy)
    np.savez(asked.out, features=np.stack(rows), labels=labels, seeds=seeds, copies=copies)
    print(f"{len(rows)} rows of {len(rows[0])} features")


if __name__ == "__main__":
    main()
