"""Reading labels: a CSV of drops or images, RockMaker's report.csv beside its images, a folder of labelled images."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from structloop.core.errors import ImageError, LabelsError
from structloop.crystals.labels.claims import BadLine, LabelClaim
from structloop.crystals.layouts.protocol import Skip
from structloop.crystals.layouts.rockmaker import RockMakerExportLayout
from structloop.imaging.reading import read_file
from structloop.loop.datasets.importing import find_images
from structloop.schema.crystals import DropImage, Well

# Names of columns differ between programs, versions and languages; compared in lower case, letters and digits only.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "barcode": ("barcode", "plate", "platebarcode", "plateid"),
    "well": ("well", "wellname", "position"),
    "drop": ("drop", "dropnumber", "subwell"),
    "inspection": ("inspection", "inspectionnumber"),
    "batch": ("batch", "batchid", "imagingid", "inspectionkey"),
    "label": ("label", "score", "userscore", "dropscore", "scorename", "class", "grade"),
    "scheme": ("scheme",),
    "annotator": ("annotator", "user", "username", "scoredby", "curator"),
    "date": ("date", "scoredate", "datescored", "time", "createdat"),
    "seconds": ("seconds",),
    "score_visible": ("scorevisible",),
    "image": ("image", "imagename", "file", "filename", "imagefile", "imagefilename", "path"),
    "sha256": ("sha256",),
}
_DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y", "%d.%m.%Y")
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no"}
Claims = Iterator[LabelClaim | BadLine]
OnProgress = Callable[[int, int | None], None]


def read_claims(path: Path, on_progress: OnProgress | None = None) -> Claims:
    """The labels that a file or folder gives, and its lines that give none.

    Read are: a CSV file whose columns say which drop (`barcode`, `well`, `drop`, `inspection` or `batch`) or which
    image (`image`, a path relative to the file; or `sha256`) and the `label`; RockMaker's `report.csv`, whose rows are
    matched through the names of its images; a folder of images, one folder per label or as an exported data set.

    Raises:
        LabelsError: it cannot be read, or has not the columns it needs.
        DatasetError: a folder holds no labelled images.
    """
    place = path.expanduser().absolute()
    if place.is_dir():
        report = place / "report.csv"
        yield from _table(report) if report.is_file() else _folder(place, on_progress)
    else:
        yield from _table(place)


def _folder(folder: Path, on_progress: OnProgress | None) -> Claims:
    images = find_images(folder)
    for done, image in enumerate(images):
        if on_progress is not None:
            on_progress(done, len(images))
        where = f"{folder.name}/{image.name}"
        try:
            digest = hashlib.sha256(read_file(image.path)).hexdigest()
        except ImageError as error:
            yield BadLine(where, str(error))
            continue
        yield LabelClaim(where, image.label, sha256=digest)


def _table(path: Path) -> Claims:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LabelsError(f"the labels {path} cannot be read: {error.strerror or error}") from error
    try:
        # RockMaker writes UTF-16; spreadsheets put a byte-order mark before the first column's name.
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelsError(f"the labels {path} are no CSV file in UTF-8: {error}") from error
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    try:
        places = _places(next(reader, []), path)
        for cells in reader:
            row = {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}
            if any(row.values()):
                yield _claim(row, path, reader.line_num)
    except csv.Error as error:
        raise LabelsError(f"{path}, line {reader.line_num}: {error}; save it as CSV again") from error


def _places(header: list[str], path: Path) -> dict[str, int]:
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]
    places = {
        column: plain.index(found)
        for column, names in _COLUMNS.items()
        if (found := next((name for name in names if name in plain), None)) is not None
    }
    if "label" not in places:
        raise LabelsError(f"{path}: no column holds the label; name one 'label', or 'score'")
    if not {"image", "sha256"} & places.keys() and not {"barcode", "well"} <= places.keys():
        raise LabelsError(f"{path}: no column says what is labelled; add 'barcode' and 'well', or 'image'")
    return places


def _claim(row: Mapping[str, str], path: Path, line: int) -> LabelClaim | BadLine:
    where = f"{path.name}, line {line}"
    try:
        if not row["label"]:
            raise ValueError("it has no label")
        subject = _by_place(row) or _by_image(row, path.parent)
        return LabelClaim(
            where=where,
            text=row["label"],
            scheme=row.get("scheme", ""),
            barcode=subject.barcode,
            well=subject.well,
            drop=subject.drop,
            inspection=subject.inspection,
            inspection_key=subject.inspection_key,
            sha256=subject.sha256,
            annotator=" ".join(row.get("annotator", "").split())[:200],
            given_at=_moment(row.get("date", "")),
            seconds=_seconds(row.get("seconds", "")),
            score_visible=_truth(row.get("score_visible", "")),
        )
    except (ValueError, ImageError) as error:
        return BadLine(where, str(error))


def _by_place(row: Mapping[str, str]) -> LabelClaim | None:
    if not row.get("barcode") or not row.get("well"):
        return None
    inspection = row.get("inspection", "")
    return LabelClaim(
        "",
        "",
        barcode=row["barcode"],
        well=Well.parse(row["well"]),
        drop=_number(row.get("drop", ""), "drop"),
        inspection=_number(inspection, "inspection"),
        inspection_key=row.get("batch", "") if not inspection else "",
    )


def _by_image(row: Mapping[str, str], folder: Path) -> LabelClaim:
    digest = row.get("sha256", "").lower()
    if digest:
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError(f"'{digest}' is no SHA-256")
        return LabelClaim("", "", sha256=digest)
    name = row.get("image", "")
    if not name:
        raise ValueError("it names neither a drop nor an image")
    # Reports name files as Windows does.
    file = folder / name.replace("\\", "/")
    if file.is_file():
        return LabelClaim("", "", sha256=hashlib.sha256(read_file(file)).hexdigest())
    # The image itself may lie elsewhere: RockMaker's names say which drop it shows.
    image = RockMakerExportLayout().match(folder / re.split(r"[\\/]", name)[-1])
    if isinstance(image, Skip) or image is None:
        raise ValueError(f"there is no file {file}, and its name does not say which drop it shows")
    return _of_image(image, _number(row.get("drop", ""), "drop"))


def _of_image(image: DropImage, drop: int | None) -> LabelClaim:
    return LabelClaim(
        "",
        "",
        barcode=image.barcode,
        well=image.well,
        drop=drop or image.drop,
        inspection=image.inspection,
        inspection_key=image.inspection_key,
    )


def _number(text: str, what: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise ValueError(f"{what} '{text}' is no number")
    return int(text)


def _seconds(text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    if not 0 <= value <= 86_400:
        raise ValueError(f"seconds '{text}' must be between 0 and 86400")
    return value


def _truth(text: str) -> bool | None:
    if not text:
        return None
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(f"score_visible '{text}' is neither true nor false")
    return text.lower() in _TRUE


def _moment(text: str) -> datetime | None:
    """When a label was given; a time without a zone is taken for UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = next((found for form in _DATES if (found := _parsed(text, form)) is not None), None)  # type: ignore[assignment]
    if moment is None:
        raise ValueError(f"date '{text}' is not understood; write 2026-03-31 14:05:00")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


__all__ = ["read_claims"]
