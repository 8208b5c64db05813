"""What holds for every set of picks: written and read again it is the same; and for every file: read or refused."""

import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from structloop.core.errors import CoordinateFileError
from structloop.particles.coordinates import FORMATS, match_names, read_coordinates, write_coordinates
from structloop.particles.coordinates.reading import flipped
from structloop.schema.particles import MicrographPicks, OpticsGroup, PickSet

LARGE = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLACES = st.floats(-1e5, 1e5, allow_nan=False, width=64)
# No path separators, no line breaks; everything else that a file system takes.
LETTERS = string.ascii_letters + string.digits + " ._-#'é"
TEXTS = st.text(LETTERS, min_size=1, max_size=12).filter(lambda text: text.strip(" .") == text)
SHAPE = (4092, 5760)


@st.composite
def micrographs(draw: st.DrawFn, name: str, columns: tuple[str, ...], scored: bool, sized: bool) -> MicrographPicks:
    count = draw(st.integers(1, 5))
    xy = draw(of_numpy.arrays(np.float64, (count, 2), elements=PLACES))
    scores = draw(of_numpy.arrays(np.float64, count, elements=st.floats(0, 1))) if scored else None
    size = np.full((count, 2), draw(st.integers(1, 500)), dtype=np.float64) if sized else None
    words = st.text(LETTERS, max_size=8).map(str.strip)
    extra = {column: np.array([draw(words) for _ in range(count)], dtype=object) for column in columns}
    return MicrographPicks(name, xy, scores, extra, size, SHAPE, 1.25, draw(st.just(1)))


@st.composite
def pick_sets(draw: st.DrawFn, one: bool = False) -> PickSet:
    stems = draw(st.lists(TEXTS, min_size=1, max_size=1 if one else 4, unique_by=str.lower))
    columns = tuple(draw(st.lists(st.sampled_from(["rlnAnglePsi", "rlnClassNumber", "rlnImageName"]), unique=True)))
    scored, sized = draw(st.booleans()), draw(st.booleans())
    group = OpticsGroup(1, "opticsGroup1", {"rlnMicrographPixelSize": "1.25", "rlnVoltage": "300"})
    made = [draw(micrographs(f"{stem}.mrc", columns, scored, sized)) for stem in stems]
    return PickSet(tuple(made), (group,))


def texts(values: Any) -> list[str]:
    return [str(value) for value in values]


def assert_same(mine: PickSet, its: PickSet, left_out: tuple[str, ...], places: float) -> None:
    """All that the format was not said to leave out is as it was."""
    assert its.count == mine.count
    pairs = match_names([each.micrograph for each in mine], [each.micrograph for each in its]).pairs
    found = {each.micrograph: each for each in its}
    left = " ".join(left_out)
    for one in mine:
        other = found[pairs[one.micrograph]]
        np.testing.assert_allclose(other.xy_px, one.xy_px, rtol=places, atol=places)
        if one.scores is not None and "scores" not in left:
            assert other.scores is not None
            np.testing.assert_allclose(other.scores, one.scores, rtol=1e-6, atol=1e-7)
        if one.size_px is not None and "box sizes" not in left:
            assert other.size_px is not None
            np.testing.assert_array_equal(other.size_px, one.size_px)
        if "micrograph size" not in left:
            assert other.shape_px == one.shape_px
        if "columns" not in left:
            assert {name: texts(values) for name, values in one.extra.items()} == {
                name: texts(values) for name, values in other.extra.items() if name in one.extra
            }
    if "optics groups" not in left:
        assert its.optics == mine.optics


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@LARGE
def test_what_is_written_is_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    picks = data.draw(pick_sets())
    target = tmp_path_factory.mktemp("round") / ("out" if not FORMATS[name].many else f"out{FORMATS[name].ending}")
    report = write_coordinates(picks, target, format=name, box_size_px=64)
    # cryoSPARC keeps 32-bit fractions of the width.
    assert_same(picks, read_coordinates(target), report.left_out, 1e-6 if name == "cs" else 1e-9)


@given(picks=pick_sets())
@LARGE
def test_star_keeps_every_bit(tmp_path_factory: pytest.TempPathFactory, picks: PickSet) -> None:
    target = tmp_path_factory.mktemp("bits") / "out.star"
    write_coordinates(picks, target)
    for mine, its in zip(picks, read_coordinates(target), strict=True):
        np.testing.assert_array_equal(its.xy_px, mine.xy_px)
        assert (its.scores is None) == (mine.scores is None)
        if mine.scores is not None and its.scores is not None:
            np.testing.assert_array_equal(its.scores, mine.scores)


@given(picks=pick_sets(one=True))
@LARGE
def test_turning_y_twice_changes_nothing(tmp_path_factory: pytest.TempPathFactory, picks: PickSet) -> None:
    np.testing.assert_allclose(flipped(flipped(picks)).micrographs[0].xy_px, picks.micrographs[0].xy_px, atol=1e-9)
    target = tmp_path_factory.mktemp("turned") / "out.csv"
    write_coordinates(picks, target, y_axis="up")
    np.testing.assert_allclose(
        read_coordinates(target, y_axis="up").micrographs[0].xy_px, picks.micrographs[0].xy_px, atol=1e-9
    )


SEEDS = {
    "star": b"data_\n\nloop_\n_rlnMicrographName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\na.mrc 1 2\nb.mrc 3 4\n",
    "cbox": b"data_cryolo\nloop_\n_CoordinateX\n_CoordinateY\n_Width\n_Height\n_Confidence\n1 2 3 4 .5\n",
    "box": b"1 2 3 4\n5 6 7 8\n",
    "coord": b"1 2\n5 6\n",
    "csv": b"micrograph,x,y,score\na,1,2,.5\nb,3,4,.6\n",
    "txt": b"image_name\tx_coord\ty_coord\tscore\na\t1\t2\t.5\n",
}
HOSTILE = [
    b"\0",
    b"nan",
    b"inf",
    b"-1e999",
    b"\n",
    b'"',
    b"'",
    b"_",
    b"loop_",
    b"data_",
    b"#",
    b"\xff",
    b",",
    b"9" * 400,
    b"\r",
]


def read_or_refused(path: Path) -> None:
    """Reads a file, or sees it refused by name; no other error, and nothing that is no number, comes of it."""
    try:
        picks = read_coordinates(path)
    except CoordinateFileError as error:
        if str(path) not in str(error):
            raise AssertionError(f"the message does not name the file: {error}") from error
        return
    for each in picks:
        assert np.isfinite(each.xy_px).all()
        assert each.scores is None or not np.isinf(each.scores).any()


@pytest.mark.parametrize("ending", [*SEEDS, "cs"])
@given(data=st.data())
@LARGE
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, ending: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    if ending == "cs":
        picks = PickSet((MicrographPicks("a.mrc", np.array([[1.0, 2], [3, 4]]), np.ones(2), shape_px=(64, 99)),))
        write_coordinates(picks, folder / "seed.cs")
        seed = (folder / "seed.cs").read_bytes()
    else:
        seed = SEEDS[ending]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(seed)))
        removed = data.draw(st.integers(0, 12))
        seed = (
            seed[:place] + data.draw(st.sampled_from([*HOSTILE, b""]) | st.binary(max_size=6)) + seed[place + removed :]
        )
    path = folder / f"damaged.{ending}"
    path.write_bytes(seed[: data.draw(st.integers(0, len(seed)))] if data.draw(st.booleans()) else seed)
    read_or_refused(path)


@given(data=st.binary(max_size=200))
@LARGE
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "any.star"
    path.write_bytes(data)
    read_or_refused(path)
