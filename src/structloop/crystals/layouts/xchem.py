"""XChem / Rock Imager, as the XChem pipeline copies its sub-well images: column before row."""

import re
from pathlib import Path
from typing import ClassVar

from structloop.crystals.layouts.names import NameLayout, date_in, stem
from structloop.crystals.layouts.protocol import Skip
from structloop.schema.crystals import DropImage, Well

_NAME = re.compile(r"(?P<barcode>[A-Za-z0-9]{4,12})_(?P<column>\d{2})(?P<row>[A-Ha-h])_(?P<drop>[1-9])")
_FOLDER = re.compile(
    r"(?P<barcode>[A-Za-z0-9]{4,12})_(?P<date>\d{4}-\d{2}-\d{2})_(?P<imager>.+?)(?:-(?P<drops>[23])drop)?"
)
UM_PER_PIXEL = 2.837


class XChemLayout(NameLayout):
    """`<barcode>_<date>_<imager>-2drop|3drop/<barcode>_<column><row>_<drop>.jpg`.

    On plates with three drops, 1, 2 and 3 are the sub-wells a, c and d; the number is kept as it is written.
    """

    name: ClassVar[str] = "xchem"
    title: ClassVar[str] = "XChem (Rock Imager)"
    description: ClassVar[str] = (
        "One folder per plate and date; file names hold barcode, column before row, and drop. Visible light, 2.837 um "
        "per pixel. Each date and imager is an inspection."
    )
    example: ClassVar[str] = "97wo_2021-09-14_RI1000-0276-3drop/97wo_01A_1.jpg"

    def match(self, path: Path) -> DropImage | Skip | None:
        """See `NameLayout`; without such a folder, as for copied files, the inspection is the first."""
        found = _NAME.fullmatch(stem(path))
        if found is None:
            return None
        column = int(found["column"])
        if not 1 <= column <= 12:
            return Skip(f"column {column} in its name lies outside a plate of 12 columns")
        folder = _FOLDER.fullmatch(path.parent.name)
        if folder is not None and folder["barcode"].lower() != found["barcode"].lower():
            return Skip(f"its name says plate {found['barcode']}, its folder plate {folder['barcode']}; move it")
        return DropImage(
            path=path,
            barcode=found["barcode"],
            well=Well(ord(found["row"].upper()) - ord("A"), column - 1),
            drop=int(found["drop"]),
            inspection=1 if folder is None else None,
            inspection_key="" if folder is None else f"{folder['date']} {folder['imager']}"[:100],
            imager=None if folder is None else folder["imager"],
            taken_at=None if folder is None else date_in(folder["date"], "%Y-%m-%d"),
            um_per_pixel=None if folder is None else UM_PER_PIXEL,
            plate_rows=8,
            plate_columns=12,
        )


__all__ = ["UM_PER_PIXEL", "XChemLayout"]
