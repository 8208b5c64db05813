"""Probabilities for a picker that no real label went into: from the micrographs that it is to pick.

A picker that learned from simulated micrographs only ranks candidates well, but what its scores are worth depends on
the dose, the ice and the filters of the micrographs at hand. So the scores of a few of them, taken together, are
calibrated by their shape (`calibration.blind_calibration`) before any is picked; the calibration is kept in the
journal, so that a run that was killed goes on with the same one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from structloop.core.errors import ImageError, ParticlesError
from structloop.models.pickers import Picker, ScoreMap, WorkingMicrograph
from structloop.models.pickers.calibration import blind_calibration
from structloop.models.pickers.peaks import MIN_DISTANCE_DIAMETERS, find_peaks
from structloop.particles.classical import PER_MICROGRAPH
from structloop.particles.picking.finding import FoundMicrograph
from structloop.particles.picking.preparing import prepare_file
from structloop.particles.picking.running import PickingOptions
from structloop.schema.models import ExpectedAt, IdentityCalibration, PickerCard, PlattCalibration

MICROGRAPHS = 8
"""Calibrated on so many: some thousand scores, and a few seconds."""

_MOST_FAILURES = 8
_CALIBRATION, _EXPECTED, _THRESHOLD, _COUNT = "calibration", "expected", "threshold", "micrographs"


class Notebook(Protocol):
    """Where the calibration is kept; `PickJournal` is one."""

    @property
    def note(self) -> dict[str, Any] | None:
        """What was kept, if anything."""
        ...

    def keep_note(self, values: dict[str, Any]) -> None:
        """Keeps something in place of what was kept before."""
        ...


class BlindPicker:
    """A picker with another calibration; satisfies `Picker`.

    Args:
        picker: Whose maps they are.
        card: With the calibration.
        micrographs: How many the calibration comes from.
    """

    def __init__(self, picker: Picker, card: PickerCard, micrographs: int) -> None:
        self._picker = picker
        self._card = card
        self.micrographs = micrographs

    @property
    def card(self) -> PickerCard:
        """The card, with the calibration, the curve and the threshold of these micrographs."""
        return self._card

    def score_maps(self, micrographs: Sequence[WorkingMicrograph]) -> list[ScoreMap]:
        """One map per micrograph; see `Picker.score_maps`."""
        return self._picker.score_maps(micrographs)


def is_blind(card: PickerCard) -> bool:
    """Whether no real label went into a picker, and nothing else calibrates it (LoG and templates do so each time)."""
    return card.training.synthetic and card.parameters.get(PER_MICROGRAPH) is not True


def calibrated_blind(
    picker: Picker,
    micrographs: Sequence[FoundMicrograph],
    notebook: Notebook,
    options: PickingOptions,
    *,
    least: int = 1,
    on_read: Callable[[int, int], None] = lambda _done, _total: None,
) -> Picker:
    """`picker` with a calibration from up to `MICROGRAPHS` of the micrographs, evenly spread over their list.

    What the notebook holds stands where it comes from at least `least` micrographs. A picker that labels went into, or
    one whose scores have no shape to judge by, is returned as it is.

    Args:
        picker: The model.
        micrographs: What is to be picked; those that cannot be read are passed over.
        notebook: Where the calibration is kept.
        options: How they are picked.
        least: See above; a folder that fills calibrates again until it has enough.
        on_read: Called with micrographs read and micrographs to read.
    """
    if not is_blind(picker.card):
        return picker
    kept = notebook.note
    if kept is not None and kept[_COUNT] >= least:
        return _picker_of(picker, kept)
    raw: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    wanted, failures = min(MICROGRAPHS, len(micrographs)), 0
    for found in _spread(micrographs):
        if len(raw) == wanted or failures == _MOST_FAILURES:
            break
        try:
            raw.append(_scores(picker, found, options))
        except (ImageError, ParticlesError, OSError):
            # Picking lists it with its reason.
            failures += 1
        on_read(len(raw), wanted)
    fitted = blind_calibration(np.concatenate(raw)) if raw else None
    if fitted is None or isinstance(fitted.calibration, IdentityCalibration):
        return picker
    note = {
        _COUNT: len(raw),
        _CALIBRATION: fitted.calibration.model_dump(mode="json"),
        _EXPECTED: [each.model_dump(mode="json") for each in fitted.expected],
        _THRESHOLD: fitted.threshold,
    }
    notebook.keep_note(note)
    return _picker_of(picker, note)


def _picker_of(picker: Picker, note: dict[str, Any]) -> BlindPicker:
    card = picker.card.updated(
        calibration=PlattCalibration.model_validate(note[_CALIBRATION]),
        expected=tuple(ExpectedAt.model_validate(each) for each in note[_EXPECTED]),
        threshold=note[_THRESHOLD],
    )
    return BlindPicker(picker, card, int(note[_COUNT]))


def _spread(micrographs: Sequence[FoundMicrograph]) -> list[FoundMicrograph]:
    """Those that are evenly spread over the list, then the others."""
    first = np.unique(np.linspace(0, len(micrographs) - 1, min(MICROGRAPHS, len(micrographs))).round().astype(int))
    chosen = {int(index) for index in first}
    order = sorted(range(len(micrographs)), key=lambda index: (index not in chosen, index))
    return [micrographs[index] for index in order]


def _scores(
    picker: Picker, found: FoundMicrograph, options: PickingOptions
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    card = picker.card
    prepared = prepare_file(
        found,
        options.scale,
        contrast=options.contrast,
        working_diameter_px=card.working_diameter_px,
        masking=options.masking,
    )
    _, raw = find_peaks(
        picker.score_maps([prepared.micrograph])[0],
        prepared.micrograph,
        working_diameter_px=card.working_diameter_px,
        min_distance_diameters=float(card.parameters.get("min_distance_diameters", MIN_DISTANCE_DIAMETERS)),
    )
    return raw


__all__ = ["MICROGRAPHS", "BlindPicker", "Notebook", "calibrated_blind", "is_blind"]
