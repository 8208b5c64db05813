"""Projects and their micrographs: made from a folder, counted, changed, forgotten."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError, ParticleProjectError
from structloop.models.registry import GENERAL_PICKER
from structloop.particles.projects.marks import NO_MARKS, Marks, marks_of_project, picks_left, read_marks
from structloop.particles.projects.picked import StoredPicks, current_version, open_picks
from structloop.particles.projects.views import MicrographView, ParticleProjectView
from structloop.store import Database
from structloop.store.tables import Micrograph, ModelVersion, ParticleProject, PickedMicrograph

_PROBLEM_LENGTH = 1000
_COMMIT_EVERY = 200


@dataclass(frozen=True)
class ProjectFacts:
    """What a person says of a new project.

    Attributes:
        name: For people; unique.
        folder: Absolute path of the folder of micrographs.
        pattern: Which files below it, as `Path.glob` reads it.
        diameter_px: Diameter of the particle in pixels of the micrographs, above 0.
        pixel_size_angstrom: Where the files' headers do not say it, or say it wrongly.
    """

    name: str
    folder: Path
    diameter_px: float
    pattern: str = "**/*"
    pixel_size_angstrom: float | None = None


def create_project(database: Database, facts: ProjectFacts) -> int:
    """Makes a project; its micrographs are found by `scan_project`.

    Its first model is the one that comes with structloop, which needs no labels.

    Raises:
        ParticleProjectError: the name is taken or empty, the diameter is not above 0, or there is no such folder.
    """
    name = facts.name.strip()
    if not name or len(name) > 200:
        raise ParticleProjectError("name: a project needs a name of 1 to 200 characters")
    if not (np.isfinite(facts.diameter_px) and facts.diameter_px > 0):
        raise ParticleProjectError(
            f"diameter_px is {facts.diameter_px}; it is the particle's diameter in pixels, above 0"
        )
    if facts.pixel_size_angstrom is not None and not facts.pixel_size_angstrom > 0:
        raise ParticleProjectError(f"pixel_size_angstrom is {facts.pixel_size_angstrom}; it must be above 0")
    if not facts.folder.is_dir():
        raise ParticleProjectError(f"folder {facts.folder} is not there, or is no folder")
    if ".." in Path(facts.pattern).parts or Path(facts.pattern).is_absolute() or not facts.pattern:
        raise ParticleProjectError(
            f"pattern '{facts.pattern}' must stay below the folder, such as '*.mrc' or '**/*.tif'"
        )
    try:
        with database.session() as session:
            project = ParticleProject(
                name=name,
                folder=str(facts.folder),
                pattern=facts.pattern,
                diameter_px=facts.diameter_px,
                pixel_size_angstrom=facts.pixel_size_angstrom,
                model=GENERAL_PICKER,
            )
            session.add(project)
            session.flush()
            return project.id
    except IntegrityError as error:
        raise ParticleProjectError(f"there is a project '{name}' already; choose another name") from error


def change_project(
    database: Database, project_id: int, *, diameter_px: float | None = None, model: str | None = None
) -> None:
    """Changes the diameter, or the model whose picks are shown.

    Raises:
        NotFoundError: there is no such project.
        ParticleProjectError: the diameter is not above 0.
    """
    if diameter_px is not None and not (np.isfinite(diameter_px) and diameter_px > 0):
        raise ParticleProjectError(_bad_diameter(diameter_px))
    with database.session() as session:
        project = get_project(session, project_id)
        project.diameter_px = diameter_px or project.diameter_px
        project.model = model or project.model


def remove_project(database: Database, project_id: int) -> None:
    """Forgets a project, its marks and picks; the micrographs' files are not touched.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.session() as session:
        session.delete(get_project(session, project_id))


def get_project(session: Session, project_id: int) -> ParticleProject:
    """The row of a project.

    Raises:
        NotFoundError: there is no such project.
    """
    project = session.get(ParticleProject, project_id)
    if project is None:
        raise NotFoundError(f"there is no particle project {project_id}; was it removed?")
    return project


def get_micrograph(session: Session, micrograph_id: int) -> Micrograph:
    """The row of a micrograph.

    Raises:
        NotFoundError: there is no such micrograph.
    """
    micrograph = session.get(Micrograph, micrograph_id)
    if micrograph is None:
        raise NotFoundError(f"there is no micrograph {micrograph_id}; was its project removed?")
    return micrograph


def list_projects(database: Database) -> list[ParticleProjectView]:
    """All projects, newest first."""
    with database.reading() as session:
        rows = session.scalars(select(ParticleProject).order_by(ParticleProject.id.desc()))
        return [_project_view(session, row) for row in rows]


def project_view(database: Database, project_id: int) -> ParticleProjectView:
    """One project.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.reading() as session:
        return _project_view(session, get_project(session, project_id))


def micrograph_views(database: Database, project_id: int, threshold: float) -> list[MicrographView]:
    """The micrographs of a project in the order of their names, with what was picked at `threshold` (read to
    a hundredth) and marked.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.reading() as session:
        project = get_project(session, project_id)
        version = current_version(session, project)
        marks = marks_of_project(session, project_id)
        counted = _counted(session, project, version)
        rows = session.scalars(
            select(Micrograph).where(Micrograph.project_id == project_id).order_by(Micrograph.path)
        ).all()
        views = []
        for row in rows:
            said, found = marks.get(row.id, NO_MARKS), counted.get(row.id)
            shown = None if found is None else found.counts[round(threshold * 100)]
            if found is not None and (len(said.particles) or len(said.others)):
                # Only where somebody said something must the picks themselves be looked at.
                picks = open_picks(session, row.id, version).above(threshold)
                shown = len(picks_left(picks, said, project.diameter_px).xy_px)
            views.append(_micrograph_view(row, project, said, shown, None if found is None else found.error))
        return views


def micrograph_view(database: Database, micrograph_id: int, threshold: float) -> MicrographView:
    """One micrograph.

    Raises:
        NotFoundError: there is no such micrograph.
    """
    with database.reading() as session:
        row = get_micrograph(session, micrograph_id)
        project = get_project(session, row.project_id)
        version = current_version(session, project)
        picked = None if version is None else session.get(PickedMicrograph, (micrograph_id, version.id))
        said = read_marks(session, micrograph_id)
        shown = None
        if picked is not None:
            picks = StoredPicks.from_bytes(picked.picks).above(threshold)
            shown = len(picks_left(picks, said, project.diameter_px).xy_px)
        return _micrograph_view(row, project, said, shown, None if picked is None else picked.error)


def _bad_diameter(diameter_px: float) -> str:
    return f"diameter_px is {diameter_px}; it is the particle's diameter in pixels of the micrographs, above 0"


class _Counted(NamedTuple):
    counts: list[int]
    error: str | None


def _counted(session: Session, project: ParticleProject, version: ModelVersion | None) -> dict[int, _Counted]:
    """Counts and errors of the picks of a version, without the picks: those of a thousand micrographs fill memory."""
    if version is None:
        return {}
    statement = (
        select(PickedMicrograph.micrograph_id, PickedMicrograph.counts, PickedMicrograph.error)
        .join(Micrograph, Micrograph.id == PickedMicrograph.micrograph_id)
        .where(Micrograph.project_id == project.id, PickedMicrograph.model_version_id == version.id)
    )
    return {row.micrograph_id: _Counted(row.counts, row.error) for row in session.execute(statement)}


def _up_to_date(session: Session, project: ParticleProject, version: ModelVersion | None) -> int:
    """Micrographs that a version has picked as they are now, with the diameter of now."""
    if version is None:
        return 0
    statement = (
        select(func.count())
        .select_from(PickedMicrograph)
        .join(Micrograph, Micrograph.id == PickedMicrograph.micrograph_id)
        .where(
            Micrograph.project_id == project.id,
            Micrograph.problem.is_(None),
            PickedMicrograph.model_version_id == version.id,
            PickedMicrograph.diameter_px == project.diameter_px,
            PickedMicrograph.fingerprint == Micrograph.fingerprint,
            PickedMicrograph.error.is_(None),
        )
    )
    return session.scalar(statement) or 0


def _failed(session: Session, project: ParticleProject, version: ModelVersion | None) -> int:
    """Micrographs that can be opened and could not be picked."""
    statement = (
        select(func.count())
        .select_from(PickedMicrograph)
        .join(Micrograph, Micrograph.id == PickedMicrograph.micrograph_id)
        .where(
            Micrograph.project_id == project.id,
            Micrograph.problem.is_(None),
            PickedMicrograph.model_version_id == (-1 if version is None else version.id),
            PickedMicrograph.error.is_not(None),
        )
    )
    return session.scalar(statement) or 0


def _project_view(session: Session, project: ParticleProject) -> ParticleProjectView:
    version = current_version(session, project)
    marks = marks_of_project(session, project.id)

    def count(*conditions: object) -> int:
        statement = select(func.count()).select_from(Micrograph).where(Micrograph.project_id == project.id)
        return session.scalar(statement.where(*conditions)) or 0  # type: ignore[arg-type]

    return ParticleProjectView(
        id=project.id,
        name=project.name,
        folder=project.folder,
        pattern=project.pattern,
        diameter_px=project.diameter_px,
        pixel_size_angstrom=project.pixel_size_angstrom,
        model=project.model,
        model_version=None if version is None else version.version,
        micrographs=count(),
        picked=_up_to_date(session, project, version),
        labelled=sum(bool(len(one.particles)) or one.finished for one in marks.values()),
        marked_particles=sum(len(one.particles) for one in marks.values()),
        problems=count(Micrograph.problem.is_not(None)) + _failed(session, project, version),
        created_at=project.created_at,
    )


def _micrograph_view(
    row: Micrograph, project: ParticleProject, marks: Marks, shown: int | None, error: str | None
) -> MicrographView:
    return MicrographView(
        id=row.id,
        project_id=row.project_id,
        name=os.path.relpath(row.path, project.folder),
        width_px=row.width_px,
        height_px=row.height_px,
        pixel_size_angstrom=project.pixel_size_angstrom or row.pixel_size_angstrom,
        problem=row.problem or error,
        picks=shown,
        marked=len(marks.particles),
        finished=marks.finished,
    )


__all__ = [
    "ProjectFacts",
    "change_project",
    "create_project",
    "get_micrograph",
    "get_project",
    "list_projects",
    "micrograph_view",
    "micrograph_views",
    "project_view",
    "remove_project",
]
