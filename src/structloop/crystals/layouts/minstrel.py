"""Rigaku Minstrel: everything in the file name, column before row."""

import re
from pathlib import Path
from typing import ClassVar

from structloop.crystals.layouts.names import NameLayout, date_in, light_in_profile, stem
from structloop.crystals.layouts.protocol import Skip
from structloop.schema.crystals import DropImage, Well
from structloop.schema.images import Modality

_NAME = re.compile(
    r"(?:.*_)?(?P<barcode>[A-Za-z0-9-]+)_(?P<inspection>\d{1,4})_(?P<date>\d{6})"
    r"_(?P<column>\d{2})_(?P<row>\d{2})_(?P<drop>\d{2})_(?P<profile>[A-Za-z][A-Za-z0-9-]*)(?:_.*)?"
)


class MinstrelLayout(NameLayout):
    """`..._<barcode>_<inspection>_<YYMMDD>_<column>_<row>_<sub-well>_<profile>_...`."""

    name: ClassVar[str] = "minstrel"
    title: ClassVar[str] = "Rigaku Minstrel"
    description: ClassVar[str] = (
        "File names hold barcode, inspection, date, column (01-12), row (01-08), sub-well and profile. The light is "
        "visible unless the profile's name or the setting profile_modalities says otherwise."
    )
    example: ClassVar[str] = "screen_0000CI022987_003_121121_04_03_01_HF_99.jpg"

    def match(self, path: Path) -> DropImage | Skip | None:
        """See `NameLayout`; the example is well C04, drop 1, of inspection 3."""
        found = _NAME.fullmatch(stem(path))
        if found is None:
            return None
        taken_at = date_in(found["date"], "%y%m%d")
        column, row = int(found["column"]), int(found["row"])
        if taken_at is None:
            return Skip(f"'{found['date']}' in its name is no date (YYMMDD)")
        if not (1 <= column <= 12 and 1 <= row <= 8):
            return Skip(f"column {column} and row {row} in its name lie outside a plate of 12 x 8 wells")
        return DropImage(
            path=path,
            barcode=found["barcode"],
            well=Well(row - 1, column - 1),
            drop=int(found["drop"]),
            inspection=int(found["inspection"]),
            modality=light_in_profile(found["profile"]) or Modality.VISIBLE,
            profile=found["profile"],
            taken_at=taken_at,
            plate_rows=8,
            plate_columns=12,
        )


__all__ = ["MinstrelLayout"]
