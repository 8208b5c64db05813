"""Learning from what people marked in a project: a picker of its own, then everything picked with it."""

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from structloop.core.errors import ImageError, ParticleProjectError, TrainingStoppedError
from structloop.imaging.micrographs import read_micrograph
from structloop.models.pickers import LabelledMicrograph
from structloop.models.pickers.heatmap import HeatmapPicker
from structloop.models.pickers.preparing import prepare
from structloop.models.pickers.training import train_picker
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.pickers.training_state import TrainingProgress
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.particles.masking import find_mask
from structloop.particles.projects.marks import Marks, marks_of_project
from structloop.particles.projects.picking import Pickers, Progress, pick_project
from structloop.particles.projects.projects import change_project, get_project
from structloop.store import Database
from structloop.store.tables import Micrograph


def train_project(
    database: Database,
    registry: ModelRegistry,
    pickers: Pickers,
    project_id: int,
    *,
    folder: Path,
    settings: TrainingSettings,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Trains a picker on the marks of a project, makes it the project's model, and picks all micrographs with it.

    Killed and started again, it goes on from where it was; with other marks it starts anew.

    Args:
        database: Where the project is.
        registry: Takes the picker in, under a name made of the project's.
        pickers: Where the general picker, from which training starts, is loaded.
        project_id: Which one.
        folder: Where the state of trainings is kept.
        settings: How long the training may take, and so on; picking comes after it.
        on_progress: Told (done, total, what is being done).
        should_stop: Asked between steps; the state is kept.

    Returns:
        What was learned from, the model and its version, and what `pick_project` returns.

    Raises:
        NotFoundError: there is no such project.
        ParticleProjectError: nothing is marked, or no marked micrograph can be read.
    """
    with database.reading() as session:
        project = get_project(session, project_id)
        diameter_px, told_size, name = project.diameter_px, project.pixel_size_angstrom, _model_name(project)
        rows = {row.id: row for row in session.scalars(select(Micrograph).where(Micrograph.project_id == project_id))}
        marks = {key: one for key, one in marks_of_project(session, project_id).items() if _teaches(one)}
    if not any(len(one.particles) for one in marks.values()):
        raise ParticleProjectError("nothing to learn from: no particle is marked; mark some in a micrograph first")
    labelled, unread = [], []
    for number, (key, said) in enumerate(sorted(marks.items())):
        if on_progress is not None:
            on_progress(number, None, f"reading {Path(rows[key].path).name}")
        try:
            labelled.append(_labelled(Path(rows[key].path), said, diameter_px, told_size))
        except ImageError as error:
            unread.append(str(error))
    if not labelled:
        raise ParticleProjectError(f"no micrograph with marks can be read: {unread[0]}")
    # Without a general network to start from, training takes more steps and needs complete labels.
    general = pickers.load(GENERAL_PICKER) if GENERAL_PICKER in registry.names() else None
    checkpoints = folder / f"project-{project_id}"

    def tell(progress: TrainingProgress) -> None:
        if on_progress is not None:
            left = f"{progress.seconds_left:.0f} s left"
            on_progress(progress.done, progress.total, f"{progress.stage}, loss {progress.loss:.3f}, {left}")

    try:
        trained = train_picker(
            labelled,
            name=name,
            start_from=general if isinstance(general, HeatmapPicker) else None,
            settings=settings,
            diameter_px=diameter_px,
            pixel_size_angstrom=told_size,
            on_progress=tell,
            should_stop=should_stop,
            checkpoint_folder=checkpoints,
        )
    except TrainingStoppedError:
        return {"stopped": True}
    with tempfile.TemporaryDirectory(prefix="structloop-picker-") as scratch:
        trained.save(Path(scratch))
        card = registry.add(trained.card, Path(scratch), replace_existing=True)
    change_project(database, project_id, model=card.name)
    shutil.rmtree(checkpoints, ignore_errors=True)
    learned = {
        "model": card.name,
        "version": card.version,
        "labelled": len(labelled),
        "particles": sum(len(one.xy_px) for one in labelled),
        "unread": unread,
    }
    return learned | pick_project(database, pickers, project_id, on_progress=on_progress, should_stop=should_stop)


def _teaches(marks: Marks) -> bool:
    return bool(len(marks.particles)) or marks.finished


def _labelled(path: Path, marks: Marks, diameter_px: float, pixel_size_angstrom: float | None) -> LabelledMicrograph:
    micrograph = read_micrograph(path)
    size = pixel_size_angstrom or micrograph.header.pixel_size_angstrom
    mask = find_mask(micrograph.pixels, diameter_px=diameter_px, pixel_size_angstrom=size)
    return LabelledMicrograph(
        prepare(micrograph.pixels, diameter_px=diameter_px, mask=mask.masked),
        marks.particles,
        complete=marks.finished,
        name=path.name,
    )


def _model_name(project: Any) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", project.name.lower()).strip("-")[:40] or "particles"
    return f"{words}-{project.id}"


__all__ = ["train_project"]
