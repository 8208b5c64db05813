"""What is known of one exposure, the operator's limits, and the probability that it is problematic, with reasons.

Each indicator beyond its limit makes a problem likelier, softly: at the limit it is a coin, a tenth beyond or short of
it nearly sure. Problems are taken as independent, so an exposure is fine if every indicator is. What is not known says
nothing.
"""

import math
from dataclasses import dataclass, fields

from structloop.core.errors import JudgingError

# A problem's odds are e-fold for every so many shares of the limit beyond it.
_SOFTNESS = 0.03
_TOLD_FROM = 0.3


@dataclass(frozen=True, slots=True)
class Indicators:
    """What is known of an exposure; None where it is not.

    Attributes:
        total_motion_angstrom, early_motion_angstrom: Paths of the drift, whole and in the first frames.
        defocus_um, astigmatism_um: Mean of U and V, and their difference.
        ctf_resolution_angstrom: To where the rings fit; infinity where none are seen.
        ctf_confidence: That the fit is right, 0 to 1.
        ice_nm: Thickness of the ice.
        crystalline_ice: Whether reflections were seen.
        film_poses: Whether the rings are those of the film.
        tilt_deg: Of the specimen.
        particles_per_um2: Density.
        particle_overlap: Share of particles whose nearest neighbour is within a diameter.
        empty_fraction: Share of the picture without particles.
        poor_condition: Probability that its condition (contaminated, broken, ...) is one that is of no use.
        condition: What the condition is, for words.
    """

    total_motion_angstrom: float | None = None
    early_motion_angstrom: float | None = None
    defocus_um: float | None = None
    astigmatism_um: float | None = None
    ctf_resolution_angstrom: float | None = None
    ctf_confidence: float | None = None
    ice_nm: float | None = None
    crystalline_ice: bool | None = None
    film_poses: bool | None = None
    tilt_deg: float | None = None
    particles_per_um2: float | None = None
    particle_overlap: float | None = None
    empty_fraction: float | None = None
    poor_condition: float | None = None
    condition: str | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, float) and math.isnan(value):
                raise JudgingError(f"{entry.name} is not a number; give None where it is not known")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator wants, (low, high) with None for no limit; `most_` is a high limit alone.

    The defaults are loose: what hardly anybody wants.
    """

    most_total_motion_angstrom: float | None = 50.0
    most_early_motion_angstrom: float | None = 20.0
    defocus_um: tuple[float | None, float | None] = (0.3, 4.0)
    most_astigmatism_um: float | None = 0.2
    most_ctf_resolution_angstrom: float | None = 6.0
    least_ctf_confidence: float | None = 0.5
    ice_nm: tuple[float | None, float | None] = (10.0, 120.0)
    crystalline_ice_allowed: bool = False
    film_posing_allowed: bool = False
    most_tilt_deg: float | None = None
    particles_per_um2: tuple[float | None, float | None] = (None, None)
    most_particle_overlap: float | None = None
    most_empty_fraction: float | None = None
    poor_condition_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an exposure may be problematic.

    Attributes:
        indicator: Name of the field of `Indicators`.
        probability: That this alone makes it so.
        words: For people.
    """

    indicator: str
    probability: float
    words: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """How an exposure is judged.

    Attributes:
        problematic: Probability, 0 to 1.
        reasons: Those that matter, the most probable first.
        known: How many indicators it rests on.
    """

    problematic: float
    reasons: tuple[Reason, ...]
    known: int


def judge(indicators: Indicators, limits: Limits) -> Judgement:
    """Probability that an exposure is problematic.

    Raises:
        JudgingError: a limit is not above 0, or a range is upside down.
    """
    seen, most_motion = indicators, limits.most_total_motion_angstrom
    most_early, most_resolution = limits.most_early_motion_angstrom, limits.most_ctf_resolution_angstrom
    found = [
        _above("total_motion_angstrom", seen.total_motion_angstrom, most_motion, "moved {} Å"),
        _above("early_motion_angstrom", seen.early_motion_angstrom, most_early, "moved {} Å in the first frames"),
        *_between("defocus_um", seen.defocus_um, limits.defocus_um, "defocus is {} µm"),
        _above("astigmatism_um", seen.astigmatism_um, limits.most_astigmatism_um, "astigmatism is {} µm"),
        _above("ctf_resolution_angstrom", seen.ctf_resolution_angstrom, most_resolution, "rings end at {} Å"),
        _unsure(seen.ctf_confidence, limits.least_ctf_confidence),
        *_between("ice_nm", seen.ice_nm, limits.ice_nm, "ice is {} nm thick"),
        _when("crystalline_ice", seen.crystalline_ice, limits.crystalline_ice_allowed, "the ice is crystalline"),
        _when("film_poses", seen.film_poses, limits.film_posing_allowed, "the rings are those of the film"),
        _above("tilt_deg", seen.tilt_deg, limits.most_tilt_deg, "tilted by {}°"),
        *_between("particles_per_um2", seen.particles_per_um2, limits.particles_per_um2, "{} particles per µm²"),
        _above("particle_overlap", seen.particle_overlap, limits.most_particle_overlap, "a share of {} overlaps"),
        _above("empty_fraction", seen.empty_fraction, limits.most_empty_fraction, "a share of {} is empty"),
        _poor(seen.poor_condition, seen.condition, limits.poor_condition_allowed),
    ]
    reasons = [each for each in found if each is not None]
    fine = math.prod(1 - each.probability for each in reasons)
    told = sorted((each for each in reasons if each.probability >= _TOLD_FROM), key=lambda each: -each.probability)
    named = [entry.name for entry in fields(indicators) if entry.name != "condition"]
    known = sum(getattr(indicators, name) is not None for name in named)
    return Judgement(1 - fine, tuple(told), known)


def _odds(excess: float) -> float:
    """Probability of a problem so many limits beyond one."""
    return 1 / (1 + math.exp(-min(max(excess / _SOFTNESS, -60.0), 60.0)))


def _above(name: str, value: float | None, limit: float | None, words: str) -> Reason | None:
    if value is None or limit is None:
        return None
    if not (math.isfinite(limit) and limit > 0):
        raise JudgingError(f"the limit of {name} is {limit}; give one above 0, or None")
    said = "no rings are seen" if math.isinf(value) else f"{words.format(f'{value:.3g}')}, more than {limit:g}"
    return Reason(name, _odds(value / limit - 1), said)


def _below(name: str, value: float | None, limit: float | None, words: str) -> Reason | None:
    if value is None or limit is None:
        return None
    if not (math.isfinite(limit) and limit > 0):
        raise JudgingError(f"the limit of {name} is {limit}; give one above 0, or None")
    return Reason(name, _odds(1 - value / limit), f"{words.format(f'{value:.3g}')}, less than {limit:g}")


def _between(
    name: str, value: float | None, limits: tuple[float | None, float | None], words: str
) -> list[Reason | None]:
    low, high = limits
    if low is not None and high is not None and low >= high:
        raise JudgingError(f"the limits of {name} are {limits}; give the lower one first")
    return [_below(name, value, low, words), _above(name, value, high, words)]


def _unsure(confidence: float | None, least: float | None) -> Reason | None:
    if confidence is None or least is None:
        return None
    if confidence >= least:
        return Reason("ctf_confidence", 0.0, "")
    return Reason("ctf_confidence", 1 - confidence, f"no rings to be believed (confidence {confidence:.2f})")


def _poor(probability: float | None, condition: str | None, allowed: bool) -> Reason | None:
    if probability is None or allowed:
        return None
    if not 0 <= probability <= 1:
        raise JudgingError(f"poor_condition is {probability}; give a probability, 0 to 1")
    return Reason("poor_condition", probability, f"condition: {condition or 'poor'}")


def _when(name: str, seen: bool | None, allowed: bool, words: str) -> Reason | None:
    return None if seen is None or allowed else Reason(name, 0.98 if seen else 0.0, words)


__all__ = ["Indicators", "Judgement", "Limits", "Reason", "judge"]
