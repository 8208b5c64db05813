"""EPU sessions are read whole, whatever their version, whatever is missing, damaged or in the way."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.epu import read_session, read_sessions
from structloop.instruments.epu.documents import parse, stage_position
from structloop.instruments.epu.images import image_of
from structloop.schema.grids import AcquisitionRecord, ImageLevel, ImageRecord, RemarkKind
from support import epu_trees
from support.epu_trees import EPU_2, EPU_3, HOLES, SQUARE


def remarks(record: AcquisitionRecord, kind: RemarkKind) -> list[str]:
    """Names of the files remarked on."""
    return [remark.path.rpartition("/")[2] for remark in record.remarks if remark.kind is kind]


def test_a_session_adds_up_with_units(tmp_path: Path) -> None:
    record = read_session(epu_trees.write_session(tmp_path))
    session = record.session
    assert (session.program, session.program_version, session.key) == ("EPU", "3.5.1.7000", "4001")
    assert session.slot == 2, "EPU counts slots from 0, its folders and people from 1"
    assert session.started_at == datetime(2023, 1, 2, 10, 0, 0, 123456, tzinfo=UTC)
    assert (session.hole_size_um, session.hole_spacing_um) == pytest.approx((1.2, 2.5))
    [area] = session.areas
    assert area.defocus_um == (2.1, 1.2)
    assert area.offset_um == pytest.approx((0.2, -0.1))

    [atlas] = record.atlases
    assert atlas.pixel_size_angstrom == pytest.approx(5000)
    assert atlas.image_to_stage_um is not None
    assert atlas.image_to_stage_um[0] == pytest.approx((0.5, 0), abs=1e-9)
    assert atlas.image_to_stage_um[1] == pytest.approx((0, -0.5), abs=1e-9)
    assert (atlas.width_px, atlas.height_px, atlas.slot, len(atlas.tiles)) == (300, 240, 2, 9)

    [square] = record.squares
    assert square.key == SQUARE
    assert square.stage is not None
    assert (square.stage.x_um, square.stage.y_um, square.stage.z_um) == pytest.approx((11, -6, 90))
    assert square.stage.tilt_deg == pytest.approx(0.57295779)
    assert square.atlas_center_px == (150, 120)
    assert square.size_um == pytest.approx((40, 30))
    assert (square.targets, square.state, square.selected) == (2, "Defined", True)

    assert [hole.key for hole in record.holes] == list(HOLES)
    hole = record.holes[0]
    assert hole.stage is not None
    assert (hole.stage.x_um, hole.stage.y_um) == pytest.approx((5, -7))
    assert (hole.center_px, hole.diameter_px, hole.near_bar, hole.listed) == ((400, 300), 30, True, True)
    assert (hole.intensity_mean, hole.intensity_deviation) == (700, 9)

    [exposure] = record.exposures
    assert (exposure.hole_key, exposure.square_key, exposure.area, exposure.number) == (HOLES[0], SQUARE, "77", 3)
    image = exposure.image
    assert image is not None
    assert image.pixel_size_angstrom == pytest.approx(0.8)
    assert (image.width_px, image.picture_width_px, image.reduction) == (1024, 256, 4)
    assert image.picture_pixel_size_angstrom == pytest.approx(3.2)
    assert image.frames_path is not None
    assert image.frames_path.endswith("_Fractions.mrc")
    assert (image.voltage_kv, image.magnification, image.exposure_s) == (200, 130000, 1.5)
    assert (image.apertures, image.beam_shift, image.detector) == ((("C2", "70"),), (0.5, -0.25), "Falcon")
    assert image.defocus_um == 1.8, "underfocus is positive here and negative in EPU"
    assert record.remarks == ()


def test_older_versions_are_read_too(tmp_path: Path) -> None:
    epu_trees.write_session(tmp_path, EPU_2)
    data = tmp_path / "Images-Disc1" / f"GridSquare_{SQUARE}" / "Data"
    movie = epu_trees.image_xml(EPU_2).replace(
        "<Binning>",
        "<CameraSpecificInput><a><NumberOffractions>40</NumberOffractions></a></CameraSpecificInput><Binning>",
    )
    epu_trees.write_text(data / f"{epu_trees.exposure_stem(EPU_2)}_Fractions.xml", movie)
    record = read_session(tmp_path)
    assert record.session.program_version == "2.7.0.5806"
    assert record.session.slot == 2, "its list does not say; its atlas lies in Sample2"
    assert [len(items) for items in (record.atlases, record.squares, record.holes, record.exposures)] == [1, 1, 2, 1]
    assert (record.holes[0].near_bar, record.holes[0].selected, record.holes[0].diameter_px) == (None, None, None)
    assert record.holes[0].center_px == (400, 300)
    [exposure] = record.exposures
    assert exposure.number == 88
    assert exposure.image is not None
    assert exposure.image.frames == 40, "what only the XML beside the movie tells"
    assert exposure.image.program_version == "2.7.0.5806REL"
    assert record.squares[0].images[0].key == f"GridSquare_{SQUARE}_{EPU_2.stamp}", "its stamp is only to the minute"
    assert record.remarks == ()


def test_a_version_that_names_its_documents_otherwise_is_read(tmp_path: Path) -> None:
    epu_trees.write_session(tmp_path)
    names = {"EpuSessionXml": "Session", "AtlasSessionXml": "Map", "GridSquareXml": "Sq", "MicroscopeImage": "Picture"}
    names |= {"SampleXml": "SampleV1", "m_serializationArray": "Items", "TargetLocationsEfficient": "Holes"}
    for path in [*tmp_path.rglob("*.dm"), *tmp_path.rglob("*.xml")]:
        text = path.read_text(encoding="utf-8")
        for name, other in names.items():
            text = re.sub(rf"(</?){name}([ >])", rf"\1{other}\2", text)
        path.write_text(text, encoding="utf-16" if path.suffix == ".xml" else "utf-8-sig")
    record = read_session(tmp_path)
    assert record.remarks == ()
    assert (len(record.atlases), len(record.squares), len(record.holes), len(record.exposures)) == (1, 1, 2, 1)
    assert record.session.hole_size_um == pytest.approx(1.2)
    assert record.squares[0].images[0].pixel_size_angstrom == pytest.approx(400)


ELEMENTS = sorted(
    set(
        re.findall(
            r"<(?:d:)?([A-Za-z_0-9]+)[ >]",
            epu_trees.session_xml() + epu_trees.atlas_xml() + epu_trees.square_xml() + epu_trees.image_xml(),
        )
    )
    - {"EpuSessionXml", "AtlasSessionXml", "GridSquareXml", "MicroscopeImage"}
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(missing=st.sets(st.sampled_from(ELEMENTS), min_size=1, max_size=4))
def test_whatever_element_a_version_lacks_the_rest_is_read(tmp_path: Path, missing: set[str]) -> None:
    texts = {
        "EpuSession.dm": epu_trees.session_xml(),
        f"Metadata/GridSquare_{SQUARE}.dm": epu_trees.square_xml(),
        "Sample2/Atlas/Atlas.dm": epu_trees.atlas_xml(),
        f"Images-Disc1/GridSquare_{SQUARE}/GridSquare_{EPU_3.stamp}.xml": epu_trees.image_xml(),
        f"Images-Disc1/GridSquare_{SQUARE}/Data/{epu_trees.exposure_stem()}.xml": epu_trees.image_xml(),
    }
    for path, text in texts.items():
        for name in missing:
            text = re.sub(rf"<(?:d:)?{name}(?: [^>]*)?>|</(?:d:)?{name}>", "", text)  # step by step
        epu_trees.write_text(tmp_path / path, text)
    record = read_session(tmp_path)
    assert [exposure.hole_key for exposure in record.exposures] == [HOLES[0]]
    assert SQUARE in {square.key for square in record.squares}


def test_images_taken_again_are_kept_apart_and_in_order(tmp_path: Path) -> None:
    epu_trees.write_session(tmp_path)
    folder = tmp_path / "Images-Disc1" / f"GridSquare_{SQUARE}"
    epu_trees.write_image(folder, "GridSquare_20230102_101500", epu_trees.image_xml(stage_um=(1, 1)))
    for time, x_um in (("112510", 5.5), ("112500", 5.2)):
        stem = f"FoilHole_{HOLES[1]}_20230102_{time}"
        epu_trees.write_image(folder / "FoilHoles", stem, epu_trees.image_xml(stage_um=(x_um, -7)))
    again = epu_trees.exposure_stem(replace(EPU_3, stamp="20230102_112300"))
    epu_trees.write_image(folder / "Data", again, epu_trees.image_xml())
    record = read_session(tmp_path)
    assert [image.key for image in record.squares[0].images] == [
        "GridSquare_20230102_101500",
        f"GridSquare_{EPU_3.stamp}",
    ]
    assert [image.stage.x_um for image in record.holes[1].images if image.stage] == pytest.approx([5.2, 5.5])
    assert [exposure.key for exposure in record.exposures] == [epu_trees.exposure_stem(), again]


def test_what_lies_in_nothing_known_is_kept_and_remarked_on(tmp_path: Path) -> None:
    epu_trees.write_session(tmp_path)
    (tmp_path / "Metadata" / f"GridSquare_{SQUARE}.dm").unlink()
    data = tmp_path / "Images-Disc1" / "GridSquare_999" / "Data"
    epu_trees.write_image(data, "FoilHole_123_Data_77_5_20230102_120000", epu_trees.image_xml())
    record = read_session(tmp_path)
    assert [hole.key for hole in record.holes] == ["123", HOLES[0]]
    assert [hole.listed for hole in record.holes] == [False, False]
    assert {square.key for square in record.squares} == {SQUARE, "999"}
    assert remarks(record, RemarkKind.ORPHAN) == ["FoilHole_123_Data_77_5_20230102_120000.jpg"] * 2, "hole and square"


def test_damaged_and_foreign_files_are_listed_and_the_rest_counts(tmp_path: Path) -> None:
    epu_trees.write_session(tmp_path)
    folder = tmp_path / "Images-Disc1" / f"GridSquare_{SQUARE}"
    hole = folder / "FoilHoles" / f"{epu_trees.hole_stem()}.xml"
    hole.write_text(hole.read_text(encoding="utf-8")[:400], encoding="utf-8")
    jpeg = folder / f"GridSquare_{EPU_3.stamp}.jpg"
    jpeg.write_bytes(jpeg.read_bytes()[:-500])
    epu_trees.write_text(folder / "Thumbs.db", "x")
    epu_trees.write_text(folder / "notes.txt", "x")
    epu_trees.write_text(folder / "Data" / f"{epu_trees.exposure_stem()} (copy).xml", "x")
    epu_trees.write_jpeg(folder / "Data" / "FoilHole_902_Data_77_4_20230102_112500.jpg")
    record = read_session(tmp_path)
    assert sorted(remarks(record, RemarkKind.UNREADABLE)) == sorted([hole.name, jpeg.name])
    assert sorted(remarks(record, RemarkKind.IGNORED)) == [
        f"{epu_trees.exposure_stem()} (copy).xml",
        "Thumbs.db",
        "notes.txt",
    ]
    assert remarks(record, RemarkKind.INCOMPLETE) == [
        "FoilHole_902_Data_77_4_20230102_112500.jpg",
        f"GridSquare_{EPU_3.stamp}.xml",
    ]
    assert len(record.exposures) == 2
    assert record.holes[0].images[0].pixel_size_angstrom is None


def test_the_same_image_in_two_folders_counts_once(tmp_path: Path) -> None:
    epu_trees.write_session(tmp_path)
    other = tmp_path / "Images-Disc2" / f"GridSquare_{SQUARE}" / "Data"
    epu_trees.write_image(other, epu_trees.exposure_stem(), epu_trees.image_xml())
    record = read_session(tmp_path)
    assert len(record.exposures) == 1
    assert remarks(record, RemarkKind.DUPLICATE) == [f"{epu_trees.exposure_stem()}.xml"]


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path / "session")
    outside = tmp_path / "outside"
    epu_trees.write_image(outside, "FoilHole_5_20230102_120000", epu_trees.image_xml())
    (root / "Images-Disc1" / "GridSquare_9").symlink_to(outside, target_is_directory=True)
    (root / "FoilHole_5_20230102_120000.xml").symlink_to(outside / "FoilHole_5_20230102_120000.xml")
    (root / "FoilHole_6_20230102_120000.xml").symlink_to(outside / "nowhere.xml")
    inside = root / "Images-Disc1" / f"GridSquare_{SQUARE}" / "Data" / f"{epu_trees.exposure_stem()}.jpg"
    inside.rename(root / "real.jpg")
    inside.symlink_to(root / "real.jpg")
    record = read_session(root)
    assert {hole.key for hole in record.holes} == set(HOLES)
    reasons = {remark.path.rpartition("/")[2]: remark.reason for remark in record.remarks}
    assert "leads out" in reasons["FoilHole_5_20230102_120000.xml"]
    assert "leads nowhere" in reasons["FoilHole_6_20230102_120000.xml"]
    assert "link to a folder" in reasons["GridSquare_9"]
    assert record.exposures[0].image is not None
    assert record.exposures[0].image.picture_width_px == 256, "a link that stays inside is followed"


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><MicroscopeImage>&c;</MicroscopeImage>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><MicroscopeImage/>',
        "<MicroscopeImage><a></MicroscopeImage>",
        "<MicroscopeImage></MicroscopeImage>",
        "<a>" * 200_000 + "</a>" * 200_000,
        '<?xml version="1.0" encoding="no-such-thing"?><MicroscopeImage/>',
        "\0\0\0\0",
        "",
        "not XML at all",
    ],
)
def test_hostile_or_broken_xml_is_refused_by_name(tmp_path: Path, text: str) -> None:
    epu_trees.write_session(tmp_path)
    epu_trees.write_text(tmp_path / "EpuSession.dm", text)
    record = read_session(tmp_path)
    assert remarks(record, RemarkKind.UNREADABLE) == ["EpuSession.dm"]
    assert len(record.exposures) == 1


def test_a_folder_without_a_session_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(AcquisitionFileError, match="no folder"):
        read_session(tmp_path / "nowhere")
    epu_trees.write_text(tmp_path / "readme.txt", "x")
    with pytest.raises(AcquisitionFileError, match=r"EpuSession\.dm"):
        read_session(tmp_path)


def test_several_sessions_each_get_their_own_files_and_atlas(tmp_path: Path) -> None:
    for number, square in ((1, "501"), (2, "601")):
        grid = tmp_path / f"grid{number}"
        epu_trees.write_text(grid / "EpuSession.dm", epu_trees.session_xml(squares=(square,), name=f"grid{number}"))
        folder = grid / "Images-Disc1" / f"GridSquare_{square}"
        epu_trees.write_image(folder, EPU_3.stamp.join(("GridSquare_", "")), epu_trees.image_xml())
        atlas = tmp_path / "atlas" / f"Sample{number}" / "Atlas" / "Atlas.dm"
        epu_trees.write_text(atlas, epu_trees.atlas_xml(squares=(square, "1")))
    epu_trees.write_text(tmp_path / "atlas/Sample3/Atlas/Atlas.dm", epu_trees.atlas_xml(squares=("701",)))
    with pytest.raises(AcquisitionFileError, match="3 sessions"):
        read_session(tmp_path)
    records = read_sessions(tmp_path)
    assert [record.session.name for record in records[:2]] == ["grid1", "grid2"]
    assert [record.atlases[0].slot for record in records] == [1, 2, 3]
    assert [{square.key for square in record.squares} for record in records] == [{"501", "1"}, {"601", "1"}, {"701"}]
    assert [sum(len(square.images) for square in record.squares) for record in records] == [1, 1, 0]


def described(xml: str) -> ImageRecord:
    """What an image's XML says."""
    return image_of(parse(xml.encode(), "x.xml"), "x", ImageLevel.EXPOSURE, "x.xml")


def test_the_doses_of_both_ways_of_writing_them() -> None:
    custom = epu_trees.custom_value("DoseOnCamera", "16") + epu_trees.custom_value("AppliedDefocus", "-2.1E-06")
    image = image_of(
        parse(epu_trees.image_xml(custom=custom, pixel_size_m=2e-10).encode(), "x"), "x", ImageLevel.HOLE, "x"
    )
    assert image.dose_e_per_angstrom2 == pytest.approx(4), "16 electrons on 2 x 2 ångström"
    assert (image.defocus_um, image.measured_defocus_um) == (2.1, 1.8)
    custom += epu_trees.custom_value("Dose", "3.5E+20")
    image = described(epu_trees.image_xml(custom=custom))
    assert image.dose_e_per_angstrom2 == pytest.approx(3.5)


def test_the_matrix_has_the_direction_of_epu_and_the_length_of_the_pixel() -> None:
    image = described(epu_trees.image_xml(pixel_size_m=4e-8))
    assert image.image_to_stage_um is not None
    assert image.image_to_stage_um[0] == pytest.approx((-0.04, 0))
    assert image.image_to_stage_um[1] == pytest.approx((0, 0.04))


def test_values_that_the_serialiser_wrote_once_are_found_where_they_are_referred_to() -> None:
    root = parse(b'<a xmlns:z="s" z:Id="1"><b z:Id="2"><c>1</c><c>2</c></b><d z:Ref="2"/><e z:Ref="1"/></a>', "x")
    assert [part.text for part in root[1]] == ["1", "2"]
    assert len(root[2]) == 0, "what holds itself is not followed"


@pytest.mark.parametrize("axis", ["X", "Y", "Z", "A"])
@pytest.mark.parametrize("value", ["NaN", "INF", "abc", "1,23"])
def test_a_place_with_a_number_that_is_none_is_unknown_and_not_zero(axis: str, value: str) -> None:
    texts = {"X": "1", "Y": "2", "Z": "3", "A": "0"} | {axis: value}
    xml = "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())
    assert stage_position(parse(f"<p>{xml}</p>".encode(), "x")) is None
