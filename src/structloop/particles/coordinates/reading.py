"""Reading picks from a file or a folder of any format, recognised by its contents and not by its name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from structloop.core.errors import CoordinateFileError, CoordinateFileMissingError
from structloop.imaging.star_syntax import parse_star
from structloop.particles.coordinates.box import read_box, read_coord
from structloop.particles.coordinates.cbox import read_cbox
from structloop.particles.coordinates.cs import MAGIC, STREAM_MAGIC, read_cs
from structloop.particles.coordinates.names import match_names
from structloop.particles.coordinates.places import find_file
from structloop.particles.coordinates.star import LIST_COLUMN, MICROGRAPH, is_list_of_files, read_star
from structloop.particles.coordinates.tables import is_header, read_table
from structloop.schema.particles import MicrographPicks, OpticsGroup, PickSet, YAxis

ENDINGS = (".star", ".box", ".cbox", ".cs", ".txt", ".coord", ".csv", ".tsv")
# Of these an empty file is one without picks; of the others it was cut short.
_MAY_BE_EMPTY = (".box", ".coord")
MAX_FILE_BYTES = 4 * 1024**3

Shapes = Mapping[str, tuple[int, int]]
"""Height and width of micrographs by their names."""


def read_coordinates(path: Path, *, y_axis: YAxis = "down", shapes: Shapes | None = None) -> PickSet:
    """The picks of a coordinate file, or of a folder of such files.

    Read are RELION's STAR files (with and without `data_optics`, of one or many micrographs, and lists of coordinate
    files), EMAN `.box`, crYOLO `.cbox`, cryoSPARC `.cs`, Topaz `.txt`, `.coord`, and CSV. In a folder, every file with
    one of their endings is read, except a list of coordinate files where the files themselves lie there too.

    Args:
        path: The file or folder.
        y_axis: Where y begins in the file: `down` at the first stored row, `up` at the last.
        shapes: Height and width of micrographs by name (matched by `match_names`); needed for `up` where the file does
            not say them, kept in the picks else.

    Returns:
        The picks in this program's frame: pixels, the centre of the first stored pixel at (0, 0).

    Raises:
        CoordinateFileMissingError: there is nothing at `path`.
        CoordinateFileError: it is of no format that is read, faulty, or y begins at the last row of a micrograph whose
            height is not known.
        MicrographNameError: a name fits several micrographs of `shapes`.
    """
    picks = _read_folder(path) if path.is_dir() else _read_file(path)
    if shapes:
        picks = with_shapes(picks, shapes)
    return flipped(picks) if y_axis == "up" else picks


def with_shapes(picks: PickSet, shapes: Shapes) -> PickSet:
    """The same picks with the sizes of their micrographs, where `shapes` has them and the picks do not.

    Raises:
        MicrographNameError: a name fits several micrographs.
    """
    pairs = match_names([each.micrograph for each in picks if each.shape_px is None], shapes).pairs
    micrographs = tuple(
        replace(each, shape_px=shapes[pairs[each.micrograph]]) if each.micrograph in pairs else each for each in picks
    )
    return replace(picks, micrographs=micrographs)


def flipped(picks: PickSet) -> PickSet:
    """The picks with y counted from the other end of each micrograph.

    Raises:
        CoordinateFileError: the height of a micrograph is not known.
    """
    micrographs = []
    for each in picks:
        if each.shape_px is None:
            raise CoordinateFileError(
                f"{picks.origin or 'picks'}: y is to be counted from the last row, and the height of micrograph "
                f"{each.micrograph} is not known; give the micrographs or their size (--micrographs, --micrograph-size)"
            )
        xy_px = each.xy_px * np.array([1.0, -1.0]) + np.array([0.0, each.shape_px[0] - 1.0])
        micrographs.append(replace(each, xy_px=xy_px))
    return replace(picks, micrographs=tuple(micrographs))


def _read_file(path: Path) -> PickSet:
    try:
        data = _bytes(path)
    except FileNotFoundError as error:
        raise CoordinateFileMissingError(f"{path} is not there; check its name") from error
    except OSError as error:
        raise CoordinateFileError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    if data.startswith((MAGIC, STREAM_MAGIC)):
        return read_cs(data, path)
    if not data and path.suffix.lower() in _MAY_BE_EMPTY:
        return PickSet((MicrographPicks(path.stem, np.empty((0, 2))),), origin=str(path))
    if not data.strip():
        raise CoordinateFileError(f"{path} is empty; write it again, or remove it where its micrograph has no picks")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CoordinateFileError(f"{path} is no text and no .cs file; it is of no format that is read") from error
    if "\0" in text:
        raise CoordinateFileError(f"{path} has zero bytes in its text; the file is damaged")
    text = text.replace("\r\n", "\n")
    reader = _reader_of(text, path)
    return reader(text, path)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise CoordinateFileError(f"{path} is larger than 4 GiB; no coordinate file is")
        return file.read()


def _reader_of(text: str, path: Path) -> Callable[[str, Path], PickSet]:
    """What reads such a text, by its first line that says something."""
    lines = (line.strip() for line in text.split("\n"))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if not first:
        raise CoordinateFileError(f"{path} holds comments only; write it again")
    if first.startswith("data_"):
        if "\ndata_cryolo" in f"\n{text}":
            return read_cbox
        return _read_star_or_list
    if first[0] in "{[<":
        raise CoordinateFileError(f"{path} is JSON or XML, which is not read; save the picks as .box, .star or .csv")
    if is_header(first):
        return read_table
    values = first.split()
    if _numeric(values) or path.suffix.lower() in _MAY_BE_EMPTY:
        if len(values) in (4, 5):
            return read_box
        if len(values) == 2 or path.suffix.lower() in _MAY_BE_EMPTY:
            return read_box if path.suffix.lower() == ".box" else read_coord
        raise CoordinateFileError(
            f"{path} has {len(values)} numbers in its first row; a .coord row has two, a .box row four. "
            "Put a header above the rows that names the columns (micrograph, x, y, score)"
        )
    raise CoordinateFileError(
        f"{path} is of no format that is read: its first row is '{first[:60]}'. Read are STAR, .box, .cbox, .cs, "
        "Topaz .txt, .coord, and CSV with a header"
    )


def _numeric(values: Sequence[str]) -> bool:
    try:
        return bool([float(value) for value in values])
    except ValueError:
        return False


def _read_star_or_list(text: str, path: Path) -> PickSet:
    if LIST_COLUMN not in text:
        return read_star(text, path)
    blocks = parse_star(text, path)
    if not is_list_of_files(blocks):
        return read_star(text, path)
    block = next(block for block in blocks if LIST_COLUMN in block.columns)
    found = []
    for name, file in zip(block.column(MICROGRAPH) or [], block.column(LIST_COLUMN) or [], strict=True):
        picks = _read_listed(_place_of(file, path), path)
        if len(picks.micrographs) > 1:
            raise CoordinateFileError(f"{path} lists {file} for {name}, and that file has picks of many micrographs")
        # A file of a micrograph without picks may name no micrograph at all.
        one = picks.micrographs[0] if picks.micrographs else MicrographPicks(name, np.empty((0, 2)))
        found.append(PickSet((replace(one, micrograph=name),), picks.optics, file))
    return _joined(found, path)


def _read_listed(file: Path, path: Path) -> PickSet:
    data = _bytes(file)
    if LIST_COLUMN.encode() in data:
        raise CoordinateFileError(f"{path} lists {file}, which is a list again; name the coordinate files themselves")
    return _read_file(file)


def _place_of(file: str, listed_in: Path) -> Path:
    found = find_file(file, listed_in)
    if found is None:
        raise CoordinateFileMissingError(
            f"{listed_in} only lists coordinate files, and '{file}' of its list is not there: neither below the "
            "current folder nor below one that holds the list; start from RELION's project folder, or give that file"
        )
    return found


def _read_folder(folder: Path) -> PickSet:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    if not files:
        raise CoordinateFileError(f"{folder} holds no coordinate file ({', '.join(ENDINGS)})")
    found: list[Path] = []
    lists: list[Path] = []
    for file in files:
        target = lists if file.suffix.lower() == ".star" and LIST_COLUMN.encode() in _bytes(file) else found
        target.append(file)
    return _joined([_read_file(file) for file in found or lists], folder)


def _joined(parts: Sequence[PickSet], path: Path) -> PickSet:
    """Several files' picks as one.

    Raises:
        CoordinateFileError: a micrograph is in two files, or an optics group is described in two ways.
    """
    owner: dict[str, str] = {}
    optics: dict[int, OpticsGroup] = {}
    for part in parts:
        for each in part:
            if each.micrograph in owner:
                raise CoordinateFileError(
                    f"{path}: micrograph {each.micrograph} is in {owner[each.micrograph]} and in {part.origin}; "
                    "which of them holds? Keep one"
                )
            owner[each.micrograph] = part.origin
        for group in part.optics:
            if optics.setdefault(group.number, group) != group:
                raise CoordinateFileError(f"{path}: optics group {group.number} differs between its files")
    return PickSet(tuple(each for part in parts for each in part), tuple(optics.values()), origin=str(path))


__all__ = ["ENDINGS", "Shapes", "flipped", "read_coordinates", "with_shapes"]
