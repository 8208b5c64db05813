"""RELION's files of motion: reading what it measured, per movie and per data set, and listing what we corrected.

Conventions are those of RELION 3.1's `--use_own`: frames count from 1; shifts are pixels of the unbinned frame that
*undo* the motion relative to the first frame; the local model is, for each axis, the sum of 18 products of z, z^2,
z^3 (z: frames since the first used) with 1, x, x^2, y, y^2, x y, where x and y run from -0.5 to 0.5 over the frame.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import MotionFileError
from structloop.schema.motion import Array64, CorrectedMicrograph, MotionSummary, MotionTrack

_COEFFICIENTS = 36


@dataclass(frozen=True, slots=True, eq=False)
class RelionMotion:
    """What `relion_run_motioncorr --use_own` wrote of one movie.

    Attributes:
        track: Where the whole went.
        width_px, height_px: Of the frames.
        coefficients: (2, 6, 3): for x and y, the terms in space, the powers of z from 1; None without a local model.
    """

    track: MotionTrack
    width_px: int
    height_px: int
    coefficients: NDArray[np.float64] | None

    def at(self, x: Array64, y: Array64) -> Array64:
        """Displacements (frames, 2, ...) of places (x, y) in pixels, in our sign."""
        u, v = np.asarray(x) / self.width_px - 0.5, np.asarray(y) / self.height_px - 0.5
        whole = self.track.shifts_px.reshape(*self.track.shifts_px.shape, *[1] * u.ndim)
        if self.coefficients is None:
            return np.asarray(whole + np.zeros(u.shape))
        terms = np.stack([np.ones_like(u), u, u * u, v, v * v, u * v])
        z = (self.track.frames - self.track.frames[0]).astype(np.float64)
        powers = np.stack([z, z**2, z**3])
        return np.asarray(whole + np.einsum("asm,mf,s...->fa...", self.coefficients, powers, terms))


def read_relion_motion(path: Path) -> RelionMotion:
    """Reads a movie's STAR file of RELION's motion correction.

    Raises:
        MotionFileError: it has no shifts, or values that are no numbers.
    """
    blocks = read_star(path)
    general = blocks.get("general", ({}, []))[0]
    shifts = table_of(blocks, "global_shift", path)
    try:
        frames = np.array([int(row["rlnMicrographFrameNumber"]) - 1 for row in shifts], np.int64)
        undone = np.array([[float(row[f"rlnMicrographShift{axis}"]) for axis in "XY"] for row in shifts])
        size = int(float(general["rlnImageSizeX"])), int(float(general["rlnImageSizeY"]))
        rows = blocks.get("local_motion_model", ({}, []))[1]
        values = [float(row["rlnMotionModelCoeff"]) for row in rows]
        track = MotionTrack(general.get("rlnMicrographMovieName", path.name), "RELION", frames, -undone, int(frames[0]))
    except (KeyError, ValueError, IndexError) as error:
        raise MotionFileError(f"{path} is no motion file of RELION that is understood: {error}") from error
    if values and len(values) != _COEFFICIENTS:
        raise MotionFileError(f"{path} has {len(values)} coefficients of its local model; {_COEFFICIENTS} are known")
    local = -np.array(values).reshape(2, 6, 3) if values else None
    return RelionMotion(track, size[0], size[1], local)


def read_corrected_micrographs(path: Path) -> list[MotionSummary]:
    """The motion that RELION's `corrected_micrographs.star` lists, micrograph by micrograph, as it says it.

    RELION 3.1 calls `rlnAccumMotion*` angstrom and adds up pixels of the stored frame (see its programs' output for any
    movie of known motion); what it means cannot be seen in the file.

    Raises:
        MotionFileError: it has no table of micrographs, or a value that is no number.
    """
    blocks = read_star(path)
    listed = blocks.get("optics", ({}, []))[1]
    groups = {row.get("rlnOpticsGroup", ""): row for row in listed}
    # Of movies that were not imported, RELION names no group in the table of optics; there is one.
    only = listed[0] if len(listed) == 1 else {}
    found = []
    for number, row in enumerate(table_of(blocks, "micrographs", path), 1):
        try:
            optics = groups.get(row.get("rlnOpticsGroup", ""), only)
            size = float(optics.get("rlnMicrographPixelSize", "nan"))
            found.append(
                MotionSummary(
                    row["rlnMicrographName"],
                    "RELION",
                    float(row["rlnAccumMotionTotal"]),
                    float(row.get("rlnAccumMotionEarly", "nan")),
                    float(row.get("rlnAccumMotionLate", "nan")),
                    size if np.isfinite(size) else None,
                )
            )
        except (KeyError, ValueError) as error:
            raise MotionFileError(f"{path}: micrograph {number} of the table cannot be understood: {error}") from error
    return found


def write_corrected_micrographs(
    path: Path,
    micrographs: Sequence[CorrectedMicrograph],
    *,
    pixel_size_angstrom: float,
    voltage_kv: float,
    cs_mm: float,
    amplitude_contrast: float = 0.1,
    original_pixel_size_angstrom: float | None = None,
) -> None:
    """Writes `corrected_micrographs.star` as RELION 3.1 and later read it.

    Micrographs whose motion names another pixel size than `pixel_size_angstrom` are optics groups of their own.

    Raises:
        MotionFileError: a name has blanks, which RELION cannot read, or there are no micrographs.
        OSError: it cannot be written.
    """
    if not micrographs:
        raise MotionFileError(f"there are no micrographs to list in {path}")
    names = [text for one in micrographs for text in (str(one.micrograph), one.metadata, one.power_spectrum)]
    for name in names:
        if any(letter.isspace() for letter in name):
            raise MotionFileError(f"RELION cannot read the name {name!r}, for its blanks; rename the file")
    sizes = [round(one.motion.pixel_size_angstrom or pixel_size_angstrom, 5) for one in micrographs]
    groups = {size: number for number, size in enumerate(dict.fromkeys(sizes), 1)}
    optics = ["OpticsGroupName", "OpticsGroup", "MicrographOriginalPixelSize", "Voltage", "SphericalAberration"]
    optics += ["AmplitudeContrast", "MicrographPixelSize"]
    values = []
    for size, number in groups.items():
        numbers = (original_pixel_size_angstrom or size, voltage_kv, cs_mm, amplitude_contrast, size)
        values.append([f"opticsGroup{number}", str(number), *(f"{value:.6f}" for value in numbers)])
    columns = ["MicrographName", "OpticsGroup", "AccumMotionTotal", "AccumMotionEarly", "AccumMotionLate"]
    with_power = all(one.power_spectrum for one in micrographs)
    with_metadata = all(one.metadata for one in micrographs)
    columns = ["CtfPowerSpectrum"] * with_power + columns[:1] + ["MicrographMetadata"] * with_metadata + columns[1:]
    rows = []
    for one, size in zip(micrographs, sizes, strict=True):
        motion = one.motion
        # RELION has no word for what is not known: without a dose, or where no step lies within the first
        # electrons, all motion counts as late.
        early = motion.early_angstrom if np.isfinite(motion.early_angstrom) else 0.0
        row = [one.power_spectrum] * with_power + [str(one.micrograph)] + [one.metadata] * with_metadata
        row += [
            str(groups[size]),
            f"{motion.total_angstrom:.6f}",
            f"{early:.6f}",
            f"{motion.total_angstrom - early:.6f}",
        ]
        rows.append(row)
    text = _block("optics", optics, values) + _block("micrographs", columns, rows)
    path.write_text(text, encoding="utf-8")


def _block(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["", "# version 30001", "", f"data_{name}", "", "loop_ "]
    lines += [f"_rln{column} #{number} " for number, column in enumerate(columns, 1)]
    lines += [" ".join(row) + " " for row in rows]
    return "\n".join([*lines, "", ""])


Blocks = Mapping[str, tuple[dict[str, str], list[dict[str, str]]]]


def read_star(path: Path) -> Blocks:
    """The blocks of a STAR file of RELION by name: single values, and rows of its loop; `rln` stays in the names.

    Names without blanks or quotes, which are all that RELION writes.

    Raises:
        MotionFileError: it is not there, or a row has not as many values as its loop has columns.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise MotionFileError(f"{path} cannot be read: {error.strerror or error}") from error
    blocks: dict[str, tuple[dict[str, str], list[dict[str, str]]]] = {}
    singles: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    columns: list[str] = []
    looping = False
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split() if line.lstrip().startswith(("_", "#", "data_", "loop_")) else line.split()
        if not words:
            continue
        if words[0].startswith("data_"):
            singles, rows, columns, looping = {}, [], [], False
            blocks[words[0].removeprefix("data_")] = (singles, rows)
        elif words[0] == "loop_":
            columns, looping = [], True
        elif words[0].startswith("_") and looping and not rows:
            columns.append(words[0].removeprefix("_"))
        elif words[0].startswith("_"):
            singles[words[0].removeprefix("_")] = words[1] if len(words) > 1 else ""
        elif looping:
            if len(words) != len(columns):
                raise MotionFileError(f"{path}, line {number}: {len(words)} values for {len(columns)} columns")
            rows.append(dict(zip(columns, words, strict=True)))
    return blocks


def table_of(blocks: Blocks, name: str, path: Path) -> list[dict[str, str]]:
    """The rows of a block.

    Raises:
        MotionFileError: there is no such block, or it has no rows.
    """
    if name not in blocks or not blocks[name][1]:
        raise MotionFileError(f"{path} has no table data_{name}; is it a STAR file of RELION's motion correction?")
    return blocks[name][1]


__all__ = [
    "RelionMotion",
    "read_corrected_micrographs",
    "read_relion_motion",
    "read_star",
    "table_of",
    "write_corrected_micrographs",
]
