"""Which micrographs to label next: those that the picker is least sure of, and that differ from one another.

Informative: the candidates' probabilities are far from 0 and 1, so a label would tell most. Diverse: power spectrum
(defocus, ice, noise), number and spread of scores, and masked area differ from what is labelled or suggested already.
Each suggestion is the micrograph whose information times its distance to the nearest of those is largest: a weighted
form of farthest-first traversal (Gonzalez, Theor. Comput. Sci. 38 (1985) 293; Sener & Savarese, ICLR 2018).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial.distance import cdist

from structloop.core.errors import ParticlesError
from structloop.models.pickers import Picker, WorkingMicrograph
from structloop.particles.picking import (
    FoundMicrograph,
    PickedMicrograph,
    PickingOptions,
    PickingProgress,
    PickingResult,
    PickJournal,
    Prepared,
    pick_micrographs,
)

_RINGS = 16
_LEAST_INFORMATION = 0.05
_SAMPLED = 400
"""Micrographs that say how far apart two are as a rule; all pairs of a session's thousands would fill memory."""


@dataclass(frozen=True)
class MicrographTraits:
    """What is known of a micrograph without a label.

    Attributes:
        micrograph: Its name.
        information: Sum over the candidates of p (1 - p): how many of them are undecided, as it were.
        expected_particles: Sum of the candidates' probabilities.
        traits: (k,), what it looks like.
    """

    micrograph: str
    information: float
    expected_particles: float
    traits: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """What is known, as it is kept; the name stands elsewhere."""
        return {
            "information": round(self.information, 4),
            "expected_particles": round(self.expected_particles, 4),
            "traits": [round(float(each), 4) for each in self.traits],
        }

    @classmethod
    def from_json(cls, micrograph: str, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            micrograph,
            float(values["information"]),
            float(values["expected_particles"]),
            np.array(values["traits"], np.float64),
        )


@dataclass(frozen=True)
class Suggestion:
    """A micrograph to label, and why.

    Attributes:
        micrograph: Its name.
        undecided: How many candidates' worth of doubt it holds.
        expected_particles: How many particles are expected in it.
        novelty: Distance to the nearest micrograph that is labelled or suggested before it, 1 being the typical one.
    """

    micrograph: str
    undecided: float
    expected_particles: float
    novelty: float


def traits_of(micrograph: WorkingMicrograph, picked: PickedMicrograph) -> MicrographTraits:
    """The traits of a micrograph with its candidates."""
    p = picked.probability
    undecided = p * (1 - p)
    shares = [float(np.mean(p >= t)) if len(p) else 0.0 for t in (0.2, 0.5, 0.8)]
    area = max(1, int((~micrograph.mask).sum()))
    density = np.log1p(1e4 * p.sum() / area)
    masked = sum(picked.masked.values())
    traits = np.array([*_spectrum(micrograph), 2 * density, *(2 * np.array(shares)), 2 * masked])
    return MicrographTraits(picked.micrograph, float(undecided.sum()), float(p.sum()), traits)


def _spectrum(micrograph: WorkingMicrograph) -> NDArray[np.float64]:
    """Logarithm of the radial power, ring by ring."""
    calm = np.where(micrograph.mask, np.float32(0), micrograph.pixels)
    power = np.abs(fft.rfft2(calm)) ** 2
    k = np.hypot(fft.fftfreq(calm.shape[0])[:, None], fft.rfftfreq(calm.shape[1])[None, :])
    ring = np.minimum((k * 2 * _RINGS).astype(np.intp), _RINGS - 1).ravel()
    mean = np.bincount(ring, power.ravel(), _RINGS) / np.maximum(np.bincount(ring, minlength=_RINGS), 1)
    return np.asarray(np.log(mean / max(float(mean.mean()), 1e-30) + 1e-6))


def collect_traits(
    picker: Picker,
    micrographs: Sequence[FoundMicrograph],
    options: PickingOptions,
    *,
    on_progress: Callable[[PickingProgress], None] = lambda _progress: None,
) -> tuple[list[MicrographTraits], PickingResult]:
    """Traits of every micrograph that can be picked, and what could not."""
    found: list[MicrographTraits] = []

    def note(prepared: Prepared, picked: PickedMicrograph) -> None:
        found.append(traits_of(prepared.micrograph, picked))

    with TemporaryDirectory(prefix="structloop-suggest-") as scratch, PickJournal.open(Path(scratch) / "j", {}) as kept:
        result = pick_micrographs(picker, micrographs, kept, options, on_progress=on_progress, on_picked=note)
    return found, result


def suggest(traits: Sequence[MicrographTraits], *, count: int, labelled: Sequence[str] = ()) -> list[Suggestion]:
    """The micrographs to label next, the best first.

    Args:
        traits: Of all micrographs, labelled ones included.
        count: How many; fewer where there are not so many unlabelled ones.
        labelled: Names of those that are labelled already.

    Raises:
        ParticlesError: `count` is below 1, or nothing is left to label.
    """
    if count < 1:
        raise ParticlesError(f"{count} suggestions were asked for; ask for at least 1")
    known = set(labelled)
    left = [index for index, each in enumerate(traits) if each.micrograph not in known]
    if not left:
        raise ParticlesError("every micrograph is labelled already; there is nothing to suggest")
    values = np.stack([each.traits for each in traits])
    spread = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    # A trait that hardly varies is noise; it must not be blown up to the size of the others.
    values = np.clip((values - np.median(values, axis=0)) / np.maximum(spread, 0.1), -4, 4)
    sample = values[np.linspace(0, len(values) - 1, min(len(values), _SAMPLED)).astype(np.intp)]
    distances = cdist(values, sample)
    typical = max(float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0, 1e-9)
    information = np.array([each.information for each in traits])
    weight = np.sqrt(_LEAST_INFORMATION + information / max(float(information.max()), 1e-12))
    nearest = np.full(len(traits), np.inf)
    for index, each in enumerate(traits):
        if each.micrograph in known:
            nearest = np.minimum(nearest, _distance(values, index))
    chosen: list[Suggestion] = []
    while left and len(chosen) < count:
        # Where nothing is labelled, the first is the most informative of those like most others.
        far = nearest[left] if np.isfinite(nearest[left]).all() else 1 / (1 + np.median(distances[left], axis=1))
        best = left[int(np.argmax(weight[left] * far))]
        each = traits[best]
        novelty = float(nearest[best] / typical) if np.isfinite(nearest[best]) else 1.0
        chosen.append(Suggestion(each.micrograph, each.information, each.expected_particles, novelty))
        nearest = np.minimum(nearest, _distance(values, best))
        left.remove(best)
    return chosen


def _distance(values: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    """Of all (n, k) to the one at `index`."""
    return np.asarray(np.linalg.norm(values - values[index], axis=1))


__all__ = ["MicrographTraits", "Suggestion", "collect_traits", "suggest", "traits_of"]
