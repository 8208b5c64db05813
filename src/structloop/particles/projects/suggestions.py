"""Which micrographs of a project to label next."""

import os

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.particles.projects.marks import marks_of_project
from structloop.particles.projects.picked import current_version
from structloop.particles.projects.projects import get_project
from structloop.particles.projects.views import SuggestionView
from structloop.particles.suggesting import MicrographTraits, suggest
from structloop.store import Database
from structloop.store.tables import Micrograph, PickedMicrograph

_UNLIKE = 1.2
"""Times the usual distance from which a micrograph is called unlike the others."""


def suggestions(database: Database, project_id: int, count: int) -> list[SuggestionView]:
    """The `count` micrographs from which the model would learn most, the best first.

    They are chosen as `structloop.particles.suggesting.suggest` says, by what the project's model picked. Before
    anything is picked, micrographs far apart in the order of collection are suggested.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.reading() as session:
        project = get_project(session, project_id)
        version = current_version(session, project)
        marks = marks_of_project(session, project_id)
        labelled = {key for key, one in marks.items() if one.finished or len(one.particles)}
        rows = session.execute(
            select(Micrograph.id, Micrograph.path)
            .where(Micrograph.project_id == project_id, Micrograph.problem.is_(None))
            .order_by(Micrograph.path)
        ).all()
        known = [] if version is None else _traits(session, project_id, version.id)
        folder = project.folder
    names = {row.id: os.path.relpath(row.path, folder) for row in rows}
    candidates = [row.id for row in rows if row.id not in labelled]
    if not candidates:
        return []
    if not {int(each.micrograph) for each in known} - labelled:
        places = np.linspace(0, len(candidates) - 1, min(count, len(candidates))).astype(np.intp).tolist()
        spread = "nothing is picked yet: micrographs from all over the session teach most"
        far_apart = [candidates[place] for place in places]
        return [SuggestionView(micrograph_id=row, name=names[row], reason=spread) for row in far_apart]
    chosen = suggest(known, count=count, labelled=[str(key) for key in labelled])
    return [
        SuggestionView(
            micrograph_id=int(each.micrograph),
            name=names[int(each.micrograph)],
            reason=_reason(each.expected_particles, each.undecided, each.novelty, bool(labelled)),
        )
        for each in chosen
    ]


def _traits(session: Session, project_id: int, version_id: int) -> list[MicrographTraits]:
    rows = session.execute(
        select(PickedMicrograph.micrograph_id, PickedMicrograph.traits)
        .join(Micrograph, Micrograph.id == PickedMicrograph.micrograph_id)
        .where(
            Micrograph.project_id == project_id,
            Micrograph.problem.is_(None),
            PickedMicrograph.model_version_id == version_id,
            PickedMicrograph.error.is_(None),
        )
        .order_by(Micrograph.path)
    )
    return [MicrographTraits.from_json(str(row.micrograph_id), row.traits) for row in rows if row.traits is not None]


def _reason(expected: float, undecided: float, novelty: float, any_labelled: bool) -> str:
    about = f"about {expected:.0f} particles, {undecided:.0f} of them in doubt"
    if any_labelled and novelty > _UNLIKE:
        return f"{about}; it looks unlike those that are labelled"
    return about


__all__ = ["suggestions"]
