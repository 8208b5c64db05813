"""Thumbnails and tiles are made of what was imported, once, and of nothing else."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from structloop.core.errors import ImageChangedError, ImageMissingError, ImageTruncatedError
from structloop.imaging import deep_zoom, thumbnail
from structloop.imaging.pyramids import TILE_PX, description_path, tile_path
from structloop.store import DerivedFiles


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "Tröpfchen 1.jpg"
    Image.linear_gradient("L").resize((1224, 1024)).save(path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_thumbnail_keeps_the_shape_and_is_made_once(tmp_path: Path, source: Path) -> None:
    files = DerivedFiles(tmp_path / "derived")
    path = thumbnail(files, source, digest(source), 320)
    with Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (320, 268))
    before = path.stat().st_mtime_ns
    assert thumbnail(files, source, digest(source), 320).stat().st_mtime_ns == before


def test_a_small_image_is_not_enlarged(tmp_path: Path) -> None:
    path = tmp_path / "drop.png"
    Image.new("RGB", (64, 40)).save(path)
    with Image.open(thumbnail(DerivedFiles(tmp_path / "derived"), path, digest(path), 320)) as image:
        assert image.size == (64, 40)


def test_the_source_is_only_read(tmp_path: Path, source: Path) -> None:
    before = (digest(source), source.stat().st_mtime_ns, source.name)
    thumbnail(DerivedFiles(tmp_path / "derived"), source, digest(source), 100)
    deep_zoom(DerivedFiles(tmp_path / "derived"), source, digest(source))
    assert (digest(source), source.stat().st_mtime_ns) == before[:2]


@pytest.mark.parametrize("make", [partial(thumbnail, longest_px=320), deep_zoom])
def test_a_source_that_moved_or_changed_is_said_to_be_so(
    tmp_path: Path, source: Path, make: Callable[[DerivedFiles, Path, str], Path]
) -> None:
    files, sha256 = DerivedFiles(tmp_path / "derived"), digest(source)
    moved = source.rename(tmp_path / "elsewhere.jpg")
    with pytest.raises(ImageMissingError, match="moved or deleted"):
        make(files, source, sha256)
    moved.write_bytes(moved.read_bytes()[:5000])
    with pytest.raises(ImageChangedError, match="import its folder again"):
        make(files, moved, sha256)
    with pytest.raises(ImageTruncatedError):
        make(files, moved, digest(moved))
    assert not list(files.root.rglob("*.jp*g"))


def test_a_thumbnail_once_made_outlives_its_source(tmp_path: Path, source: Path) -> None:
    files, sha256 = DerivedFiles(tmp_path / "derived"), digest(source)
    made = thumbnail(files, source, sha256, 320)
    source.unlink()
    assert thumbnail(files, source, sha256, 320) == made


def test_a_pyramid_describes_the_whole_image_and_ends_in_one_pixel(tmp_path: Path, source: Path) -> None:
    folder = deep_zoom(DerivedFiles(tmp_path / "derived"), source, digest(source))
    description = description_path(folder).read_text(encoding="utf-8")
    for fact in ('Width="1224"', 'Height="1024"', f'TileSize="{TILE_PX}"'):
        assert fact in description
    with Image.open(tile_path(folder, 0, 0, 0)) as image:
        assert image.size == (1, 1)
    columns = {path.stem.split("_")[0] for path in tile_path(folder, 11, 0, 0).parent.iterdir()}
    assert columns == {"0", "1", "2"}
    assert deep_zoom(DerivedFiles(tmp_path / "derived"), source, digest(source)) == folder
