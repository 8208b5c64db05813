"""What our presets are in SerialEM: low-dose areas with their camera parameters, or imaging states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from structloop.core.errors import NotCapableError

AREAS: Final = "VFTRS"
"""Low-dose areas, in the order that ReportLowDose counts them."""
SHOTS: Final = {"V": "View", "F": "Focus", "T": "Trial", "R": "Record", "P": "Preview", "S": "Search"}
"""The command that takes an image with each camera parameter set."""
MONTAGE_SETS: Final = {"R": 1, "V": 2, "S": 3, "P": 4}
"""What ParamSetToUseForMontage calls them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a preset is in SerialEM.

    Attributes:
        letter: The camera parameter set: V, F, T, R, P or S.
        state: Name of an imaging state, taken with Record's parameters outside low dose; empty for a low-dose area.
        needed: Whether the operator named it; others are left out where SerialEM lacks them.
    """

    letter: str
    state: str = ""
    needed: bool = False

    @property
    def area(self) -> str:
        """The low-dose area; Preview takes its images where Record does."""
        return "R" if self.letter == "P" else self.letter

    @property
    def shot(self) -> str:
        """The command that takes an image."""
        return SHOTS[self.letter]


DEFAULT_PLACES: Final = {
    "atlas": Place("R", "atlas"),
    "search": Place("S"),
    "square": Place("R", "square"),
    "hole": Place("V"),
    "view": Place("V"),
    "focus": Place("F"),
    "trial": Place("T"),
    "preview": Place("P"),
    "record": Place("R"),
}
"""Where presets are unless the address says otherwise."""
FALLBACKS: Final = {"square": Place("S")}
"""Where a preset is when SerialEM has no imaging state of its name."""


def places_of(options: Mapping[str, str]) -> dict[str, Place]:
    """Where each preset is, as the options of an address say: a letter V, F, T, R, P, S or an imaging state's name.

    Raises:
        NotCapableError: An option is empty.
    """
    places = dict(DEFAULT_PLACES)
    for name in DEFAULT_PLACES:
        told = options.get(name)
        if told is None:
            continue
        if not told:
            raise NotCapableError(f"serialem: {name}= must name a low-dose area (V F T R P S) or an imaging state")
        places[name] = Place(told, needed=True) if told in SHOTS else Place("R", told, needed=True)
    return places


__all__ = ["AREAS", "DEFAULT_PLACES", "FALLBACKS", "MONTAGE_SETS", "SHOTS", "Place", "places_of"]
