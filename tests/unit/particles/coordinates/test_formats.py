"""The other formats: what a row means, what is kept, and what is refused."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from structloop.core.errors import CoordinateFileError, CoordinateFileMissingError
from structloop.particles.coordinates import FORMATS, read_coordinates, write_coordinates
from structloop.schema.particles import MicrographPicks, PickSet

CBOX = """
data_global

_cbox_format_version   1.0

data_cryolo

loop_
_CoordinateX #1
_CoordinateY #2
_CoordinateZ #3
_Width #4
_Height #5
_Depth #6
_EstWidth #7
_EstHeight #8
_Confidence #9
_NumBoxes #10
_Angle #11
_filamentid #12
10.5 20 <NA> 30 40 1.0 232.0 <NA> 0.75 <NA> <NA> 2.0
1 2 <NA> 30 30 1.0 <NA> <NA> <NA> <NA> <NA> 3.0

data_cryolo_include

loop_
_slice_index #1
"""


def written(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def cryosparc(path: Path, **changes: Any) -> Path:
    """A cryoSPARC file of two picks in one micrograph and one in another, with a column of its own."""
    table = np.zeros(
        3,
        dtype=[
            ("uid", "<u8"),
            ("location/micrograph_uid", "<u8"),
            ("location/exp_group_id", "<u4"),
            ("location/micrograph_path", "S30"),
            ("location/micrograph_shape", "<u4", (2,)),
            ("location/center_x_frac", "<f4"),
            ("location/center_y_frac", "<f4"),
            ("location/micrograph_psize_A", "<f4"),
            ("pick_stats/ncc_score", "<f4"),
            ("ctf/shift_A", "<f4", (2,)),
        ],
    )
    table["uid"] = [11, 12, 13]
    table["location/micrograph_path"] = [b">J1/imported/a_1.mrc", b"J1/imported/b_1.mrc", b">J1/imported/a_1.mrc"]
    table["location/micrograph_shape"] = (300, 500)
    table["location/center_x_frac"] = [0.5, 0.25, 0.1]
    table["location/center_y_frac"] = [0.5, 0.25, 0.2]
    table["location/micrograph_psize_A"] = 1.5
    table["pick_stats/ncc_score"] = [0.4, 0.5, 0.6]
    table["ctf/shift_A"] = [[1, 2], [3, 4], [5, 6]]
    for name, value in changes.items():
        table[{"x": "location/center_x_frac", "shape": "location/micrograph_shape"}[name]] = value
    with path.open("wb") as file:
        np.save(file, table)
    return path


def test_a_box_is_a_corner_and_a_size_and_its_centre_is_the_pick(tmp_path: Path) -> None:
    picks = read_coordinates(written(tmp_path, "14 35 20 10\n24\t40\t0\t0\t-3\n", "mic.box")).micrographs[0]
    np.testing.assert_array_equal(picks.xy_px, [[24, 40], [24, 40]])
    assert picks.size_px is not None
    np.testing.assert_array_equal(picks.size_px, [[20, 10], [0, 0]])
    assert picks.micrograph == "mic"
    write_coordinates(PickSet((picks,)), tmp_path / "again.box")
    assert (tmp_path / "again.box").read_text() == "14\t35\t20\t10\n24\t40\t0\t0\t-3\n"


def test_boxes_need_a_size(tmp_path: Path) -> None:
    picks = PickSet((MicrographPicks("a.mrc", np.array([[50.0, 60.0]])),))
    with pytest.raises(CoordinateFileError, match="--box-size-px"):
        write_coordinates(picks, tmp_path / "a.box")
    write_coordinates(picks, tmp_path / "a.box", box_size_px=20)
    assert (tmp_path / "a.box").read_text() == "40\t50\t20\t20\n"


def test_a_cbox_keeps_all_its_columns(tmp_path: Path) -> None:
    picks = read_coordinates(written(tmp_path, CBOX, "mic.cbox"))
    one = picks.micrographs[0]
    np.testing.assert_array_equal(one.xy_px, [[25.5, 40], [16, 17]])
    np.testing.assert_array_equal(one.scores, [0.75, np.nan])
    assert list(one.extra["filamentid"]) == ["2.0", "3.0"]
    assert write_coordinates(picks, tmp_path / "again.cbox").left_out == ()
    again = read_coordinates(tmp_path / "again.cbox").micrographs[0]
    np.testing.assert_array_equal(again.xy_px, one.xy_px)
    np.testing.assert_array_equal(again.scores, one.scores)
    assert {name: list(values) for name, values in again.extra.items()} == {
        name: list(values) for name, values in one.extra.items()
    }


def test_a_tomogram_in_a_cbox_is_refused(tmp_path: Path) -> None:
    text = CBOX.replace("10.5 20 <NA>", "10.5 20 1").replace("1 2 <NA>", "1 2 7")
    with pytest.raises(CoordinateFileError, match="from 1 to 7: picks of tomograms"):
        read_coordinates(written(tmp_path, text, "tomo.cbox"))


def test_cryosparc_places_are_fractions_of_micrographs_that_are_not_square(tmp_path: Path) -> None:
    picks = read_coordinates(cryosparc(tmp_path / "picks.cs"))
    first, second = picks
    assert (first.micrograph, second.micrograph) == ("J1/imported/a_1.mrc", "J1/imported/b_1.mrc")
    np.testing.assert_allclose(first.xy_px, [[250, 150], [50, 60]], atol=1e-4)
    assert (first.shape_px, first.pixel_size_angstrom, first.optics_group) == ((300, 500), 1.5, 0)
    assert first.scores is not None
    np.testing.assert_allclose(first.scores, [0.4, 0.6], atol=1e-6)
    assert write_coordinates(picks, tmp_path / "again.cs").left_out == ()
    again = read_coordinates(tmp_path / "again.cs")
    for mine, its in zip(picks, again, strict=True):
        np.testing.assert_allclose(its.xy_px, mine.xy_px, atol=1e-4)
        for name in ("uid", "ctf/shift_A", "location/micrograph_uid"):
            np.testing.assert_array_equal(its.extra[name], mine.extra[name])


def test_cryosparc_identifiers_are_made_once_and_for_all(tmp_path: Path) -> None:
    picks = PickSet((MicrographPicks("a.mrc", np.array([[1.0, 2], [1, 2], [3, 4]]), shape_px=(64, 64)),))
    for name in ("one.cs", "two.cs"):
        report = write_coordinates(picks, tmp_path / name)
        assert report.remarks == ("1 picks lie exactly where another one lies",)
    assert (tmp_path / "one.cs").read_bytes() == (tmp_path / "two.cs").read_bytes()
    uids = read_coordinates(tmp_path / "one.cs").micrographs[0].extra["uid"]
    assert len(set(uids.tolist())) == 3


def test_cryosparc_needs_the_size_of_the_micrograph(tmp_path: Path) -> None:
    picks = PickSet((MicrographPicks("a.mrc", np.array([[1.0, 2]])),))
    with pytest.raises(CoordinateFileError, match=r"size of micrograph a.mrc is not known"):
        write_coordinates(picks, tmp_path / "a.cs")
    assert not list(tmp_path.iterdir())


def test_cryosparc_files_that_lie_are_refused(tmp_path: Path) -> None:
    path = cryosparc(tmp_path / "good.cs")
    data = path.read_bytes()
    short = tmp_path / "short.cs"
    for length in (8, 60, len(data) - 1):
        short.write_bytes(data[:length])
        with pytest.raises(CoordinateFileError, match=r"cut short|damaged header"):
            read_coordinates(short)
    short.write_bytes(data.replace(b"'shape': (3,)", b"'shape': (9,)"))
    with pytest.raises(CoordinateFileError, match="is cut short"):
        read_coordinates(short)
    header = b"{'descr': [('a', '<f4', (100000,))], 'fortran_order': False, 'shape': (999999999999,), }\n"
    short.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(CoordinateFileError, match="is cut short"):
        read_coordinates(short)
    for change, message in (
        ({"x": np.nan}, "no finite number"),
        ({"x": np.inf}, "no finite number"),
        ({"shape": 0}, "cannot be"),
    ):
        with pytest.raises(CoordinateFileError, match=message):
            read_coordinates(cryosparc(tmp_path / "bad.cs", **change))


def test_python_objects_in_a_cryosparc_file_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    table = np.zeros(1, dtype=[("uid", "O"), ("location/center_x_frac", "f4")])
    table["uid"][0] = Trap()
    stream = io.BytesIO()
    np.save(stream, table, allow_pickle=True)
    (tmp_path / "trap.cs").write_bytes(stream.getvalue())
    with pytest.raises(CoordinateFileError, match="never unpickled"):
        read_coordinates(tmp_path / "trap.cs")
    assert not (tmp_path / "sprung").exists()


def test_topazs_table_is_read_and_written(tmp_path: Path) -> None:
    text = "image_name\tx_coord\ty_coord\tscore\nm_1.2_a\t10\t20\t-1.5\nm_1.2_b\t30\t40\t2.25\n"
    picks = read_coordinates(written(tmp_path, text, "topaz.txt"))
    assert [each.micrograph for each in picks] == ["m_1.2_a", "m_1.2_b"]
    np.testing.assert_array_equal(picks.micrographs[0].scores, [-1.5])
    write_coordinates(picks, tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_text() == text
    named = PickSet((MicrographPicks("Micrographs/m_1.2_a.mrc", np.array([[10.0, 20]]), np.array([-1.5])),))
    write_coordinates(named, tmp_path / "named.txt")
    assert "m_1.2_a\t10\t20\t-1.5" in (tmp_path / "named.txt").read_text()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_by_the_names_of_its_columns(tmp_path: Path, delimiter: str) -> None:
    text = '\n\nY-Coordinate,note,X-Coordinate\n2,"a, b",1\n4,,3\n'.replace('"a, b"', "ab").replace(",", delimiter)
    picks = read_coordinates(written(tmp_path, text, "mic_7.csv")).micrographs[0]
    np.testing.assert_array_equal(picks.xy_px, [[1, 2], [3, 4]])
    assert picks.micrograph == "mic_7"
    assert list(picks.extra["note"]) == ["ab", ""]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.box", "24 40 0 0\nsixty 62 0 0\n", "line 2: x 'sixty' is not a finite number"),
        ("a.box", "24 40 0 0\n24 40 0\n", "line 2: 3 values"),
        ("a.box", "24 40 -3 0\n", "line 1: a box of -3 x 0"),
        ("a.box", "24 40 9 9 -1\n", "marks an end of a filament"),
        ("a.box", "24 nan 9 9\n", "line 1: y 'nan'"),
        ("a.coord", "1 2\n3\n", "line 2: 1 values"),
        ("a.coord", "1 2\ninf 3\n", "line 2: x 'inf'"),
        ("a.coord", "x y z\n", "line 1: 3 values"),
        ("a.dat", "1 2 3\n", "has 3 numbers in its first row"),
        ("a.dat", "hello world\n", "of no format that is read: its first row is 'hello world'"),
        ("a.json", '{"boxes": []}', "JSON or XML"),
        ("a.star", "", "is empty"),
        ("a.csv", "x,y\n1\n", "line 2: 1 values for 2 columns"),
        ("a.csv", "x,x,y\n1,2,3\n", "'x' stands twice"),
        ("a.csv", "x,x_coord,y\n1,2,3\n", "could both be the x"),
        ("a.csv", "x,score\n1,2\n", "no column for y"),
        ("a.csv", "micrograph,x,y\n,2,3\n", "name is empty"),
        ("a.csv", "x,y\n1,NaN\n", "line 2: y 'NaN'"),
        ("a.csv", 'x,y\n1,"2\n', "no table with a header"),
        ("a.csv", "micrograph,x,y,pixel_size_angstrom\na,1,2,1\na,1,2,2\n", "several values of pixel_size_angstrom"),
        ("a.csv", "micrograph,x,y,optics_group\na,1,2,1\na,1,2,\n", "some picks without an optics_group"),
        ("a.csv", "micrograph,x,y,optics_group\na,1,2,1.5\n", "optics_group 1.5 of a cannot be"),
        ("a.csv", "x,y,micrograph_width_px,micrograph_height_px\n1,2,0,9\n", "micrograph_width_px 0 of a cannot be"),
        ("a.cbox", "data_cryolo\nloop_\n_CoordinateX #1\n1\n", "no column _CoordinateY"),
        ("a.cbox", "data_cryolo_include\nloop_\n_slice_index #1\n", "0 blocks data_cryolo"),
        ("a.box", "1 2 3 4\0\n", "zero bytes"),
    ],
)
def test_what_is_damaged_is_refused_with_its_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(CoordinateFileError, match=re.escape(message)):
        read_coordinates(written(tmp_path, text, name))


def test_other_files_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CoordinateFileMissingError, match="is not there"):
        read_coordinates(tmp_path / "none.star")
    (tmp_path / "image.mrc").write_bytes(bytes(range(128, 256)) * 9)
    with pytest.raises(CoordinateFileError, match="of no format that is read"):
        read_coordinates(tmp_path / "image.mrc")
    (tmp_path / "stream.cs").write_bytes(b"\x94CSDAT\x00\x00")
    with pytest.raises(CoordinateFileError, match="packed stream format"):
        read_coordinates(tmp_path / "stream.cs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CoordinateFileError, match="holds no coordinate file"):
        read_coordinates(tmp_path / "empty")
    with pytest.raises(CoordinateFileError, match="of no coordinate format"):
        write_coordinates(PickSet(()), tmp_path / "picks.xyz")


def test_a_folder_is_read_whole_and_written_back(tmp_path: Path) -> None:
    picks = PickSet(tuple(MicrographPicks(f"m_{n}.mrc", np.full((n, 2), 5.0)) for n in range(3)))
    report = write_coordinates(picks, tmp_path / "coords", format="coord")
    assert [file.name for file in report.files] == ["m_0.coord", "m_1.coord", "m_2.coord"]
    assert [(each.micrograph, len(each)) for each in read_coordinates(tmp_path / "coords")] == [
        ("m_0", 0),
        ("m_1", 1),
        ("m_2", 2),
    ]
    (tmp_path / "coords/m_1.box").write_text("1 2 3 4\n")
    with pytest.raises(CoordinateFileError, match=r"m_1 is in .*m_1.box and in .*m_1.coord"):
        read_coordinates(tmp_path / "coords")


def test_two_micrographs_never_share_a_file(tmp_path: Path) -> None:
    picks = PickSet(tuple(MicrographPicks(f"{folder}/m.mrc", np.zeros((1, 2))) for folder in "ab"))
    with pytest.raises(CoordinateFileError, match="would both be written"):
        write_coordinates(picks, tmp_path / "coords", format="coord")
    with pytest.raises(CoordinateFileError, match="one file per micrograph"):
        write_coordinates(picks, tmp_path / "a.coord")


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    picks = PickSet((MicrographPicks("../../outside/m.mrc", np.zeros((1, 2))),))
    write_coordinates(picks, tmp_path / "a/b/coords")
    assert not (tmp_path / "outside").exists()
    assert (tmp_path / "a/b/coords/outside/m_autopick.star").is_file()


def test_y_is_turned_once_by_the_height_of_the_micrograph(tmp_path: Path) -> None:
    path = written(tmp_path, "x,y\n10,0\n10,99\n", "m.csv")
    with pytest.raises(CoordinateFileError, match="height of micrograph m is not known"):
        read_coordinates(path, y_axis="up")
    turned = read_coordinates(path, y_axis="up", shapes={"folder/m.mrc": (100, 400)})
    np.testing.assert_array_equal(turned.micrographs[0].xy_px, [[10, 99], [10, 0]])
    write_coordinates(turned, tmp_path / "again.csv", y_axis="up")
    assert (tmp_path / "again.csv").read_text().splitlines()[1:] == ["m,10,0,400,100", "m,10,99,400,100"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_it_leaves_out(tmp_path: Path, name: str) -> None:
    one = MicrographPicks(
        "a.mrc",
        np.array([[10.0, 20.0]]),
        np.array([0.5]),
        {"rlnAnglePsi": np.array(["7"], dtype=object)},
        np.array([[30.0, 30.0]]),
        (64, 64),
        1.5,
        3,
    )
    report = write_coordinates(PickSet((one,)), tmp_path / "out", format=name)
    again = read_coordinates(tmp_path / "out").micrographs[0]
    left = " ".join(report.left_out)
    np.testing.assert_allclose(again.xy_px, one.xy_px, atol=1e-4)
    assert (again.scores is None) == ("scores" in left)
    assert (again.size_px is None) == ("box sizes" in left)
    assert (again.shape_px is None) == ("micrograph size" in left)
    assert (again.pixel_size_angstrom is None) == ("pixel size" in left)
    assert (again.optics_group is None) == ("optics group numbers" in left)
    assert ("rlnAnglePsi" in again.extra) == ("rlnAnglePsi" not in left)


def test_nothing_is_left_behind_where_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CoordinateFileError, match="cannot be written"):
        write_coordinates(PickSet(()), tmp_path / "file" / "picks.star")
