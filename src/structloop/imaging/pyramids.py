"""Deep-zoom pyramids: an image as tiles at every scale, for viewers that load only what is seen."""

from pathlib import Path

import numpy as np

from structloop.imaging.derived import DerivedFolder
from structloop.imaging.reading import decode
from structloop.imaging.sources import read_unchanged

KIND = "pyramids"
TILE_PX = 510
OVERLAP_PX = 1
_NAME = "image"


def deep_zoom(files: DerivedFolder, source: Path, sha256: str) -> Path:
    """The folder of an image's Deep Zoom pyramid, made when it does not exist yet.

    It holds `image.dzi` (the description) and `image_files/<level>/<column>_<row>.jpeg`.

    Args:
        files: Where derived files lie.
        source: The source image.
        sha256: Digest of its contents when it was imported; tiles are never made of anything else.

    Raises:
        ImageMissingError, ImageChangedError: the source is not there, or not what was imported.
        ImageTruncatedError, ImageFormatError: it cannot be decoded.
        StoreUnavailableError: the tiles cannot be written.
    """
    target = files.path(KIND, files.address(KIND, sha256, tile_px=TILE_PX, overlap_px=OVERLAP_PX), "")
    if target.exists():
        return target
    image = decode(read_unchanged(source, sha256), source)
    pixels = np.ascontiguousarray(np.asarray(image))

    def make(folder: Path) -> None:
        # Loading libvips takes a while, and only viewers need it.
        import pyvips

        bands = 1 if pixels.ndim == 2 else pixels.shape[2]
        picture = pyvips.Image.new_from_memory(pixels.tobytes(), pixels.shape[1], pixels.shape[0], bands, "uchar")
        picture = picture.copy(interpretation="b-w" if bands == 1 else "srgb")
        folder.mkdir()
        try:
            picture.dzsave(
                str(folder / _NAME), layout="dz", suffix=".jpeg[Q=90]", tile_size=TILE_PX, overlap=OVERLAP_PX
            )
        except pyvips.Error as error:
            # libvips reports a full disk only in words; callers handle it as they handle any failed write.
            raise OSError(f"libvips: {error}") from error

    return files.get_or_make(KIND, sha256, "", make, tile_px=TILE_PX, overlap_px=OVERLAP_PX)


def description_path(folder: Path) -> Path:
    """The `.dzi` file of a pyramid that `deep_zoom` made."""
    return folder / f"{_NAME}.dzi"


def tile_path(folder: Path, level: int, column: int, row: int) -> Path:
    """Where a tile of a pyramid lies, whether it exists or not."""
    return folder / f"{_NAME}_files" / str(level) / f"{column}_{row}.jpeg"


__all__ = ["KIND", "OVERLAP_PX", "TILE_PX", "deep_zoom", "description_path", "tile_path"]
