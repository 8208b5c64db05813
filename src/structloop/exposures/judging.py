"""Rows of exposures as indicators and judgements, and limits as the store keeps them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from structloop.core.errors import JudgingError
from structloop.micrographs.judging import Indicators, Judgement, Limits, judge
from structloop.store.tables import ProcessingSession

THINNEST = "thinnest"
"""Part of the method's name where ice is compared with the session's thinnest: only a least thickness is known."""

JUDGED_BY = (
    "state",
    "total_motion_angstrom",
    "early_motion_angstrom",
    "defocus_u_um",
    "defocus_v_um",
    "rings_seen",
    "ctf_resolution_angstrom",
    "ctf_confidence",
    "ice_nm",
    "ice_method",
    "crystalline_ice",
    "film_poses",
    "tilt_deg",
    "particles_per_um2",
    "particle_overlap",
    "empty_fraction",
    "poor_condition",
    "condition",
)
"""Columns that a judgement needs."""

CAUSES = {
    "total_motion_angstrom": "motion",
    "early_motion_angstrom": "early motion",
    "defocus_um": "defocus",
    "astigmatism_um": "astigmatism",
    "ctf_resolution_angstrom": "CTF resolution",
    "ctf_confidence": "no clear rings",
    "ice_nm": "ice thickness",
    "crystalline_ice": "crystalline ice",
    "film_poses": "rings of the film",
    "tilt_deg": "tilt",
    "particles_per_um2": "particle density",
    "particle_overlap": "overlapping particles",
    "empty_fraction": "empty",
    "poor_condition": "condition",
}
"""What people read, here and in the browser, where an indicator makes exposures problematic."""

_RANGES = frozenset(name for name, value in asdict(Limits()).items() if isinstance(value, tuple))


def fit_is_believed(exposure: Any) -> bool:
    """Whether what was read from an exposure's rings counts: without rings to be believed, nothing does."""
    return exposure.rings_seen is True and exposure.defocus_u_um is not None and exposure.defocus_v_um is not None


def defocus_of(exposure: Any) -> float | None:
    """Mean of U and V in micrometres, where the fit is believed."""
    return (exposure.defocus_u_um + exposure.defocus_v_um) / 2 if fit_is_believed(exposure) else None


def astigmatism_of(exposure: Any) -> float | None:
    """U less V in micrometres, where the fit is believed."""
    return exposure.defocus_u_um - exposure.defocus_v_um if fit_is_believed(exposure) else None


def resolution_of(exposure: Any) -> float | None:
    """To where the rings fit, Angstrom; infinity where none are seen."""
    return math.inf if exposure.rings_seen is False else exposure.ctf_resolution_angstrom


def indicators_of(exposure: Any) -> Indicators:
    """The indicators of an exposure.

    Args:
        exposure: Anything that has the columns `JUDGED_BY` of `ProcessedExposure`.
    """
    return Indicators(
        total_motion_angstrom=exposure.total_motion_angstrom,
        early_motion_angstrom=exposure.early_motion_angstrom,
        defocus_um=defocus_of(exposure),
        astigmatism_um=astigmatism_of(exposure),
        ctf_resolution_angstrom=resolution_of(exposure),
        ctf_confidence=exposure.ctf_confidence,
        ice_nm=exposure.ice_nm,
        crystalline_ice=exposure.crystalline_ice,
        film_poses=exposure.film_poses,
        tilt_deg=exposure.tilt_deg,
        particles_per_um2=exposure.particles_per_um2,
        particle_overlap=exposure.particle_overlap,
        empty_fraction=exposure.empty_fraction,
        poor_condition=exposure.poor_condition,
        condition=exposure.condition,
    )


def judge_exposure(exposure: Any, limits: Limits) -> Judgement | None:
    """How an exposure is judged; None where it could not be processed.

    Args:
        exposure: As for `indicators_of`.
        limits: The operator's.

    Raises:
        JudgingError: a limit cannot be.
    """
    if exposure.state != "done":
        return None
    if exposure.ice_method is not None and THINNEST in exposure.ice_method:
        limits = replace(limits, ice_nm=(None, limits.ice_nm[1]))
    return judge(indicators_of(exposure), limits)


def reasons_to_json(judgement: Judgement) -> list[dict[str, Any]]:
    """The reasons as a row keeps them."""
    return [asdict(each) for each in judgement.reasons]


def limits_of(session: ProcessingSession) -> Limits:
    """The limits that hold for a session.

    Raises:
        JudgingError: what the store has is none.
    """
    return Limits() if session.limits is None else limits_from_json(session.limits)


def limits_to_json(limits: Limits) -> dict[str, Any]:
    """Limits as the store keeps them, checked.

    Raises:
        JudgingError: a limit cannot be.
    """
    values = asdict(limits)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def limits_from_json(values: Mapping[str, Any], base: Limits | None = None) -> Limits:
    """Limits from a table of names and values: numbers, [low, high] for ranges, null for no limit, true or false.

    Args:
        values: By name; what is missing is as in `base`.
        base: The defaults without it.

    Raises:
        JudgingError: a name is none of a limit, or a value cannot be one.
    """
    defaults = base or Limits()
    given: dict[str, Any] = {}
    known = {entry.name: getattr(Limits(), entry.name) for entry in fields(Limits)}
    for name, value in values.items():
        if name not in known:
            raise JudgingError(f"there is no limit {name!r}; limits are {', '.join(known)}")
        given[name] = _value(name, value, isinstance(known[name], bool))
    limits = replace(defaults, **given)
    judge(_EVERYTHING, limits)
    return limits


def _value(name: str, value: Any, switch: bool) -> Any:
    if switch:
        if not isinstance(value, bool):
            raise JudgingError(f"the limit {name} is {value!r}; give true or false")
        return value
    if name in _RANGES:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise JudgingError(f"the limit {name} is {value!r}; give [low, high], null for none of the two")
        return tuple(_number(name, each) for each in value)
    return _number(name, value)


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JudgingError(f"the limit {name} is {value!r}; give a number, or null for none")
    return float(value)


# Judging this asks every limit.
_EVERYTHING = Indicators(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, False, False, 1.0, 1.0, 1.0, 1.0, 0.0)

__all__ = [
    "CAUSES",
    "JUDGED_BY",
    "THINNEST",
    "astigmatism_of",
    "defocus_of",
    "fit_is_believed",
    "indicators_of",
    "judge_exposure",
    "limits_from_json",
    "limits_of",
    "limits_to_json",
    "reasons_to_json",
    "resolution_of",
]
