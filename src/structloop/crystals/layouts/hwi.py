"""HWI (Hauptman-Woodward): plates of 1536 wells, one folder per imaging and light."""

import re
from pathlib import Path
from typing import ClassVar

from structloop.crystals.layouts.names import NameLayout, date_in, light, stem
from structloop.crystals.layouts.protocol import Skip
from structloop.schema.crystals import DropImage, Well
from structloop.schema.images import Modality

ROWS, COLUMNS = 32, 48
_NAME = re.compile(r"(?P<plate>[A-Za-z]?[A-Za-z0-9]{9})(?P<well>\d{4})(?P<date>(?:19|20)\d{6})(?P<rest>.*)")
_FOLDER = re.compile(r"(?P<plate>[A-Za-z0-9]{10})(?P<moment>\d{12})-(?P<light>jpg|uvt|uv|shg)", re.IGNORECASE)


class HwiLayout(NameLayout):
    """`<plate10><YYYYMMDDHHMM>-jpg|uvt|shg/<plate10><well4><YYYYMMDD>...`."""

    name: ClassVar[str] = "hwi-1536"
    title: ClassVar[str] = "HWI 1536"
    description: ClassVar[str] = (
        "Folders of one plate, moment and light (jpg visible, uvt UV-TPEF, shg SHG); file names hold plate, well "
        "number (1-1536, along rows of 48) and date. Each date is an inspection, whatever the light."
    )
    example: ClassVar[str] = "X000012345202103041530-jpg/X000012345000120210304....jpg"

    def match(self, path: Path) -> DropImage | Skip | None:
        """See `NameLayout`; without such a folder the light is visible."""
        found = _NAME.fullmatch(stem(path))
        taken_at = date_in(found["date"], "%Y%m%d") if found else None
        if found is None or taken_at is None:
            return None
        number = int(found["well"])
        if not 1 <= number <= ROWS * COLUMNS:
            return Skip(f"well number {number} in its name lies outside 1 to {ROWS * COLUMNS}")
        modality, profile = Modality.VISIBLE, ""
        folder = _FOLDER.fullmatch(path.parent.name)
        if folder is not None:
            if folder["plate"].lower() != found["plate"].lower():
                return Skip(f"its name says plate {found['plate']}, its folder plate {folder['plate']}; move it")
            profile = folder["light"].lower()
            modality = light(profile) or Modality.VISIBLE
            taken_at = date_in(folder["moment"], "%Y%m%d%H%M") or taken_at
        return DropImage(
            path=path,
            barcode=found["plate"],
            well=Well.from_number(number, COLUMNS),
            drop=1,
            inspection=None,
            inspection_key=found["date"],
            modality=modality,
            profile=profile,
            taken_at=taken_at,
            plate_rows=ROWS,
            plate_columns=COLUMNS,
        )


__all__ = ["HwiLayout"]
