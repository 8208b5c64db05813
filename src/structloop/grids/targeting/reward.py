"""What makes an exposure good: a reward in [0, 1] that the operator sets, the same for screening and for collection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from structloop.core.errors import TargetingError


class RewardError(TargetingError):
    """A reward cannot be computed: a term is unknown, missing or badly set."""


@dataclass(frozen=True)
class Term:
    """One quantity of an exposure, turned into a score in [0, 1].

    The score is 1 between `low` and `high`, and falls linearly to 0 over `softness` beyond them (0: at once).

    Attributes:
        low, high: Limits in the quantity's own unit; None leaves a side open.
        softness: Width over which the score falls from 1 to 0, in the same unit.
        weight: Share among the terms.
    """

    low: float | None = None
    high: float | None = None
    softness: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.weight <= 0 or self.softness < 0:
            raise RewardError(f"weight {self.weight} must be above 0 and softness {self.softness} not below")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise RewardError(f"low {self.low} is above high {self.high}")

    def score(self, value: float) -> float:
        """The score of a value; a value that is no number scores 0."""
        if value != value:
            return 0.0
        beyond = max(
            0.0 if self.low is None else self.low - value, 0.0 if self.high is None else value - self.high, 0.0
        )
        if beyond == 0:
            return 1.0
        return max(0.0, 1 - beyond / self.softness) if self.softness > 0 else 0.0


CTF_TERM = "ctf_resolution_angstrom"


@dataclass(frozen=True)
class Reward:
    """A weighted mean of terms. The default: 1 where the CTF fits to `ctf_limit_angstrom` or better, else 0."""

    terms: Mapping[str, Term] = field(default_factory=lambda: {CTF_TERM: Term(high=6.0)})

    def __post_init__(self) -> None:
        if not self.terms:
            raise RewardError("a reward needs at least one term")

    @classmethod
    def ctf(cls, limit_angstrom: float = 6.0) -> "Reward":
        """Good is a CTF that fits to the limit or better."""
        if not 0 < limit_angstrom < float("inf"):
            raise RewardError(f"the CTF limit {limit_angstrom} must be a positive number of angstrom")
        return cls({CTF_TERM: Term(high=limit_angstrom)})

    @property
    def ctf_limit_angstrom(self) -> float | None:
        """The upper limit on CTF resolution, where there is one."""
        term = self.terms.get(CTF_TERM)
        return None if term is None else term.high

    def of(self, values: Mapping[str, float]) -> float:
        """The reward in [0, 1] of an exposure with these measured values.

        Raises:
            RewardError: a term's value is not among them.
        """
        missing = [name for name in self.terms if name not in values]
        if missing:
            raise RewardError(
                f"the reward needs {', '.join(missing)}; the exposure has {', '.join(values) or 'nothing'}"
            )
        total = sum(term.weight for term in self.terms.values())
        return sum(term.weight * term.score(values[name]) for name, term in self.terms.items()) / total

    def state(self) -> dict[str, Any]:
        """Plain numbers from which `from_state` makes it again."""
        return {
            name: {"low": term.low, "high": term.high, "softness": term.softness, "weight": term.weight}
            for name, term in self.terms.items()
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Reward":
        """The reward that `state` was taken of."""
        return cls({name: Term(**values) for name, values in state.items()})


__all__ = ["CTF_TERM", "Reward", "RewardError", "Term"]
