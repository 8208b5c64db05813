"""Values of EPU's that are no numbers are unknown, never zero and never in place of known ones; people are told."""

from pathlib import Path

import pytest

from structloop.instruments.epu import read_session, read_sessions
from structloop.schema.grids import AcquisitionRecord, FileRemark, RemarkKind
from support import epu_trees
from support.epu_trees import EPU_3, HOLES, SQUARE

SQUARE_FOLDER = f"Images-Disc1/GridSquare_{SQUARE}"
SQUARE_LIST = f"Metadata/GridSquare_{SQUARE}.dm"
EXPOSURE = f"{SQUARE_FOLDER}/Data/{epu_trees.exposure_stem()}.xml"


def garbled(record: AcquisitionRecord) -> dict[str, str]:
    """Reasons by path."""
    return {remark.path: remark.reason for remark in record.remarks if remark.kind is RemarkKind.GARBLED}


def change(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("NaN", "'NaN'"),
        ("-INF", "'-INF'"),
        ("", "empty"),
        ("  ", "empty"),
        ("about ten", "'about ten'"),
        ("4,12", "'4,12'"),
        ("1_0", "'1_0'"),
        ("1e300", "'1e300'"),
        ("9" * 80, "'" + "9" * 30 + "...'"),
    ],
)
def test_a_number_that_is_none_is_unknown_and_told_by_file_and_element(tmp_path: Path, value: str, shown: str) -> None:
    root = epu_trees.write_session(tmp_path)
    change(root / EXPOSURE, "<ExposureTime>1.5<", f"<ExposureTime>{value}<")
    record = read_session(root)
    image = record.exposures[0].image
    assert image is not None
    assert image.exposure_s is None
    assert image.magnification == 130000, "the rest goes on"
    assert garbled(record) == {
        EXPOSURE: f"no number or time: camera/ExposureTime is {shown}; those values are unknown, the others were used"
    }


def test_each_kind_of_file_says_what_is_garbled_in_it(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path)
    change(root / "EpuSession.dm", ">1.2E-06<", ">1,2E-06<")
    change(root / "EpuSession.dm", "2023-01-02T11:00:00.1234567+01:00", "yesterday")
    change(root / "Sample2/Atlas/Atlas.dm", "<d:x>150</d:x>", "<d:x>NaN</d:x>")
    change(root / SQUARE_LIST, "<PixelIntensityMean>700<", "<PixelIntensityMean>dark<", 2)
    dose = epu_trees.custom_value("DoseOnCamera", "many")
    change(root / EXPOSURE, "<CustomData>", f"<CustomData>{dose}")
    record = read_session(root)
    told = garbled(record)
    assert set(told) == {"EpuSession.dm", "Sample2/Atlas/Atlas.dm", SQUARE_LIST, EXPOSURE}
    assert "HoleSize is '1,2E-06'" in told["EpuSession.dm"]
    assert "EpuSessionXml/StartDateTime is 'yesterday'" in told["EpuSession.dm"]
    assert "Center/x is 'NaN'" in told["Sample2/Atlas/Atlas.dm"]
    assert "PixelIntensityMean is 'dark' (2 times)" in told[SQUARE_LIST]
    assert "CustomData DoseOnCamera is 'many'" in told[EXPOSURE]
    assert (record.session.hole_size_um, record.session.started_at) == (None, None)
    assert record.session.hole_spacing_um == pytest.approx(2.5)
    assert record.squares[0].atlas_center_px is None
    assert [hole.intensity_mean for hole in record.holes] == [None, None]
    assert [hole.center_px for hole in record.holes] == [(400, 300), (500, 310)]


def test_what_is_said_to_be_nothing_is_no_cause_for_remarks(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path)
    change(root / EXPOSURE, "<ExposureTime>1.5</ExposureTime>", '<ExposureTime i:nil="true"/>')
    change(root / EXPOSURE, "2023-01-02T11:24:00Z", "0001-01-01T00:00:00")
    record = read_session(root)
    assert record.remarks == ()


def test_a_garbled_place_does_not_replace_a_known_one(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path)
    change(root / SQUARE_LIST, "<X>1.1e-05</X>", "<X>NaN</X>")
    atlas = (root / "Sample2/Atlas/Atlas.dm").read_text(encoding="utf-8")
    (root / "Sample2/Atlas/Atlas.dm").write_text(atlas.replace("StagePosition>", "Elsewhere>"), encoding="utf-8")
    folder = root / SQUARE_FOLDER
    later = epu_trees.image_xml(at="2023-01-02T12:00:00Z", stage_um=(14.0, -6.0)).replace("<X>1.4e-05<", "<X>NaN<")
    assert "<X>NaN<" in later
    epu_trees.write_image(folder, "GridSquare_20230102_120000", later)
    hole = epu_trees.image_xml(pixel_size_m=2e-9).replace("<Y>", "<Y>?")
    epu_trees.write_image(folder / "FoilHoles", f"FoilHole_{HOLES[0]}_20230102_120100", hole)
    record = read_session(root)
    [square] = record.squares
    assert square.stage is not None
    assert square.stage.x_um == pytest.approx(10), "as the earlier image says; the list and the later one do not"
    assert record.holes[0].stage is not None
    assert len(garbled(record)) == 3


def test_of_two_files_of_one_image_the_one_with_the_number_tells_it(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path)
    change(root / EXPOSURE, "<Defocus>-1.8E-06<", "<Defocus>n/a<")
    other = root / EXPOSURE.replace("Images-Disc1", "Images-Disc2")
    epu_trees.write_text(other, epu_trees.image_xml(EPU_3, pixel_size_m=9e-11))
    image = read_session(root).exposures[0].image
    assert image is not None
    assert image.defocus_um == 1.8
    assert image.pixel_size_angstrom == pytest.approx(0.8)


def missing(record: AcquisitionRecord) -> list[str]:
    return [remark.path for remark in record.remarks if remark.kind is RemarkKind.MISSING]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("EpuSession.dm", "name, start, slot"),
        ("Sample2/Atlas/Atlas.dm", r"it lay in Z:\somewhere\Sample2\Atlas\Atlas.dm"),
        (SQUARE_LIST, "no list of a square"),
    ],
)
def test_lists_that_every_session_has_are_missed(tmp_path: Path, gone: str, said: str) -> None:
    root = epu_trees.write_session(tmp_path / "session")
    (root / gone).unlink()
    record = read_session(root)
    [remark] = [remark for remark in record.remarks if remark.kind is RemarkKind.MISSING]
    assert remark.path == {"EpuSession.dm": "EpuSession.dm", SQUARE_LIST: "Metadata"}.get(gone, "Atlas.dm")
    assert said in remark.reason
    assert len(record.exposures) == 1


def test_the_list_of_one_square_is_missed_where_that_was_imaged(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path)
    epu_trees.write_text(root / "EpuSession.dm", epu_trees.session_xml(squares=(SQUARE, "502", "503")))
    epu_trees.write_image(root / "Images-Disc1/GridSquare_502", "GridSquare_20230102_120000", epu_trees.image_xml())
    assert missing(read_session(root)) == ["Metadata/GridSquare_502.dm"]


def test_a_damaged_list_is_not_missing(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path)
    for path in ("EpuSession.dm", "Sample2/Atlas/Atlas.dm", SQUARE_LIST):
        (root / path).write_text("<half", encoding="utf-8")
    record = read_session(root)
    assert missing(record) == []
    assert [remark.kind for remark in record.remarks].count(RemarkKind.UNREADABLE) == 3


def test_atlases_alone_are_complete_and_each_is_its_own(tmp_path: Path) -> None:
    for slot in (1, 2):
        epu_trees.write_text(tmp_path / f"Sample{slot}" / "Atlas" / "Atlas.dm", epu_trees.atlas_xml())
    records = read_sessions(tmp_path)
    assert [record.remarks for record in records] == [(), ()]
    assert [(record.session.name, record.session.slot) for record in records] == [("Sample1", 1), ("Sample2", 2)]
    assert len({record.session.key for record in records}) == 2


def test_sessions_without_a_list_are_told_apart_by_where_they_lie(tmp_path: Path) -> None:
    keys = set()
    for parent in ("monday", "tuesday"):
        root = epu_trees.write_session(tmp_path / parent / "grid")
        (root / "EpuSession.dm").unlink()
        (root / "Sample2/Atlas/Atlas.dm").unlink()
        record = read_session(root)
        assert (record.session.name, record.session.program_version) == ("grid", "3.5.1.7000")
        keys.add(record.session.key)
        assert read_session(tmp_path / parent).session.key == record.session.key, "named by a folder above it"
        remarks = [remark for remark in read_session(tmp_path / parent).remarks if remark.kind is RemarkKind.MISSING]
        assert [remark.path for remark in remarks] == ["grid/Atlas.dm", "grid/EpuSession.dm"]
        assert isinstance(remarks[0], FileRemark)
    assert len(keys) == 2
