"""Diamond VMXi: each image has an XML file of the same name beside it that says what it shows."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from xml.etree import ElementTree

from structloop.crystals.layouts.names import date_in, light, light_in_profile
from structloop.crystals.layouts.protocol import Recognition, Skip
from structloop.schema.crystals import DropImage, Well
from structloop.schema.images import Modality

_DROP = re.compile(r"(?P<well>[A-Za-z]{1,2}\d{1,2})(?:\.(?P<number>\d{1,2})|(?P<letter>[a-h]))?")
_LARGEST_XML = 1_000_000
_SAMPLED = 40


class VmxiLayout:
    """`.jpg` and `.xml` pairs with ImagingId, Drop, SizeInPixels and SizeInMicrons."""

    name = "vmxi"
    title = "Diamond VMXi"
    description = (
        "Pairs of .jpg and .xml. The XML holds the imaging (an inspection), the drop (A01.1) and the size of a pixel. "
        "The plate is the XML's Barcode where it has one, else the folder of the images (or its parent, where the "
        "folder is called like the imaging), so one folder must hold one plate only."
    )

    def recognise(self, root: Path, sample: Sequence[PurePath]) -> Recognition:
        """See `Layout`; at most 40 XML files are read."""
        step = max(1, len(sample) // _SAMPLED)
        looked_at = sample[::step]
        fitting = sum(isinstance(self._facts(root / path), dict) for path in looked_at)
        if not fitting:
            return Recognition(0.0, "no image has an XML file of the same name beside it with ImagingId and Drop")
        return Recognition(
            fitting / len(looked_at), f"{fitting} of {len(looked_at)} images have an XML file with ImagingId and Drop"
        )

    def read(self, root: Path, path: PurePath) -> DropImage | Skip:
        """See `Layout`."""
        image = root / path
        facts = self._facts(image)
        if isinstance(facts, Skip):
            return facts
        found = _DROP.fullmatch(facts["Drop"])
        if found is None:
            return Skip(f"its XML says drop '{facts['Drop']}', which is no well and drop such as A01.1")
        try:
            well = Well.parse(found["well"])
        except ValueError as error:
            return Skip(f"{error} (in its XML)")
        imaging = facts["ImagingId"].partition("-")[0]
        folder = image.parent.parent if image.parent.name == imaging else image.parent
        profile = facts.get("Profile", "")[:100]
        letter = found["letter"]
        return DropImage(
            path=image,
            barcode=facts.get("Barcode") or folder.name,
            well=well,
            drop=ord(letter) - ord("a") + 1 if letter else int(found["number"] or 1),
            inspection=None,
            inspection_key=imaging[:100],
            modality=light(profile) or light_in_profile(profile) or Modality.VISIBLE,
            profile=profile,
            taken_at=date_in(facts.get("DateImaged", "")[:19], "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"),
            um_per_pixel=_um_per_pixel(facts),
        )

    def _facts(self, image: Path) -> dict[str, str] | Skip:
        """The texts of the XML's elements by their local names, sizes as `SizeInPixels/Width`."""
        path = next((p for ending in (".xml", ".XML") if (p := image.with_suffix(ending)).exists()), None)
        if path is None:
            return Skip("there is no XML file of the same name beside it; it may come later: import again")
        try:
            if path.stat().st_size > _LARGEST_XML:
                return Skip(f"{path.name} is larger than {_LARGEST_XML} bytes and not read")
            # Python's expat limits the expansion of entities itself, and reads nothing from outside the file.
            root = ElementTree.fromstring(path.read_bytes())  # noqa: S314
        except (ElementTree.ParseError, ValueError) as error:
            return Skip(f"{path.name} is no complete XML ({error}); it may still be written: import again")
        except OSError as error:
            return Skip(f"{path.name} cannot be read: {error.strerror or error}; check its permissions")
        facts: dict[str, str] = {}
        for element in root.iter():
            name = _local(element.tag)
            if element.text and element.text.strip():
                facts.setdefault(name, element.text.strip())
            if name in ("SizeInPixels", "SizeInMicrons"):
                facts |= {f"{name}/{_local(side.tag)}": (side.text or "").strip() for side in element}
        missing = [name for name in ("ImagingId", "Drop") if name not in facts]
        if missing:
            return Skip(f"{path.name} has no {' and no '.join(missing)}")
        return facts


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _um_per_pixel(facts: dict[str, str]) -> float | None:
    try:
        value = float(facts["SizeInMicrons/Width"]) / float(facts["SizeInPixels/Width"])
    except (KeyError, ValueError, ZeroDivisionError):
        return None
    return value if 0 < value < 1000 else None


__all__ = ["VmxiLayout"]
