"""Ice of a whole session: each exposure against the thinnest of those that were taken alike.

What is thinnest is known the better the more has come, so thicknesses are worked out again as exposures come; the
result does not depend on their order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from structloop.core.errors import IceError
from structloop.exposures.records import ExposureRecord
from structloop.micrographs.ice import IceReference, Transmitted, ice_of, thinnest_reference

# Pixel size, dose, and number of frames: only such exposures can be compared.
_Alike = tuple[float, float | None, int]

_LEAST = 5
_MORE_BY = 1.25


@dataclass
class SessionIce:
    """What all exposures of a session let through.

    Attributes:
        mean_free_path_nm: For nanometres; None leaves mean free paths.
    """

    mean_free_path_nm: float | None = None

    def __post_init__(self) -> None:
        self._seen: dict[str, tuple[_Alike, Transmitted]] = {}
        self._references: dict[_Alike, IceReference] = {}
        self._judged_at = 0

    def add(self, record: ExposureRecord) -> None:
        """Takes an exposure in, in place of what was known of it."""
        self._seen.pop(record.name, None)
        if record.state != "done" or record.intensity is None or not record.intensity > 0:
            return
        details = record.details.get("ice", {})
        dose = record.dose_e_per_angstrom2
        alike = (
            round(record.pixel_size_angstrom or 0.0, 3),
            None if dose is None else round(dose, 1),
            details.get("frames", 0),
        )
        seen = Transmitted(record.intensity, details.get("uneven", 0.0), details.get("intensity_spread", 0.0))
        self._seen[record.name] = (alike, seen)

    @property
    def due(self) -> bool:
        """Whether so many came since last time that it should be worked out again."""
        return len(self._seen) >= max(_LEAST, _MORE_BY * self._judged_at)

    def thicknesses(self) -> Mapping[str, tuple[float, float | None, str]]:
        """(relative, nanometres, method) of every exposure that can be told, by name."""
        self._judged_at = len(self._seen)
        groups: dict[_Alike, list[str]] = {}
        for name, (alike, _) in self._seen.items():
            groups.setdefault(alike, []).append(name)
        found: dict[str, tuple[float, float | None, str]] = {}
        for alike, names in groups.items():
            try:
                self._references[alike] = thinnest_reference([self._seen[name][1].intensity for name in names])
            except IceError:
                # Too few so far.
                continue
            found |= {name: self._compared(name) for name in names}
        return found

    def told(self, record: ExposureRecord) -> ExposureRecord:
        """The record with its ice by the reference of last time, where there is one."""
        known = self._seen.get(record.name)
        if known is None or known[0] not in self._references:
            return record
        relative, nm, method = self._compared(record.name)
        return replace(record, ice_relative=relative, ice_nm=nm, ice_method=method)

    def _compared(self, name: str) -> tuple[float, float | None, str]:
        alike, seen = self._seen[name]
        ice = ice_of(seen, self._references[alike], mean_free_path_nm=self.mean_free_path_nm)
        return ice.relative, ice.thickness_nm, ice.method


__all__ = ["SessionIce"]
