"""Training a picker on a few labelled micrographs, within a time, with scores that mean what they say.

First the network is fitted some times with a part of the micrographs left out each time (with one half, where there is
one micrograph); how its candidates fare there gives the calibration and the expected precision and recall. Then it is
fitted to everything.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from structloop.core.errors import ParticlesError
from structloop.models.pickers.architecture import Architecture, TrainablePicker
from structloop.models.pickers.calibration import MATCH_DIAMETERS, Judged, judged_calibration, matched, rests_on_labels
from structloop.models.pickers.fitting import fit
from structloop.models.pickers.heatmap import WEIGHTS_FILE, HeatmapArchitecture
from structloop.models.pickers.labels import Seen, look, part_of, scene_of
from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.preparing import WORKING_DIAMETER_PX
from structloop.models.pickers.protocol import LabelledMicrograph, Picker
from structloop.models.pickers.scenes import Scene
from structloop.models.pickers.training_plan import (
    Fold,
    TrainingSettings,
    digest_of,
    folds_of,
    half_mask,
    steps_within,
)
from structloop.models.pickers.training_state import Plan, Teller, TrainingProgress
from structloop.models.runtime import Runtime
from structloop.schema.models import PickerCard, TrainingDataset

_TIMED_STEPS = 4
_FINAL = 1000


@dataclass(frozen=True)
class TrainedPicker:
    """A picker that was just trained.

    Attributes:
        card: Without its list of files.
        state: Weights.
        judged: Candidates of micrographs that were left out, and how they fared.
        architecture: Of the network.
    """

    card: PickerCard
    state: Mapping[str, Tensor]
    judged: tuple[Judged, ...]
    architecture: Architecture

    def save(self, folder: Path) -> None:
        """Writes the weights to `folder`, as `ModelRegistry.add` takes them in under `card`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.state.items()}, folder / WEIGHTS_FILE)

    def picker(self, runtime: Runtime | None = None) -> TrainablePicker:
        """The picker, ready to pick."""
        return self.architecture.picker(self.card, self.state, runtime)


def train_picker(
    labelled: Sequence[LabelledMicrograph],
    *,
    name: str,
    start_from: TrainablePicker | None,
    architecture: Architecture | None = None,
    guide: Picker | None = None,
    settings: TrainingSettings | None = None,
    diameter_px: float | None = None,
    pixel_size_angstrom: float | None = None,
    contrast: Literal["dark", "bright"] = "dark",
    on_progress: Callable[[TrainingProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    checkpoint_folder: Path | None = None,
    runtime: Runtime | None = None,
) -> TrainedPicker:
    """A picker for the particles that are marked.

    Args:
        labelled: At least one micrograph with at least one particle; all of one working sampling.
        name: Of the model.
        start_from: A picker to start from, usually the general one; None starts from random weights, which takes
            several times as many steps, and needs complete labels or a `guide`.
        architecture: Of the network, and of `start_from`; the heat map without one.
        guide: A picker that looks at the labelled micrographs in the place of `start_from`.
        settings: Time, seed and so on.
        diameter_px, pixel_size_angstrom, contrast: For the card: of the stored micrographs.
        on_progress: Called after every step.
        should_stop: Asked before every step.
        checkpoint_folder: Where the state is kept. A training of the same micrographs, labels and settings goes on from
            it; one of others starts anew.
        runtime: For looking at micrographs.

    Raises:
        ParticlesError: There is no micrograph, or no marked particle outside of the masks.
        TrainingStoppedError: `should_stop` said so.
    """
    settings = settings or TrainingSettings()
    architecture = architecture or HeatmapArchitecture()
    _check(labelled)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if settings.complete is not None:
        labelled = [
            each if each.complete is not None else replace(each, complete=settings.complete) for each in labelled
        ]
    begun = time.monotonic()
    seen: list[Seen | None] = [None] * len(labelled)
    looking = guide or start_from
    if looking is not None:
        seen = [*look(looking, labelled)]
    scenes = [scene_of(each, what) for each, what in zip(labelled, seen, strict=True)]
    start = start_from.state if start_from is not None else None
    folds = folds_of(len(labelled), settings)
    origins = [each.card.version if each else "random weights" for each in (start_from, *([guide] if guide else []))]
    digest = digest_of(labelled, settings, " ".join([*origins, architecture.identity]).strip())
    plan = Plan.opened(checkpoint_folder, digest)
    if "fold_steps" not in plan:
        seconds = _seconds_per_step(scenes, start, settings, architecture)
        final, short = steps_within(settings, seconds, len(folds))
        plan.update(final_steps=final, fold_steps=short)
    teller = Teller(plan, len(folds), on_progress)
    card = _card(name, settings, labelled, start_from, architecture, plan, (diameter_px, pixel_size_angstrom, contrast))
    judged: list[Judged] = []
    for number, fold in enumerate(folds):
        kept = plan.kept(f"fold-{number}")
        if kept is None:
            stage = f"leaving out part {number + 1} of {len(folds)}"
            state = fit(
                _training_part(scenes, fold, card.working_diameter_px),
                start,
                plan.steps("fold_steps"),
                settings,
                stream=number,
                folder=plan.folder(f"fold-{number}"),
                after_step=teller.of(stage, number * plan.steps("fold_steps")),
                should_stop=should_stop,
                architecture=architecture,
            )
            kept = _judge(architecture.picker(card, state, runtime), labelled, seen, fold)
            plan.update(**{f"fold-{number}": kept})
        judged += [_judged(each) for each in kept]
    if settings.steps is None and "replanned" not in plan:
        # What is left of the time is the final fit's, however fast the machine turned out to be.
        spent = time.monotonic() - begun
        final = plan.steps("final_steps")
        if teller.seconds_per_step > 0:
            affordable = int((settings.time_limit_s * 0.95 - spent) / teller.seconds_per_step)
            final = max(min(final, affordable), min(final, 30))
        plan.update(final_steps=final, replanned=True)
    state = fit(
        scenes,
        start,
        plan.steps("final_steps"),
        settings,
        stream=_FINAL,
        folder=plan.folder("final"),
        after_step=teller.of("learning from everything", len(folds) * plan.steps("fold_steps")),
        should_stop=should_stop,
        architecture=architecture,
    )
    return TrainedPicker(_calibrated(card, judged, plan), state, tuple(judged), architecture)


def _check(labelled: Sequence[LabelledMicrograph]) -> None:
    if not labelled:
        raise ParticlesError("there is no labelled micrograph to learn from; give at least one")
    inside = 0
    for each in labelled:
        if each.xy_px.ndim != 2 or each.xy_px.shape[1:] != (2,) or not np.isfinite(each.xy_px).all():
            raise ParticlesError(f"the labels of '{each.name}' are no finite places (n, 2)")
        inside += int((~_masked(each)).sum())
    if inside == 0:
        raise ParticlesError(
            "no marked particle lies on a micrograph outside of its masks: do the coordinates belong to these "
            "micrographs, and is y counted from the right edge?"
        )


def _masked(each: LabelledMicrograph) -> NDArray[np.bool_]:
    """Which labels lie in the mask or beyond the micrograph."""
    xy = np.rint(each.micrograph.to_working(each.xy_px)).astype(np.int64)
    height, width = each.micrograph.mask.shape
    beyond = (xy < 0).any(axis=1) | (xy[:, 0] >= width) | (xy[:, 1] >= height)
    row, column = np.clip(xy[:, 1], 0, height - 1), np.clip(xy[:, 0], 0, width - 1)
    return np.asarray(beyond | each.micrograph.mask[row, column], np.bool_)


def _seconds_per_step(
    scenes: Sequence[Scene],
    start: Mapping[str, Tensor] | None,
    settings: TrainingSettings,
    architecture: Architecture,
) -> float:
    times: list[float] = []

    def tick(_done: int, _loss: float) -> None:
        times.append(time.monotonic())

    fit(scenes, start, _TIMED_STEPS, settings, stream=0, after_step=tick, architecture=architecture)
    # The first step also allocates and compiles.
    return (times[-1] - times[0]) / (len(times) - 1)


def _training_part(scenes: Sequence[Scene], fold: Fold, diameter_px: float) -> list[Scene]:
    if fold.half is None:
        return [scene for index, scene in enumerate(scenes) if index not in fold.left_out]
    (scene,) = scenes
    return [part_of(scene, half_mask(scene.pixels.shape, 1 - fold.half, diameter_px))]


def _judge(
    picker: Picker, labelled: Sequence[LabelledMicrograph], seen: Sequence[Seen | None], fold: Fold
) -> list[dict[str, object]]:
    """How the candidates fare in what was left out, as it is kept in the plan."""
    working = picker.card.working_diameter_px
    left = [labelled[index] for index in fold.left_out]
    found: list[dict[str, object]] = []
    for index, each, score_map in zip(
        fold.left_out, left, picker.score_maps([each.micrograph for each in left]), strict=True
    ):
        micrograph = each.micrograph
        if fold.half is not None:
            mask = micrograph.mask | ~half_mask(micrograph.mask.shape, fold.half, working)
            micrograph = replace(micrograph, mask=mask)
        xy, raw = find_peaks(score_map, micrograph, working_diameter_px=working)
        truth = each.xy_px[~_masked(replace(each, micrograph=micrograph))]
        right = matched(xy, truth, MATCH_DIAMETERS * working * micrograph.scale)
        what = seen[index]
        complete = what.complete if what is not None else True
        found.append({"raw": raw.tolist(), "right": right.tolist(), "marked": len(truth), "complete": complete})
    return found


def _judged(kept: Mapping[str, object]) -> Judged:
    raw, right = np.array(kept["raw"], np.float64), np.array(kept["right"], np.bool_)
    return Judged(raw, right, int(str(kept["marked"])), bool(kept["complete"]))


def _card(
    name: str,
    settings: TrainingSettings,
    labelled: Sequence[LabelledMicrograph],
    start_from: TrainablePicker | None,
    architecture: Architecture,
    plan: Plan,
    stored: tuple[float | None, float | None, Literal["dark", "bright"]],
) -> PickerCard:
    marked = sum(len(each.xy_px) for each in labelled)
    started = f"{start_from.card.name} {start_from.card.version}" if start_from is not None else None
    further = f" from {started}" if started is not None and architecture.base is not None else ""
    return PickerCard(
        name=name,
        summary=f"Picks one kind of particle, learnt from {marked} marked in {len(labelled)} micrographs.",
        task="particle-picking",
        family=architecture.family,
        working_diameter_px=start_from.card.working_diameter_px if start_from is not None else WORKING_DIAMETER_PX,
        diameter_px=stored[0],
        pixel_size_angstrom=stored[1],
        contrast=stored[2],
        parameters=dict(architecture.parameters),
        base=architecture.base or started,
        licence=start_from.card.licence if start_from is not None else "the labels' owner decides",
        origin=f"trained here with seed {settings.seed}{further}, {plan.steps('final_steps')} steps",
        created=datetime.now(UTC).date(),
        training=TrainingDataset(
            name=f"{len(labelled)} labelled micrographs",
            version=plan.digest[:12],
            description=", ".join(each.name or "unnamed" for each in labelled[:20]),
            images=len(labelled),
        ),
    )


def _calibrated(card: PickerCard, judged: Sequence[Judged], plan: Plan) -> PickerCard:
    fitted = judged_calibration(judged)
    limits = [
        "Micrographs of another specimen, camera or filter than those it learnt from; it was measured on these only."
    ]
    if not rests_on_labels(judged):
        limits.append(
            "Few particles were marked, so probabilities and expected precision rest on the shape of the scores, not "
            "on particles that somebody checked."
        )
    return card.updated(
        calibration=fitted.calibration,
        expected=fitted.expected,
        threshold=fitted.threshold,
        origin=f"{card.origin.partition(',')[0]}, {plan.steps('final_steps')} steps",
        limitations=tuple(limits),
    )


__all__ = ["TrainedPicker", "TrainingProgress", "TrainingSettings", "train_picker"]
