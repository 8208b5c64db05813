"""How well people agree: Krippendorff's alpha for nominal data, and each curator's rates.

Krippendorff, K.: Content Analysis, 3rd edition (2013), chapter 12; Computing Krippendorff's Alpha-Reliability (2011).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


def krippendorff_alpha(units: Iterable[Iterable[str]]) -> float | None:
    """Krippendorff's alpha of nominal answers: 1 for perfect agreement, 0 for what chance gives.

    Args:
        units: The answers to each item, in any order, by any number of people; items with fewer than two count not.

    Returns:
        Alpha; None where it is not defined: nothing was answered twice, or everybody always answered the same.
    """
    totals: Counter[tuple[str, int]] = Counter()
    equal: Counter[int] = Counter()
    for unit in units:
        counts = Counter(unit)
        answers = counts.total()
        for value, count in counts.items():
            totals[value, answers] += count
            equal[answers] += count * (count - 1)
    return alpha_of_counts(totals, equal)


def alpha_of_counts(totals: Mapping[tuple[str, int], int], equal: Mapping[int, int]) -> float | None:
    """Krippendorff's alpha from counts over items; those of items with fewer than two answers count not.

    Args:
        totals: How often each answer was given to items with so many answers.
        equal: Ordered pairs of equal answers to the same item by different people, by the item's number of answers.
    """
    by_answer: dict[str, int] = defaultdict(int)
    disagreement = 0.0
    for (value, answers), count in totals.items():
        if answers >= 2:
            by_answer[value] += count
            # Ordered pairs within items, weighted so that every answer counts once, less the equal ones.
            disagreement += count
    disagreement -= sum(pairs / (answers - 1) for answers, pairs in equal.items() if answers >= 2)
    n = sum(by_answer.values())
    expected = n * n - sum(total * total for total in by_answer.values())
    if n < 2 or expected == 0:
        return None
    return 1.0 - (n - 1) * disagreement / expected


@dataclass(frozen=True, slots=True)
class CuratorRates:
    """How one curator answers.

    Attributes:
        curator: Who.
        answers: How many answers count.
        agreed, compared: Answers that are the settled label, of those to settled items.
        gold_right, gold_answered: Right answers to gold items, of those answered.
        gold_positive_found, gold_positives: The same, of the gold items that hold what is looked for.
        undecided: Answers that it cannot be told or judged.
        median_seconds: Half of the answers took at most so long; None where no time is known.
    """

    curator: str
    answers: int
    agreed: int
    compared: int
    gold_right: int
    gold_answered: int
    gold_positive_found: int
    gold_positives: int
    undecided: int
    median_seconds: float | None

    @property
    def agreement(self) -> float | None:
        """Share of the curator's answers that were settled so; None where nothing was settled."""
        return self.agreed / self.compared if self.compared else None

    @property
    def gold_accuracy(self) -> float | None:
        """Share of gold items answered rightly; None where none was answered."""
        return self.gold_right / self.gold_answered if self.gold_answered else None


__all__ = ["CuratorRates", "alpha_of_counts", "krippendorff_alpha"]
