"""Looking through a project's folder for micrographs that are new, have changed, or are gone."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import ImageError
from structloop.imaging.micrographs import MICROGRAPH_ENDINGS, probe_micrograph
from structloop.particles.projects.projects import get_project
from structloop.store import Database
from structloop.store.tables import Micrograph
from structloop.store.tables.base import utc_now

_PROBLEM_LENGTH = 1000
_COMMIT_EVERY = 200


def scan_project(
    database: Database,
    project_id: int,
    *,
    on_progress: Callable[[int, int | None, str], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, int]:
    """Looks through the folder of a project for micrographs that are new or have changed; safe to repeat.

    Args:
        database: Where the project is.
        project_id: Which one.
        on_progress: Told (done, total, name).
        should_stop: Asked between files; what was found until then is kept.

    Returns:
        How many are `found`, `new`, `changed`, and have `problems`; `gone` files stay listed with their problem.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.reading() as session:
        project = get_project(session, project_id)
        folder, pattern = Path(project.folder), project.pattern
        rows = session.execute(
            select(Micrograph.path, Micrograph.fingerprint).where(Micrograph.project_id == project_id)
        )
        known = {row.path: row.fingerprint for row in rows}
    paths = sorted(_micrograph_files(folder, pattern))
    counts = {"found": len(paths), "new": 0, "changed": 0, "problems": 0, "gone": 0}
    todo = [(path, mark) for path, mark in paths if known.get(str(path)) != mark]
    for start in range(0, len(todo), _COMMIT_EVERY):
        found = []
        for number, (path, mark) in enumerate(todo[start : start + _COMMIT_EVERY], start):
            if should_stop is not None and should_stop():
                break
            if on_progress is not None:
                on_progress(number, len(todo), path.name)
            found.append(_facts_of(path, mark))
        with database.session() as session:
            for facts in found:
                _keep(session, project_id, facts, counts)
        if len(found) < min(_COMMIT_EVERY, len(todo) - start):
            return counts
    counts["gone"] = _mark_gone(database, project_id, {str(path) for path, _ in paths})
    if on_progress is not None:
        on_progress(len(todo), len(todo), "")
    return counts


def fingerprint(path: Path) -> str:
    """Of path, size and time of change: what a file's picks and pictures are kept under."""
    status = path.stat()
    return hashlib.sha256(f"{path}\n{status.st_size}\n{status.st_mtime_ns}".encode()).hexdigest()


def _micrograph_files(folder: Path, pattern: str) -> list[tuple[Path, str]]:
    found = []
    for path in folder.glob(pattern):
        if path.suffix.lower() in MICROGRAPH_ENDINGS and not path.name.startswith(".") and path.is_file():
            # A link may lead out of the folder that a person may look at.
            if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
                continue
            found.append((path, fingerprint(path)))
    return found


def _facts_of(path: Path, mark: str) -> dict[str, object]:
    facts: dict[str, object] = {"path": str(path), "fingerprint": mark, "problem": None}
    try:
        header = probe_micrograph(path)
    except ImageError as error:
        return facts | {"problem": str(error)[:_PROBLEM_LENGTH]}
    return facts | {
        "width_px": header.width_px,
        "height_px": header.height_px,
        "pixel_size_angstrom": header.pixel_size_angstrom,
    }


def _keep(session: Session, project_id: int, facts: dict[str, object], counts: dict[str, int]) -> None:
    row = session.scalar(
        select(Micrograph).where(Micrograph.project_id == project_id, Micrograph.path == facts["path"])
    )
    counts["problems"] += facts["problem"] is not None
    if row is None:
        counts["new"] += 1
        session.add(Micrograph(project_id=project_id, created_at=utc_now(), **facts))
        return
    counts["changed"] += 1
    for name, value in facts.items():
        setattr(row, name, value)


def _mark_gone(database: Database, project_id: int, there: set[str]) -> int:
    gone = 0
    with database.session() as session:
        for row in session.scalars(select(Micrograph).where(Micrograph.project_id == project_id)):
            if row.path not in there:
                gone += 1
                row.problem = f"{row.path} is not there any more; was it moved or deleted?"
                row.fingerprint = "gone"
    return gone


__all__ = ["fingerprint", "scan_project"]
