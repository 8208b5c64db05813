"""One fit of a network to scenes, which can be stopped, killed and gone on with."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from structloop.core.errors import TrainingStoppedError
from structloop.models.pickers.architecture import Architecture
from structloop.models.pickers.augmenting import Augmentation, draw_batch
from structloop.models.pickers.heatmap import HeatmapArchitecture
from structloop.models.pickers.learning import Learner, Schedule, load_trained, saved_facts
from structloop.models.pickers.scenes import Scene
from structloop.models.pickers.training_plan import TrainingSettings

_SAVED_EVERY_S = 10.0
_RISE, _AVERAGE = 0.1, 0.99


def fit(
    scenes: Sequence[Scene],
    start: Mapping[str, Tensor] | None,
    steps: int,
    settings: TrainingSettings,
    *,
    stream: int,
    folder: Path | None = None,
    after_step: Callable[[int, float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    augmentation: Augmentation | None = None,
    architecture: Architecture | None = None,
) -> dict[str, Tensor]:
    """The averaged weights after `steps` steps from `start` (random weights without it).

    The network is `architecture`'s (the heat map's without one); of what is frozen in it, nothing is returned.
    Every step's patches depend on the seed, `stream` and the step's number only, so that a fit that was killed and goes
    on from `folder` gives what it would have given.

    Raises:
        TrainingStoppedError: `should_stop` said so; the state was saved where there is a folder.
        ValueError: `folder` holds a checkpoint of another network.
    """
    torch.manual_seed(settings.seed * 1009 + stream)
    network = (architecture or HeatmapArchitecture()).build()
    if start is not None:
        load_trained(network, start)
    learner = Learner(network, Schedule(steps, settings.peak, _RISE, _AVERAGE))
    if folder is not None and saved_facts(folder) is not None:
        learner.load(folder)
    # Each micrograph is seen as often as its unmasked area says.
    area = np.array([float(scene.weight.sum()) for scene in scenes])
    shares = area / area.sum()
    saved = time.monotonic()
    while learner.done < steps:
        if should_stop is not None and should_stop():
            if folder is not None:
                learner.save(folder, {})
            raise TrainingStoppedError("training was stopped; the same command goes on from here")
        draw = np.random.Generator(np.random.SFC64([settings.seed, stream, learner.done]))
        size = min(settings.patch_px, *(16 * (min(scene.pixels.shape) // 16) for scene in scenes))
        batch = draw_batch(list(scenes), shares, settings.patches, size, augmentation or Augmentation(), draw)
        loss = learner.step(batch)
        if after_step is not None:
            after_step(learner.done, loss)
        if folder is not None and time.monotonic() - saved > _SAVED_EVERY_S:
            learner.save(folder, {})
            saved = time.monotonic()
    if folder is not None:
        learner.save(folder, {})
    return learner.averaged()


__all__ = ["fit"]
