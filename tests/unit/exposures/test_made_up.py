"""A made-up session: in the store as if it had been processed, judged and pooled like any other."""

from pathlib import Path

import pytest
from sqlalchemy import select

from structloop.core.errors import SimulationError
from structloop.exposures.judging import judge_exposure
from structloop.exposures.made_up import LIMITS, store_made_up_session
from structloop.exposures.sessions import places_of
from structloop.simulation.exposure_sessions import make_up_exposures
from structloop.store import Database
from structloop.store.tables import ProcessedExposure, ProcessingSession


def test_a_made_up_session_is_judged_by_its_limits_and_has_places(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    key = store_made_up_session(database, tmp_path / "results", count=240, seed=3, pictures=[("a.png", "b.png")])
    with database.reading() as session:
        owner = session.get_one(ProcessingSession, key)
        rows = session.scalars(select(ProcessedExposure).where(ProcessedExposure.session_id == key)).all()
        places = places_of(session, key)
    database.close()
    assert owner.state == "finished"
    assert len(rows) == 240
    for row in rows:
        judgement = judge_exposure(row, LIMITS)
        assert row.problematic == (None if judgement is None else judgement.problematic)
        assert (row.picture_file is None) == (row.state == "failed")
        assert (row.reason is not None) == (row.state == "failed")
    assert {each.kind for each in places} == {"grid", "square"}
    assert any(row.problematic is not None and row.problematic > 0.5 for row in rows)


def test_the_same_seed_makes_up_the_same_session() -> None:
    assert make_up_exposures(20, 5) == make_up_exposures(20, 5)
    assert make_up_exposures(20, 5) != make_up_exposures(20, 6)
    assert len({each.name for each in make_up_exposures(120)}) == 120
    with pytest.raises(SimulationError):
        make_up_exposures(0)


def test_a_made_up_path_is_as_long_as_it_is_said(tmp_path: Path) -> None:
    for made in make_up_exposures(10, 1):
        if made.total_motion_angstrom is None:
            continue
        steps = zip(made.track_angstrom, made.track_angstrom[1:], strict=False)
        length = sum(((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5 for a, b in steps)
        assert length == pytest.approx(made.total_motion_angstrom, rel=0.03)
