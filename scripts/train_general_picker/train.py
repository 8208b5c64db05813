"""Trains the general picker on the micrographs that `render.py` made.

    python scripts/train_general_picker/train.py CACHE --out FOLDER --steps 4000

Deterministic for one seed and one number of steps; goes on from the last checkpoint in FOLDER when it was killed.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from render import PER_SHARD, TARGET, UNSURE
from safetensors.torch import save_file

from structloop.models.pickers.augmenting import Augmentation, draw_batch
from structloop.models.pickers.heatmap import network_of, read_weights
from structloop.models.pickers.heatmap_network import HeatmapNetwork
from structloop.models.pickers.learning import Learner, Schedule, saved_facts
from structloop.models.pickers.preparing import even
from structloop.models.pickers.scenes import Scene

PATCH_PX, PATCHES = 192, 8
_HELD = 160
_MARGIN_PX = 3


def scenes_of(path: Path) -> list[Scene]:
    """The scenes of one shard."""
    found = []
    with np.load(path) as shard:
        pixels, xy, what, starts = shard["pixels"], shard["xy"], shard["what"], shard["starts"]
    for index, picture in enumerate(pixels):
        here = slice(starts[index], starts[index + 1])
        kind = what[here]
        kept = kind >= UNSURE
        small = picture.astype(np.float32)
        weight = np.zeros(small.shape, np.float32)
        weight[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX] = 1.0
        target = (kind[kept] == TARGET).astype(np.float32)
        found.append(Scene(even(small, np.zeros(small.shape, np.bool_)), weight, xy[here][kept], target, target))
    return found


def main() -> None:
    """Trains, or goes on training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--micrographs", type=int, default=4096, help="As many as render.py was told.")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--peak", type=float, default=2e-3)
    parser.add_argument("--start", type=Path, help="Weights to start from: a second course, with another seed.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    folder = options.cache / "made-up"
    shards = [folder / f"shard-{number:05d}.npz" for number in range(-(-options.micrographs // PER_SHARD))]
    network = (
        HeatmapNetwork() if options.start is None else network_of(read_weights(options.start)).requires_grad_(True)
    )
    learner = Learner(network, Schedule(options.steps, options.peak, rise=0.03, average=0.998))
    checkpoint = options.out / "checkpoint"
    if saved_facts(checkpoint) is not None:
        learner.load(checkpoint)
    held: list[Scene] = []
    started, since = time.monotonic(), []
    while learner.done < options.steps:
        step = learner.done
        draw = np.random.Generator(np.random.SFC64([options.seed, step]))
        # A window of shards moves over all of them, so that memory holds a few hundred pictures only.
        first = step * len(shards) // options.steps
        wanted = [shards[(first + k) % len(shards)] for k in range(min(len(shards), _HELD // PER_SHARD))]
        if step % 20 == 0 or not held:
            held = [scene for path in wanted for scene in _kept(path)]
            _forget(set(wanted))
        shares = np.full(len(held), 1 / len(held))
        since.append(learner.step(draw_batch(held, shares, PATCHES, PATCH_PX, Augmentation.strong(), draw)))
        if learner.done % 100 == 0:
            elapsed = time.monotonic() - started
            print(f"step {learner.done} loss {np.mean(since):.4f} after {elapsed:.0f} s", flush=True)
            since = []
        if learner.done % 250 == 0 or learner.done == options.steps:
            learner.save(checkpoint, {"seed": options.seed})
            save_file(learner.averaged(), options.out / "averaged.safetensors")


_shards: dict[Path, list[Scene]] = {}


def _kept(path: Path) -> list[Scene]:
    # render.py may run at the same time.
    while not path.exists():
        time.sleep(2)
    if path not in _shards:
        _shards[path] = scenes_of(path)
    return _shards[path]


def _forget(wanted: set[Path]) -> None:
    for path in set(_shards) - wanted:
        del _shards[path]


if __name__ == "__main__":
    main()
