from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from structloop.core.errors import JournalError
from structloop.grids.acquisitions.journals import read_journal_session
from structloop.instruments.entries import (
    ActionDone,
    ActionIntended,
    ActionSkipped,
    Entry,
    ImageObserved,
    SessionBegan,
    SessionStopped,
    TileTaken,
)
from structloop.instruments.journal import Journal
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    Done,
    Imaged,
    ImageFacts,
    KeptImage,
    LoadGrid,
    MicroscopeDescription,
    MontageImaged,
    Result,
    StagePosition,
    Tier,
    UnloadGrid,
)
from structloop.schema.grids import ImageLevel

BEGAN = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class Writer:
    """Writes what a runner would."""

    def __init__(self, folder: Path) -> None:
        self.entries: list[Entry] = []
        self._folder = folder
        microscope = MicroscopeDescription(name="bench", driver="simulated", tier=Tier.COMMAND, simulated=True)
        self.add(SessionBegan(at=BEGAN, microscope=microscope, versions={"structloop": "0.1.0"}))

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)

    def do(self, key: str, action: Action, result: Result) -> None:
        self.add(ActionIntended(at=BEGAN, key=key, attempt=1, action=action))
        self.add(ActionDone(at=BEGAN, key=key, attempt=1, result=result, started_at=BEGAN, duration_s=1.0))

    def load(self, slot: int) -> None:
        self.do(f"slot{slot}/load", LoadGrid(slot=slot), Done())

    def image(self, key: str, preset: str, x_um: float, y_um: float) -> None:
        self.do(key, Acquire(preset=preset), imaged(preset, x_um, y_um, f"images/{key}.mrc"))

    def write(self) -> Path:
        with Journal.open(self._folder) as journal:
            for entry in self.entries:
                journal.append(entry, durable=False)
        return self._folder


def imaged(preset: str, x_um: float, y_um: float, path: str | None = None, column: int | None = None) -> Imaged:
    facts = ImageFacts(
        image_id=f"{preset} {x_um} {y_um} {column}",
        preset=preset,
        width_px=1024,
        height_px=512,
        pixel_size_angstrom=10.0,
        image_to_stage_um=((0.001, 0.0), (0.0, 0.001)),
        stage=StagePosition(x_um=x_um, y_um=y_um),
        image_shift_um=(0.5, -0.5),
        taken_at=BEGAN,
        column=column,
    )
    return Imaged(image=facts, kept=None if path is None else KeptImage(path=path, sha256="0" * 64, binning=4))


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "night")


def test_a_screening_becomes_one_record_per_grid(writer: Writer) -> None:
    for slot in (2, 1):
        writer.load(slot)
        tiles = tuple(imaged("atlas", 100.0 * number, 0.0, column=number) for number in range(3))
        writer.do(f"slot{slot}/atlas", AcquireMontage(preset="atlas", columns=3, rows=1), MontageImaged(tiles=tiles))
        writer.image(f"slot{slot}/square01/image", "square", 10.0, 20.0)
        writer.image(f"slot{slot}/square01/hole01/image", "hole", 11.0, 21.0)
        for number in (1, 2):
            writer.image(f"slot{slot}/square01/hole01/exposure{number}", "record", 11.0, 21.0)
        writer.image(f"slot{slot}/square01/hole01/focus", "focus", 13.0, 21.0)
        writer.do(f"slot{slot}/unload", UnloadGrid(), Done())
    writer.add(SessionStopped(at=BEGAN + timedelta(hours=2), reason="done", early=False))
    records = read_journal_session(writer.write())
    assert [record.session.slot for record in records] == [2, 1]
    assert len({record.session.key for record in records}) == 1
    record = records[0]
    assert (record.session.name, record.session.program) == ("night", "structloop")
    assert record.session.ended_at == BEGAN + timedelta(hours=2)
    (atlas,) = record.atlases
    assert atlas.stage is not None
    assert (len(atlas.tiles), atlas.stage.x_um, atlas.stage.y_um) == (3, 100.5, -0.5)
    (square,) = record.squares
    assert square.stage is not None
    assert (square.key, square.stage.x_um, square.stage.y_um) == ("slot2/square01", 10.5, 19.5)
    (hole,) = record.holes
    assert (hole.key, hole.square_key) == ("slot2/square01/hole01", "slot2/square01")
    assert [exposure.hole_key for exposure in record.exposures] == ["slot2/square01/hole01"] * 2
    assert [other.key for other in record.others] == ["slot2/square01/hole01/focus"]
    picture = record.exposures[0].image
    assert picture is not None
    assert picture.picture_path == "images/slot2/square01/hole01/exposure1.mrc"
    assert (picture.width_px, picture.picture_width_px, picture.reduction) == (1024, 256, 4.0)


def test_keys_that_say_nothing_belong_to_what_was_imaged_last(writer: Writer) -> None:
    writer.image("first", "square", 0.0, 0.0)
    writer.image("second", "square", 50.0, 0.0)
    writer.image("there", "hole", 51.0, 0.0)
    writer.image("shot", "record", 51.0, 0.0)
    (record,) = read_journal_session(writer.write())
    assert [square.key for square in record.squares] == ["first", "second"]
    assert [(hole.key, hole.square_key) for hole in record.holes] == [("there", "second")]
    assert [(shot.hole_key, shot.square_key) for shot in record.exposures] == [("there", "second")]


def test_an_exposure_without_images_above_it_makes_its_square_and_hole(writer: Writer) -> None:
    writer.image("slot1/square3/hole7/shot", "record", 1.0, 2.0)
    (record,) = read_journal_session(writer.write())
    assert [square.key for square in record.squares] == ["slot1/square3"]
    assert [(hole.key, hole.square_key) for hole in record.holes] == [("slot1/square3/hole7", "slot1/square3")]


def test_the_tiles_of_a_montage_that_was_not_finished_count(writer: Writer) -> None:
    writer.add(ActionIntended(at=BEGAN, key="a", attempt=1, action=AcquireMontage(preset="atlas", columns=2, rows=2)))
    writer.add(TileTaken(at=BEGAN, key="a", tile=0, imaged=imaged("atlas", 0.0, 0.0)))
    writer.add(ActionSkipped(at=BEGAN, key="a", action=AcquireMontage(preset="atlas", columns=2, rows=2), reason="jam"))
    (record,) = read_journal_session(writer.write())
    assert [tile.key for tile in record.atlases[0].tiles] == ["0"]
    assert [(remark.path, remark.reason) for remark in record.remarks] == [("journal.jsonl#a", "skipped: jam")]


def test_what_somebody_else_took_and_was_recorded_counts(writer: Writer) -> None:
    seen = [("square", "7", None), ("hole", "70", "7"), ("exposure", "700", "70"), ("atlas", "A", None)]
    for number, (level, name, parent) in enumerate(seen):
        found = imaged("x", 5.0, 6.0, column=number)
        writer.add(
            ImageObserved.model_validate(
                {"at": BEGAN, "level": level, "name": name, "parent": parent, "source": "f.xml", "imaged": found}
            )
        )
    (record,) = read_journal_session(writer.write())
    assert [(hole.key, hole.square_key) for hole in record.holes] == [("70", "7")]
    assert [(shot.key, shot.hole_key, shot.square_key) for shot in record.exposures] == [("x 5.0 6.0 2", "70", "7")]
    assert record.exposures[0].image is not None
    assert record.exposures[0].image.level is ImageLevel.EXPOSURE
    assert [atlas.key for atlas in record.atlases] == ["A"]


def test_a_session_in_which_nothing_was_taken_is_one_all_the_same(writer: Writer) -> None:
    (record,) = read_journal_session(writer.write())
    assert (record.squares, record.session.microscope) == ((), "bench")


def test_an_empty_journal_is_an_error(tmp_path: Path) -> None:
    with Journal.open(tmp_path):
        pass
    with pytest.raises(JournalError, match="nothing was ever run"):
        read_journal_session(tmp_path)
