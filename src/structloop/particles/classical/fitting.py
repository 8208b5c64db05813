"""Classical pickers from labels: the width or the templates, and the calibration, with parts left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from structloop.core.errors import ParticlesError
from structloop.models.pickers import LabelledMicrograph
from structloop.models.pickers.calibration import (
    MATCH_DIAMETERS,
    Judged,
    expected_curve,
    fit_calibration,
    fit_mixture,
    log_odds,
    matched,
)
from structloop.models.pickers.labels import look
from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.training_plan import TrainingSettings, folds_of, half_mask
from structloop.particles.classical.pickers import LOG, TEMPLATE, WEIGHTS_FILE, ClassicalPicker, default_picker
from structloop.particles.classical.templates import make_templates
from structloop.schema.models import IdentityCalibration, PickerCard, TrainingDataset

_SIGMAS_DIAMETERS = (0.14, 0.18, 0.22, 0.26, 0.30)
_CLASSES = 2
_FLOOR = 0.02

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class FittedPicker:
    """A classical picker that was just fitted.

    Attributes:
        card: Without its list of files.
        arrays: What the picker is made of.
        judged: Candidates of what was left out, and how they fared.
    """

    card: PickerCard
    arrays: Mapping[str, NDArray[np.float32]]
    judged: tuple[Judged, ...]

    def save(self, folder: Path) -> None:
        """Writes the arrays to `folder`, as `ModelRegistry.add` takes them in under `card`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(dict(self.arrays), folder / WEIGHTS_FILE)

    def picker(self) -> ClassicalPicker:
        """The picker, ready to pick."""
        return ClassicalPicker(self.card, self.arrays)


def fit_classical(
    labelled: Sequence[LabelledMicrograph],
    *,
    family: str,
    name: str,
    diameter_px: float | None = None,
    pixel_size_angstrom: float | None = None,
    contrast: str = "dark",
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FittedPicker:
    """A picker of family `log` or `template` for the particles that are marked.

    Args:
        labelled: At least one micrograph with at least one particle; all of one working sampling.
        family: `log` or `template`.
        name: Of the model.
        diameter_px, pixel_size_angstrom, contrast: For the card: of the stored micrographs.
        seed: Decides folds and first classes.
        on_progress: Called with parts done and parts there are.

    Raises:
        ParticlesError: no particle is marked outside of the masks.
    """
    if family not in {LOG, TEMPLATE}:
        raise ParticlesError(f"'{family}' is no classical picker; there are {LOG} and {TEMPLATE}")
    labelled = [_unmasked(each) for each in labelled]
    if not any(len(each.xy_px) for each in labelled):
        raise ParticlesError("no particle is marked outside of what is masked; label some, or correct the coordinates")
    seen = look(default_picker(LOG), labelled)
    complete = all(each.complete for each in seen)
    card = default_picker(family).card.updated(
        name=name,
        summary=f"{'Laplacian of Gaussian' if family == LOG else 'Template matching'}, fitted to labels",
        calibration=IdentityCalibration(),
        parameters={},
        diameter_px=diameter_px,
        pixel_size_angstrom=pixel_size_angstrom,
        contrast=contrast,
        training=TrainingDataset(
            name=name,
            version="unknown",
            description=f"{sum(len(each.xy_px) for each in labelled)} particles marked in "
            f"{sum(len(each.xy_px) > 0 for each in labelled)} micrographs.",
            images=len(labelled),
        ),
    )
    folds = folds_of(len(labelled), TrainingSettings(seed=seed))
    judged: list[Judged] = []
    for number, fold in enumerate(folds):
        on_progress(number, len(folds) + 1)
        learned = [_part(each, index, fold) for index, each in enumerate(labelled)]
        if not any(len(each.xy_px) for each in learned):
            continue
        picker = ClassicalPicker(card, _arrays(card, learned, complete, seed))
        judged += [_judged(picker, _rest(labelled[index], fold.half)) for index in fold.left_out]
    arrays = _arrays(card, labelled, complete, seed)
    on_progress(len(folds) + 1, len(folds) + 1)
    if complete:
        calibration = fit_calibration(judged, note="micrographs left out")
    else:
        raw = np.concatenate([each.raw for each in judged]) if judged else np.zeros(0)
        right = np.concatenate([each.right for each in judged]) if judged else np.zeros(0, np.bool_)
        calibration = fit_mixture(raw, raw[right], note="labels are not complete: scores taken for a mixture")
    changes: dict[str, Any] = {"calibration": calibration}
    if complete and judged:
        curve, threshold = expected_curve(judged, calibration)
        changes |= {"expected": curve, "threshold": threshold}
    return FittedPicker(card.updated(**changes), arrays, tuple(judged))


def _unmasked(labelled: LabelledMicrograph) -> LabelledMicrograph:
    if not len(labelled.xy_px):
        return labelled
    places = np.rint(labelled.micrograph.to_working(labelled.xy_px)).astype(np.intp)
    height, width = labelled.micrograph.mask.shape
    column, row = np.clip(places[:, 0], 0, width - 1), np.clip(places[:, 1], 0, height - 1)
    return replace(labelled, xy_px=labelled.xy_px[~labelled.micrograph.mask[row, column]])


def _part(labelled: LabelledMicrograph, index: int, fold: Any) -> LabelledMicrograph:
    """What a fold learns from: all labels, none where it is left out, or those of the other half."""
    if index not in fold.left_out:
        return labelled
    if fold.half is None:
        return replace(labelled, xy_px=labelled.xy_px[:0])
    return _rest(labelled, 1 - fold.half)


def _rest(labelled: LabelledMicrograph, half: int | None) -> LabelledMicrograph:
    """One half of a micrograph, the other masked; the whole where `half` is None."""
    if half is None:
        return labelled
    micrograph = labelled.micrograph
    mask = micrograph.mask | ~half_mask(micrograph.mask.shape, half, 0.0)
    return _unmasked(replace(labelled, micrograph=replace(micrograph, mask=mask)))


def _arrays(card: PickerCard, labelled: Sequence[LabelledMicrograph], complete: bool, seed: int) -> Arrays:
    working = card.working_diameter_px
    if card.family == TEMPLATE:
        try:
            averages = make_templates(
                [each.micrograph for each in labelled],
                [each.xy_px for each in labelled],
                working_diameter_px=working,
                classes=_CLASSES,
                seed=seed,
            )
        except ValueError as error:
            raise ParticlesError(f"{error}; label particles farther from the border") from error
        return {"templates": averages}
    widths = [np.array([share * working], np.float32) for share in _SIGMAS_DIAMETERS]
    marked = [each for each in labelled if len(each.xy_px)]
    fits = [_separation(ClassicalPicker(card, {"sigma_px": width}), marked, complete) for width in widths]
    return {"sigma_px": widths[int(np.argmax(fits))]}


def _separation(picker: ClassicalPicker, labelled: Sequence[LabelledMicrograph], complete: bool) -> float:
    """How well scores tell marked candidates from others: best F1, or where labels are few, distance of the means."""
    judged = [_judged(picker, each) for each in labelled]
    raw = np.concatenate([each.raw for each in judged])
    right = np.concatenate([each.right for each in judged])
    if not right.any():
        return -1.0
    if complete:
        order = np.argsort(-raw)
        hits = np.cumsum(right[order])
        return float(np.max(2 * hits / (np.arange(1, len(raw) + 1) + sum(each.marked for each in judged))))
    z = log_odds(raw)
    found = float(right.sum()) / max(1, sum(each.marked for each in judged))
    return found * float(z[right].mean() - np.median(z)) / max(float(z.std()), 1e-9)


def _judged(picker: ClassicalPicker, labelled: LabelledMicrograph) -> Judged:
    working = picker.card.working_diameter_px
    score_map = picker.score_maps([labelled.micrograph])[0]
    xy, raw = find_peaks(score_map, labelled.micrograph, working_diameter_px=working, floor=_FLOOR)
    reach = MATCH_DIAMETERS * working * labelled.micrograph.scale
    return Judged(raw, matched(xy, labelled.xy_px, reach), len(labelled.xy_px))


__all__ = ["FittedPicker", "fit_classical"]
