"""A CSV manifest: one line per image that says what it shows. Fits every imager for which nothing else does."""

import csv
import difflib
import io
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import TypeVar

from structloop.core.errors import LayoutError
from structloop.crystals.layouts.names import light
from structloop.crystals.layouts.protocol import Recognition, Skip
from structloop.schema.crystals import DropImage, FileProblem, Well
from structloop.schema.images import Focus, Modality

T = TypeVar("T")

REQUIRED = ("image", "barcode", "well")
COLUMNS: dict[str, str] = {
    "image": "Path of the image, relative to the manifest (or absolute).",
    "barcode": "The plate.",
    "well": "The well, such as A01.",
    "drop": "Number of the drop; empty: 1.",
    "inspection": "Number of the inspection, from 1; empty: 1.",
    "modality": "visible, uv, uv-tpef or shg; empty: visible.",
    "profile": "The imager's name for how the image was taken.",
    "focus": "single or extended; empty: single.",
    "imager": "Name or serial number of the imager.",
    "taken_at": "When, in ISO 8601; without a zone taken for UTC.",
    "um_per_pixel": "Micrometres per pixel.",
    "rows": "Rows of the plate; empty: the smallest of 8 x 12, 16 x 24, 32 x 48 that holds all wells.",
    "columns": "Columns of the plate.",
}
PREFERRED_NAME = "manifest.csv"


@dataclass(frozen=True, slots=True)
class _Manifest:
    images: Mapping[Path, DropImage]
    problems: Sequence[FileProblem]


class ManifestLayout:
    """Images listed in a CSV file with the columns of `COLUMNS`, of which image, barcode and well are required.

    Args:
        file: The manifest; None for `manifest.csv` of the imported folder, or the only CSV file there with the three
            required columns.
    """

    name = "manifest"
    title = "CSV manifest"
    description = (
        "A CSV file lists the images: columns image, barcode, well and, where wanted, "
        + ", ".join(name for name in COLUMNS if name not in REQUIRED)
        + ". It is manifest.csv in the folder, or the CSV file that is imported."
    )

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._read: tuple[Path, tuple[int, int], _Manifest] | None = None

    def recognise(self, root: Path, sample: Sequence[PurePath]) -> Recognition:
        """See `Layout`; a manifest counts more than any name."""
        file = self._find(root)
        if file is None:
            return Recognition(0.0, f"there is no {PREFERRED_NAME} with the columns {', '.join(REQUIRED)}")
        return Recognition(1.0, f"{file.name} lists the images")

    def list_images(self, root: Path) -> Iterator[PurePath | FileProblem]:
        """See `ListingLayout`."""
        manifest = self._manifest(root)
        yield from manifest.problems
        yield from manifest.images

    def read(self, root: Path, path: PurePath) -> DropImage | Skip:
        """See `Layout`."""
        found = self._manifest(root).images.get(_normal(root / path))
        return found if found is not None else Skip("images that the manifest does not list", silent=True)

    def _find(self, root: Path) -> Path | None:
        if self._file is not None:
            return self._file
        try:
            files = sorted(path for path in root.iterdir() if path.suffix.lower() == ".csv" and path.is_file())
        except OSError:
            # An unreadable folder is the scan's business to report.
            return None
        fitting = [path for path in files if set(REQUIRED) <= set(_header(path))]
        preferred = [path for path in fitting if path.name.lower() == PREFERRED_NAME]
        if preferred:
            return preferred[0]
        return fitting[0] if len(fitting) == 1 else None

    def _manifest(self, root: Path) -> _Manifest:
        file = self._find(root)
        if file is None:
            raise LayoutError(
                f"{root} has no {PREFERRED_NAME} and not exactly one CSV file with the columns {', '.join(REQUIRED)}; "
                "import the CSV file itself"
            )
        try:
            status = file.stat()
            state = (status.st_size, status.st_mtime_ns)
            if self._read is None or self._read[:2] != (file, state):
                self._read = (file, state, _parse(file, file.read_bytes()))
        except OSError as error:
            raise LayoutError(f"{file} cannot be read: {error.strerror or error}; check its permissions") from error
        return self._read[2]


def _header(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            line = file.readline(65_536)
    except OSError:
        return []
    return [name.strip().strip('"').lower() for name in _text(line).strip().split(_delimiter(_text(line)))]


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace")


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _parse(file: Path, data: bytes) -> _Manifest:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LayoutError(f"{file}, line {line}: not UTF-8; save the manifest as UTF-8") from error
    reader = csv.DictReader(io.StringIO(text), delimiter=_delimiter(text.partition("\n")[0]), strict=True)
    images: dict[Path, DropImage] = {}
    problems: list[FileProblem] = []
    try:
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
        _check_columns(file, reader.fieldnames)
        for row in reader:
            if not any(isinstance(value, str) and value.strip() for value in row.values()):
                continue
            line = reader.line_num
            try:
                image = _image(file, row)
            except ValueError as error:
                problems.append(FileProblem(Path(f"{file}:{line}"), f"line {line}, {error}"))
                continue
            if image.path in images:
                problems.append(
                    FileProblem(
                        Path(f"{file}:{line}"), f"line {line}, column 'image': {image.path.name} is listed twice"
                    )
                )
                continue
            images[image.path] = image
    except csv.Error as error:
        raise LayoutError(f"{file}, line {reader.reader.line_num}: {error}; check its quotes") from error
    return _Manifest(images, problems)


def _check_columns(file: Path, names: Sequence[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise LayoutError(f"{file}, line 1: column '{missing[0]}' is missing; required are {', '.join(REQUIRED)}")
    for name in names:
        if name in COLUMNS:
            continue
        # Columns of other programs may stand there too, but a misspelt one must not be lost silently.
        near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.75)
        if near:
            raise LayoutError(f"{file}, line 1: unknown column '{name}'; did you mean '{near[0]}'?")


def _image(file: Path, row: Mapping[str, str | None]) -> DropImage:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in ("image", "barcode"):
        if not cells[name]:
            raise ValueError(f"column '{name}': it is empty")
    well = _cell("well", cells, Well.parse)
    if well is None:
        raise ValueError("column 'well': it is empty")
    return DropImage(
        path=_normal(file.parent / cells["image"]),
        barcode=cells["barcode"],
        well=well,
        drop=_cell("drop", cells, _positive) or 1,
        inspection=_cell("inspection", cells, _positive) or 1,
        modality=_cell("modality", cells, _modality) or Modality.VISIBLE,
        profile=cells["profile"][:100],
        focus=_cell("focus", cells, Focus) or Focus.SINGLE,
        imager=cells["imager"] or None,
        taken_at=_cell("taken_at", cells, _moment),
        um_per_pixel=_cell("um_per_pixel", cells, _length),
        plate_rows=_cell("rows", cells, _positive),
        plate_columns=_cell("columns", cells, _positive),
    )


def _cell(name: str, cells: Mapping[str, str], read: Callable[[str], T]) -> T | None:
    """A cell's value; None where it is empty. An error names the column."""
    if not cells[name]:
        return None
    try:
        return read(cells[name])
    except ValueError as error:
        raise ValueError(f"column '{name}': {error}") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"'{text}' is no whole number from 1")
    return int(text)


def _modality(text: str) -> Modality:
    found = light(text)
    if found is None:
        raise ValueError(f"'{text}' is none of {', '.join(Modality)}")
    return found


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no date and time such as 2026-01-31T09:30:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _length(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"'{text}' is no positive number")
    return value


def _normal(path: Path) -> Path:
    """The absolute path without `..`; symbolic links stay as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100  # Path.resolve would follow links


__all__ = ["COLUMNS", "PREFERRED_NAME", "REQUIRED", "ManifestLayout"]
