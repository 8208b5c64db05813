"""Picking the micrographs of a project: those that its model has not picked yet, or that have changed since."""

import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import select

from structloop.models.pickers import Picker
from structloop.particles.picking.blind import MICROGRAPHS, calibrated_blind
from structloop.particles.picking.finding import FoundMicrograph
from structloop.particles.picking.journal import PickedMicrograph as Picked
from structloop.particles.picking.preparing import Prepared, Scale
from structloop.particles.picking.running import PickingOptions, PickingProgress, pick_micrographs
from structloop.particles.projects.expecting import ProjectNotebook
from structloop.particles.projects.picked import StoredPicks, record_picks
from structloop.particles.projects.projects import get_project
from structloop.particles.projects.scanning import scan_project
from structloop.particles.suggesting import traits_of
from structloop.schema.models import PickerCard
from structloop.store import Database
from structloop.store.database import insert_or_ignore
from structloop.store.tables import Micrograph, ModelVersion, PickedMicrograph
from structloop.store.tables.base import utc_now

_MASK_LONGEST_PX = 256
_LISTED = 50

Progress = Callable[[int, int | None, str], None]


class Pickers(Protocol):
    """Where pickers come from, each loaded once."""

    def load(self, name: str) -> Picker:
        """The picker of that name."""
        ...


class _Unkept:
    """In place of a journal: a project's picks go into the database together with their mask, as they are told."""

    picked: Mapping[str, Picked] = {}

    def append(self, entry: Picked) -> None:
        """Nothing; see the class."""


def pick_project(
    database: Database,
    pickers: Pickers,
    project_id: int,
    *,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Picks every micrograph of a project that its model has not picked yet; safe to repeat and to kill.

    The folder is looked through first, so that files that came since are picked too. Picks made with another diameter,
    or of a file that has changed, are made again. What the scores of a model without real labels are worth is
    judged by a few of these micrographs first (`calibrated_blind`).

    Args:
        database: Where the project is.
        pickers: Where its model is loaded.
        project_id: Which one.
        on_progress: Told (micrographs done, total, what and how long).
        should_stop: Asked after each micrograph; what was picked is kept.

    Returns:
        How many were `picked`, were `known` already and `failed`, the first failures, and whether it was `stopped`.

    Raises:
        NotFoundError: there is no such project.
        ModelNotFoundError, ModelFormatError: its model is missing or damaged.
    """
    scan_project(database, project_id)
    with database.reading() as session:
        project = get_project(session, project_id)
        picker = pickers.load(project.model)
        scale = Scale(diameter_px=project.diameter_px, pixel_size_angstrom=project.pixel_size_angstrom)
        diameter_px = project.diameter_px
        rows = session.execute(
            select(Micrograph.id, Micrograph.path, Micrograph.fingerprint)
            .where(Micrograph.project_id == project_id, Micrograph.problem.is_(None))
            .order_by(Micrograph.path)
        ).all()
    found = [FoundMicrograph(row.path, Path(row.path)) for row in rows]
    options = PickingOptions(scale, contrast=picker.card.contrast, threshold=picker.card.threshold)

    def tell_read(_done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(0, None, f"judging the scores by {total} micrographs")

    picker = calibrated_blind(
        picker,
        found,
        ProjectNotebook(database, project_id, picker.card, diameter_px),
        options,
        least=min(MICROGRAPHS, len(found)),
        on_read=tell_read,
    )
    version = record_picker(database, picker.card)
    with database.reading() as session:
        known = {
            (row.micrograph_id, row.fingerprint)
            for row in session.execute(
                select(PickedMicrograph.micrograph_id, PickedMicrograph.fingerprint).where(
                    PickedMicrograph.model_version_id == version,
                    PickedMicrograph.diameter_px == diameter_px,
                    PickedMicrograph.error.is_(None),
                )
            )
        }
    todo = {row.path: row for row in rows if (row.id, row.fingerprint) not in known}
    stop = threading.Event()

    def keep(prepared: Prepared, entry: Picked) -> None:
        row = todo[entry.micrograph]
        record_picks(
            database,
            row.id,
            version,
            diameter_px=diameter_px,
            fingerprint=row.fingerprint,
            picks=StoredPicks(entry.xy_px, entry.probability),
            mask_png=_png(prepared.mask.masked),
            traits=traits_of(prepared.micrograph, entry).to_json(),
        )

    def tell(progress: PickingProgress) -> None:
        if on_progress is not None:
            left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
            on_progress(progress.done, progress.total, f"{Path(progress.current).name}, {progress.picks} picks{left}")
        if should_stop is not None and should_stop():
            stop.set()

    result = pick_micrographs(
        picker,
        [each for each in found if each.name in todo],
        _Unkept(),
        replace(options, threshold=picker.card.threshold),
        on_progress=tell,
        on_picked=keep,
        should_stop=stop,
    )
    for path, reason in result.failed:
        row = todo[path]
        record_picks(
            database,
            row.id,
            version,
            diameter_px=diameter_px,
            fingerprint=row.fingerprint,
            picks=None,
            error=reason,
        )
    return {
        "picked": result.picked,
        "known": len(rows) - len(todo),
        "failed": len(result.failed),
        "failures": [f"{Path(path).name}: {reason}" for path, reason in result.failed[:_LISTED]],
        "stopped": stop.is_set(),
    }


def record_picker(database: Database, card: PickerCard) -> int:
    """The key of a picker's version, recorded with its card where it is new."""
    row = {"name": card.name, "version": card.version, "card": card.model_dump(mode="json"), "created_at": utc_now()}
    with database.session() as session:
        session.execute(insert_or_ignore(database, ModelVersion, [row]))
        return session.scalars(
            select(ModelVersion.id).where(ModelVersion.name == card.name, ModelVersion.version == card.version)
        ).one()


def _png(mask: NDArray[np.bool_]) -> bytes:
    image = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
    image.thumbnail((_MASK_LONGEST_PX, _MASK_LONGEST_PX))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


__all__ = ["Pickers", "Progress", "pick_project", "record_picker"]
