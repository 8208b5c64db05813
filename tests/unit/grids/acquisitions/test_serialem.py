from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import AcquisitionFileError
from structloop.grids.acquisitions.serialem import read_serialem_session
from structloop.grids.acquisitions.serialem_images import level_of
from structloop.instruments.serialem.navigator import ItemType, Navigator
from structloop.schema.grids import ImageLevel, RemarkKind

HEAD = "PixelSpacing = {pixel}\nVoltage = 300\nImageFile = {file}\nImageSize = 1000 800\n{extra}\n\n"


def write_mdoc(folder: Path, file: str, pixel: float, sections: list[str], *, montage: bool = False) -> None:
    text = HEAD.format(pixel=pixel, file=file, extra="Montage = 1" if montage else "DataMode = 1")
    text += "[T = SerialEM: Our Krios                 05-Feb-26  14:41:21    ]\n\n"
    for number, section in enumerate(sections):
        text += f"[ZValue = {number}]\nTiltAngle = 0\nPixelSpacing = {pixel}\n{section}\n\n"
    (folder / f"{file}.mdoc").write_text(text)


def at(x_um: float, y_um: float, *more: str) -> str:
    return "\n".join([f"StagePosition = {x_um} {y_um}", "StageZ = 5", *more])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An atlas of two pieces with two squares drawn on it; a map of one square with two holes; exposures."""
    pieces = [at(-200, 0, "PieceCoordinates = 0 0 0"), at(200, 0, "PieceCoordinates = 900 0 0")]
    write_mdoc(tmp_path, "atlas.mrc", 4000, pieces, montage=True)
    write_mdoc(tmp_path, "square.mrc", 600, [at(30, 40, "NavigatorLabel = 2")])
    write_mdoc(tmp_path, "view.mrc", 40, [at(31, 41, "NavigatorLabel = 4"), at(-700, 0)])
    write_mdoc(tmp_path, "record.mrc", 1.0, [at(31.02, 41.01, "TargetDefocus = -2"), at(500, 500)])
    (tmp_path / "record.mrc").write_bytes(b"pixels")
    navigator = Navigator()
    atlas = navigator.add_polygon("1", [(-300, -200), (300, 200)], (0, 0, 0), kind=ItemType.MAP)
    for key, value in (
        ("MapFile", r"X:\data\atlas.mrc"),
        ("MapMontage", "1"),
        ("MapSection", "0"),
        ("MapWidthHeight", "1900 800"),
        ("MapScaleMat", "2.5 0 0 2.5"),
    ):
        atlas.section[key] = value
    navigator.add_polygon("2", [(20, 30), (40, 50), (20, 30)], (30, 40, 5), drawn_on=atlas, acquire=True)
    navigator.add_point("3", (90, 40, 5), drawn_on=atlas)
    square = navigator.add_polygon("square map", [(0, 10), (60, 70)], (30, 40, 5), kind=ItemType.MAP)
    for key, value in (
        ("MapFile", "square.mrc"),
        ("MapSection", "0"),
        ("MapWidthHeight", "1000 800"),
        ("MapScaleMat", "0 -16.6667 -16.6667 0"),
    ):
        square.section[key] = value
    navigator.add_point("4", (31, 41, 5), drawn_on=square, acquire=True)
    navigator.add_point("5", (33, 41, 5), drawn_on=square)
    navigator.add_point("6", (0, 0, 0))
    navigator.write(tmp_path / "nav.nav")
    return tmp_path


def test_a_folder_of_serialem_s_becomes_atlas_squares_holes_and_exposures(folder: Path) -> None:
    record = read_serialem_session(folder)
    assert (record.session.program, record.session.microscope) == ("SerialEM", "Our Krios")
    (atlas,) = record.atlases
    assert (atlas.width_px, atlas.height_px, atlas.pixel_size_angstrom) == (1900, 800, 4000)
    assert [tile.corner_px for tile in atlas.tiles] == [(0, 0), (900, 0)]
    squares = {square.key: square for square in record.squares}
    assert set(squares) == {"2", "3"}
    assert (squares["2"].selected, squares["3"].selected) == (True, False)
    holes = {hole.key: hole for hole in record.holes}
    assert {key: hole.square_key for key, hole in holes.items() if hole.listed} == {
        "4": "2",
        "5": "2",
    }
    assert [image.key for image in holes["4"].images] == ["view.mrc#0"]
    assert [(shot.hole_key, shot.square_key) for shot in record.exposures] == [("4", "2"), (None, None)]
    assert record.exposures[0].image is not None
    assert record.exposures[0].image.picture_path == "record.mrc"
    assert record.exposures[0].image.defocus_um == 2


def test_a_map_s_matrix_points_down_where_serialem_s_points_up(folder: Path) -> None:
    record = read_serialem_session(folder)
    (image,) = next(square for square in record.squares if square.key == "2").images
    assert image.image_to_stage_um is not None
    # MapScaleMat sends stage (x, y) to pixels (-16.67 y, -16.67 x), y up: to the right is -y, downwards is +x.
    assert np.allclose(image.image_to_stage_um, ((0, 0.06), (-0.06, 0)), atol=1e-6)
    assert image.pixel_size_angstrom == 600


def test_items_that_were_drawn_nowhere_and_stacks_that_are_gone_are_remarked_on(folder: Path) -> None:
    remarks = {(remark.path, remark.kind) for remark in read_serialem_session(folder).remarks}
    assert ("nav.nav#6", RemarkKind.ORPHAN) in remarks
    assert ("atlas.mrc", RemarkKind.MISSING) in remarks
    assert ("record.mrc", RemarkKind.MISSING) not in remarks


def test_a_damaged_file_is_remarked_on_and_the_others_count(folder: Path) -> None:
    (folder / "view.mrc.mdoc").write_text("[ZValue = 0]\nTiltAngle = flat\n")
    record = read_serialem_session(folder)
    assert [remark.path for remark in record.remarks if remark.kind is RemarkKind.UNREADABLE] == ["view.mrc.mdoc"]
    assert len(record.exposures) == 2
    for name in ("nav.nav", "atlas.mrc.mdoc", "square.mrc.mdoc", "record.mrc.mdoc"):
        (folder / name).write_text("?")
    with pytest.raises(AcquisitionFileError, match="that can be read"):
        read_serialem_session(folder)


@pytest.mark.parametrize(
    ("field_um", "piece", "movie", "tilted", "level"),
    [
        (473, True, False, False, ImageLevel.TILE),
        (22, True, False, False, ImageLevel.SQUARE),
        (2000, False, False, False, ImageLevel.ATLAS),
        (120, False, False, False, ImageLevel.SQUARE),
        (6, False, False, False, ImageLevel.HOLE),
        (0.5, False, False, False, ImageLevel.EXPOSURE),
        (None, False, True, False, ImageLevel.EXPOSURE),
        (0.5, False, True, True, ImageLevel.OTHER),
        (None, False, False, False, ImageLevel.OTHER),
    ],
)
def test_what_an_image_shows_follows_from_its_field(
    field_um: float | None, piece: bool, movie: bool, tilted: bool, level: ImageLevel
) -> None:
    assert level_of(field_um, piece=piece, movie=movie, tilted=tilted) is level


def test_a_navigator_s_map_whose_image_is_gone_is_missed(folder: Path) -> None:
    (folder / "square.mrc.mdoc").unlink()
    record = read_serialem_session(folder)
    [told] = [remark for remark in record.remarks if remark.path == "square.mrc"]
    assert told.kind is RemarkKind.MISSING
    assert told.reason == "map square map of nav.nav names it, and it does not lie beside"
    assert [remark.path for remark in record.remarks].count("atlas.mrc") == 1, "its .mdoc and a map name it: told once"
    (folder / "square.mrc").write_bytes(b"pixels")
    assert "square.mrc" not in [remark.path for remark in read_serialem_session(folder).remarks]


def test_images_that_nothing_speaks_of_are_listed(folder: Path) -> None:
    (folder / "stray.mrc").write_bytes(b"pixels")
    (folder / "notes.txt").write_text("x")
    record = read_serialem_session(folder)
    assert [remark.path for remark in record.remarks if remark.kind is RemarkKind.IGNORED] == ["stray.mrc"]


def test_a_file_that_is_asked_for_alone_is_a_session_of_its_own(folder: Path) -> None:
    whole = read_serialem_session(folder)
    navigator = read_serialem_session(folder, "nav.nav")
    assert navigator.session.name == "nav.nav"
    assert navigator.session.key != whole.session.key
    assert {square.key for square in navigator.squares} == {"2", "3"}
    assert {hole.key for hole in navigator.holes} == {"4", "5"}
    assert [len(atlas.tiles) for atlas in navigator.atlases] == [2], "its map's .mdoc tells its pieces"
    assert navigator.exposures == ()
    shots = read_serialem_session(folder, "record.mrc.mdoc")
    assert (len(shots.exposures), shots.squares, shots.holes) == (2, (), ())


def test_one_label_in_two_navigators_is_two_places_unless_they_are_one(folder: Path) -> None:
    other = Navigator.read(folder / "nav.nav")
    other.write(folder / "copy.nav")
    assert {hole.key for hole in read_serialem_session(folder).holes if hole.listed} == {"4", "5"}
    moved = (folder / "copy.nav").read_text().replace("StageXYZ = 33 41", "StageXYZ = 53 41")
    assert "53 41" in moved
    (folder / "copy.nav").write_text(moved)
    places = {hole.key: hole.stage for hole in read_serialem_session(folder).holes if hole.listed}
    assert {key: stage.x_um for key, stage in places.items() if stage} == {"4": 31, "5": 53, "nav.nav: 5": 33}
