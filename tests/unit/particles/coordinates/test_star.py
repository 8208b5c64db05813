"""RELION's STAR files: every layout is read, nothing is lost, and what is damaged is refused with its place."""

import re
from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import CoordinateFileError, CoordinateFileMissingError
from structloop.imaging.star_syntax import parse_star
from structloop.particles.coordinates import read_coordinates, write_coordinates
from structloop.schema.particles import MicrographPicks, OpticsGroup, PickSet

FLAT = """
data_

loop_
_rlnMicrographName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnAutopickFigureOfMerit #4
_rlnAnglePsi #5
"""
WITH_OPTICS = """# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMtfFileName #3 [Modulation Transfer Function]
_rlnMicrographPixelSize #4
one 1 "mtf k2.star" 1.25
two 2 mtf.star 0.885

# version 30001

data_particles

loop_
_rlnMicrographName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnOpticsGroup #4
_rlnClassNumber #5
a/mic_1.mrc 10.5 20 1 007
a/mic_2.mrc 30 40.25 2 8
a/mic_1.mrc 50 60 1 9
"""


def written(folder: Path, text: str, name: str = "picks.star") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_names_stay_texts_and_digits_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, FLAT + "0001 0.1234567890123456 2 0.5 -1.50\n1e5 3 4 0.25 7\n")
    picks = read_coordinates(path)
    assert [each.micrograph for each in picks] == ["0001", "1e5"]
    assert picks.micrographs[0].xy_px[0, 0] == 0.1234567890123456
    assert list(picks.micrographs[0].extra["rlnAnglePsi"]) == ["-1.50"]
    write_coordinates(picks, tmp_path / "again.star")
    again = read_coordinates(tmp_path / "again.star")
    assert [each.micrograph for each in again] == ["0001", "1e5"]
    assert again.micrographs[0].xy_px[0, 0] == 0.1234567890123456


@pytest.mark.parametrize(
    "name", ["it's.mrc", "a b.mrc", 'say"so".mrc', "#1.mrc", "data_x.mrc", "_x.mrc", "loop_", "µ.mrc"]
)
def test_names_that_star_makes_difficult_come_back(tmp_path: Path, name: str) -> None:
    picks = PickSet((MicrographPicks(name, np.array([[1.0, 2.0]])),))
    write_coordinates(picks, tmp_path / "picks.star")
    assert [each.micrograph for each in read_coordinates(tmp_path / "picks.star")] == [name]


def test_optics_groups_and_all_columns_survive(tmp_path: Path) -> None:
    picks = read_coordinates(written(tmp_path, WITH_OPTICS))
    assert [group.name for group in picks.optics] == ["one", "two"]
    assert picks.optics[0].columns == {"rlnMtfFileName": "mtf k2.star", "rlnMicrographPixelSize": "1.25"}
    first, second = picks
    assert (first.optics_group, second.optics_group) == (1, 2)
    assert (first.pixel_size_angstrom, second.pixel_size_angstrom) == (1.25, 0.885)
    report = write_coordinates(picks, tmp_path / "again.star")
    assert report.left_out == ()
    again = read_coordinates(tmp_path / "again.star")
    assert again.optics == picks.optics
    for mine, its in zip(picks, again, strict=True):
        np.testing.assert_array_equal(mine.xy_px, its.xy_px)
        np.testing.assert_array_equal(mine.extra["rlnClassNumber"], its.extra["rlnClassNumber"])
    assert list(again.micrographs[0].extra["rlnClassNumber"]) == ["007", "9"]


def test_a_micrograph_in_several_optics_groups_keeps_them_per_pick(tmp_path: Path) -> None:
    text = WITH_OPTICS.replace("a/mic_1.mrc 50 60 1 9", "a/mic_1.mrc 50 60 2 9")
    first = read_coordinates(written(tmp_path, text)).micrographs[0]
    assert first.optics_group is None
    assert list(first.extra["rlnOpticsGroup"]) == [1, 2]
    write_coordinates(read_coordinates(tmp_path / "picks.star"), tmp_path / "again.star")
    assert list(read_coordinates(tmp_path / "again.star").micrographs[0].extra["rlnOpticsGroup"]) == [1, 2]


def test_version_3_0_has_no_optics_and_says_so(tmp_path: Path) -> None:
    picks = read_coordinates(written(tmp_path, WITH_OPTICS))
    report = write_coordinates(picks, tmp_path / "flat.star", format="star-3.0")
    assert {"optics group numbers", "optics groups"} <= set(report.left_out)
    text = (tmp_path / "flat.star").read_text()
    assert "data_optics" not in text
    assert "rlnOpticsGroup" not in text


def test_no_score_is_relions_minus_999(tmp_path: Path) -> None:
    picks = read_coordinates(written(tmp_path, FLAT + "a.mrc 1 2 -999 0\na.mrc 3 4 0.5 0\nb.mrc 5 6 -999.0 0\n"))
    first, second = picks
    assert first.scores is not None
    np.testing.assert_array_equal(first.scores, [np.nan, 0.5])
    assert second.scores is None
    write_coordinates(picks, tmp_path / "again.star")
    again = read_coordinates(tmp_path / "again.star")
    np.testing.assert_array_equal(again.micrographs[0].scores, [np.nan, 0.5])
    assert again.micrographs[1].scores is None


def test_a_file_without_names_is_of_the_micrograph_it_is_named_after(tmp_path: Path) -> None:
    text = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n"
    picks = read_coordinates(written(tmp_path, text, "mic_001_autopick.star"))
    assert [each.micrograph for each in picks] == ["mic_001_autopick"]


def test_a_loop_without_rows_is_a_micrograph_without_picks(tmp_path: Path) -> None:
    picks = read_coordinates(written(tmp_path, "data_\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n", "mic.star"))
    assert [(each.micrograph, len(each)) for each in picks] == [("mic", 0)]
    assert read_coordinates(written(tmp_path, FLAT)).count == 0


def test_a_list_of_coordinate_files_is_followed(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "AutoPick/job006/Movies").mkdir(parents=True)
    (project / "AutoPick/job006/Movies/m_1_autopick.star").write_text(
        "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n3 4\n"
    )
    listed = project / "AutoPick/job006/autopick.star"
    rows = "MotionCorr/job002/Movies/m_1.mrc AutoPick/job006/Movies/m_1_autopick.star\n"
    head = "# version 30001\n\ndata_coordinate_files\n\nloop_\n_rlnMicrographName #1\n_rlnMicrographCoordinates #2\n"
    listed.write_text(head + rows)
    picks = read_coordinates(listed)
    assert [(each.micrograph, len(each)) for each in picks] == [("MotionCorr/job002/Movies/m_1.mrc", 2)]
    listed.write_text(head + rows.replace("m_1_autopick", "m_2_autopick"))
    with pytest.raises(CoordinateFileMissingError, match=r"m_2_autopick.star"):
        read_coordinates(listed)
    listed.write_text(head + "m_1.mrc AutoPick/job006/autopick.star\n")
    with pytest.raises(CoordinateFileError, match="a list again"):
        read_coordinates(listed)


def test_a_folder_for_relion_is_laid_out_as_relion_looks_for_it(tmp_path: Path) -> None:
    micrographs = [MicrographPicks(f"MotionCorr/job002/Movies/m_{n}.mrc", np.array([[n, 2.0]])) for n in (1, 2)]
    report = write_coordinates(PickSet(tuple(micrographs)), tmp_path / "picks")
    assert report.files[0] == tmp_path / "picks/autopick.star"
    assert (tmp_path / "picks/Movies/m_1_autopick.star").is_file()
    again = read_coordinates(tmp_path / "picks/autopick.star")
    assert [each.micrograph for each in again] == [each.micrograph for each in micrographs]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FLAT + "a.mrc 1 2 0.5\n", "line 10: 4 values for 5 columns"),
        (FLAT + "a.mrc 1 2 0.5 0 9\n", "line 10: 6 values for 5 columns"),
        (FLAT + "a.mrc x 2 0.5 0\n", "line 10: rlnCoordinateX 'x' is not a finite number"),
        (FLAT + "a.mrc nan 2 0.5 0\n", "rlnCoordinateX 'nan' is not a finite number"),
        (FLAT + "a.mrc 1 -inf 0.5 0\n", "rlnCoordinateY '-inf' is not a finite number"),
        (FLAT + "a.mrc 1 2 inf 0\n", "rlnAutopickFigureOfMerit 'inf' is not a finite number"),
        (FLAT + "a.mrc 1_0 2 1 0\n", "'1_0' is not a finite number"),
        (FLAT + "a.mrc 1e300 2 1 0\n", "lies beyond any micrograph"),
        (FLAT + '"" 1 2 1 0\n', "line 10: rlnMicrographName is empty"),
        (FLAT.replace("CoordinateY", "CoordinateX") + "a.mrc 1 2 1 0\n", "_rlnCoordinateX stands twice"),
        (FLAT.replace("_rlnCoordinateY", "_rlnOther") + "a.mrc 1 2 1 0\n", "not the other of"),
        (FLAT + "a.mrc 1 2 1 0\n" + FLAT + "b.mrc 1 2 1 0\n", "in several blocks"),
        (FLAT + "'a.mrc 1 2 1 0\n", "a quote is opened and not closed"),
        (FLAT + "a.mrc 1 2 1 0\n\nloop_\n_rlnX #1\n", "has a second loop_"),
        (FLAT + ";text\n;\n", "RELION does not write"),
        ("data_\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\nt 1 2\n", "tomograms are not read"),
        ("data_\nloop_\n_rlnImageName #1\n1@a.mrcs\n", "does not say where its particles are"),
        (WITH_OPTICS.replace("two 2", "two 1"), "optics group 1 stands twice"),
        (WITH_OPTICS.replace("30 40.25 2", "30 40.25 x"), "rlnOpticsGroup 'x' is not a finite number"),
        ("data_\n", "does not say where its particles are"),
        ("# only remarks\n", "comments only"),
    ],
)
def test_what_is_damaged_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CoordinateFileError, match=re.escape(message)):
        read_coordinates(written(tmp_path, text))


def test_numbers_of_columns_in_the_header_mean_nothing(tmp_path: Path) -> None:
    text = FLAT.replace("#2", "#99999999999999999999") + "a.mrc 1 2 0.5 0\n"
    assert read_coordinates(written(tmp_path, text)).count == 1


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.star"
    path.write_bytes(b"\xef\xbb\xbf" + (FLAT + "a.mrc 1 2 0.5 0\n").replace("\n", "\r\n").encode())
    assert read_coordinates(path).micrographs[0].micrograph == "a.mrc"


def test_columns_that_not_all_micrographs_have_are_said_to_be_left_out(tmp_path: Path) -> None:
    one = MicrographPicks("a.mrc", np.zeros((1, 2)), extra={"rlnAnglePsi": np.array(["1"], dtype=object)})
    report = write_coordinates(PickSet((one, MicrographPicks("b.mrc", np.zeros((1, 2))))), tmp_path / "a.star")
    assert report.left_out == ("1 columns (rlnAnglePsi)",)


def test_single_values_of_optics_are_read() -> None:
    text = (
        "data_optics\n_rlnOpticsGroup 1\n_rlnOpticsGroupName 'one more'\n\n"
        + WITH_OPTICS[WITH_OPTICS.index("data_p") :]
    )
    assert parse_star(text, Path("x.star"))[0].values == {"rlnOpticsGroup": "1", "rlnOpticsGroupName": "one more"}


def test_a_pixel_size_that_is_no_number_is_not_known() -> None:
    assert OpticsGroup(1, "one", {"rlnMicrographPixelSize": "x"}).micrograph_pixel_size_angstrom is None
    assert OpticsGroup(1, "one", {"rlnMicrographPixelSize": "0"}).micrograph_pixel_size_angstrom is None
