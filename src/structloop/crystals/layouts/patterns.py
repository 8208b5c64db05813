"""A facility's own layouts: patterns with named fields, from the settings."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from structloop.core.errors import SettingsError
from structloop.core.settings import LayoutPattern
from structloop.crystals.layouts.names import date_in, light
from structloop.crystals.layouts.protocol import Recognition, Skip
from structloop.schema.crystals import DropImage, Well
from structloop.schema.images import Modality

# What each field may hold; none reaches over a folder's border.
FIELDS = {
    "barcode": r"[^/]+?",
    "well": r"[A-Za-z]{1,2}\d{1,2}",
    "row": r"\d{1,2}",
    "row_letter": r"[A-Za-z]{1,2}",
    "column": r"\d{1,2}",
    "well_number": r"\d{1,4}",
    "drop": r"\d{1,3}",
    "drop_letter": r"[A-Za-z]",
    "inspection": r"\d{1,9}",
    "modality": r"[^/]+?",
    "profile": r"[^/]+?",
    "date": r"[^/]+?",
    "imager": r"[^/]+?",
    "any": r"[^/]*?",
}
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_HIGHEST_INSPECTION = 100_000


class PatternLayout:
    """The layout that a `LayoutPattern` of the settings describes.

    The pattern is compared, ignoring case, with the end of an image's absolute path, so it fits whether a plate's
    folder is imported or one far above it.

    Raises:
        SettingsError: the pattern has an unknown field, unbalanced braces, or no barcode or well.
    """

    def __init__(self, settings: LayoutPattern) -> None:
        self._settings = settings
        self.name = settings.name
        self.title = f"{settings.name} (from the settings)"
        self.description = f"Paths that end like {settings.pattern}"
        self._regex, self._fields = _compile(settings)
        self._lights = {text.lower(): Modality(value) for text, value in settings.modalities.items()}

    def recognise(self, root: Path, sample: Sequence[PurePath]) -> Recognition:
        """See `Layout`."""
        fitting = sum(self._regex.search((root / path).as_posix()) is not None for path in sample)
        if not fitting:
            return Recognition(0.0, f"no image path ends like {self._settings.pattern}")
        return Recognition(
            fitting / len(sample), f"{fitting} of {len(sample)} image paths end like {self._settings.pattern}"
        )

    def read(self, root: Path, path: PurePath) -> DropImage | Skip:
        """See `Layout`."""
        found = self._regex.search((root / path).as_posix())
        if found is None:
            return Skip(f"its path does not end like {self._settings.pattern} (layout '{self.name}')")
        fields = found.groupdict()
        try:
            well = self._well(fields)
            modality = self._modality(fields)
        except ValueError as error:
            return Skip(f"{error} (layout '{self.name}')")
        if well.row >= self._settings.plate_rows or well.column >= self._settings.plate_columns:
            return Skip(
                f"well {well} lies outside a plate of {self._settings.plate_rows} x {self._settings.plate_columns} "
                f"wells (layout '{self.name}': plate_rows, plate_columns)"
            )
        taken_at = None
        if fields.get("date") is not None:
            taken_at = date_in(fields["date"], self._settings.date_format)
            if taken_at is None:
                return Skip(
                    f"'{fields['date']}' is no date like {self._settings.date_format} "
                    f"(layout '{self.name}': date_format)"
                )
        inspection, key = 1 if taken_at is None else None, "" if taken_at is None else taken_at.isoformat()
        if fields.get("inspection") is not None:
            number = int(fields["inspection"])
            inspection, key = (number, "") if number <= _HIGHEST_INSPECTION else (None, str(number))
        letter = fields.get("drop_letter")
        return DropImage(
            path=root / path,
            barcode=fields["barcode"],
            well=well,
            drop=ord(letter.lower()) - ord("a") + 1 if letter else int(fields.get("drop") or 1),
            inspection=inspection,
            inspection_key=key,
            modality=modality,
            profile=(fields.get("profile") or "")[:100],
            imager=fields.get("imager"),
            taken_at=taken_at,
            um_per_pixel=self._settings.um_per_pixel,
            plate_rows=self._settings.plate_rows,
            plate_columns=self._settings.plate_columns,
        )

    def _well(self, fields: dict[str, str]) -> Well:
        if "well" in fields:
            return Well.parse(fields["well"])
        if "well_number" in fields:
            return Well.from_number(int(fields["well_number"]), self._settings.plate_columns)
        if "row_letter" in fields:
            return Well.parse(f"{fields['row_letter']}{fields['column']}")
        return Well(int(fields["row"]) - 1, int(fields["column"]) - 1)

    def _modality(self, fields: dict[str, str]) -> Modality:
        for name in ("modality", "profile"):
            text = fields.get(name)
            if text is None:
                continue
            modality = self._lights.get(text.lower()) or (light(text) if name == "modality" else None)
            if modality is not None:
                return modality
            if name == "modality":
                known = ", ".join(sorted(self._settings.modalities)) or "none"
                raise ValueError(f"'{text}' is no light that is known; add it to 'modalities' (there: {known})")
        return Modality(self._settings.default_modality)


def _compile(settings: LayoutPattern) -> tuple[re.Pattern[str], set[str]]:
    where = f"setting 'crystal_layouts', layout '{settings.name}'"
    seen: set[str] = set()
    parts: list[str] = []
    end = 0
    for piece in _PIECE.finditer(settings.pattern):
        parts.append(re.escape(settings.pattern[end : piece.start()]))
        end = piece.end()
        if piece[0] in ("{{", "}}"):
            parts.append(re.escape(piece[0][0]))
            continue
        name = piece[1]
        if name is None:
            raise SettingsError(
                f"{where}: a brace at position {piece.start() + 1} has no partner; write {{{{ for a brace"
            )
        if name not in FIELDS:
            raise SettingsError(f"{where}: unknown field '{name}'; fields are {', '.join(FIELDS)}")
        if name == "any":
            parts.append(FIELDS[name])
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            parts.append(f"(?P<{name}>{FIELDS[name]})")
            seen.add(name)
    parts.append(re.escape(settings.pattern[end:]))
    if "barcode" not in seen:
        raise SettingsError(f"{where}: the pattern has no {{barcode}}")
    if not ("well" in seen or "well_number" in seen or ("column" in seen and seen & {"row", "row_letter"})):
        raise SettingsError(
            f"{where}: the pattern says no well; use {{well}}, {{well_number}}, or {{column}} with {{row}} or "
            "{row_letter}"
        )
    return re.compile("(?:^|/)" + "".join(parts).lstrip("/") + "$", re.IGNORECASE), seen


__all__ = ["FIELDS", "PatternLayout"]
