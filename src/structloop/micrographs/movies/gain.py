"""Gain references: what raw counts are multiplied with (or divided by), turned as the user says and never guessed."""

import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from structloop.core.errors import GainReferenceError, ImageError
from structloop.imaging.mrc import read_mrc_header, read_mrc_section
from structloop.micrographs.movies.files import identity_of
from structloop.micrographs.movies.tiff import DECODER_ERRORS

Flip = Literal["none", "vertical", "horizontal"]
Rotation = Literal[0, 1, 2, 3]
_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def read_gain(
    path: Path, *, rotate: Rotation = 0, flip: Flip = "none", kind: Literal["multiply", "divide"] = "multiply"
) -> NDArray[np.float32]:
    """A gain reference from an MRC or TIFF file, (y, x), as what raw counts are multiplied with.

    Args:
        path: The file; of several pictures, the first.
        rotate: So many quarter turns, clockwise where row 0 is drawn at the top, as RELION shows it (`--gain_rot`;
            `-RotGain` of MotionCor2). First it is turned, then flipped.
        flip: `vertical` makes the first row the last (`-FlipGain 1`), `horizontal` the first column the last (2).
        kind: What the file holds: factors, or sensitivities that counts are divided by (`.gain` files beside EER).

    Pixels of 0, and such as are no numbers, become NaN: the pixel is a defect.

    Raises:
        GainReferenceError: the file is no picture of which more than half can be a gain.
        ImageMissingError, ImageTruncatedError: it is not there, or not whole.
    """
    gain = np.asarray(read_picture(path, "gain reference"), np.float32)
    gain = np.rot90(gain, -rotate)
    if flip == "vertical":
        gain = gain[::-1]
    elif flip == "horizontal":
        gain = gain[:, ::-1]
    usable = np.isfinite(gain) & (gain > 0)
    if np.count_nonzero(usable) * 2 < gain.size:
        raise GainReferenceError(
            f"{path}: only {np.count_nonzero(usable):,} of {gain.size:,} pixels are above 0; is it a gain reference?"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(usable, gain if kind == "multiply" else 1 / gain, np.nan)
    return np.ascontiguousarray(factors, np.float32)


def read_picture(path: Path, what: str) -> NDArray[Any]:
    """The first picture of an MRC or TIFF file as it is stored, (y, x).

    Raises:
        GainReferenceError: it holds no grey picture.
        ImageMissingError, ImageTruncatedError, ImageFormatError: it cannot be read.
    """
    identity_of(path)
    with path.open("rb") as file:
        start = file.read(4)
    try:
        if start in _TIFF_STARTS:
            picture: NDArray[Any] = tifffile.imread(path, key=0)
        else:
            picture = read_mrc_section(path, read_mrc_header(path), 0)
    except ImageError:
        raise
    except (*DECODER_ERRORS, struct.error) as error:
        raise GainReferenceError(f"{path} cannot be read as a {what} ({error}); give an MRC or TIFF file") from error
    if picture.ndim != 2 or picture.dtype.kind not in "iufb":
        raise GainReferenceError(f"{path} holds {picture.dtype} values of shape {picture.shape}, not a {what}")
    return picture


__all__ = ["Flip", "Rotation", "read_gain", "read_picture"]
