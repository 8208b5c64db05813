"""When a square or a grid may be left: a sequential test with a stated error.

After every exposure, the evidence that the place is poor is weighed against that it is worth staying (Wald, Ann. Math.
Stat. 16 (1945) 117). A place worth staying is left wrongly with at most the stated probability, however often one looks
(Ville, 1939), as long as exposures are judged rightly and are independent given the place; neighbouring exposures
are not quite, so each may count a little less than whole.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy import stats

from structloop.core.errors import JudgingError


@dataclass(frozen=True, slots=True)
class Leaving:
    """What the rule says after some exposures.

    Attributes:
        leave: Whether the evidence suffices.
        exposures: After how many it did, or how many there are.
        evidence: Natural logarithm of the odds for a poor place.
        needed: What it must reach.
        reason: In words.
    """

    leave: bool
    exposures: int
    evidence: float
    needed: float
    reason: str


@dataclass(frozen=True, slots=True)
class LeavingRule:
    """A sequential rule.

    Attributes:
        worth: Share of fine exposures from which a place is worth staying.
        poor: Share of fine exposures of a place that is to be left.
        error: Most probability of leaving a place that is worth staying.
        weight: What an exposure counts: 1 where exposures are independent given the place, less where they are not.
    """

    worth: float = 0.5
    poor: float = 0.15
    error: float = 0.05
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.poor < self.worth < 1:
            raise JudgingError(f"poor is {self.poor} and worth {self.worth}; give 0 < poor < worth < 1")
        if not (0 < self.error < 0.5 and 0 < self.weight <= 1):
            raise JudgingError(f"error is {self.error} and weight {self.weight}; give 0 to 0.5, and above 0 up to 1")

    def after(self, problematic: Iterable[float]) -> Leaving:
        """What it says after exposures of these probabilities of being problematic, in order.

        Raises:
            JudgingError: a probability is not one.
        """
        needed, evidence, count = -math.log(self.error), 0.0, 0
        bad = fine = 0.0
        for each in problematic:
            if not 0 <= each <= 1:
                raise JudgingError(f"exposure {count + 1} has the probability {each}; give 0 to 1")
            count += 1
            bad, fine = bad + each, fine + 1 - each
            # Of an unsure exposure the likelihood of what was seen, mixed: its ratio has mean 1 where staying is worth.
            poor = each * (1 - self.poor) + (1 - each) * self.poor
            worth = each * (1 - self.worth) + (1 - each) * self.worth
            evidence += self.weight * math.log(poor / worth)
            if evidence >= needed:
                return Leaving(True, count, evidence, needed, self._words(bad, count))
        return Leaving(False, count, evidence, needed, "")

    def _words(self, bad: float, count: int) -> str:
        return (
            f"about {bad:.0f} of the first {count} exposures are problematic: a place where {self.worth:.0%} are fine "
            f"shows so much evidence in at most {self.error:.0%} of cases"
        )


def fixed_rule_exposures(rule: LeavingRule, power: float = 0.95) -> int:
    """How many exposures a rule of fixed number needs for the same error and this probability of leaving a poor place.

    Args:
        rule: Whose error, `worth` and `poor` are meant.
        power: Probability that a poor place is left.
    """
    for count in range(1, 2000):
        # Left if at most so many are fine.
        most = int(stats.binom.ppf(rule.error, count, rule.worth))
        while most >= 0 and stats.binom.cdf(most, count, rule.worth) > rule.error:
            most -= 1
        if most >= 0 and stats.binom.cdf(most, count, rule.poor) >= power:
            return count
    raise JudgingError("poor and worth are too near for a rule of a fixed number; set them farther apart")


__all__ = ["Leaving", "LeavingRule", "fixed_rule_exposures"]
