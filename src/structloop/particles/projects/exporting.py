"""A project's particles in the files of other programs."""

import io
import os
import tempfile
import zipfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sqlalchemy import select

from structloop.core.errors import ParticleProjectError
from structloop.particles.coordinates.writing import FORMATS, write_coordinates
from structloop.particles.projects.marks import SAME_PARTICLE_DIAMETERS, Marks, marks_of_project, picks_left
from structloop.particles.projects.picked import StoredPicks, current_version, open_picks
from structloop.particles.projects.projects import get_project
from structloop.schema.particles import MicrographPicks, PickSet
from structloop.store import Database
from structloop.store.tables import Micrograph

_MARKED_SCORE = 1.0
"""Of a particle that a person marked where no model picked one."""


class NamesAs(StrEnum):
    """How micrographs are named in exported files."""

    RELATIVE = "relative"
    """Path below the project's folder: right where the program runs in that folder."""
    ABSOLUTE = "absolute"
    FILE = "file"
    """Name of the file alone."""


@dataclass(frozen=True)
class Export:
    """A file to hand out.

    Attributes:
        name: Its name.
        data: Its bytes; a ZIP archive where the format has a file per micrograph.
        picks, micrographs: How many it holds.
        remarks: What the format has no place for, and what may keep another program from using the picks.
    """

    name: str
    data: bytes
    picks: int
    micrographs: int
    remarks: tuple[str, ...]


def project_picks(
    database: Database, project_id: int, *, threshold: float, names: NamesAs = NamesAs.RELATIVE
) -> PickSet:
    """What a project holds: on finished micrographs what people marked, on the others that and the model's picks.

    Args:
        database: Where the project is.
        project_id: Which one.
        threshold: Picks that are at least so probable.
        names: How micrographs are named.

    Returns:
        Picks with their probabilities as scores; 1 for a particle that only a person saw.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.reading() as session:
        project = get_project(session, project_id)
        version = current_version(session, project)
        marks = marks_of_project(session, project_id)
        rows = session.scalars(
            select(Micrograph)
            .where(Micrograph.project_id == project_id, Micrograph.problem.is_(None))
            .order_by(Micrograph.path)
        )
        found = []
        for row in rows:
            picks = open_picks(session, row.id, version)
            xy_px, scores = _particles(picks, marks.get(row.id), project.diameter_px, threshold)
            found.append(
                MicrographPicks(
                    _name(row.path, project.folder, names),
                    xy_px,
                    scores,
                    size_px=np.full((len(xy_px), 2), project.diameter_px),
                    shape_px=None if row.height_px is None or row.width_px is None else (row.height_px, row.width_px),
                    pixel_size_angstrom=project.pixel_size_angstrom or row.pixel_size_angstrom,
                )
            )
        return PickSet(tuple(found), origin=project.name)


def export_project(
    database: Database,
    project_id: int,
    *,
    format: str,  # noqa: A002
    threshold: float,
    names: NamesAs = NamesAs.RELATIVE,
) -> Export:
    """The particles of a project as one file, or as a ZIP archive of one file per micrograph.

    Raises:
        NotFoundError: there is no such project.
        ParticleProjectError: there is no such format, or nothing to export.
        CoordinateFileError: the format cannot hold the picks.
    """
    if format not in FORMATS:
        raise ParticleProjectError(f"'{format}' is no format of coordinates; there are {', '.join(FORMATS)}")
    picks = project_picks(database, project_id, threshold=threshold, names=names)
    if not picks.count:
        raise ParticleProjectError(
            "there is nothing to export: no particle is marked, and no pick reaches the threshold; pick or mark first"
        )
    chosen = FORMATS[format]
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in picks.origin) or "picks"
    with tempfile.TemporaryDirectory(prefix="structloop-export-") as folder:
        target = Path(folder) / (f"{stem}{chosen.ending}" if chosen.many else stem)
        written = write_coordinates(picks, target, format=format)
        missing = [f"the format has no place for {', '.join(written.left_out)}"] if written.left_out else []
        remarks = (*missing, *written.remarks)
        if chosen.many:
            name, data = target.name, target.read_bytes()
        else:
            name, data = f"{stem}.zip", _zipped(written.files, Path(folder))
    return Export(name, data, written.picks, written.micrographs, remarks)


def _particles(
    picks: StoredPicks, marks: Marks | None, diameter_px: float, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if marks is None:
        chosen = picks.above(threshold)
        return chosen.xy_px, chosen.probabilities
    scores = np.full(len(marks.particles), _MARKED_SCORE)
    if len(picks.xy_px) and len(scores):
        far, found = cKDTree(picks.xy_px).query(marks.particles)
        nearest = np.asarray(found, np.intp)
        same = far <= diameter_px * SAME_PARTICLE_DIAMETERS
        scores[same] = picks.probabilities[nearest[same]]
    if marks.finished:
        return marks.particles, scores
    left = picks_left(picks.above(threshold), marks, diameter_px)
    return np.concatenate([marks.particles, left.xy_px]), np.concatenate([scores, left.probabilities])


def _name(path: str, folder: str, names: NamesAs) -> str:
    if names is NamesAs.ABSOLUTE:
        return path
    return os.path.relpath(path, folder) if names is NamesAs.RELATIVE else Path(path).name


def _zipped(files: tuple[Path, ...], below: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(below).as_posix())
    return buffer.getvalue()


__all__ = ["Export", "NamesAs", "export_project", "project_picks"]
