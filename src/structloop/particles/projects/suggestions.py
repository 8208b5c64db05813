"""Which micrographs of a project to label next: those that the model is least sure of, and unlike one another."""

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from structloop.particles.projects.marks import marks_of_project
from structloop.particles.projects.picked import StoredPicks, current_version, open_picks
from structloop.particles.projects.projects import get_project, micrograph_views
from structloop.particles.projects.views import SuggestionView
from structloop.store import Database
from structloop.store.tables import Micrograph

_BINS = 8


def suggestions(database: Database, project_id: int, count: int) -> list[SuggestionView]:
    """The `count` micrographs from which the model would learn most, the best first.

    A micrograph is worth what its picks leave open (the sum of p (1 - p), as a share of all that is open), and the more
    so the less it resembles those that are labelled or suggested already (number of picks and how their probabilities
    are spread). Before anything is picked, micrographs far apart in the order of collection are suggested.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.reading() as session:
        project = get_project(session, project_id)
        version = current_version(session, project)
        marks = marks_of_project(session, project_id)
        labelled = {key for key, one in marks.items() if one.finished or len(one.particles)}
        rows = session.scalars(
            select(Micrograph.id)
            .where(Micrograph.project_id == project_id, Micrograph.problem.is_(None))
            .order_by(Micrograph.path)
        ).all()
        picks = {row: open_picks(session, row, version) for row in rows}
    names = {view.id: view.name for view in micrograph_views(database, project_id, 0.5)}
    candidates = [row for row in rows if row not in labelled]
    if not candidates:
        return []
    if version is None:
        chosen = [candidates[int(place)] for place in np.linspace(0, len(candidates) - 1, min(count, len(candidates)))]
        spread = "nothing is picked yet: micrographs from all over the session teach most"
        return [SuggestionView(micrograph_id=row, name=names[row], reason=spread) for row in dict.fromkeys(chosen)]
    open_share = np.array([_open(picks[row]) for row in candidates])
    worth = open_share / max(open_share.max(), 1e-9)
    features = np.stack([_features(picks[row]) for row in [*candidates, *labelled] if row in picks])
    features /= np.maximum(features.std(axis=0), 1e-9)
    known = [place for place, row in enumerate([*candidates, *labelled]) if row in labelled]
    found: list[SuggestionView] = []
    left = list(range(len(candidates)))
    while left and len(found) < count:
        gains = [worth[place] * _novelty(features, place, known) for place in left]
        best = left.pop(int(np.argmax(gains)))
        known.append(best)
        row = candidates[best]
        unsure = int(np.sum(np.abs(picks[row].probabilities - 0.5) < 0.3))
        reason = f"{unsure} of {len(picks[row].probabilities)} places could be a particle or not"
        found.append(SuggestionView(micrograph_id=row, name=names[row], reason=reason))
    return found


def _open(picks: StoredPicks) -> float:
    return float(np.sum(picks.probabilities * (1 - picks.probabilities)))


def _features(picks: StoredPicks) -> NDArray[np.float64]:
    spread, _ = np.histogram(picks.probabilities, bins=_BINS, range=(0, 1))
    return np.append(spread / max(1, spread.sum()), np.log1p(spread.sum()))


def _novelty(features: NDArray[np.float64], place: int, known: list[int]) -> float:
    if not known:
        return 1.0
    nearest = float(np.min(np.linalg.norm(features[known] - features[place], axis=1)))
    return 0.25 + 0.75 * nearest / (1.0 + nearest)


__all__ = ["suggestions"]
