"""cryoSPARC's `.cs`: a NumPy file with one record per pick, places as fractions of the micrograph.

Only records of plain numbers and texts are read (nothing is ever unpickled), and no more is taken into memory than the
file holds. `location/center_x_frac` times the width is x, as pyem and RELION's own converters have it.
"""

import hashlib
import io
import tokenize
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from structloop.core.errors import CoordinateFileError
from structloop.schema.particles import MAX_COORDINATE_PX, MicrographPicks, PickSet

MAGIC = b"\x93NUMPY"
STREAM_MAGIC = b"\x94CSDAT"
_PATH, _SHAPE, _PIXEL = "location/micrograph_path", "location/micrograph_shape", "location/micrograph_psize_A"
_X, _Y = "location/center_x_frac", "location/center_y_frac"
_MICROGRAPH_UID, _GROUP, _UID = "location/micrograph_uid", "location/exp_group_id", "uid"
SCORE = "pick_stats/ncc_score"
_OWN = (_PATH, _SHAPE, _PIXEL, _X, _Y, _GROUP, SCORE)
_LONGEST_HEADER = 1_000_000


def read_cs(data: bytes, path: Path) -> PickSet:
    """The picks of a cryoSPARC file.

    Raises:
        CoordinateFileError: it is damaged, of another kind, or without locations.
    """
    table = _table(data, path)
    names = table.dtype.names or ()
    missing = [name for name in (_X, _Y, _PATH, _SHAPE) if name not in names]
    if missing:
        raise CoordinateFileError(
            f"{path} has no field {missing[0]}: it does not say where its particles are in their micrographs. "
            "Take the picking job's file, or the *_passthrough_particles.cs that lies beside this one"
        )
    shapes = _field(table, _SHAPE, (2,), "iu", path).astype(np.int64)
    if len(table) and (shapes.min() < 1 or shapes.max() > MAX_COORDINATE_PX):
        raise CoordinateFileError(f"{path}: a micrograph of {_SHAPE} {shapes.min()} to {shapes.max()} cannot be")
    fractions = np.stack([_field(table, name, (), "f", path).astype(np.float64) for name in (_X, _Y)], axis=1)
    xy_px = fractions * shapes[:, ::-1]
    bad = ~(np.abs(xy_px) <= MAX_COORDINATE_PX).all(axis=1)
    if bad.any():
        raise CoordinateFileError(f"{path}: record {int(np.argmax(bad)) + 1} has a place that is no finite number")
    scores = _field(table, SCORE, (), "fiu", path).astype(np.float64) if SCORE in names else np.full(len(table), np.nan)
    if np.isinf(scores).any():
        raise CoordinateFileError(f"{path}: record {int(np.argmax(np.isinf(scores))) + 1} has an infinite {SCORE}")
    pixels = _field(table, _PIXEL, (), "f", path).astype(np.float64) if _PIXEL in names else np.zeros(len(table))
    places: dict[str, list[int]] = {}
    for row, name in enumerate(_texts(table, path)):
        places.setdefault(name, []).append(row)
    for name in (_UID, _MICROGRAPH_UID):
        if name in names:
            _field(table, name, (), "iu", path)
    extra = [name for name in names if name not in _OWN]
    micrographs = []
    for name, rows in places.items():
        if len(np.unique(shapes[rows], axis=0)) > 1:
            raise CoordinateFileError(f"{path}: micrograph {name} has several sizes in {_SHAPE}; the file is damaged")
        size = float(pixels[rows[0]])
        micrographs.append(
            MicrographPicks(
                name,
                xy_px[rows],
                None if np.isnan(scores[rows]).all() else scores[rows],
                {column: table[column][rows] for column in extra},
                shape_px=(int(shapes[rows[0], 0]), int(shapes[rows[0], 1])),
                pixel_size_angstrom=size if 0 < size < 1e6 else None,
                optics_group=_group_of(table, rows, path),
            )
        )
    return PickSet(tuple(micrographs), origin=str(path))


def _table(data: bytes, path: Path) -> NDArray[Any]:
    """The records, after the header was found to fit the length of the file."""
    if data.startswith(STREAM_MAGIC):
        raise CoordinateFileError(f"{path} is in cryoSPARC's packed stream format, which is not read; save it as .npy")
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            # numpy warns of headers that Python 2 wrote.
            warnings.simplefilter("ignore")
            shape, dtype = _header(stream, path)
    # What numpy's parser of headers lets out: of a header that is no literal, too deep, or of no known type.
    except (
        ValueError,
        TypeError,
        SyntaxError,
        KeyError,
        RecursionError,
        MemoryError,
        OverflowError,
        tokenize.TokenError,
    ) as error:
        if isinstance(error, CoordinateFileError):
            raise
        raise CoordinateFileError(f"{path} has a damaged header: {str(error)[:200]}") from error
    if dtype.names is None or len(shape) != 1:
        raise CoordinateFileError(f"{path} is a NumPy array and no table of records; it is no .cs file")
    if dtype.hasobject:
        raise CoordinateFileError(
            f"{path} holds Python objects, which are never unpickled; save it anew as plain records"
        )
    start, needed = stream.tell(), shape[0] * dtype.itemsize
    if shape[0] < 0 or len(data) - start < needed or dtype.itemsize == 0:
        raise CoordinateFileError(f"{path} is cut short: {len(data) - start} of {needed} bytes of records are there")
    return np.frombuffer(data, dtype=dtype, count=shape[0], offset=start)


def _header(stream: io.BytesIO, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise CoordinateFileError(f"{path} is a NumPy file of version {version}, which cryoSPARC does not write")
    shape, _, dtype = read(stream, max_header_size=_LONGEST_HEADER)
    return shape, dtype


def _field(table: NDArray[Any], name: str, shape: tuple[int, ...], kinds: str, path: Path) -> NDArray[Any]:
    values: NDArray[Any] = table[name]
    if values.shape[1:] != shape or values.dtype.kind not in kinds:
        raise CoordinateFileError(f"{path}: field {name} has type {values.dtype}{values.shape[1:]}; it is damaged")
    return values


def _texts(table: NDArray[Any], path: Path) -> list[str]:
    values = _field(table, _PATH, (), "SU", path)
    try:
        names = [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values.tolist()]
    except UnicodeDecodeError as error:
        raise CoordinateFileError(f"{path}: a {_PATH} is not UTF-8; the file is damaged") from error
    # cryoSPARC marks its own symbolic links so.
    names = [name.removeprefix(">") for name in names]
    if "" in names:
        raise CoordinateFileError(f"{path}: record {names.index('') + 1} has no {_PATH}")
    return names


def _group_of(table: NDArray[Any], rows: list[int], path: Path) -> int | None:
    if _GROUP not in (table.dtype.names or ()):
        return None
    groups = np.unique(_field(table, _GROUP, (), "iu", path)[rows])
    if len(groups) > 1:
        raise CoordinateFileError(f"{path}: picks of one micrograph are in several {_GROUP}; the file is damaged")
    return int(groups[0])


def write_cs(picks: PickSet) -> bytes:
    """A cryoSPARC file of all micrographs. Identifiers that the picks do not have are made from what they hold.

    Raises:
        CoordinateFileError: the size of a micrograph is not known, of which the places are fractions.
    """
    filled = [each for each in picks if len(each)]
    parts = [_records(each) for each in filled]
    longest = max((len(each.micrograph.encode()) for each in filled), default=1)
    kept = [] if not filled else [name for name in filled[0].extra if _held_by_all(filled, name)]
    scored = any(each.scores is not None for each in filled)
    known = any(each.pixel_size_angstrom is not None for each in filled)
    fields: list[Any] = [
        (_UID, "<u8"),
        (_MICROGRAPH_UID, "<u8"),
        (_GROUP, "<u4"),
        (_PATH, f"S{longest}"),
        (_SHAPE, "<u4", (2,)),
        (_X, "<f4"),
        (_Y, "<f4"),
        *([(_PIXEL, "<f4")] if known else []),
        *([(SCORE, "<f4")] if scored else []),
        *((name, _widest(filled, name), filled[0].extra[name].shape[1:]) for name in kept),
    ]
    table = np.zeros(sum(map(len, filled)), dtype=fields)
    start = 0
    for each, part in zip(filled, parts, strict=True):
        rows = slice(start, start + len(each))
        for name, values in part.items():
            if name in (table.dtype.names or ()):
                table[name][rows] = values
        for name in kept:
            table[name][rows] = each.extra[name]
        start += len(each)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, table, allow_pickle=False)
    return stream.getvalue()


def _records(picks: MicrographPicks) -> dict[str, Any]:
    if picks.shape_px is None:
        raise CoordinateFileError(
            f"the size of micrograph {picks.micrograph} is not known, and a .cs file states places as fractions of it; "
            "give the micrographs or their size (--micrographs, --micrograph-size)"
        )
    height, width = picks.shape_px
    fractions = picks.xy_px / np.array([width, height])
    return {
        _UID: picks.extra.get(_UID, _identifiers(picks)),
        _MICROGRAPH_UID: picks.extra.get(_MICROGRAPH_UID, _digest(picks.micrograph.encode())),
        _GROUP: 0 if picks.optics_group is None else picks.optics_group,
        _PATH: picks.micrograph.encode(),
        _SHAPE: picks.shape_px,
        _X: fractions[:, 0],
        _Y: fractions[:, 1],
        _PIXEL: 0.0 if picks.pixel_size_angstrom is None else picks.pixel_size_angstrom,
        SCORE: np.nan if picks.scores is None else picks.scores,
    }


def _identifiers(picks: MicrographPicks) -> NDArray[np.uint64]:
    """One number per pick, the same whenever the same picks are written; equal places differ by their row."""
    rows = (f"{picks.micrograph}\0{place}\0".encode() + each.tobytes() for place, each in enumerate(picks.xy_px))
    return np.array([_digest(row) for row in rows], dtype=np.uint64)


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "little")


def _held_by_all(picks: list[MicrographPicks], name: str) -> bool:
    """Whether all micrographs have a column as cryoSPARC made it: of the same shape, no Python objects."""
    if name in (_UID, _MICROGRAPH_UID) or any(name not in each.extra for each in picks):
        return False
    values = [each.extra[name] for each in picks]
    alike = all(each.dtype.kind == values[0].dtype.kind and each.shape[1:] == values[0].shape[1:] for each in values)
    return "/" in name and alike and values[0].dtype.kind in "biufSU"


def _widest(picks: list[MicrographPicks], name: str) -> np.dtype[Any]:
    return np.result_type(*(each.extra[name].dtype for each in picks))


def left_out_of_cs(picks: PickSet) -> list[str]:
    """Names of the extra columns that `write_cs` leaves out."""
    filled = [each for each in picks if len(each)]
    names = {name for each in filled for name in each.extra}
    return sorted(name for name in names if name not in (_UID, _MICROGRAPH_UID) and not _held_by_all(filled, name))


__all__ = ["MAGIC", "SCORE", "STREAM_MAGIC", "left_out_of_cs", "read_cs", "write_cs"]
