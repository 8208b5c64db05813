"""Parts that names of drop images share: wells, dates, lights; and a base for layouts that only read names."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import ClassVar

from structloop.crystals.layouts.protocol import Recognition, Skip
from structloop.schema.crystals import DropImage
from structloop.schema.images import Modality

# What imagers call the light, in lower case and without punctuation.
_LIGHTS: dict[str, Modality] = {
    "vis": Modality.VISIBLE,
    "visible": Modality.VISIBLE,
    "vl": Modality.VISIBLE,
    "brightfield": Modality.VISIBLE,
    "jpg": Modality.VISIBLE,
    "uv": Modality.UV,
    "ultraviolet": Modality.UV,
    "uvt": Modality.UV_TPEF,
    "uvtpef": Modality.UV_TPEF,
    "tpef": Modality.UV_TPEF,
    "shg": Modality.SHG,
    "sonicc": Modality.SHG,
}

WELL = r"[A-Za-z]{1,2}[0-9]{1,2}"


def light(text: str) -> Modality | None:
    """The modality that an imager's word for it names (`Vis`, `UV-TPEF`, ...); None if it is no such word."""
    return _LIGHTS.get(re.sub(r"[^a-z0-9]", "", text.lower()))


def light_in_profile(profile: str) -> Modality | None:
    """The modality that a profile's name tells, such as `UV 300ms`; None if it tells none."""
    words = [word for word in re.split(r"[^A-Za-z]+", profile) if word]
    found = [modality for modality in map(light, words) if modality is not None]
    if Modality.UV in found and "tpef" in (word.lower() for word in words):
        return Modality.UV_TPEF
    return found[0] if found else None


def date_in(text: str, *patterns: str) -> datetime | None:
    """The moment that `text` writes in one of the strptime patterns, taken for UTC; None if in none of them."""
    for pattern in patterns:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def stem(path: PurePath) -> str:
    """A file's name without its ending."""
    return path.name[: -len(path.suffix)] if path.suffix else path.name


class NameLayout(ABC):
    """Base of layouts that need nothing but the path of an image.

    A subclass reads one path; recognition is the part of the sample that it can read.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def match(self, path: Path) -> DropImage | Skip | None:
        """The facts of the image at the absolute `path`; None if its name does not follow the convention at all."""

    def recognise(self, root: Path, sample: Sequence[PurePath]) -> Recognition:
        """See `Layout`."""
        fitting = sum(self.match(root / path) is not None for path in sample)
        if not fitting:
            return Recognition(0.0, f"no image name is like {self.example}")
        return Recognition(fitting / len(sample), f"{fitting} of {len(sample)} image names are like {self.example}")

    def read(self, root: Path, path: PurePath) -> DropImage | Skip:
        """See `Layout`."""
        found = self.match(root / path)
        if found is None:
            return Skip(f"its name does not follow the layout '{self.name}' ({self.example})")
        return found


__all__ = ["WELL", "NameLayout", "date_in", "light", "light_in_profile", "stem"]
