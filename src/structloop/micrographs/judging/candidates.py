"""What each limit might be: places on a grid, how likely each is beforehand, and which exposures would be fine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from structloop.micrographs.judging.indicators import Indicators, Limits

Floats = NDArray[np.float64]
Kind = Literal["most", "least", "confidence", "switch"]

_PLACES = 65
_SPREAD = 0.6
_FARTHEST = 1.6
"""Places lie up to five times above and below where the limit was, in a normal distribution of its logarithm."""
_LOOSER = 0.35
"""How likely a looser limit is, of a tighter one: limits to begin with are loose."""
_STAYS, _STAYS_ABSENT = 0.6, 0.85
"""How likely a limit stays where it was before anything is marked; more so where there was none."""
_SOFTNESS = 0.05
"""People's limits are not sharp: odds are e-fold for every so many shares of the limit beyond it."""
_SEEN_IS_BAD = 0.98

_UNITS = {
    "total_motion_angstrom": ("motion", "Å"),
    "early_motion_angstrom": ("early motion", "Å"),
    "defocus_um": ("defocus", "µm"),
    "astigmatism_um": ("astigmatism", "µm"),
    "ctf_resolution_angstrom": ("CTF resolution", "Å"),
    "ctf_confidence": ("CTF confidence", ""),
    "ice_nm": ("ice", "nm"),
    "tilt_deg": ("tilt", "°"),
    "particles_per_um2": ("particles", "per µm²"),
    "crystalline_ice": ("crystalline ice", ""),
    "film_poses": ("rings of the film", ""),
    "particle_overlap": ("overlapping particles", "of them"),
    "empty_fraction": ("empty area", "of the picture"),
    "poor_condition": ("poor condition", ""),
}


@dataclass(frozen=True)
class _Field:
    name: str
    indicator: str
    kind: Kind
    side: int | None = None

    @property
    def label(self) -> str:
        return self.name if self.side is None else f"{self.name}.{('low', 'high')[self.side]}"


_FIELDS = (
    _Field("most_total_motion_angstrom", "total_motion_angstrom", "most"),
    _Field("most_early_motion_angstrom", "early_motion_angstrom", "most"),
    _Field("defocus_um", "defocus_um", "least", 0),
    _Field("defocus_um", "defocus_um", "most", 1),
    _Field("most_astigmatism_um", "astigmatism_um", "most"),
    _Field("most_ctf_resolution_angstrom", "ctf_resolution_angstrom", "most"),
    _Field("least_ctf_confidence", "ctf_confidence", "confidence"),
    _Field("ice_nm", "ice_nm", "least", 0),
    _Field("ice_nm", "ice_nm", "most", 1),
    _Field("most_tilt_deg", "tilt_deg", "most"),
    _Field("particles_per_um2", "particles_per_um2", "least", 0),
    _Field("particles_per_um2", "particles_per_um2", "most", 1),
    _Field("most_particle_overlap", "particle_overlap", "most"),
    _Field("most_empty_fraction", "empty_fraction", "most"),
    _Field("crystalline_ice_allowed", "crystalline_ice", "switch"),
    _Field("film_posing_allowed", "film_poses", "switch"),
    _Field("poor_condition_allowed", "poor_condition", "switch"),
)


@dataclass(frozen=True)
class Candidate:
    """One limit and what it might be.

    Attributes:
        name: Field of `Limits`; of a range with `.low` or `.high`.
        kind: What it does.
        indicator: What it limits.
        before: Where it is; None for no limit.
        values: `(places,)`; the first stands for where it is.
        prior: `(places,)`, how likely each is.
        fine: `(n, places)`, probability that the indicator of each exposure is within the limit.
        is_told: Whether any exposure says anything of it.
    """

    name: str
    kind: Kind
    indicator: str
    before: float | None
    values: Floats
    prior: Floats
    fine: Floats
    is_told: bool

    def say(self, before: float | None, after: float | None, interval: tuple[float, float] | None, moved: float) -> str:
        """What marks say of it, for people."""
        what, unit = _UNITS[self.indicator]
        unit = "" if not unit else unit if unit == "°" else f" {unit}"
        if interval is None:
            return f"{what}: nothing is known of it in the marked exposures"
        if self.kind == "switch":
            if before == after:
                return f"{what}: stays {_allowed(before)}"
            return f"{what}: {_allowed(after)} from now on ({moved:.0%} sure)"
        bound = "at most" if self.kind == "most" else "at least"
        was = "no limit" if before is None else f"{bound} {before:.3g}{unit}"
        if before == after:
            return f"{what}: stays {was}"
        where = f"probably {interval[0]:.3g} to {interval[1]:.3g}{unit}"
        return f"{what}: {bound} {after:.3g}{unit} instead of {was} ({where}; {moved:.0%} sure that it moved)"


def candidates_of(start: Limits, seen: Sequence[Indicators]) -> list[Candidate]:
    """Every limit, with what exposures say by each place that it might have."""
    return [_candidate(each, start, seen) for each in _FIELDS]


def with_values(start: Limits, values: Mapping[str, float | None]) -> Limits:
    """Limits with some changed, by the names of candidates.

    Of a range that would be upside down the side that was there before stays.
    """
    changed: dict[str, object] = {}
    for each in _FIELDS:
        if each.label not in values:
            continue
        value = values[each.label]
        if each.kind == "switch":
            changed[each.name] = bool(value)
        elif each.side is None:
            changed[each.name] = value
        else:
            pair = list(changed.get(each.name, getattr(start, each.name)))  # type: ignore[call-overload]
            other = pair[1 - each.side]
            if value is not None and other is not None and (value >= other if each.side == 0 else value <= other):
                continue
            pair[each.side] = value
            changed[each.name] = tuple(pair)
    return replace(start, **changed)  # type: ignore[arg-type]


def _candidate(each: _Field, start: Limits, seen: Sequence[Indicators]) -> Candidate:
    found = [getattr(one, each.indicator) for one in seen]
    known = np.array([value is not None for value in found], dtype=np.bool_)
    values = np.array([np.nan if value is None else float(value) for value in found])
    held = getattr(start, each.name)
    before = held if each.side is None else held[each.side]
    if each.kind == "switch":
        # The first place is what holds; the second is the other way round.
        bad = np.where(known, np.nan_to_num(values), 0.0) * _SEEN_IS_BAD
        places = np.array([float(before), 1.0 - float(before)])
        fine = 1 - bad[:, None] * (places[None, :] == 0)
        return Candidate(
            each.label, "switch", each.indicator, float(before), places, np.array([0.85, 0.15]), fine,
            bool((bad > 0.5).any()),
        )  # fmt: skip
    places, prior = _grid(each.kind, before, values[known & np.isfinite(values)])
    fine = np.ones((len(values), len(places)))
    if known.any():
        fine[known] = _fine(each.kind, values[known][:, None], places[None, :])
        if before is None:
            fine[:, 0] = 1.0
    return Candidate(each.label, each.kind, each.indicator, before, places, prior, fine, bool(known.any()))


def _grid(kind: Kind, before: float | None, seen: Floats) -> tuple[Floats, Floats]:
    """Places and how likely each is; the first is where the limit is."""
    if kind == "confidence":
        start = 0.5 if before is None else before
        # Above a half it changes no verdict: what is that sure is not called unsure.
        places = np.linspace(0.05, 0.5, _PLACES)
        weights = np.ones(_PLACES)
    else:
        middle = float(np.median(seen)) if len(seen) else 1.0
        start = max(middle, 1e-6) if before is None else before
        steps = np.linspace(-_FARTHEST, _FARTHEST, _PLACES)
        tighter = steps < 0 if kind == "most" else steps > 0
        spread = 1.5 * _SPREAD if before is None else _SPREAD
        weights = np.exp(-0.5 * np.square(steps / spread)) * np.where(tighter | (before is None), 1.0, _LOOSER)
        places = start * np.exp(steps)
    stays = _STAYS_ABSENT if before is None else _STAYS
    return np.append(start, places), np.append(stays, (1 - stays) * weights / weights.sum())


def _fine(kind: Kind, values: Floats, places: Floats) -> Floats:
    if kind == "confidence":
        return np.asarray(expit((values - places) / _SOFTNESS))
    excess = np.where(np.isinf(values), np.inf, values / places - 1)
    signed = excess if kind == "most" else -excess
    return np.asarray(expit(-np.clip(signed / _SOFTNESS, -60, 60)))


def _allowed(value: float | None) -> str:
    return "allowed" if value else "not allowed"


__all__ = ["Candidate", "candidates_of", "with_values"]
