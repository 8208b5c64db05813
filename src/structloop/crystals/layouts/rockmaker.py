"""Formulatrix RockMaker: its image store, and the folders that its users export."""

import csv
import io
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from structloop.core.errors import LayoutError
from structloop.crystals.layouts.names import NameLayout, date_in, light_in_profile, stem
from structloop.crystals.layouts.protocol import Skip
from structloop.schema.crystals import SBS_FORMATS, DropImage, Well
from structloop.schema.images import Focus, Modality

_PLATE = re.compile(r"plateID_?(\d+)", re.IGNORECASE)
_BATCH = re.compile(r"batchID_?(\d+)", re.IGNORECASE)
_WELL = re.compile(r"wellNum_?(\d+)", re.IGNORECASE)
_PROFILE = re.compile(r"profileID_?(\d+)", re.IGNORECASE)
_IMAGE = re.compile(r"d(?P<drop>\d+)_r(?P<region>\d+)_(?P<type>[A-Za-z0-9]+)", re.IGNORECASE)
# Looking through a plate's folders for every image would be slow on a network drive.
_LOOK_AGAIN_S = 60.0


class RockMakerStoreLayout(NameLayout):
    """`WellImages/<n>/plateID_<P>/batchID_<B>/wellNum_<W>/profileID_<F>/d<drop>_r<region>_<type>.jpg`.

    Wells are numbered along rows, so the size of the plate must be known: 8 x 12 unless a folder of the plate has a
    higher number, then 16 x 24 or 32 x 48.
    """

    name: ClassVar[str] = "rockmaker-store"
    title: ClassVar[str] = "RockMaker image store"
    description: ClassVar[str] = (
        "Folders of plate, batch (an inspection), well number and profile. The plate is called by its number, because "
        "the store holds no barcode. The light is known only through the profile: say in the setting "
        "profile_modalities which profiles are not visible light."
    )
    example: ClassVar[str] = "WellImages/69/plateID_1069/batchID_77/wellNum_1/profileID_1/d1_r510_ef.jpg"

    def __init__(self) -> None:
        self._highest: dict[Path, tuple[float, int]] = {}

    def match(self, path: Path) -> DropImage | Skip | None:
        """See `NameLayout`."""
        folders = path.parts[-5:-1]
        if len(folders) < 4:
            return None
        plate, batch, well, profile = (
            pattern.fullmatch(folder)
            for pattern, folder in zip((_PLATE, _BATCH, _WELL, _PROFILE), folders, strict=True)
        )
        image = _IMAGE.fullmatch(stem(path))
        if plate is None or batch is None or well is None or profile is None or image is None:
            return None
        kind = image["type"].lower()
        if kind != "ef" and path.with_name(re.sub(r"_[^_]+$", "_ef", stem(path)) + path.suffix).exists():
            return Skip("single focal planes, where the extended focus is there", silent=True)
        number = int(well[1])
        highest = max(number, self._highest_well(path.parents[3]))
        size = next((size for size in SBS_FORMATS if highest <= size[0] * size[1]), None)
        if number < 1 or size is None:
            return Skip(f"well number {number} lies outside plates of up to {SBS_FORMATS[-1]} wells")
        return DropImage(
            path=path,
            barcode=plate[1],
            well=Well.from_number(number, size[1]),
            drop=int(image["drop"]),
            inspection=None,
            inspection_key=batch[1],
            modality=Modality.VISIBLE,
            profile=profile[1],
            focus=Focus.EXTENDED if kind == "ef" else Focus.SINGLE,
            plate_rows=size[0],
            plate_columns=size[1],
        )

    def _highest_well(self, plate: Path) -> int:
        """The highest well number that any batch of the plate has a folder for; looked up again after a minute."""
        now = time.monotonic()
        known = self._highest.get(plate)
        if known is not None and now - known[0] < _LOOK_AGAIN_S:
            return known[1]
        try:
            batches = [entry.path for entry in os.scandir(plate) if _BATCH.fullmatch(entry.name)]
            names = [entry.name for batch in batches for entry in os.scandir(batch)]
        except OSError:
            # The folder is only looked at for the size of the plate; whether it can be read is the scan's business.
            return 0
        highest = max((int(found[1]) for name in names if (found := _WELL.fullmatch(name))), default=0)
        self._highest[plate] = (now, highest)
        return highest


_EXPORT = re.compile(
    r"(?P<barcode>.+?)_(?P<well>[A-Za-z]{1,2}\d{1,2})(?:[.-]?d?(?P<drop>\d)|(?P<letter>[a-h]))?"
    r"_(?P<profile>.+)_(?P<hotkey>[^_]*)_(?P<batch>\d+)"
)
_REPORT = "report.csv"
# Names of the report's columns differ between versions and languages; compared in lower case, letters only.
_REPORT_COLUMNS = {
    "file": ("image", "imagename", "file", "filename", "imagefile", "imagefilename"),
    "drop": ("drop", "dropnumber"),
    "date": ("date", "dateimaged", "imagedate"),
}
_REPORT_DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y", "%d.%m.%Y")


@dataclass(frozen=True, slots=True)
class _ReportRow:
    drop: int | None
    date: str


class RockMakerExportLayout(NameLayout):
    """`<barcode>_<well>_<profile>_<hotkey>_<batch>.jpg`, and `report.csv` beside the images."""

    name: ClassVar[str] = "rockmaker-export"
    title: ClassVar[str] = "RockMaker export"
    description: ClassVar[str] = (
        "File names hold barcode, well (A1, or A1.2 and A1b with the drop), profile, hotkey and batch (an inspection). "
        "A report.csv beside them may add drop and date. The light is visible unless the profile's name (UV, SHG) or "
        "the setting profile_modalities says otherwise."
    )
    example: ClassVar[str] = "1069_A1_Visible_v_77.jpg"

    def __init__(self) -> None:
        self._reports: dict[Path, tuple[tuple[int, int], Mapping[str, _ReportRow]]] = {}

    def match(self, path: Path) -> DropImage | Skip | None:
        """See `NameLayout`."""
        found = _EXPORT.fullmatch(stem(path))
        if found is None:
            return None
        try:
            well = Well.parse(found["well"])
        except ValueError as error:
            return Skip(f"{error} (in its name)")
        row = self._report(path.parent).get(path.name.lower(), _ReportRow(None, ""))
        if found["drop"]:
            drop = int(found["drop"])
        elif found["letter"]:
            drop = ord(found["letter"]) - ord("a") + 1
        else:
            drop = row.drop or 1
        return DropImage(
            path=path,
            barcode=found["barcode"],
            well=well,
            drop=drop,
            inspection=None,
            inspection_key=found["batch"],
            modality=light_in_profile(found["profile"]) or Modality.VISIBLE,
            profile=found["profile"][:100],
            taken_at=date_in(row.date, *_REPORT_DATES),
        )

    def _report(self, folder: Path) -> Mapping[str, _ReportRow]:
        path = folder / _REPORT
        try:
            status = path.stat()
            state = (status.st_size, status.st_mtime_ns)
            if path not in self._reports or self._reports[path][0] != state:
                self._reports[path] = (state, _read_report(path))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise LayoutError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
        return self._reports[path][1]


def _read_report(path: Path) -> dict[str, _ReportRow]:
    """Rows of a report by file name in lower case; empty where the report names no files."""
    data = path.read_bytes()
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    try:
        header = [re.sub(r"[^a-z]", "", name.lower()) for name in next(reader, [])]
        places = {
            key: next((header.index(n) for n in names if n in header), None) for key, names in _REPORT_COLUMNS.items()
        }
        file = places["file"]
        if file is None:
            return {}
        rows = {}
        for cells in reader:
            if file < len(cells):
                drop, date = (
                    cells[place].strip() if place is not None and place < len(cells) else ""
                    for place in (places["drop"], places["date"])
                )
                name = re.split(r"[\\/]", cells[file].strip())[-1].lower()
                rows[name] = _ReportRow(int(drop) if drop.isdecimal() else None, date)
    except csv.Error as error:
        raise LayoutError(f"{path}, line {reader.line_num}: {error}; export the report again, or delete it") from error
    return rows


__all__ = ["RockMakerExportLayout", "RockMakerStoreLayout"]
