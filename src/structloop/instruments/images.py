"""Images of a session on disk: MRC files below its folder, whole or not there, known by their SHA-256."""

import errno
import hashlib
import io
import os
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import mrcfile
import numpy as np

from structloop.core.errors import (
    ImageChangedError,
    ImageFormatError,
    ImageMissingError,
    NotCapableError,
    SessionFolderError,
)
from structloop.instruments.microscope import Pixels, TakenImage
from structloop.schema.acquisition import Imaged, ImageFacts, KeptImage, Preset

IMAGES_FOLDER = "images"
# Room that must be left beside an image before it is exposed, for the journal and other programs.
_MARGIN_BYTES = 32 * 1024 * 1024
# MRC has no unsigned bytes that all programs agree on; they are stored in 16 bits, and this label says so.
_BYTES_LABEL = "structloop: pixels were uint8"
_DTYPES = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True, slots=True)
class Keep:
    """Which images are kept, and how finely.

    Attributes:
        binning_by_preset: Pixels averaged per axis before an image is kept; None keeps only its facts.
        default: For presets not named there.
    """

    binning_by_preset: Mapping[str, int | None] = field(default_factory=dict)
    default: int | None = 1

    def __post_init__(self) -> None:
        for preset, binning in [*self.binning_by_preset.items(), ("default", self.default)]:
            if binning is not None and binning < 1:
                raise ValueError(f"images of preset '{preset}' cannot be kept at binning {binning}; give 1 or more")

    def binning(self, preset: str) -> int | None:
        """The binning of a preset's images; None keeps nothing."""
        return self.binning_by_preset.get(preset, self.default)


class LiveImages:
    """The last images of a session, held so that they can be looked at although they are not kept, or more finely."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._images: OrderedDict[tuple[str, int], TakenImage] = OrderedDict()

    def put(self, key: str, tile: int, image: TakenImage) -> None:
        """Hold an image, and let go of the oldest one."""
        self._images[key, tile] = image
        self._images.move_to_end((key, tile))
        while len(self._images) > self._most:
            self._images.popitem(last=False)

    def get(self, key: str, tile: int) -> TakenImage | None:
        """An image, if it is still held."""
        return self._images.get((key, tile))


def file_name(key: str, tile: int | None = None) -> str:
    """Where an image is kept, relative to the session's folder."""
    return f"{IMAGES_FOLDER}/{key}.mrc" if tile is None else f"{IMAGES_FOLDER}/{key}~{tile:03d}.mrc"


def check_space(folder: Path, pixels: int) -> None:
    """Make sure, before a specimen is exposed, that the images can be kept.

    Raises:
        SessionFolderError: there is too little room.
    """
    needed = pixels * np.dtype(np.float32).itemsize + _MARGIN_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SessionFolderError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left and the next image may need {needed / 1e6:.0f} MB; "
            "free some space, then run the same session again"
        )


def check_binning(preset: Preset, binning: int) -> None:
    """Make sure, before a specimen is exposed, that something would be left of the image.

    Raises:
        NotCapableError: its side is shorter than the pixels that are averaged.
    """
    shorter = min(preset.width_px, preset.height_px)
    if binning > shorter:
        raise NotCapableError(
            f"images of preset '{preset.name}' are {preset.width_px} x {preset.height_px} pixels and cannot be kept at "
            f"binning {binning}; keep them at {shorter} or less (Keep)"
        )


def storable(pixels: object) -> tuple[Pixels, str | None]:
    """Pixels of a type that can be kept, and what was changed for it, if anything was.

    Raises:
        ImageFormatError: they are no `(y, x)` array of numbers.
    """
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.dtype.kind not in "buif":
        shown = f"an array {pixels.shape} of {pixels.dtype}" if isinstance(pixels, np.ndarray) else f"{type(pixels)}"
        raise ImageFormatError(f"the driver gives {shown} for pixels; give a (y, x) array of {', '.join(_DTYPES)}")
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    said = None
    if native.dtype.name not in _DTYPES:
        small = np.dtype(np.int16 if native.dtype.name in {"bool", "int8"} else np.float32)
        said = f"the driver gives pixels of {native.dtype}, which are kept as {small}; give {', '.join(_DTYPES)}"
        with np.errstate(over="ignore"):
            native = native.astype(small)
    if native.dtype.kind == "f" and not np.isfinite(native).all():
        native = np.where(np.isfinite(native), native, native.dtype.type(0))
        said = f"{said}; " if said else ""
        said += "the driver gives pixels that are no finite numbers, which are kept as 0"
    return native, said


def keep_image(folder: Path, name: str, taken: TakenImage, binning: int) -> KeptImage:
    """Write an image below a session's folder: afterwards it is there as a whole, or not at all.

    Raises:
        ImageFormatError: its pixels are not what its facts say.
        SessionFolderError: it cannot be written; nothing is left of the attempt.
    """
    pixels = taken.pixels(binning)
    facts = taken.facts
    expected = (facts.height_px // binning, facts.width_px // binning)
    if pixels.shape != expected or pixels.dtype.name not in _DTYPES or 0 in expected:
        raise ImageFormatError(
            f"image {facts.image_id} has shape {pixels.shape} and type {pixels.dtype}; its description asks for "
            f"{expected} at binning {binning}, and one of {', '.join(_DTYPES)}"
        )
    path = folder / name
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(unfinished, pixels, facts, binning)
        digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SessionFolderError(
                f"the disk is full: {path} could not be kept; free some space, then run the same session again"
            ) from error
        raise SessionFolderError(f"{path} could not be kept: {error.strerror or error}") from error
    return KeptImage(path=name, sha256=digest, binning=binning)


def _write(path: Path, pixels: Pixels, facts: ImageFacts, binning: int) -> None:
    stage = facts.stage
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(pixels.astype(np.uint16) if pixels.dtype == np.uint8 else pixels)
        file.voxel_size = facts.pixel_size_angstrom * binning
        file.header.nlabl = 0
        file.header.label[:] = b""
        file.add_label(f"structloop: {facts.image_id[:60]}")
        file.add_label(
            f"stage um x {stage.x_um:.4f} y {stage.y_um:.4f} z {stage.z_um:.4f} tilt deg {stage.tilt_deg:.3f}"
        )
        if pixels.dtype == np.uint8:
            file.add_label(_BYTES_LABEL)
    with path.open("rb") as written:
        os.fsync(written.fileno())


def read_kept(folder: Path, kept: KeptImage) -> Pixels:
    """The pixels of a kept image, exactly as they were kept.

    Raises:
        ImageMissingError: its file is gone.
        ImageChangedError: its file is not the one that was kept.
        ImageFormatError: it lies outside of the session's folder, or is no MRC file.
    """
    relative = PurePosixPath(kept.path)
    if relative.is_absolute() or ".." in relative.parts or "\\" in kept.path:
        raise ImageFormatError(f"'{kept.path}' does not lie below the session's folder; the journal was tampered with")
    path = folder / relative
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageMissingError(f"{path} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != kept.sha256:
        raise ImageChangedError(f"{path} is not the file that the session wrote; restore it from a copy")
    try:
        file = mrcfile.mrcinterpreter.MrcInterpreter(iostream=io.BytesIO(data))
    except ValueError as error:
        raise ImageFormatError(f"{path} is not an MRC file: {error}") from error
    with file:
        pixels = np.array(file.data)
        was_bytes = any(_BYTES_LABEL in label for label in file.get_labels())
    return pixels.astype(np.uint8) if was_bytes else pixels


def kept_image(folder: Path, imaged: Imaged) -> TakenImage | None:
    """A kept image with the facts it was taken with; None where it was not kept.

    Read at a coarser binning than it was kept at, its pixels are averaged further; read at a finer one, each kept
    pixel stands for the block it is the average of.
    """
    kept = imaged.kept
    if kept is None:
        return None
    facts = imaged.image

    def read(binning: int) -> Pixels:
        return _at_binning(read_kept(folder, kept), kept.binning, binning, facts)

    return TakenImage(facts, read)


def _at_binning(pixels: Pixels, kept: int, binning: int, facts: ImageFacts) -> Pixels:
    shape = (facts.height_px // binning, facts.width_px // binning)
    if binning == kept:
        return pixels
    if binning % kept == 0:
        return average_blocks(pixels, binning // kept)[: shape[0], : shape[1]]
    if kept % binning == 0:
        rows, columns = (
            np.minimum(np.arange(size) * binning // kept, there - 1)
            for size, there in zip(shape, pixels.shape, strict=True)
        )
        return pixels[np.ix_(rows, columns)]
    raise ImageFormatError(f"image {facts.image_id} was kept at binning {kept} and cannot be read at {binning}")


def average_blocks(pixels: Pixels, binning: int) -> Pixels:
    """Average `binning` x `binning` blocks of a `(y, x)` image. Integers stay integers, rounded.

    What does not fill a block at the far edges is left out.
    """
    if binning == 1:
        return pixels
    height, width = pixels.shape[0] // binning, pixels.shape[1] // binning
    blocks = pixels[: height * binning, : width * binning].reshape(height, binning, width, binning)
    mean = blocks.mean(axis=(1, 3), dtype=np.float64)
    averaged: Pixels = (np.rint(mean) if pixels.dtype.kind in "iu" else mean).astype(pixels.dtype)
    return averaged


def as_kept(folder: Path, imaged: Imaged) -> TakenImage | None:
    """A kept image as an image of its own: the kept pixels are all there is, and the facts say so."""
    kept = imaged.kept
    if kept is None:
        return None
    if kept.binning == 1:
        return kept_image(folder, imaged)
    facts = imaged.image
    (a, b), (c, d) = facts.image_to_stage_um
    k = kept.binning
    changed = facts.model_copy(
        update={
            "width_px": facts.width_px // k,
            "height_px": facts.height_px // k,
            "pixel_size_angstrom": facts.pixel_size_angstrom * k,
            "image_to_stage_um": ((a * k, b * k), (c * k, d * k)),
        }
    )

    def read(binning: int) -> Pixels:
        return average_blocks(read_kept(folder, kept), binning)

    return TakenImage(changed, read)


__all__ = [
    "IMAGES_FOLDER",
    "Keep",
    "LiveImages",
    "as_kept",
    "average_blocks",
    "check_binning",
    "check_space",
    "file_name",
    "keep_image",
    "kept_image",
    "read_kept",
    "storable",
]
