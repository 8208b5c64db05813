"""The gate: what a candidate must show, on the frozen test set, before it takes another model's place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from structloop.loop.evaluation.comparing import Comparison, sides_difference
from structloop.loop.evaluation.intervals import Estimate
from structloop.loop.evaluation.judging import Judgement
from structloop.loop.tasks import GateDefaults


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One thing that was asked of the candidate.

    Attributes:
        name: In a word.
        passed: Whether it holds.
        reason: What was asked and what was seen, in words.
    """

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateVerdict:
    """What the gate says.

    Attributes:
        checks: All of them, passed or not.
        current, candidate: The model versions, as `name@version`; None where nothing is in production.
    """

    checks: tuple[GateCheck, ...]
    current: str | None
    candidate: str

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def objections(self) -> list[str]:
        """The reasons of the checks that failed."""
        return [check.reason for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "passed": self.passed,
            "current": self.current,
            "candidate": self.candidate,
            "checks": [{"name": check.name, "passed": check.passed, "reason": check.reason} for check in self.checks],
        }


def judge_gate(comparison: Comparison, rules: GateDefaults, acceptable: Sequence[str] = ()) -> GateVerdict:
    """Whether the candidate may take the current model's place.

    Recall may not be lower by more than a margin (non-inferiority: the lower end of the 95 % interval counts, not the
    number itself); the candidate may not be wrong significantly more often (McNemar); its probabilities must mean what
    they say; and it may not be much slower. Where a task says which of its labels are acceptable, telling these from
    the others takes the place of recall; all labels count in the paired test and in the calibration.

    Args:
        comparison: Of both on the same items, which neither was trained on.
        rules: What is asked.
        acceptable: Of the task; see `ReviewTask`.
    """
    current, candidate = comparison.current, comparison.candidate
    checks = (
        _enough(candidate, rules, acceptable),
        _sides(comparison, rules, acceptable) if acceptable else _recall(comparison, rules),
        _paired(comparison, rules),
        _calibration(candidate, rules),
        _speed(current, candidate, rules),
    )
    return GateVerdict(checks, version_of(current), version_of(candidate))


def judge_first(candidate: Judgement, rules: GateDefaults, acceptable: Sequence[str] = ()) -> GateVerdict:
    """Whether a model may be the first in production, where there is none to compare it with; see `judge_gate`."""
    return GateVerdict(
        (_enough(candidate, rules, acceptable), _calibration(candidate, rules)), None, version_of(candidate)
    )


def version_of(judgement: Judgement) -> str:
    """The judged model as `name@version`."""
    return f"{judgement.card.name}@{judgement.card.version}"


def _enough(candidate: Judgement, rules: GateDefaults, acceptable: Sequence[str]) -> GateCheck:
    found, wanted = candidate.overall.positives, rules.min_positives
    label = candidate.card.positive_label
    if acceptable:
        inside = sum(item.label in acceptable for item in candidate.items)
        outside = len(candidate.items) - inside
        found = min(inside, outside)
        label = " or ".join(acceptable) if inside <= outside else "other labels"
    if found >= wanted:
        return GateCheck("test set", True, f"the test set holds {found} images of '{label}' ({wanted} are needed)")
    return GateCheck(
        "test set",
        False,
        f"the test set holds {found} images of '{label}', {wanted} are needed for its numbers to mean anything; curate "
        "more of them into the test set",
    )


def _recall(comparison: Comparison, rules: GateDefaults) -> GateCheck:
    difference = comparison.recall_difference
    if difference is None:
        return GateCheck("recall", False, "recall cannot be compared: the test set holds no positive image")
    return _not_lower("recall", "recall", difference, rules)


def _sides(comparison: Comparison, rules: GateDefaults, acceptable: Sequence[str]) -> GateCheck:
    difference = sides_difference(comparison, acceptable)
    names = " or ".join(acceptable)
    if difference is None:
        return GateCheck(
            "acceptable", False, f"whether {names} is told from the rest cannot be compared: one side has no image"
        )
    return _not_lower("acceptable", f"the share of images told rightly to be {names}, or not,", difference, rules)


def _not_lower(name: str, what: str, difference: Estimate, rules: GateDefaults) -> GateCheck:
    seen = f"{what} changes by {_points(difference.value)} (95 % interval {_points(difference.low)} to "
    seen += f"{_points(difference.high)})"
    margin = f"{rules.recall_margin:.1%}"
    if difference.low > -rules.recall_margin:
        return GateCheck(name, True, f"{seen}; it is not lower by more than {margin}")
    if difference.high < -rules.recall_margin:
        return GateCheck(name, False, f"{seen}; it is lower by more than {margin}")
    return GateCheck(
        name, False, f"{seen}; that does not rule out a loss of more than {margin}: more test images would tell"
    )


def _paired(comparison: Comparison, rules: GateDefaults) -> GateCheck:
    found = comparison.mcnemar
    seen = (
        f"only the candidate is right on {found.only_second} images, only the current model on {found.only_first} "
        f"(McNemar's exact test: p = {found.p_value:.3g})"
    )
    if found.p_value >= rules.significance:
        return GateCheck("paired test", True, f"{seen}; the difference may be chance")
    if found.only_second > found.only_first:
        return GateCheck("paired test", True, f"{seen}; the candidate is better")
    return GateCheck("paired test", False, f"{seen}; the candidate is worse")


def _calibration(candidate: Judgement, rules: GateDefaults) -> GateCheck:
    error, most = candidate.calibration_error, rules.max_calibration_error
    seen = f"the candidate's probabilities are off by {error:.1%} on average"
    if error <= most:
        return GateCheck("calibration", True, f"{seen} ({most:.1%} is allowed)")
    return GateCheck("calibration", False, f"{seen}, {most:.1%} is allowed; calibrate it on images like these")


def _speed(current: Judgement, candidate: Judgement, rules: GateDefaults) -> GateCheck:
    seen = (
        f"an image takes the candidate {candidate.seconds_per_image * 1000:.0f} ms, the current model "
        f"{current.seconds_per_image * 1000:.0f} ms"
    )
    if candidate.seconds_per_image <= current.seconds_per_image * rules.max_slowdown:
        return GateCheck("speed", True, f"{seen} ({rules.max_slowdown:g} times as long is allowed)")
    return GateCheck("speed", False, f"{seen}; at most {rules.max_slowdown:g} times as long is allowed")


def _points(share: float) -> str:
    return f"{share * 100:+.1f} points"


__all__ = ["GateCheck", "GateVerdict", "judge_first", "judge_gate", "version_of"]
