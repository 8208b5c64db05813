"""Exposures in the store: written once however often it is said, judged by the session's limits, pooled by place."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from structloop.core.errors import JudgingError, NotFoundError
from structloop.exposures.judging import limits_from_json, limits_of, limits_to_json
from structloop.exposures.listing import list_sessions
from structloop.exposures.records import (
    ExposureRecord,
    Standing,
    beat,
    close_session,
    open_session,
    record_exposures,
    rejudge,
    update_ice,
)
from structloop.exposures.sessions import (
    commonest_reasons,
    condition_of,
    counts_of,
    get_session,
    places_of,
)
from structloop.exposures.tables import table_rows
from structloop.micrographs.judging import Limits
from structloop.store import Database
from structloop.store.tables import AcquisitionSession, Exposure, Grid, ProcessedExposure

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def opened(database: Database, tmp_path: Path, name: str = "night") -> int:
    return open_session(
        database, name=name, source="movies", results=tmp_path / name, settings={"threads": 2}, watched=True
    )


def record(name: str, **values: object) -> ExposureRecord:
    fine = {
        "state": "done",
        "grid": "G1",
        "square": "S1",
        "taken_at": NOW,
        "total_motion_angstrom": 12.0,
        "defocus_u_um": 1.32,
        "defocus_v_um": 1.30,
        "rings_seen": True,
        "ctf_resolution_angstrom": 3.6,
        "ctf_confidence": 0.99,
        "details": {"remarks": []},
    }
    return ExposureRecord(name, f"/movies/{name}.tiff", "f" * 64, processed_at=NOW, **(fine | values))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """SQLite, migrated once: every test has folders, and so sessions, of its own."""
    with closing(Database(f"sqlite:///{tmp_path_factory.mktemp('store') / 'structloop.db'}")) as made:
        yield made


def rows_of(database: Database, session_id: int) -> dict[str, ProcessedExposure]:
    with database.reading() as session:
        found = session.query(ProcessedExposure).filter_by(session_id=session_id).all()
        return {row.name: row for row in found}


def test_a_folder_of_results_is_one_session(store: Database, tmp_path: Path) -> None:
    first = opened(store, tmp_path)
    close_session(store, first, "stopped")
    again = opened(store, tmp_path)
    assert again == first
    other = open_session(store, name="night", source="m", results=tmp_path / "b", settings={}, watched=False)
    beat(store, other, Standing(7, 620.0, 480.0, "falling behind", ("two pixel sizes",)))
    with store.reading() as session:
        listed = [(row.name, row.state, row.waiting, row.behind) for row in list_sessions(store)][:2]
        assert listed == [("night 2", "running", 7, "falling behind"), ("night", "running", 0, None)]
        row = get_session(session, str(tmp_path / "b"))
        assert row.id == get_session(session, "night 2").id == get_session(session, str(other)).id == other
        assert row.heartbeat_at is not None
        assert condition_of(row, row.heartbeat_at) == "running"
        assert condition_of(row, row.heartbeat_at + timedelta(minutes=5)) == "killed"
        with pytest.raises(NotFoundError, match="there is no session of exposures 'day'"):
            get_session(session, "day")


def test_rows_are_written_anew_and_judged_by_the_sessions_limits(database: Database, tmp_path: Path) -> None:
    session_id = opened(database, tmp_path)
    record_exposures(database, session_id, [record("a"), record("b", total_motion_angstrom=90.0)])
    record_exposures(database, session_id, [record("broken", state="failed", reason="x" * 3000)])
    record_exposures(database, session_id, [record("b", total_motion_angstrom=80.0)])
    rows = rows_of(database, session_id)
    assert sorted(rows) == ["a", "b", "broken"]
    assert rows["a"].problematic is not None
    assert rows["a"].problematic < 0.01
    assert rows["b"].problematic is not None
    assert rows["b"].problematic > 0.99
    assert [each["words"] for each in rows["b"].reasons] == ["moved 80 Å, more than 50"]
    assert (rows["broken"].problematic, rows["broken"].reasons, len(rows["broken"].reason or "")) == (None, [], 2000)
    with database.reading() as session:
        counts = counts_of(session, [session_id])[session_id]
        assert (counts.all, counts.done, counts.failed, counts.fine, counts.problematic) == (3, 2, 1, 1, 1)
    told = {"metadata": {"voltage_kv": {"value": 200.0}}, "ctf": {"cs_mm": 2.0}, "remarks": ["one", "two"]}
    record_exposures(database, session_id, [record("c", details=told)])
    with database.reading() as session:
        table = {row["name"]: row for row in table_rows(session, session_id)}
        assert table_rows(session, session_id, [table["c"]["id"], 10**6]) == [table["c"]]
    assert (table["c"]["voltage_kv"], table["c"]["cs_mm"], table["c"]["amplitude_contrast"]) == (200.0, 2.0, None)
    assert (table["c"]["remarks"], table["b"]["reasons"]) == ("one; two", "moved 80 Å, more than 50")
    with pytest.raises(NotFoundError):
        record_exposures(database, session_id + 100, [record("a")])


def test_other_limits_judge_all_anew_and_later_ones_too(store: Database, tmp_path: Path) -> None:
    session_id = opened(store, tmp_path)
    record_exposures(store, session_id, [record("a"), record("b", ctf_resolution_angstrom=5.0)])
    wanted = limits_from_json({"most_ctf_resolution_angstrom": 4.0, "most_total_motion_angstrom": None})
    assert rejudge(store, session_id, wanted, "operator") == 2
    record_exposures(store, session_id, [record("c", ctf_resolution_angstrom=5.0, total_motion_angstrom=99.0)])
    rows = rows_of(store, session_id)
    assert {name: (row.problematic or 0) > 0.5 for name, row in rows.items()} == {"a": False, "b": True, "c": True}
    assert [each["indicator"] for each in rows["c"].reasons] == ["ctf_resolution_angstrom"]
    with store.reading() as session:
        owner = get_session(session, session_id)
        assert limits_of(owner) == wanted
        assert owner.limits_origin == "operator"
    with pytest.raises(JudgingError, match="lower one first"):
        rejudge(store, session_id, Limits(defocus_um=(3.0, 1.0)))
    assert rows_of(store, session_id)["a"].problematic == rows["a"].problematic


def test_without_rings_nothing_that_was_read_from_them_counts(store: Database, tmp_path: Path) -> None:
    session_id = opened(store, tmp_path)
    blind = record("a", rings_seen=False, defocus_u_um=9.0, ctf_resolution_angstrom=None, ctf_confidence=0.01)
    record_exposures(store, session_id, [blind])
    said = [each["words"] for each in rows_of(store, session_id)["a"].reasons]
    assert said == ["no rings are seen", "no rings to be believed (confidence 0.01)"]


def test_ice_is_judged_by_its_reference(store: Database, tmp_path: Path) -> None:
    session_id = opened(store, tmp_path)
    record_exposures(store, session_id, [record("thin"), record("thick")])
    method = "intensity against the thinnest place (Beer-Lambert), mean free path 300 nm"
    update_ice(store, session_id, {"thin": (0.0, 0.0, method), "thick": (0.9, 270.0, method)})
    rows = rows_of(store, session_id)
    # The thinnest of all is not known to be too thin.
    assert rows["thin"].reasons == []
    assert [each["words"] for each in rows["thick"].reasons] == ["ice is 270 nm thick, more than 120"]
    assert (rows["thick"].ice_relative, rows["thick"].ice_method) == (0.9, method)


def test_places_are_pooled_and_left_with_reasons(store: Database, tmp_path: Path) -> None:
    session_id = opened(store, tmp_path)
    later = [NOW + timedelta(minutes=number) for number in range(12)]
    good = [record(f"g{n}", square="S1", taken_at=at) for n, at in enumerate(later)]
    poor = [record(f"p{n}", square="S2", taken_at=at, total_motion_angstrom=95.0) for n, at in enumerate(later)]
    failed = record("f", square="S2", state="failed", reason="cut off")
    record_exposures(store, session_id, [*poor, *good, failed])
    with store.reading() as session:
        grid, first, second = places_of(session, session_id)
        worst = commonest_reasons(session.query(ProcessedExposure).filter_by(session_id=session_id).all())
    assert (grid.kind, grid.name, grid.pooled.exposures, grid.leaving.leave) == ("grid", "G1", 24, False)
    assert (first.name, first.leaving.leave, first.pooled.share < 0.3) == ("S1", False, True)
    assert (second.name, second.leaving.leave, second.pooled.exposures) == ("S2", True, 12)
    assert second.leaving.exposures < 12
    assert [each.words for each in second.reasons] == ["moved 95 Å, more than 50"]
    assert [(each.indicator, each.exposures) for each in worst] == [("total_motion_angstrom", 12)]


def test_records_and_limits_go_through_the_journal_unchanged() -> None:
    one = record("a", ice_nm=31.5, details={"tracks": {"whole": [[0.0, 1.5]]}})
    assert ExposureRecord.from_json(one.to_json()) == one
    wanted = Limits(defocus_um=(None, 2.5), crystalline_ice_allowed=True, most_tilt_deg=10.0)
    assert limits_from_json(limits_to_json(wanted)) == wanted
    for values, words in (
        ({"motion": 3}, "there is no limit 'motion'; limits are most_total_motion_angstrom, "),
        ({"defocus_um": 3}, r"the limit defocus_um is 3; give \[low, high\]"),
        ({"most_tilt_deg": "5"}, "the limit most_tilt_deg is '5'; give a number"),
        ({"most_tilt_deg": -5}, "give one above 0"),
        ({"film_posing_allowed": 1}, "give true or false"),
    ):
        with pytest.raises(JudgingError, match=words):
            limits_from_json(values)


def test_an_imported_acquisition_is_linked(store: Database, tmp_path: Path) -> None:
    key = "FoilHole_1_Data_2_3_20261121_101500"
    with store.session() as session:
        acquired = AcquisitionSession(key="epu", name="epu", program="EPU", root=str(tmp_path))
        session.add(acquired)
        session.flush()
        grid = Grid(session_id=acquired.id, key="1")
        session.add(grid)
        session.flush()
        exposure = Exposure(grid_id=grid.id, key=key)
        session.add(exposure)
        session.flush()
        wanted = exposure.id
    session_id = open_session(store, name="l", source="m", results=tmp_path, settings={}, watched=False)
    record_exposures(store, session_id, [record(f"{key}_Fractions"), record("other")])
    assert {name: row.exposure_id for name, row in rows_of(store, session_id).items()} == {
        f"{key}_Fractions": wanted,
        "other": None,
    }
