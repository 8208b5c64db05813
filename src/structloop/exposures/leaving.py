"""When squares and grids of a session may be left, from what is known of their exposures.

Where all exposures of a place have a fit resolution and tell how near they lie to each other, the rule weighs by how
far they are beyond the limit, with spreads learned from the session's other places. Elsewhere, and where most are
problematic for other reasons, it counts, and each exposure counts less than whole, since neighbours are alike.
`structloop.micrographs.judging` has both rules.
"""

import math
from collections.abc import Sequence
from typing import Any

from structloop.exposures.judging import resolution_of
from structloop.micrographs.judging import Leaving, LeavingRule, Limits, Margin, MarginRule, spreads_of_others

PROBLEMATIC_FROM = 0.5
"""From this probability on, an exposure counts as problematic."""

PATCH_UM = 8.0
"""Exposures within a field of so many micrometres of the stage are of one patch: their ice is alike."""

LEFT_BY = (
    "problematic",
    "hole",
    "stage_x_um",
    "stage_y_um",
    "rings_seen",
    "ctf_resolution_angstrom",
)
"""Columns of an exposure that `leave_places` needs."""

_COUNTING = LeavingRule(weight=0.7)


def patch_of(exposure: Any) -> str | None:
    """Which exposures of a square are neighbours: by the stage's position, else by the hole; None if neither is known.

    Args:
        exposure: Anything with the columns `LEFT_BY`.
    """
    if exposure.stage_x_um is not None and exposure.stage_y_um is not None:
        return f"{math.floor(exposure.stage_x_um / PATCH_UM)}, {math.floor(exposure.stage_y_um / PATCH_UM)}"
    return None if exposure.hole is None else str(exposure.hole)


def margin_of(exposure: Any, limits: Limits, patch: str | None) -> Margin | None:
    """How an exposure stands to the limit of fit resolution; None where that or its patch is not known.

    An exposure that is problematic for another reason is so beyond measure.

    Args:
        exposure: Anything with the columns `LEFT_BY`.
        limits: The operator's.
        patch: Whose exposures are alike.
    """
    beyond = _beyond(exposure, limits)
    if math.isnan(beyond) or patch is None:
        return None
    if math.isinf(beyond) or (beyond <= 0 and exposure.problematic >= PROBLEMATIC_FROM):
        return Margin(None, patch)
    return Margin(beyond, patch)


def leave_places(
    places: Sequence[Sequence[Any]], limits: Limits, patches: Sequence[Sequence[str | None]]
) -> list[Leaving]:
    """Whether each place may be left, and why.

    Args:
        places: Exposures of each place in the order in which they were taken, with the columns `LEFT_BY`.
        limits: The operator's.
        patches: Of each of these exposures, whose exposures are alike.
    """
    told = [_margins(of_place, limits, near) for of_place, near in zip(places, patches, strict=True)]
    known = spreads_of_others([margins or () for margins in told])
    return [
        _COUNTING.after(float(each.problematic) for each in of_place)
        if margins is None
        else MarginRule(*spread).after(margins)
        for of_place, margins, spread in zip(places, told, known, strict=True)
    ]


def _margins(exposures: Sequence[Any], limits: Limits, patches: Sequence[str | None]) -> list[Margin] | None:
    """Of a place's exposures; None where one is not known, or where most are problematic for other reasons."""
    found = [margin_of(each, limits, patch) for each, patch in zip(exposures, patches, strict=True)]
    margins = [each for each in found if each is not None]
    if len(margins) < len(found):
        return None
    problematic = [each for each in exposures if each.problematic >= PROBLEMATIC_FROM]
    otherwise = [each for each in problematic if not _beyond(each, limits) > 0]
    return None if 2 * len(otherwise) > len(problematic) else margins


def _beyond(exposure: Any, limits: Limits) -> float:
    """Logarithm of the fit resolution over its limit; NaN where one of them is not known."""
    limit, resolution = limits.most_ctf_resolution_angstrom, resolution_of(exposure)
    return math.nan if limit is None or resolution is None else math.log(resolution / limit)


__all__ = ["LEFT_BY", "PATCH_UM", "PROBLEMATIC_FROM", "leave_places", "margin_of", "patch_of"]
