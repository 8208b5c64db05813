"""EMBL (CRIMS): raw images in folders of year, barcode and inspection; the light at the end of the name."""

import re
from pathlib import Path
from typing import ClassVar

from structloop.crystals.layouts.names import NameLayout, date_in, light, stem
from structloop.crystals.layouts.protocol import Skip
from structloop.schema.crystals import SBS_FORMATS, DropImage, Well

_NAME = re.compile(
    r"(?P<imager>[A-Za-z0-9-]+)_(?P<barcode>[A-Za-z0-9-]+)_(?P<inspection>\d{1,4})_(?P<date>\d{2}-\d{2}-\d{4})"
    r"_(?P<middle>.+)_(?P<light>[A-Za-z][A-Za-z-]*)"
)
# The well and the drop, somewhere between date and light: A01_1, A1-1, A01.1, A_01_1, A01_drop1, A01d1.
_DROP = re.compile(
    r"(?:^|_)(?P<row>[A-Za-z]{1,2})_?(?P<column>\d{1,2})[._-]?(?:drop|d)?_?(?P<drop>\d)(?:_|$)", re.IGNORECASE
)


class EmblLayout(NameLayout):
    """`rawimages/<year>/<barcode>/<inspection>/FORMULATRIX_<barcode>_<inspection>_<DD-MM-YYYY>_..._<Vis|UV>.jpg`."""

    name: ClassVar[str] = "embl"
    title: ClassVar[str] = "EMBL (CRIMS)"
    description: ClassVar[str] = (
        "File names hold imager, barcode, inspection, date, well and drop (A01_1), and the light (Vis or UV)."
    )
    example: ClassVar[str] = "FORMULATRIX_SL000001_2_08-01-2026_A01_1_Vis.jpg"

    def match(self, path: Path) -> DropImage | Skip | None:
        """See `NameLayout`."""
        found = _NAME.fullmatch(stem(path))
        if found is None:
            return None
        modality = light(found["light"])
        if modality is None:
            return Skip(f"'{found['light']}' at the end of its name is no light that is known (Vis or UV)")
        drop = _DROP.search(found["middle"])
        if drop is None:
            return Skip(
                f"'{found['middle']}' in its name holds no well and drop such as A01_1; describe such names by a "
                "pattern in the settings (crystal_layouts)"
            )
        try:
            well = Well.parse(f"{drop['row']}{drop['column']}")
        except ValueError as error:
            return Skip(f"{error} (in its name)")
        rows, columns = next(
            (size for size in SBS_FORMATS if well.row < size[0] and well.column < size[1]), SBS_FORMATS[-1]
        )
        if well.row >= rows or well.column >= columns:
            return Skip(f"well {well} in its name lies outside every plate of up to {rows} x {columns} wells")
        return DropImage(
            path=path,
            barcode=found["barcode"],
            well=well,
            drop=int(drop["drop"]),
            inspection=int(found["inspection"]),
            modality=modality,
            profile=found["light"],
            imager=found["imager"],
            taken_at=date_in(found["date"], "%d-%m-%Y"),
        )


__all__ = ["EmblLayout"]
