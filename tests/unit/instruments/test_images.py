import errno
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.core.errors import ImageChangedError, ImageFormatError, ImageMissingError, SessionFolderError
from structloop.instruments.images import (
    Keep,
    as_kept,
    average_blocks,
    check_space,
    file_name,
    keep_image,
    kept_image,
    read_kept,
)
from structloop.instruments.microscope import Pixels, TakenImage
from structloop.schema.acquisition import Imaged, ImageFacts, KeptImage, StagePosition


def taken(pixels: Pixels, pixel_size: float = 12.5) -> TakenImage:
    um = pixel_size * 1e-4
    facts = ImageFacts(
        image_id="i1",
        preset="hole",
        width_px=pixels.shape[1],
        height_px=pixels.shape[0],
        pixel_size_angstrom=pixel_size,
        image_to_stage_um=((0.0, um), (-um, 0.0)),
        stage=StagePosition(x_um=12.25, y_um=-3.5, z_um=7.0, tilt_deg=20.0),
        taken_at=datetime(2026, 1, 5, tzinfo=UTC),
    )
    return TakenImage(facts, lambda binning: average_blocks(pixels, binning))


def some(dtype: str, height: int = 37, width: int = 50) -> Pixels:
    pixels: Pixels = (np.random.default_rng(1).random((height, width)) * 250).astype(dtype)
    return pixels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixels_come_back_byte_for_byte_with_size_and_place_in_the_header(tmp_path: Path, dtype: str) -> None:
    pixels = some(dtype)
    kept = keep_image(tmp_path, file_name("slot1/hole2"), taken(pixels), 1)
    assert kept.path == "images/slot1/hole2.mrc"
    again = read_kept(tmp_path, kept)
    assert again.dtype == pixels.dtype
    assert again.tobytes() == pixels.tobytes()
    with mrcfile.open(tmp_path / kept.path) as file:
        assert file.voxel_size.x == pytest.approx(12.5)
        assert any("stage um x 12.2500 y -3.5000 z 7.0000 tilt deg 20.000" in label for label in file.get_labels())
    assert [path.name for path in (tmp_path / "images/slot1").iterdir()] == ["hole2.mrc"]


def test_the_same_image_makes_the_same_file(tmp_path: Path) -> None:
    one, two = (keep_image(tmp_path, file_name(key), taken(some("int16")), 1) for key in ("a", "b"))
    assert one.sha256 == two.sha256


@given(st.integers(1, 6), st.integers(6, 40), st.integers(6, 40))
@settings(max_examples=30)
def test_averaging_keeps_the_mean_of_what_it_covers(binning: int, height: int, width: int) -> None:
    pixels = np.random.default_rng(height * 100 + width).normal(100, 10, (height, width)).astype(np.float32)
    binned = average_blocks(pixels, binning)
    assert binned.shape == (height // binning, width // binning)
    covered = pixels[: height // binning * binning, : width // binning * binning]
    assert binned.mean(dtype=np.float64) == pytest.approx(covered.mean(dtype=np.float64), rel=1e-5)


def test_an_image_kept_coarsely_is_itself_and_its_facts_say_how_coarse(tmp_path: Path) -> None:
    image = taken(some("float32", 40, 64))
    kept = keep_image(tmp_path, file_name("a"), image, 4)
    coarse = as_kept(tmp_path, Imaged(image=image.facts, kept=kept))
    assert coarse is not None
    facts = coarse.facts
    assert (facts.height_px, facts.width_px, facts.pixel_size_angstrom) == (10, 16, 50.0)
    assert np.linalg.norm(np.array(facts.image_to_stage_um), axis=0) * 1e4 == pytest.approx([50.0, 50.0])
    assert np.array_equal(coarse.pixels(), image.pixels(4))


@pytest.mark.parametrize("binning", [1, 2, 4, 8])
def test_an_image_kept_coarsely_still_has_the_shape_of_what_was_taken(tmp_path: Path, binning: int) -> None:
    image = taken(some("float32", 43, 66))
    back = kept_image(tmp_path, Imaged(image=image.facts, kept=keep_image(tmp_path, file_name("a"), image, 4)))
    assert back is not None
    pixels = back.pixels(binning)
    assert pixels.shape == (43 // binning, 66 // binning)
    assert np.corrcoef(average_blocks(pixels, max(1, 4 // binning))[:5, :8].ravel(), _like(image, binning).ravel())[
        0, 1
    ] == pytest.approx(1.0)
    with pytest.raises(ImageFormatError, match="cannot be read at 3"):
        back.pixels(3)


def _like(image: TakenImage, binning: int) -> Pixels:
    return image.pixels(max(4, binning))[:5, :8]


def test_a_changed_or_missing_file_is_named(tmp_path: Path) -> None:
    kept = keep_image(tmp_path, file_name("a"), taken(some("int16")), 1)
    path = tmp_path / kept.path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImageChangedError, match=r"a\.mrc is not the file"):
        read_kept(tmp_path, kept)
    path.unlink()
    with pytest.raises(ImageMissingError, match=r"a\.mrc"):
        read_kept(tmp_path, kept)


@pytest.mark.parametrize("path", ["../secret.mrc", "/etc/passwd", "images/../../x", "images\\..\\x"])
def test_a_journal_cannot_point_outside_of_its_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(ImageFormatError, match="does not lie below"):
        read_kept(tmp_path, KeptImage(path=path, sha256="0" * 64))


def test_pixels_that_are_not_what_was_announced_are_not_kept(tmp_path: Path) -> None:
    image = taken(some("int16"))
    liar = TakenImage(image.facts, lambda binning: some("int16", 10, 10))
    with pytest.raises(ImageFormatError, match=r"shape \(10, 10\)"):
        keep_image(tmp_path, file_name("a"), liar, 1)
    wide: Any = image.read(1).astype(np.float64)
    doubles = TakenImage(image.facts, lambda binning: wide)
    with pytest.raises(ImageFormatError, match="float64"):
        keep_image(tmp_path, file_name("a"), doubles, 1)
    assert not (tmp_path / "images").exists()


def test_a_full_disk_leaves_nothing_of_an_image_and_not_less_of_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = keep_image(tmp_path, file_name("a"), taken(some("int16")), 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SessionFolderError, match="disk is full"):
        keep_image(tmp_path, file_name("a"), taken(some("float32")), 1)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["a.mrc"]
    assert read_kept(tmp_path, first).dtype == np.int16


def test_room_is_looked_for_before_a_specimen_is_exposed(tmp_path: Path) -> None:
    check_space(tmp_path, 1000)
    with pytest.raises(SessionFolderError, match="free some space"):
        check_space(tmp_path, 10**16)


def test_a_binning_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="preset 'hole'"):
        Keep({"hole": 0})
    assert Keep({"hole": None}, default=2).binning("hole") is None
    assert Keep({"hole": None}, default=2).binning("square") == 2
