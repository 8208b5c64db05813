"""Movies of every format give the frames that were written, and what is no whole movie is refused by name and cause."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from structloop.core.errors import (
    ImageChangedError,
    ImageFormatError,
    ImageMissingError,
    ImageTruncatedError,
    MovieError,
)
from structloop.micrographs.movies import EerGrouping, open_movie
from support.movies import write_eer, write_mrc_movie

FRAMES, HEIGHT, WIDTH = 4, 72, 96


def counts(dtype: Any = np.uint8, frames: int = FRAMES) -> NDArray[Any]:
    """Counts, different in every frame, not square."""
    drawn = np.random.default_rng(1).poisson(3.0, (frames, HEIGHT, WIDTH))
    drawn[:, 0, 0] = np.arange(frames) + 1
    return drawn.astype(dtype)


def read_all(path: Path, **options: Any) -> NDArray[Any]:
    with open_movie(path, **options) as movie:
        assert (movie.header.height_px, movie.header.width_px) == (HEIGHT, WIDTH)
        frames = np.stack([movie.frame(number) for number in range(movie.header.frames)])
        assert frames.dtype == movie.header.dtype
        movie.check_unchanged()
        return frames


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_mrc_of_every_mode(tmp_path: Path, dtype: Any) -> None:
    written = counts(dtype)
    path = write_mrc_movie(tmp_path / "movie.mrcs", written, 0.83)
    np.testing.assert_array_equal(read_all(path), written)
    with open_movie(path) as movie:
        assert movie.header.pixel_size_angstrom == pytest.approx(0.83)
        assert movie.header.format == "MRC"


@pytest.mark.parametrize("meant", [0.83, 1.2, 0.6645, 1.0525, 3.0])
def test_a_pixel_size_is_the_number_that_was_meant(tmp_path: Path, meant: float) -> None:
    wide = np.ones((2, 512, 512), np.int8)
    size = float(np.float32(meant))
    with open_movie(write_mrc_movie(tmp_path / "movie.mrc", wide, size)) as movie:
        assert movie.header.pixel_size_angstrom == meant
    tifffile.imwrite(
        tmp_path / "movie.tif", wide, photometric="minisblack", resolution=(1e8 / size, 1e8 / size),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    with open_movie(tmp_path / "movie.tif") as movie:
        assert movie.header.pixel_size_angstrom == meant


def test_mrc_of_the_other_byte_order(tmp_path: Path) -> None:
    path = write_mrc_movie(tmp_path / "movie.mrc", counts(">i2"))
    assert path.read_bytes()[:4] == (WIDTH).to_bytes(4, "big")
    np.testing.assert_array_equal(read_all(path), counts(np.int16))


@pytest.mark.parametrize("width", [WIDTH, WIDTH - 1])
def test_mrc_of_four_bits(tmp_path: Path, width: int) -> None:
    written = np.minimum(counts(), 15)[:, :, :width]
    padded = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    padded[:, :, :width] = written
    header = bytearray(write_mrc_movie(tmp_path / "other.mrc", written).read_bytes()[:1024])
    header[12:16] = (101).to_bytes(4, "little")
    path = tmp_path / "movie.mrc"
    path.write_bytes(bytes(header) + (padded[:, :, 0::2] | padded[:, :, 1::2] << 4).tobytes())
    with open_movie(path) as movie:
        read = np.stack([movie.frame(number) for number in range(movie.header.frames)])
    np.testing.assert_array_equal(read, written)


def test_a_tiff_is_read_by_many_threads_at_once(tmp_path: Path) -> None:
    written = np.random.default_rng(2).poisson(3.0, (40, 128, 128)).astype(np.uint8)
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, written, compression="lzw", photometric="minisblack")
    before = sys.getswitchinterval()
    # Threads take turns so often that one seeks while another is about to read.
    sys.setswitchinterval(1e-6)
    try:
        with open_movie(path) as movie, ThreadPoolExecutor(8) as executor:
            for _ in range(10):
                for number, frame in enumerate(executor.map(movie.frame, range(40))):
                    np.testing.assert_array_equal(frame, written[number])
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("compression", [None, "lzw", "adobe_deflate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_of_every_compression(tmp_path: Path, dtype: Any, compression: str | None) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(
        path,
        counts(dtype),
        compression=compression,
        photometric="minisblack",
        resolution=(1e8 / 1.2, 1e8 / 1.2),
        resolutionunit="CENTIMETER",
        metadata=None,
    )
    np.testing.assert_array_equal(read_all(path), counts(dtype))
    with open_movie(path) as movie:
        assert movie.header.pixel_size_angstrom == pytest.approx(1.2, rel=1e-4)


@pytest.mark.parametrize("compression", [65000, 65001])
def test_eer_is_grouped(tmp_path: Path, compression: int) -> None:
    events = (np.random.default_rng(2).random((11, HEIGHT, WIDTH)) < 0.02).astype(np.uint8)
    events[3] = 0
    path = write_eer(tmp_path / "movie.eer", events, compression)
    np.testing.assert_array_equal(
        read_all(path, eer=EerGrouping(frames=2)), events[:10].reshape(5, 2, HEIGHT, WIDTH).sum(1)
    )
    with open_movie(path, eer=EerGrouping(dose_per_frame=3.0, total_dose=11.0)) as movie:
        assert movie.header.frames == 3
        assert any("the last 2" in remark for remark in movie.header.remarks)
    with pytest.raises(MovieError, match="stores 11 frames; groups of 6"):
        open_movie(path, eer=EerGrouping(frames=6))


def test_a_movie_that_is_cut_off(tmp_path: Path) -> None:
    whole = write_mrc_movie(tmp_path / "a.mrc", counts(np.int16)).read_bytes()
    tifffile.imwrite(tmp_path / "a.tif", counts(), photometric="minisblack", metadata=None, compression="lzw")
    events = (np.random.default_rng(2).random((6, HEIGHT, WIDTH)) < 0.02).astype(np.uint8)
    eer = write_eer(tmp_path / "a.eer", events).read_bytes()
    tiff = (tmp_path / "a.tif").read_bytes()
    for ending, data in ((".mrc", whole), (".tif", tiff), (".eer", eer)):
        for share in (0.3, 0.6, 0.97):
            path = tmp_path / f"cut{share}{ending}"
            path.write_bytes(data[: int(len(data) * share)])
            with pytest.raises(ImageTruncatedError, match=path.name):
                read_all(path)


def test_what_is_no_movie(tmp_path: Path) -> None:
    with pytest.raises(ImageMissingError, match="is not there"):
        open_movie(tmp_path / "none.mrc")
    (tmp_path / "empty.mrc").write_bytes(b"")
    with pytest.raises(ImageTruncatedError, match="0 bytes"):
        open_movie(tmp_path / "empty.mrc")
    (tmp_path / "text.dat").write_bytes(b"some words" * 200)
    with pytest.raises(ImageFormatError, match="no movie that is read"):
        open_movie(tmp_path / "text.dat")
    with pytest.raises(MovieError, match="single frame"):
        open_movie(write_mrc_movie(tmp_path / "one.mrc", counts(frames=1, dtype=np.int16)[0]))
    with pytest.raises(MovieError, match="at least 64"):
        open_movie(write_mrc_movie(tmp_path / "small.mrc", counts(np.int16)[:, :20]))


def test_no_frames(tmp_path: Path) -> None:
    data = bytearray(write_mrc_movie(tmp_path / "a.mrc", counts(np.int16)).read_bytes()[:1024])
    data[8:12] = bytes(4)
    path = tmp_path / "none.mrc"
    path.write_bytes(bytes(data))
    with pytest.raises(MovieError, match=r"none\.mrc holds no frames"):
        open_movie(path)


def test_frames_of_two_sizes(tmp_path: Path) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(counts()[0], photometric="minisblack", metadata=None)
        file.write(counts()[1, :, :80], photometric="minisblack", metadata=None)
    with pytest.raises(MovieError, match="frame 2 is 80 x 72 uint8, the first is 96 x 72"):
        open_movie(path)


def test_a_movie_that_changes_meanwhile(tmp_path: Path) -> None:
    path = write_mrc_movie(tmp_path / "movie.mrc", counts(np.int16))
    with open_movie(path) as movie:
        movie.frame(0)
        os.truncate(path, 3000)
        with pytest.raises(ImageTruncatedError, match="became shorter"):
            movie.frame(3)
        with pytest.raises(ImageChangedError, match="changed while it was read"):
            movie.check_unchanged()
