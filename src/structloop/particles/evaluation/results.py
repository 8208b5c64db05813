"""What judging picks gives: per micrograph, per method, and the report of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from structloop.particles.evaluation.comparing import Comparison
from structloop.particles.evaluation.discs import PixelCounts
from structloop.particles.evaluation.scores import PrecisionRecall, ScoreQuality


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """Picks and particles of one micrograph at one radius.

    Attributes:
        found: Pairs of a pick and a particle.
        false_picks, missed: Picks and particles that are in no pair.
        distances_px: Of the pairs, summed.
    """

    found: int
    false_picks: int
    missed: int
    distances_px: float

    @property
    def precision(self) -> float | None:
        """Share of the picks that are particles; None without picks."""
        return self.found / (self.found + self.false_picks) if self.found + self.false_picks else None

    @property
    def recall(self) -> float | None:
        """Share of the particles that were picked; None without particles."""
        return self.found / (self.found + self.missed) if self.found + self.missed else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; None where there is neither pick nor particle."""
        whole = 2 * self.found + self.false_picks + self.missed
        return 2 * self.found / whole if whole else None


@dataclass(frozen=True, slots=True)
class MicrographResult:
    """One method on one micrograph.

    Attributes:
        micrograph: Its name in the truth.
        picks, truth: How many were judged: above the threshold, off the border.
        matched: By radius, as a fraction of the diameter.
        pixels: The same by painted discs.
    """

    micrograph: str
    picks: int
    truth: int
    matched: Mapping[float, MatchCounts]
    pixels: PixelCounts

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "micrograph": self.micrograph,
            "picks": self.picks,
            "truth": self.truth,
            "particle_wise": [
                {"radius_diameters": radius, "found": each.found, **metrics_of(each)}
                for radius, each in self.matched.items()
            ],
            "pixel_wise": {**metrics_of(self.pixels), "iou": self.pixels.iou},
        }


def metrics_of(counts: MatchCounts | PixelCounts) -> dict[str, float | None]:
    """Precision, recall and F1 by name."""
    return {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is there; None where nothing is."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


@dataclass(frozen=True, slots=True)
class RadiusResult:
    """One method over all micrographs at one radius.

    Attributes:
        radius_diameters: The radius as a fraction of the particle's diameter.
        precision, recall, f1: Means of the micrographs' values, over those that have one.
        mean_distance_px: Of picks to their particles.
        curve: Over all picks of all micrographs, whatever the threshold; None without scores or particles.
        quality: How far the scores are probabilities; None where they cannot be.
        reasons: Why `curve` or `quality` is None.
    """

    radius_diameters: float
    precision: float | None
    recall: float | None
    f1: float | None
    mean_distance_px: float | None
    curve: PrecisionRecall | None
    quality: ScoreQuality | None
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def average_precision(self) -> float | None:
        """Area below the curve."""
        return None if self.curve is None else self.curve.average_precision

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "radius_diameters": self.radius_diameters,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "mean_distance_px": self.mean_distance_px,
            "average_precision": self.average_precision,
            "scores": None if self.quality is None else self.quality.to_json(),
            "reasons": dict(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method.

    Attributes:
        name: What it is called in the tables.
        origin: The file its picks are from.
        micrographs: Its results, in the report's order.
        radii: Over all micrographs, by radius.
    """

    name: str
    origin: str
    micrographs: tuple[MicrographResult, ...]
    radii: tuple[RadiusResult, ...]

    def pixel_mean(self, metric: str) -> float | None:
        """Mean over the micrographs of a pixel-wise metric: `precision`, `recall`, `f1` or `iou`."""
        return mean_of([getattr(each.pixels, metric) for each in self.micrographs])

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "picks_file": self.origin,
            "particle_wise": [each.to_json() for each in self.radii],
            "pixel_wise": {metric: self.pixel_mean(metric) for metric in ("precision", "recall", "f1", "iou")},
            "micrographs": [each.to_json() for each in self.micrographs],
        }


@dataclass(frozen=True, slots=True)
class PicksReport:
    """The judgement of one or more methods.

    Attributes:
        truth_file: Where the truth is from.
        diameter_px, border_px, threshold: As asked.
        micrographs: Names of those judged, as the truth has them.
        methods: In the order given.
        comparisons: Of every pair of methods, at the first radius.
        remarks: What a reader of the numbers must know: what was left out, what looks wrong.
    """

    truth_file: str
    diameter_px: float
    border_px: float
    threshold: float | None
    micrographs: tuple[str, ...]
    methods: tuple[MethodResult, ...]
    comparisons: tuple[Comparison, ...]
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "truth_file": self.truth_file,
            "diameter_px": self.diameter_px,
            "border_px": self.border_px,
            "threshold": self.threshold,
            "micrographs": list(self.micrographs),
            "methods": [each.to_json() for each in self.methods],
            "comparisons": [each.to_json() for each in self.comparisons],
            "remarks": list(self.remarks),
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row per method, micrograph and protocol, for a table of plain numbers."""
        found: list[dict[str, Any]] = []
        for method in self.methods:
            for each in method.micrographs:
                start = {"method": method.name, "micrograph": each.micrograph, "picks": each.picks, "truth": each.truth}
                for radius, counts in each.matched.items():
                    found.append({**start, "protocol": f"particle-wise {radius:g} D", **metrics_of(counts)})
                found.append({**start, "protocol": "pixel-wise", **metrics_of(each.pixels)})
        return found


__all__ = [
    "MatchCounts",
    "MethodResult",
    "MicrographResult",
    "PicksReport",
    "RadiusResult",
    "mean_of",
    "metrics_of",
]
