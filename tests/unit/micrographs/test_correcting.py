"""Gain, defects and pixels that are no numbers: corrected where they can be, refused with both sides named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from structloop.core.errors import DefectsError, GainReferenceError, MovieError
from structloop.micrographs.movies import Correction, MovieHeader, find_hot_pixels, read_defects, read_gain
from support.movies import write_mrc_movie

SHAPE = (72, 96)
HEADER = MovieHeader(Path("movie.mrc"), "MRC", 96, 72, 4, np.dtype(np.uint8))


def frame(seed: int = 0, mean: float = 4.0) -> NDArray[Any]:
    return np.random.default_rng(seed).poisson(mean, SHAPE).astype(np.uint8)


def gain_factors() -> NDArray[np.float32]:
    return np.random.default_rng(5).uniform(0.8, 1.2, SHAPE).astype(np.float32)


def test_counts_are_multiplied_with_the_gain() -> None:
    gain = gain_factors()
    np.testing.assert_allclose(Correction.of(HEADER, gain=gain).apply(frame(), 0), frame() * gain, rtol=1e-6)


@pytest.mark.parametrize("ending", [".mrc", ".tif"])
def test_a_gain_is_turned_as_said(tmp_path: Path, ending: str) -> None:
    gain = gain_factors()
    path = tmp_path / f"gain{ending}"
    if ending == ".mrc":
        write_mrc_movie(path, gain)
    else:
        tifffile.imwrite(path, gain)
    np.testing.assert_array_equal(read_gain(path), gain)
    np.testing.assert_array_equal(read_gain(path, flip="vertical"), gain[::-1])
    np.testing.assert_array_equal(read_gain(path, flip="horizontal"), gain[:, ::-1])
    # A quarter clockwise brings the first column, read upwards, to the top.
    np.testing.assert_array_equal(read_gain(path, rotate=1)[0], gain[::-1, 0])
    np.testing.assert_array_equal(read_gain(path, rotate=1, flip="vertical")[-1], gain[::-1, 0])
    np.testing.assert_array_equal(read_gain(path, rotate=2), gain[::-1, ::-1])
    np.testing.assert_allclose(read_gain(path, kind="divide"), 1 / gain, rtol=1e-6)


def test_a_gain_of_another_size_names_both() -> None:
    with pytest.raises(GainReferenceError, match=r"72 x 96, the frames of movie\.mrc are 96 x 72.*turn it"):
        Correction.of(HEADER, gain=gain_factors().T)


def test_a_gain_of_nothing_is_none(tmp_path: Path) -> None:
    with pytest.raises(GainReferenceError, match="is it a gain reference"):
        read_gain(write_mrc_movie(tmp_path / "gain.mrc", np.zeros(SHAPE, np.float32)))
    (tmp_path / "text.tif").write_bytes(b"II*\x00 and nothing that follows from it")
    with pytest.raises(GainReferenceError, match=r"text\.tif"):
        read_gain(tmp_path / "text.tif")


def test_pixels_without_gain_are_defects_and_take_a_neighbours_counts() -> None:
    gain = gain_factors()
    gain[10:14, 20:30] = np.nan
    correction = Correction.of(HEADER, gain=gain)
    assert correction.defects.sum() == 40
    first, second = correction.apply(frame(1), 0), correction.apply(frame(2), 1)
    assert np.isfinite(first).all()
    inside = first[10:14, 20:30]
    assert 2.5 < inside.mean() < 5.5
    assert inside.std() > 1.0
    assert abs(np.corrcoef(inside.ravel(), second[10:14, 20:30].ravel())[0, 1]) < 0.5, "what mends moves with the noise"
    assert "40 defective pixels" in correction.remarks()[0]


def test_a_list_of_defects(tmp_path: Path) -> None:
    path = tmp_path / "defects.txt"
    path.write_text("# x y w h\n3 5 2 1\n\n90, 0, 6, 72\n")
    defects = read_defects(path, SHAPE)
    assert defects.sum() == 2 + 6 * 72
    assert defects[5, 3]
    assert defects[5, 4]
    assert defects[:, 90:].all()
    path.write_text("3 5 2\n")
    with pytest.raises(DefectsError, match="line 1: '3 5 2' is not"):
        read_defects(path, SHAPE)
    path.write_text("1 1 1 1\n90 0 7 2\n")
    with pytest.raises(DefectsError, match=r"line 2: a defect of 7 x 2 at \(90, 0\) reaches beyond frames of 96 x 72"):
        read_defects(path, SHAPE)


def test_a_map_of_defects(tmp_path: Path) -> None:
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[7, 9] = 1
    tifffile.imwrite(tmp_path / "map.tif", drawn)
    assert np.argwhere(read_defects(tmp_path / "map.tif", SHAPE)).tolist() == [[7, 9]]
    with pytest.raises(DefectsError, match="is 96 x 72, the frames are 96 x 80"):
        read_defects(tmp_path / "map.tif", (80, 96))


def test_hot_and_dead_pixels_are_found_and_nothing_else() -> None:
    draw = np.random.default_rng(3)
    # Half the picture is carbon: darker, and not defective.
    expected = np.full((256, 320), 60.0)
    expected[:, 160:] = 25.0
    total = draw.poisson(expected).astype(np.float32)
    total[20, 30], total[200, 250], total[100, 40] = 400.0, 150.0, 0.0
    assert sorted(map(tuple, np.argwhere(find_hot_pixels(total)).tolist())) == [(20, 30), (100, 40), (200, 250)]
    known = np.zeros(total.shape, np.bool_)
    known[20, 30] = True
    assert find_hot_pixels(total, known).sum() == 2


def test_few_counts_make_nothing_hot() -> None:
    assert find_hot_pixels(np.random.default_rng(4).poisson(0.8, (256, 256))).sum() == 0


def test_too_many_defects_are_refused() -> None:
    defects = np.zeros(SHAPE, np.bool_)
    defects[:10] = True
    with pytest.raises(MovieError, match="more than 5 %"):
        Correction.of(HEADER, defects=defects)


def test_pixels_that_are_no_numbers() -> None:
    correction = Correction.of(HEADER)
    raw = frame().astype(np.float32)
    raw[3, 4] = np.nan
    corrected = correction.apply(raw, 2)
    assert corrected[3, 4] == 4.0
    assert correction.mended == {2: 1}
    assert "1 pixels in 1 frames" in correction.remarks()[0]
    raw[:2] = np.inf
    with pytest.raises(MovieError, match="193 of 6,912 pixels of frame 1 are no numbers"):
        correction.apply(raw, 0)


def test_a_frame_of_another_size() -> None:
    with pytest.raises(MovieError, match="frame 3 is 90 x 72, the first was 96 x 72"):
        Correction.of(HEADER).apply(frame()[:, :90], 2)
