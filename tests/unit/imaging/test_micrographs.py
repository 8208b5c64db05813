"""Micrographs of every format and depth are read as they are stored, and what is no micrograph is refused by name."""

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ImageError, ImageFormatError, ImageMissingError, ImageTruncatedError
from structloop.imaging.micrographs import probe_micrograph, read_micrograph

HEIGHT, WIDTH = 96, 160


def picture(dtype: Any = np.float32) -> NDArray[Any]:
    """Non-square, different at every place, so that a flip or a turn would show."""
    values = np.arange(HEIGHT * WIDTH, dtype=np.float64).reshape(HEIGHT, WIDTH)
    if np.dtype(dtype).kind in "iu":
        info = np.iinfo(dtype)
        values = values / values.max() * (float(info.max) - float(info.min)) * 0.999 + float(info.min)
    return values.astype(dtype)


def write_mrc(path: Path, values: NDArray[Any], angstrom: float | None = None) -> Path:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values)
        if angstrom is not None:
            file.voxel_size = angstrom
    return path


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_mrc_of_every_depth(tmp_path: Path, dtype: Any) -> None:
    values = (picture(np.float64) / 300).astype(dtype) if dtype == np.float16 else picture(dtype)
    read = read_micrograph(write_mrc(tmp_path / "a.mrc", values, 1.25))
    np.testing.assert_array_equal(read.pixels, values.astype(np.float32))
    assert read.header.pixel_size_angstrom == pytest.approx(1.25)
    assert (read.header.width_px, read.header.height_px) == (WIDTH, HEIGHT)


def test_mrc_of_the_other_byte_order_and_with_an_extended_header(tmp_path: Path) -> None:
    values = picture(np.int16)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(values.astype(">i2"))
        file.set_extended_header(np.zeros(640, "V1"))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.mrc").pixels, values.astype(np.float32))


def test_unsigned_bytes_of_imod(tmp_path: Path) -> None:
    path = write_mrc(tmp_path / "a.mrc", picture(np.int8))
    data = bytearray(path.read_bytes())
    data[152:156] = (1146047817).to_bytes(4, "little")
    data[156:160] = (0).to_bytes(4, "little")
    path.write_bytes(data)
    np.testing.assert_array_equal(read_micrograph(path).pixels, picture(np.int8).view(np.uint8).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32])
def test_tiff_of_every_depth(tmp_path: Path, dtype: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(dtype))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.tif").pixels, picture(dtype).astype(np.float32))


def test_png_of_8_and_16_bits_and_jpeg(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.uint16):
        Image.fromarray(picture(dtype)).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_micrograph(tmp_path / "a.png").pixels, picture(dtype).astype(np.float32))
    Image.fromarray(picture(np.uint8)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_micrograph(tmp_path / "a.jpg").pixels - picture(np.uint8)).max() < 8


def test_colour_becomes_grey(tmp_path: Path) -> None:
    grey = picture(np.uint8)
    Image.fromarray(np.stack([grey, grey, grey], axis=2)).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_micrograph(tmp_path / "a.png").pixels, grey)


def test_pixel_size_of_a_tiff(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cm.tif", picture(), resolution=(1e8 / 1.1, 1e8 / 1.1), resolutionunit="CENTIMETER")
    assert probe_micrograph(tmp_path / "cm.tif").pixel_size_angstrom == pytest.approx(1.1, rel=1e-4)
    tifffile.imwrite(tmp_path / "ij.tif", picture(), imagej=True, resolution=(10.0, 10.0), metadata={"unit": "nm"})
    assert probe_micrograph(tmp_path / "ij.tif").pixel_size_angstrom == pytest.approx(1.0)
    tifffile.imwrite(tmp_path / "dpi.tif", picture(), resolution=(72, 72))
    assert probe_micrograph(tmp_path / "dpi.tif").pixel_size_angstrom is None


def test_pixel_sizes_that_are_not_believed_are_said(tmp_path: Path) -> None:
    assert "not know" in probe_micrograph(write_mrc(tmp_path / "a.mrc", picture(), 1.0)).remarks[0]
    path = write_mrc(tmp_path / "b.mrc", picture())
    with mrcfile.open(path, "r+") as file:
        file.voxel_size = (1.0, 2.0, 1.0)
    header = probe_micrograph(path)
    assert header.pixel_size_angstrom is None
    assert "not believed" in header.remarks[0]


def test_a_few_dead_pixels_are_mended_and_a_nan_picture_is_refused(tmp_path: Path) -> None:
    path = write_mrc(tmp_path / "a.mrc", picture())
    stored = np.memmap(path, np.float32, "r+", 1024)
    stored[3] = np.nan
    stored.flush()
    read = read_micrograph(path)
    assert np.isfinite(read.pixels).all()
    assert "1 pixels" in read.header.remarks[0]
    stored[:2000] = np.inf
    stored.flush()
    with pytest.raises(ImageFormatError, match=r"a\.mrc.*no numbers"):
        read_micrograph(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.999])
@pytest.mark.parametrize("kind", ["mrc", "tif", "png", "jpg"])
def test_a_truncated_file_says_so(tmp_path: Path, kind: str, share: float) -> None:
    whole = tmp_path / f"whole.{kind}"
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    if kind == "mrc":
        write_mrc(whole, noise.astype(np.float32))
    elif kind == "tif":
        tifffile.imwrite(whole, noise)
    else:
        Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageTruncatedError, match=r"cut\."):
        read_micrograph(cut)


def test_movies_transforms_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFormatError, match="movie"):
        read_micrograph(write_mrc(tmp_path / "movie.mrc", np.stack([picture()] * 3)))
    tifffile.imwrite(tmp_path / "movie.tif", np.stack([picture()] * 5), photometric="minisblack")
    with pytest.raises(ImageFormatError, match="movie"):
        read_micrograph(tmp_path / "movie.tif")
    with pytest.raises(ImageFormatError, match="complex"):
        read_micrograph(write_mrc(tmp_path / "fft.mrc", picture().astype(np.complex64)))
    (tmp_path / "text.mrc").write_text("not a picture " * 200)
    with pytest.raises(ImageFormatError, match="not an MRC"):
        read_micrograph(tmp_path / "text.mrc")
    (tmp_path / "text.dat").write_text("not a picture " * 200)
    with pytest.raises(ImageFormatError, match="supported"):
        read_micrograph(tmp_path / "text.dat")
    with pytest.raises(ImageFormatError, match="at least"):
        read_micrograph(write_mrc(tmp_path / "small.mrc", picture()[:10]))
    with pytest.raises(ImageFormatError, match="all pixels are 7"):
        read_micrograph(write_mrc(tmp_path / "flat.mrc", np.full((HEIGHT, WIDTH), 7, np.float32)))


def test_a_missing_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ImageMissingError):
        read_micrograph(tmp_path / "none.mrc")
    with pytest.raises(ImageError):
        read_micrograph(tmp_path)
