"""How long a fast head takes: features of drops-compact computed once, then training from the cache.

python benchmarks/fast_head.py [--images 2000] [--threads 2]
"""

import argparse
import hashlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.training.fast_head_models import FastHeadSettings, train_fast_head
from structloop.loop.training.feature_cache import FeatureCache
from structloop.models.registry import DEFAULT_MODEL, ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import TrainingDataset
from structloop.store.files import DerivedFiles


def picture(seed: int, crystal: bool) -> Image.Image:
    """Noise, and for a crystal a bright square: what is measured is time."""
    random = np.random.default_rng(seed)
    pixels = 110 + 12 * random.standard_normal((416, 512))
    if crystal:
        y, x = random.integers(0, 350, 2)
        pixels[y : y + 40, x : x + 40] += 60
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def main() -> None:
    """Prints the two times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    items = tuple(
        LabelledItem(
            key=str(index),
            group=f"plate {index % 24}",
            label="crystal" if index % 10 == 0 else "other",
            load=lambda index=index: picture(index, index % 10 == 0),  # type: ignore[misc]
            sha256=hashlib.sha256(str(index).encode()).hexdigest(),
        )
        for index in range(options.images)
    )
    split = Split(tuple(i for i in items if int(i.key) % 24 < 20), tuple(i for i in items if int(i.key) % 24 >= 20), ())
    dataset = TrainingDataset(name="noise", version="1", description="squares on noise", synthetic=True)
    asked = FastHeadSettings("first", DEFAULT_MODEL, Modality.VISIBLE)
    with tempfile.TemporaryDirectory() as home, threadpool_limits(options.threads):
        registry = ModelRegistry(Path(home))
        cache = FeatureCache(DerivedFiles(Path(home) / "derived"), threads=options.threads)
        for title, settings in (("features computed", asked), ("features cached", replace(asked, name="second"))):
            began = time.perf_counter()
            made = train_fast_head(registry, cache, settings, split, dataset, runtime=Runtime(threads=options.threads))
            print(f"{title}: {time.perf_counter() - began:.1f} s for {options.images} images, {made.fit.folds} folds")


if __name__ == "__main__":
    main()
