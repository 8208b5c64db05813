"""Images are read by what they hold; what cannot be used is named, with the reason and the remedy."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ImageError, ImageFormatError, ImageMissingError, ImageTruncatedError
from structloop.imaging import probe_image, read_image
from structloop.imaging.pixels import to_8bit


def gradient(width: int = 200, height: int = 120) -> Image.Image:
    """A picture with structure in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "ending"), [("JPEG", ".jpg"), ("PNG", ".png"), ("TIFF", ".tif"), ("BMP", ".bmp")])
def test_common_formats_are_read_whole(tmp_path: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"drop{ending}"
    gradient().save(path)
    probe = probe_image(path)
    assert (probe.width_px, probe.height_px, probe.format, probe.remarks) == (200, 120, kind, ())
    difference = np.abs(np.asarray(read_image(path), float) - np.asarray(gradient(), float))
    assert difference.mean() < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "I;16", "F"])
def test_every_mode_becomes_8_bit_grey_or_colour(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "drop.tif"
    source = gradient().convert("L")
    if mode == "I;16":
        Image.fromarray(np.asarray(source).astype(np.uint16) * 200).save(path)
    else:
        (gradient() if mode in ("P", "RGBA", "CMYK") else source).convert(mode).save(path)
    image = read_image(path)
    assert image.mode in ("L", "RGB")
    assert image.size == (200, 120)
    if mode != "1":
        assert np.ptp(np.asarray(image)) > 150


def test_transparency_is_composed_over_black(tmp_path: Path) -> None:
    image = Image.new("RGBA", (40, 40), (255, 255, 255, 0))
    image.save(tmp_path / "drop.png")
    assert np.asarray(read_image(tmp_path / "drop.png")).max() == 0


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient().save(tmp_path / "drop.jpg", exif=exif)
    assert read_image(tmp_path / "drop.jpg").size == (200, 120)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9, 0.985])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_file_that_ends_too_early_is_truncated(tmp_path: Path, kind: str, cut: float) -> None:
    path = tmp_path / f"drop.{kind.lower()}"
    data = encoded(gradient(640, 480), kind)
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(ImageTruncatedError, match=r"drop.*again"):
        probe_image(path)


def test_a_file_that_goes_on_as_zeros_is_truncated(tmp_path: Path) -> None:
    data = encoded(gradient(640, 480), "JPEG")
    path = tmp_path / "drop.jpg"
    path.write_bytes(data[: len(data) // 2].ljust(len(data), b"\x00"))
    with pytest.raises(ImageTruncatedError, match="end marker"):
        probe_image(path)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "drop.jpg"
    path.write_bytes(encoded(gradient(), "JPEG") + b"\x00" * 512 + b"imager's own trailer")
    assert probe_image(path).width_px == 200


def test_an_empty_file_is_truncated(tmp_path: Path) -> None:
    (tmp_path / "drop.jpg").touch()
    with pytest.raises(ImageTruncatedError, match="0 bytes"):
        probe_image(tmp_path / "drop.jpg")


@pytest.mark.parametrize(
    ("data", "what"), [(b"%PDF-1.7 ...", "PDF"), (b"<html>gone</html>", "markup"), (b"\x00" * 900, "zeros only")]
)
def test_a_foreign_file_says_what_it_is(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "drop.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageFormatError, match=what):
        probe_image(path)


def test_a_png_named_jpg_is_read_and_remarked_on(tmp_path: Path) -> None:
    path = tmp_path / "drop.jpg"
    path.write_bytes(encoded(gradient(), "PNG"))
    probe = probe_image(path)
    assert probe.format == "PNG"
    assert "PNG file although its name ends in '.jpg'" in probe.remarks[0]


def test_a_deep_tiff_is_read_and_remarked_on(tmp_path: Path) -> None:
    path = tmp_path / "drop.tif"
    pixels = np.linspace(0, 65535, 120 * 200, dtype=np.uint16).reshape(120, 200)
    tifffile.imwrite(path, np.stack([pixels] * 3, axis=-1), photometric="rgb")
    assert "more than 8 bits" in probe_image(path).remarks[0]
    assert read_image(path).mode == "RGB"


def test_a_12_bit_camera_uses_the_whole_range_and_its_noise_stays_dark(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    tifffile.imwrite(tmp_path / "bright.tif", random.integers(0, 4096, (100, 100)).astype(np.uint16))
    tifffile.imwrite(tmp_path / "dark.tif", random.integers(90, 130, (100, 100)).astype(np.uint16))
    assert np.asarray(read_image(tmp_path / "bright.tif")).max() > 250
    assert np.asarray(read_image(tmp_path / "dark.tif")).max() < 5


@pytest.mark.parametrize(
    ("kind", "stays_dark"), [("uint16", True), ("int16", True), ("int32", False), ("float32", False)]
)
def test_only_integers_of_up_to_16_bits_have_a_range_that_counts(kind: str, stays_dark: bool) -> None:
    brightest = int(to_8bit(np.arange(90, 130).astype(kind)).max())
    assert brightest < 6 if stays_dark else brightest == 255


def test_nan_is_black_and_an_image_of_nan_is_refused(tmp_path: Path) -> None:
    pixels = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    pixels[10, 10] = np.nan
    tifffile.imwrite(tmp_path / "some.tif", pixels)
    tifffile.imwrite(tmp_path / "all.tif", np.full((64, 64), np.nan, np.float32))
    assert np.asarray(read_image(tmp_path / "some.tif"))[10, 10] == 0
    with pytest.raises(ImageFormatError, match="finite"):
        read_image(tmp_path / "all.tif")


def test_one_pixel_is_too_small(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "drop.png")
    with pytest.raises(ImageFormatError, match="only 1 x 1 pixels"):
        probe_image(tmp_path / "drop.png")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "drop.png"
    path.write_bytes(encoded(Image.new("1", (20_000, 20_000)), "PNG"))
    with pytest.raises(ImageFormatError, match="pixels"):
        probe_image(path)


def test_a_missing_file_and_a_folder_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ImageMissingError, match="moved or deleted"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own about damaged metadata
@given(
    data=st.binary(min_size=1, max_size=300),
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00"]),
)
def test_no_bytes_bring_the_reader_down(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "drop.jpg"
    path.write_bytes(start + data)
    with pytest.raises(ImageError, match=r"drop\.jpg"):
        probe_image(path)


@given(
    hnp.arrays(
        st.sampled_from([np.uint16, np.int16, np.float32]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)
    )
)
def test_brighter_pixels_never_become_darker(values: NDArray[Any]) -> None:
    if not np.isfinite(values).any():
        return
    finite = np.isfinite(values)
    order = np.argsort(values[finite], kind="stable")
    assert (np.diff(to_8bit(values)[finite][order].astype(int)) >= 0).all()
