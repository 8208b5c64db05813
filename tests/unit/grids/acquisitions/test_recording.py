from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from structloop.core.errors import NotFoundError
from structloop.grids.acquisitions import list_sessions, record_session, session_numbers
from structloop.grids.acquisitions.queries import Extent
from structloop.schema.acquisition import StagePosition
from structloop.schema.grids import (
    AcquisitionRecord,
    AtlasRecord,
    ExposureRecord,
    FileRemark,
    HoleRecord,
    ImageLevel,
    ImageRecord,
    RemarkKind,
    SessionRecord,
    SquareRecord,
    TileRecord,
)
from structloop.store import Database
from structloop.store.tables import AcquisitionRemark, Exposure, GridImage, GridSquare, Hole

BEGAN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PIXELS = b"not really pixels"


def at(x_um: float, y_um: float) -> StagePosition:
    return StagePosition(x_um=x_um, y_um=y_um, z_um=1.0)


def image(key: str, level: ImageLevel, pixel_size_angstrom: float, picture: str | None = None) -> ImageRecord:
    return ImageRecord(
        key=key,
        level=level,
        picture_path=picture,
        pixel_size_angstrom=pixel_size_angstrom,
        width_px=4096,
        height_px=4096,
        stage=at(1.0, 2.0),
        taken_at=BEGAN,
    )


def session(root: Path) -> AcquisitionRecord:
    """One atlas of two tiles, two squares, three holes (one of a square that is not known), two exposures."""
    (root / "hole.jpg").write_bytes(PIXELS)
    tiles = tuple(TileRecord(key=str(number), stage=at(100.0 * number, 0.0)) for number in range(2))
    return AcquisitionRecord(
        root=root,
        session=SessionRecord(key="S1", name="a night", program="EPU", program_version="3.7", slot=4),
        atlases=(AtlasRecord(key="A", pixel_size_angstrom=4000.0, width_px=100, height_px=50, tiles=tiles),),
        squares=(
            SquareRecord(key="1", atlas_key="A", state="Completed", stage=at(-50.0, 10.0), targets=2),
            SquareRecord(key="2", atlas_key="A", stage=at(70.0, -20.0), selected=True),
        ),
        holes=(
            HoleRecord(key="11", square_key="1", state="Completed", stage=at(-51.0, 11.0), center_px=(5.0, 6.0)),
            HoleRecord(
                key="12", square_key="1", near_bar=True, images=(image("h12", ImageLevel.HOLE, 20.0, "hole.jpg"),)
            ),
            HoleRecord(key="31", square_key="3"),
        ),
        exposures=(
            ExposureRecord(
                key="e1", hole_key="11", square_key="1", image=image("e1", ImageLevel.EXPOSURE, 0.8, "gone.jpg")
            ),
            ExposureRecord(key="e2", hole_key="11", square_key="1", image=image("e2", ImageLevel.EXPOSURE, 0.8)),
        ),
        others=(image("focus", ImageLevel.OTHER, 1.0),),
        remarks=(FileRemark("x.txt", RemarkKind.IGNORED, "no file of EPU's"),),
    )


def counts(database: Database, record: AcquisitionRecord) -> dict[str, tuple[int, int, int]]:
    recorded = record_session(database, [record])
    return {level: (counted.added, counted.changed, counted.unchanged) for level, counted in recorded.counts.items()}


def test_everything_is_added_once_and_found_again(database: Database, tmp_path: Path) -> None:
    record = session(tmp_path)
    added = {"grids": 1, "atlases": 1, "squares": 2, "holes": 3, "exposures": 2, "images": 6}
    assert counts(database, record) == {level: (count, 0, 0) for level, count in added.items()}
    assert counts(database, record) == {level: (0, 0, count) for level, count in added.items()}
    (facts,) = list_sessions(database)
    assert (facts.key, facts.name, facts.grids, facts.squares, facts.holes, facts.exposures, facts.images) == (
        "epu:S1",
        "a night",
        1,
        2,
        3,
        2,
        6,
    )


def test_what_belongs_to_what_is_kept_and_the_unknown_waits_for_its_parent(database: Database, tmp_path: Path) -> None:
    record = session(tmp_path)
    record_session(database, [record])
    known = select(Hole.key, GridSquare.key).outerjoin(GridSquare, GridSquare.id == Hole.square_id)
    with database.reading() as reading:
        assert dict(reading.execute(known).all()) == {"11": "1", "12": "1", "31": None}
    later = replace(record, squares=(*record.squares, SquareRecord(key="3", stage=at(0.0, 0.0))))
    assert counts(database, later)["holes"] == (0, 1, 2)
    with database.reading() as reading:
        assert dict(reading.execute(known).all())["31"] == "3"
        of_hole = select(Exposure.key, Hole.key).join(Hole, Hole.id == Exposure.hole_id)
        assert dict(reading.execute(of_hole).all()) == {"e1": "11", "e2": "11"}


def test_what_is_not_said_any_more_is_not_forgotten(database: Database, tmp_path: Path) -> None:
    record = session(tmp_path)
    record_session(database, [record])
    bare = replace(record, squares=(SquareRecord(key="1", state="InProgress"),), holes=(), exposures=(), others=())
    assert counts(database, bare)["squares"] == (0, 1, 0)
    with database.reading() as reading:
        square = reading.scalars(select(GridSquare).where(GridSquare.key == "1")).one()
        assert (square.state, square.x_um, square.details["targets"]) == ("InProgress", -50.0, 2)
        assert reading.scalars(select(Hole.key)).all() == ["11", "12", "31"]


def test_files_are_known_by_size_and_digest_and_read_again_only_when_they_change(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = session(tmp_path)
    recorded = record_session(database, [record])
    row = select(GridImage.path, GridImage.size_bytes, GridImage.sha256)
    with database.reading() as reading:
        path, size, digest = reading.execute(row.where(GridImage.key == "h12")).one()
        assert reading.execute(row.where(GridImage.key == "e2")).one() == (None, None, None)
    assert (path, size) == (str(tmp_path / "hole.jpg"), len(PIXELS))
    assert [remark.path for remark in recorded.remarks if remark.kind is RemarkKind.UNREADABLE] == ["gone.jpg"]
    (tmp_path / "hole.jpg").write_bytes(PIXELS + b"!")
    record_session(database, [record])
    with database.reading() as reading:
        changed = reading.execute(row.where(GridImage.key == "h12")).one()
    assert changed[1] == len(PIXELS) + 1
    assert changed[2] != digest
    # Once more, now that nothing changes: no file is opened.
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("an unchanged file was read"))
    record_session(database, [record])
    (tmp_path / "hole.jpg").unlink()
    record_session(database, [record])
    with database.reading() as reading:
        assert reading.execute(row.where(GridImage.key == "h12")).one() == changed, "a file that is gone was there"


def test_a_recording_that_was_cut_short_is_finished_by_the_next(database: Database, tmp_path: Path) -> None:
    record = session(tmp_path)

    def stop(done: int, total: int, what: str) -> None:
        assert done <= total == 15
        if what == "holes":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_session(database, [record], on_progress=stop)
    assert list_sessions(database)[0].holes == 3
    assert list_sessions(database)[0].exposures == 0
    finished = counts(database, record)
    assert finished["holes"] == (0, 0, 3)
    assert finished["exposures"] == (2, 0, 0)
    assert finished["images"] == (6, 0, 0)


def test_the_numbers_of_a_session_are_told_level_by_level(database: Database, tmp_path: Path) -> None:
    record_session(database, [session(tmp_path)])
    numbers = session_numbers(database, "a night")
    (grid,) = numbers.grids
    assert (grid.key, grid.slot) == ("slot 4", 4)
    levels = {level.level: level for level in grid.levels}
    assert list(levels) == ["atlas", "tile", "square", "hole", "exposure", "other"]
    assert (levels["atlas"].items, levels["atlas"].pixel_sizes_angstrom) == (1, (4000.0,))
    assert (levels["tile"].items, levels["tile"].x_um) == (2, Extent(0.0, 100.0))
    square = levels["square"]
    assert (square.items, square.placed, square.images) == (2, 2, 0)
    assert (square.x_um, square.y_um) == (Extent(-50.0, 70.0), Extent(-20.0, 10.0))
    assert square.states == {"Completed": 1}
    assert (levels["hole"].items, levels["hole"].placed, levels["hole"].files) == (3, 1, 1)
    assert levels["hole"].pixel_sizes_angstrom == (20.0,)
    exposure = levels["exposure"]
    assert (exposure.items, exposure.images, exposure.files, exposure.pixel_sizes_angstrom) == (2, 2, 0, (0.8,))
    assert numbers.remarks[1] == ("x.txt", "ignored", "no file of EPU's")


def test_grids_of_one_session_are_kept_apart(database: Database, tmp_path: Path) -> None:
    first = session(tmp_path)
    second = replace(first, session=replace(first.session, slot=5), remarks=())
    recorded = record_session(database, [first, second])
    assert recorded.counts["grids"].added == 2
    assert list_sessions(database)[0].squares == 4
    with pytest.raises(ValueError, match="one session"):
        record_session(database, [first, replace(second, session=replace(second.session, key="S2"))])


def test_a_session_is_found_by_number_key_id_name_or_folder(database: Database, tmp_path: Path) -> None:
    record = session(tmp_path)
    recorded = record_session(database, [record])
    for name in (str(recorded.session_id), "epu:S1", "S1", "a night", str(tmp_path)):
        assert session_numbers(database, name).session.id == recorded.session_id
    with pytest.raises(NotFoundError, match="there is no session 'S_'"):
        session_numbers(database, "S_")
    record_session(database, [replace(record, session=replace(record.session, key="S2"))])
    with pytest.raises(NotFoundError, match="2 sessions are called 'a night'"):
        session_numbers(database, "a night")


def test_remarks_are_made_anew_by_each_import(database: Database, tmp_path: Path) -> None:
    record = session(tmp_path)
    record_session(database, [record])
    record_session(database, [replace(record, remarks=(), exposures=())])
    with database.reading() as reading:
        assert reading.scalars(select(AcquisitionRemark.path)).all() == []
