"""What a project's model is expected to do on its micrographs, and how that is known where nobody labelled any."""

import json
from typing import Any

from pydantic import ValidationError

from structloop.models.registry import ModelRegistry
from structloop.particles.picking.blind import is_blind
from structloop.particles.picking.models import any_picker_card
from structloop.particles.projects.picked import current_version
from structloop.particles.projects.projects import get_project
from structloop.particles.projects.views import ExpectedView, ThresholdPoint
from structloop.schema.models import PickerCard
from structloop.store import Database

_UNLABELLED = (
    "Nobody labelled these micrographs: what to expect is judged by the shape of the scores alone, and may be off by "
    "0.15 or more. Labels of one micrograph tell more."
)


class ProjectNotebook:
    """Keeps the calibration of a blind model with a project; a `Notebook` of `calibrated_blind`.

    Args:
        database: Where the project is.
        project_id: Which one.
        card: Of the model as it came.
        diameter_px: The particle's; another one gives other scores, which need another calibration.
    """

    def __init__(self, database: Database, project_id: int, card: PickerCard, diameter_px: float) -> None:
        self._database = database
        self._project_id = project_id
        self._holds_for = {"model": card.name, "version": card.version, "diameter_px": diameter_px}

    @property
    def note(self) -> dict[str, Any] | None:
        """What was kept for this model and diameter."""
        with self._database.reading() as session:
            kept = get_project(session, self._project_id).calibration
        return kept["note"] if kept is not None and kept["holds_for"] == self._holds_for else None

    def keep_note(self, values: dict[str, Any]) -> None:
        """Keeps it in place of what was kept before."""
        with self._database.session() as session:
            get_project(session, self._project_id).calibration = {"holds_for": self._holds_for, "note": values}


def expected_view(database: Database, registry: ModelRegistry, project_id: int) -> ExpectedView:
    """What a project's model is expected to do at each threshold: as it was calibrated here, where it has picked.

    Raises:
        NotFoundError: there is no such project.
        ModelNotFoundError, ModelFormatError: its model is missing or damaged.
    """
    with database.reading() as session:
        project = get_project(session, project_id)
        model = project.model
        version = current_version(session, project)
        kept = None if version is None else version.card
    card = _read(kept) or any_picker_card(registry, model)
    unlabelled = (_UNLABELLED,) if is_blind(card) and kept is not None else ()
    return ExpectedView(
        model=card.name,
        version=card.version,
        threshold=card.threshold,
        points=[ThresholdPoint.model_validate(each.model_dump()) for each in card.expected],
        limitations=[*unlabelled, *card.limitations],
    )


def _read(kept: dict[str, Any] | None) -> PickerCard | None:
    if kept is None:
        return None
    try:
        return PickerCard.model_validate_json(json.dumps(kept))
    except ValidationError:
        # Of a version of structloop whose cards said less.
        return None


__all__ = ["ProjectNotebook", "expected_view"]
