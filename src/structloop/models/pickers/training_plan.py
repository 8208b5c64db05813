"""How a training is laid out: its settings, what is left out when, how many steps, and where it may go on."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ParticlesError
from structloop.models.pickers.protocol import LabelledMicrograph

MOST_STEPS, LEAST_STEPS = 400, 40
"""Of the final fit; further ones gained nothing where it was measured."""

_FOLD_SHARE = 0.6
"""A fit for the calibration has so many steps of the final one."""

_KEPT_BACK = 0.15
"""Share of the time for everything that is no step."""


@dataclass(frozen=True)
class TrainingSettings:
    """What training is told.

    Attributes:
        time_limit_s: Wall time that it may take; steps are planned from the time that the first ones take.
        steps: Steps of the final fit instead, which makes the result the same on every machine of one kind.
        seed: Decides patches, augmentation and folds.
        peak: Highest learning rate.
        patches: Patches per step.
        patch_px: Their size, working pixels.
        folds: Into how many parts the micrographs are cut for the calibration (fewer where there are fewer).
        threads: Of the processor; None leaves torch's own.
        complete: For all micrographs that do not say it themselves.
    """

    time_limit_s: float = 240.0
    steps: int | None = None
    seed: int = 0
    peak: float = 3e-3
    patches: int = 8
    patch_px: int = 192
    folds: int = 2
    threads: int | None = None
    complete: bool | None = None

    def __post_init__(self) -> None:
        if not self.time_limit_s > 0:
            raise ParticlesError(f"the time limit is {self.time_limit_s} s; give one above 0")
        if self.steps is not None and self.steps < 1:
            raise ParticlesError(f"steps is {self.steps}; give at least 1")
        if self.patches < 1 or self.patch_px < 32 or self.patch_px % 16:
            raise ParticlesError(
                f"{self.patches} patches of {self.patch_px} px; give at least 1, of a multiple of 16 px from 32"
            )
        if self.folds < 2:
            raise ParticlesError(f"folds is {self.folds}; give at least 2")


@dataclass(frozen=True)
class Fold:
    """What is left out together: whole micrographs, or one half of the only one.

    Attributes:
        left_out: Indices of micrographs.
        half: 0 (left) or 1 (right) of the only micrograph; None where whole ones are left out.
    """

    left_out: tuple[int, ...]
    half: int | None = None


def folds_of(count: int, settings: TrainingSettings) -> tuple[Fold, ...]:
    """The folds of `count` micrographs, the same for the same seed."""
    if count == 1:
        return (Fold((0,), 0), Fold((0,), 1))
    order = np.random.Generator(np.random.SFC64([settings.seed, 0xF01D])).permutation(count)
    parts = np.array_split(order, min(count, settings.folds))
    return tuple(Fold(tuple(sorted(int(index) for index in part))) for part in parts)


def half_mask(shape: tuple[int, int], half: int, gap_px: float) -> NDArray[np.bool_]:
    """(y, x), True in the left (0) or right (1) half; `gap_px` along the cut belong to neither."""
    columns = np.arange(shape[1])
    middle = (shape[1] - 1) / 2
    side = columns < middle - gap_px / 2 if half == 0 else columns > middle + gap_px / 2
    return np.broadcast_to(side, shape)


def steps_within(settings: TrainingSettings, seconds_per_step: float, folds: int) -> tuple[int, int]:
    """Steps of the final fit, and of the fit of each fold."""
    if settings.steps is not None:
        final = settings.steps
    else:
        budget = settings.time_limit_s * (1 - _KEPT_BACK) / max(seconds_per_step, 1e-6)
        final = int(np.clip(budget / (1 + folds * _FOLD_SHARE), LEAST_STEPS, MOST_STEPS))
    return final, max(1, round(final * _FOLD_SHARE))


def digest_of(labelled: Sequence[LabelledMicrograph], settings: TrainingSettings, start: str) -> str:
    """Tells trainings apart: pixels, labels, settings and what it starts from."""
    told = asdict(settings) | {"start": start}
    whole = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for each in labelled:
        whole.update(json.dumps([each.name, each.complete, each.micrograph.scale]).encode())
        for array in (each.micrograph.pixels, each.micrograph.mask, np.asarray(each.xy_px, np.float64)):
            whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


__all__ = [
    "LEAST_STEPS",
    "MOST_STEPS",
    "Fold",
    "TrainingSettings",
    "digest_of",
    "folds_of",
    "half_mask",
    "steps_within",
]
