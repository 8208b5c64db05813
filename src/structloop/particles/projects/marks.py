"""What people mark on micrographs: append-only, and undone by adding rows that withdraw others.

A row counts unless a row that counts withdraws it, so that undoing an undo brings back what was undone. All rows of one
action (a click, a box, an accepted micrograph) are undone together.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import LabelsError, NotFoundError
from structloop.particles.projects.picked import StoredPicks, current_picks
from structloop.store import Database
from structloop.store.tables import Micrograph, ParticleMark, ParticleProject

SAME_PARTICLE_DIAMETERS = 0.3
"""Marks and picks nearer to one another than this, in particle diameters, are of the same particle."""

CLICK_DIAMETERS = 0.6
"""How far from a particle's centre, in particle diameters, a click still means that particle."""

_UNDO = "undo:"
_REDO = "redo:"


@dataclass(frozen=True)
class Marks:
    """What counts of all that was said of one micrograph.

    Attributes:
        particles: Centres (n, 2) that somebody marked or confirmed, x and y in stored pixels.
        others: Places (m, 2) where somebody said that there is no particle.
        finished: Whether somebody said that all its particles are marked.
        can_undo, can_redo: Whether there is an action to undo or to redo.
    """

    particles: NDArray[np.float64]
    others: NDArray[np.float64]
    finished: bool
    can_undo: bool
    can_redo: bool


NO_MARKS = Marks(np.zeros((0, 2)), np.zeros((0, 2)), finished=False, can_undo=False, can_redo=False)


@dataclass(frozen=True)
class Box:
    """A rectangle in stored pixels, edges included."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the places (n, 2) lie inside."""
        low = np.array([min(self.left, self.right), min(self.top, self.bottom)])
        high = np.array([max(self.left, self.right), max(self.top, self.bottom)])
        return np.all((xy >= low) & (xy <= high), axis=1) if len(xy) else np.zeros(0, bool)


def read_marks(session: Session, micrograph_id: int) -> Marks:
    """What counts of a micrograph's marks."""
    return _summary(_rows(session, micrograph_id))


def marks_of_project(session: Session, project_id: int) -> dict[int, Marks]:
    """What counts, of every micrograph of a project on which something was marked, by its key."""
    rows: dict[int, list[ParticleMark]] = {}
    statement = select(ParticleMark).where(ParticleMark.project_id == project_id).order_by(ParticleMark.id)
    for row in session.scalars(statement):
        rows.setdefault(row.micrograph_id, []).append(row)
    return {micrograph: _summary(found) for micrograph, found in rows.items()}


def add_particle(database: Database, micrograph_id: int, x_px: float, y_px: float, *, annotator: str) -> Marks:
    """Marks a particle's centre; where one is marked already (0.3 diameters), nothing is added.

    Raises:
        NotFoundError: there is no such micrograph.
        LabelsError: the place lies outside the micrograph.
    """
    with database.session() as session:
        micrograph, project = _micrograph(session, micrograph_id)
        place = _inside(micrograph, x_px, y_px)
        marks = read_marks(session, micrograph_id)
        near = project.diameter_px * SAME_PARTICLE_DIAMETERS
        if not _near(place[np.newaxis], marks.particles, near)[0]:
            action = _new_action()
            # What was erased here before is taken back: the last word of a person counts.
            erased = _rows_near(session, micrograph_id, "other", place[np.newaxis], near)
            _withdraw(session, micrograph, erased, action, annotator)
            _say(session, micrograph, "particle", [place], action, annotator)
        return read_marks(session, micrograph_id)


def erase_at(database: Database, micrograph_id: int, x_px: float, y_px: float, *, annotator: str) -> Marks:
    """Removes the mark or pick nearest to a click, if one is near enough (0.6 diameters).

    A mark is withdrawn; at a pick, a row says that there is no particle.

    Raises:
        NotFoundError: there is no such micrograph.
        LabelsError: the place lies outside the micrograph.
    """
    with database.session() as session:
        micrograph, project = _micrograph(session, micrograph_id)
        place = _inside(micrograph, x_px, y_px)
        marks, picks = read_marks(session, micrograph_id), current_picks(session, micrograph_id)
        shown = _concatenate(marks.particles, picks_left(picks, marks, project.diameter_px).xy_px)
        if len(shown):
            far = np.hypot(*(shown - place).T)
            nearest = int(np.argmin(far))
            if far[nearest] <= project.diameter_px * CLICK_DIAMETERS:
                _erase(session, micrograph, shown[nearest : nearest + 1], project.diameter_px, picks, annotator)
        return read_marks(session, micrograph_id)


def erase_box(database: Database, micrograph_id: int, box: Box, *, annotator: str, threshold: float = 0.0) -> Marks:
    """Removes all marks inside a box, and all picks there whose probability is at least `threshold`.

    Raises:
        NotFoundError: there is no such micrograph.
    """
    with database.session() as session:
        micrograph, project = _micrograph(session, micrograph_id)
        marks, picks = read_marks(session, micrograph_id), current_picks(session, micrograph_id)
        left = picks_left(picks, marks, project.diameter_px).above(threshold)
        shown = _concatenate(marks.particles, left.xy_px)
        inside = shown[box.holds(shown)]
        if len(inside):
            _erase(session, micrograph, inside, project.diameter_px, picks, annotator)
        return read_marks(session, micrograph_id)


def finish(database: Database, micrograph_id: int, *, threshold: float | None, annotator: str) -> Marks:
    """Says that all particles of a micrograph are marked.

    Args:
        database: Where the micrograph is.
        micrograph_id: Which one.
        threshold: Picks that are at least so probable are confirmed as particles; None confirms none.
        annotator: Who says so.

    Raises:
        NotFoundError: there is no such micrograph.
    """
    with database.session() as session:
        micrograph, project = _micrograph(session, micrograph_id)
        marks = read_marks(session, micrograph_id)
        if not marks.finished:
            action = _new_action()
            if threshold is not None:
                left = picks_left(current_picks(session, micrograph_id), marks, project.diameter_px).above(threshold)
                _say(session, micrograph, "particle", list(left.xy_px), action, annotator)
            _say(session, micrograph, "finished", [None], action, annotator)
        return read_marks(session, micrograph_id)


def reopen(database: Database, micrograph_id: int, *, annotator: str) -> Marks:
    """Says that more particles may be found; the particles marked stay.

    Raises:
        NotFoundError: there is no such micrograph.
    """
    with database.session() as session:
        micrograph, _ = _micrograph(session, micrograph_id)
        finished = [row for row in _counting(_rows(session, micrograph_id)) if row.kind == "finished"]
        _withdraw(session, micrograph, finished, _new_action(), annotator)
        return read_marks(session, micrograph_id)


def undo(database: Database, micrograph_id: int, *, annotator: str) -> Marks:
    """Undoes the newest action that is not undone; nothing where there is none.

    Raises:
        NotFoundError: there is no such micrograph.
    """
    with database.session() as session:
        micrograph, _ = _micrograph(session, micrograph_id)
        rows = _counting(_rows(session, micrograph_id))
        action = _newest(rows, to_redo=False)
        if action is not None:
            undone = [row for row in rows if row.action == action]
            _withdraw(session, micrograph, undone, f"{_UNDO}{_new_action()}"[:40], annotator)
        return read_marks(session, micrograph_id)


def redo(database: Database, micrograph_id: int, *, annotator: str) -> Marks:
    """Brings back what was undone last, unless something else was done since.

    Raises:
        NotFoundError: there is no such micrograph.
    """
    with database.session() as session:
        micrograph, _ = _micrograph(session, micrograph_id)
        rows = _counting(_rows(session, micrograph_id))
        action = _newest(rows, to_redo=True)
        if action is not None:
            undone = [row for row in rows if row.action == action]
            _withdraw(session, micrograph, undone, f"{_REDO}{_new_action()}"[:40], annotator)
        return read_marks(session, micrograph_id)


def picks_left(picks: StoredPicks, marks: Marks, diameter_px: float) -> StoredPicks:
    """The picks about which nobody has said anything: those near no particle marked and no place erased."""
    near = diameter_px * SAME_PARTICLE_DIAMETERS
    return picks.only(~(_near(picks.xy_px, marks.particles, near) | _near(picks.xy_px, marks.others, near)))


def _erase(
    session: Session,
    micrograph: Micrograph,
    places: NDArray[np.float64],
    diameter_px: float,
    picks: StoredPicks,
    annotator: str,
) -> None:
    action = _new_action()
    near = diameter_px * SAME_PARTICLE_DIAMETERS
    _withdraw(session, micrograph, _rows_near(session, micrograph.id, "particle", places, near), action, annotator)
    # A mark that is withdrawn would leave the pick below it standing.
    _say(session, micrograph, "other", list(places[_near(places, picks.xy_px, near)]), action, annotator)


def _rows(session: Session, micrograph_id: int) -> list[ParticleMark]:
    session.flush()
    statement = select(ParticleMark).where(ParticleMark.micrograph_id == micrograph_id).order_by(ParticleMark.id)
    return list(session.scalars(statement))


def _counting(rows: Sequence[ParticleMark]) -> list[ParticleMark]:
    """The rows that count, in their order: whatever withdraws a row came after it, so one pass from the end tells."""
    withdrawn: set[int] = set()
    kept = []
    for row in reversed(rows):
        if row.id in withdrawn:
            continue
        kept.append(row)
        if row.withdraws_id is not None:
            withdrawn.add(row.withdraws_id)
    return kept[::-1]


def _summary(rows: Sequence[ParticleMark]) -> Marks:
    counting = _counting(rows)
    return Marks(
        particles=_places(counting, "particle"),
        others=_places(counting, "other"),
        finished=any(row.kind == "finished" for row in counting),
        can_undo=_newest(counting, to_redo=False) is not None,
        can_redo=_newest(counting, to_redo=True) is not None,
    )


def _newest(counting: Sequence[ParticleMark], *, to_redo: bool) -> str | None:
    """The action that `undo` (or `redo`) would take back."""
    for row in reversed(counting):
        if row.action.startswith(_REDO):
            continue
        if row.action.startswith(_UNDO):
            if to_redo:
                return row.action
            continue
        return None if to_redo else row.action
    return None


def _places(rows: Sequence[ParticleMark], kind: str) -> NDArray[np.float64]:
    found = [(row.x_px, row.y_px) for row in rows if row.kind == kind]
    return np.array(found, np.float64).reshape(-1, 2)


def _rows_near(
    session: Session, micrograph_id: int, kind: str, places: NDArray[np.float64], near_px: float
) -> list[ParticleMark]:
    rows = [row for row in _counting(_rows(session, micrograph_id)) if row.kind == kind]
    close = _near(_places(rows, kind), places, near_px)
    return [row for row, is_close in zip(rows, close, strict=True) if is_close]


def _say(
    session: Session,
    micrograph: Micrograph,
    kind: str,
    places: Sequence[NDArray[np.float64] | None],
    action: str,
    annotator: str,
) -> None:
    session.add_all(
        ParticleMark(
            project_id=micrograph.project_id,
            micrograph_id=micrograph.id,
            kind=kind,
            x_px=None if place is None else float(place[0]),
            y_px=None if place is None else float(place[1]),
            action=action,
            annotator=annotator,
        )
        for place in places
    )
    session.flush()


def _withdraw(
    session: Session, micrograph: Micrograph, rows: Sequence[ParticleMark], action: str, annotator: str
) -> None:
    session.add_all(
        ParticleMark(
            project_id=micrograph.project_id,
            micrograph_id=micrograph.id,
            kind="withdrawal",
            action=action,
            withdraws_id=row.id,
            annotator=annotator,
        )
        for row in rows
    )
    session.flush()


def _micrograph(session: Session, micrograph_id: int) -> tuple[Micrograph, ParticleProject]:
    micrograph = session.get(Micrograph, micrograph_id)
    if micrograph is None:
        raise NotFoundError(f"there is no micrograph {micrograph_id}; was its project removed?")
    return micrograph, session.get_one(ParticleProject, micrograph.project_id)


def _inside(micrograph: Micrograph, x_px: float, y_px: float) -> NDArray[np.float64]:
    width, height = micrograph.width_px, micrograph.height_px
    if width is None or height is None:
        raise LabelsError(f"{micrograph.path} cannot be read, so nothing can be marked on it: {micrograph.problem}")
    if not (-0.5 <= x_px <= width - 0.5 and -0.5 <= y_px <= height - 0.5):
        raise LabelsError(
            f"place ({x_px:g}, {y_px:g}) lies outside {micrograph.path}, which has {width} x {height} pixels"
        )
    return np.array([x_px, y_px])


def _near(places: NDArray[np.float64], others: NDArray[np.float64], near_px: float) -> NDArray[np.bool_]:
    """Which of `places` (n, 2) have one of `others` (m, 2) within `near_px`."""
    if not len(places) or not len(others):
        return np.zeros(len(places), bool)
    far, _ = cKDTree(others).query(places, distance_upper_bound=np.nextafter(near_px, np.inf))
    return np.isfinite(far)


def _concatenate(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([first.reshape(-1, 2), second.reshape(-1, 2)])


def _new_action() -> str:
    return uuid.uuid4().hex


__all__ = [
    "CLICK_DIAMETERS",
    "NO_MARKS",
    "SAME_PARTICLE_DIAMETERS",
    "Box",
    "Marks",
    "add_particle",
    "erase_at",
    "erase_box",
    "finish",
    "marks_of_project",
    "picks_left",
    "read_marks",
    "redo",
    "reopen",
    "undo",
]
