"""What scoring a plate did."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What a job's result keeps of a long list; every failure is in the database.
LISTED = 1000


@dataclass(frozen=True)
class ImageFailure:
    """An image that could not be scored, why, and whether it is tried again when the plate is next scored."""

    path: Path
    reason: str
    will_retry: bool


@dataclass
class ScoreReport:
    """What scoring a plate did.

    Attributes:
        plate_id, barcode: The plate.
        scoring_id: The row of this way of scoring the plate.
        models: By modality, the model as name@version.
        rule: How the modalities were combined.
        alarm_threshold: Probability from which a drop is a hit.
        images_scored: Images scored now.
        images_known: Images whose score was known already.
        failures: Images that could not be scored.
        experiments: Of the experiments asked for (drop x inspection), those with a score under this scoring.
        experiments_failed: Of these, those that were tried and have none.
        hits: Drops whose best probability over the inspections reaches the threshold.
        best_probability: The highest of all; None without any.
        stopped: Whether it was stopped before the end; scoring again does the rest.
        shadow_problems: Why models in the shadow could not score.
    """

    plate_id: int
    barcode: str
    scoring_id: int
    models: dict[str, str]
    rule: str
    alarm_threshold: float
    images_scored: int = 0
    images_known: int = 0
    failures: list[ImageFailure] = field(default_factory=list)
    experiments: int = 0
    experiments_failed: int = 0
    hits: int = 0
    best_probability: float | None = None
    stopped: bool = False
    shadow_problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON; the list of failures is cut after 1000 entries."""
        return {
            "plate_id": self.plate_id,
            "barcode": self.barcode,
            "scoring_id": self.scoring_id,
            "models": dict(self.models),
            "rule": self.rule,
            "alarm_threshold": self.alarm_threshold,
            "images_scored": self.images_scored,
            "images_known": self.images_known,
            "images_failed": len(self.failures),
            "failures": [
                {"path": str(failure.path), "reason": failure.reason, "will_retry": failure.will_retry}
                for failure in self.failures[:LISTED]
            ],
            "experiments": self.experiments,
            "experiments_failed": self.experiments_failed,
            "hits": self.hits,
            "best_probability": self.best_probability,
            "stopped": self.stopped,
            "shadow_problems": self.shadow_problems[:LISTED],
        }


__all__ = ["ImageFailure", "ScoreReport"]
