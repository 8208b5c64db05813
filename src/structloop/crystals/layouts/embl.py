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
# A well and its drop, somewhere between date and light: A01_1, A1-1, A01.1, A_01_1, A01_drop1, A01d1; or a well alone.
# Something must part column and drop, or the last digit of A12 would be a drop.
_WELL_AND_DROP = re.compile(
    r"(?:^|_)(?P<row>[A-Z]{1,2})_?(?P<column>\d{1,2})(?:(?:[._-]?d(?:rop)?_?|[._-])(?P<drop>\d+))?(?=_|$)",
    re.IGNORECASE,
)
_LARGEST_ROWS, _LARGEST_COLUMNS = SBS_FORMATS[-1]
_MOST_DROP_DIGITS = 2
_REMEDY = "describe such names by a pattern in the settings (crystal_layouts)"


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
        place = _place_in(found["middle"])
        if isinstance(place, Skip):
            return place
        well, drop = place
        return DropImage(
            path=path,
            barcode=found["barcode"],
            well=well,
            drop=drop,
            inspection=int(found["inspection"]),
            modality=modality,
            profile=found["light"],
            imager=found["imager"],
            taken_at=date_in(found["date"], "%d-%m-%Y"),
        )


def _place_in(middle: str) -> tuple[Well, int] | Skip:
    """The well and the drop that the part of a name between date and light says; a well alone means its drop 1.

    Of several that could be meant, the one nearest to the light counts, provided that it says its drop: a well alone
    may then as well be the name of something else.
    """
    candidates: list[tuple[Well, str | None]] = []
    trouble = ""
    for found in _WELL_AND_DROP.finditer(middle):
        try:
            well = Well.parse(f"{found['row']}{found['column']}")
        except ValueError as error:
            trouble = f"{error} (in its name)"
            continue
        if well.row >= _LARGEST_ROWS or well.column >= _LARGEST_COLUMNS:
            trouble = (
                f"well {well} in its name lies outside every plate of up to {_LARGEST_ROWS} x {_LARGEST_COLUMNS} wells"
            )
            continue
        candidates.append((well, found["drop"]))
    if not candidates:
        return Skip(trouble or f"'{middle}' in its name holds no well and drop such as A01_1; {_REMEDY}")
    well, drop = candidates[-1]
    if drop is None and len(candidates) > 1:
        named = " or ".join(str(candidate) for candidate, _ in candidates)
        return Skip(f"'{middle}' in its name may mean well {named}; {_REMEDY}")
    if drop is not None and len(drop) > _MOST_DROP_DIGITS:
        return Skip(f"'{drop}' after well {well} in its name is too long for the number of a drop; {_REMEDY}")
    return well, 1 if drop is None else int(drop)


__all__ = ["EmblLayout"]
