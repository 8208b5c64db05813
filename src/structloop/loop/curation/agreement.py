"""How well people agree: Krippendorff's alpha for nominal data, and each curator's rates.

Krippendorff, K.: Content Analysis, 3rd edition (2013), chapter 12; Computing Krippendorff's Alpha-Reliability (2011).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from structloop.schema.loop import UNCERTAIN, UNUSABLE


def krippendorff_alpha(units: Iterable[Iterable[str]]) -> float | None:
    """Krippendorff's alpha of nominal answers: 1 for perfect agreement, 0 for what chance gives.

    Args:
        units: The answers to each item, in any order, by any number of people; items with fewer than two count not.

    Returns:
        Alpha; None where it is not defined: nothing was answered twice, or everybody always answered the same.
    """
    disagreement = 0.0
    totals: dict[str, float] = defaultdict(float)
    for unit in units:
        counts = Counter(unit)
        answers = sum(counts.values())
        if answers < 2:
            continue
        for value, count in counts.items():
            totals[value] += count
        # Ordered pairs of different people within the item, weighted so that every answer counts once.
        unequal = answers * (answers - 1) - sum(count * (count - 1) for count in counts.values())
        disagreement += unequal / (answers - 1)
    n = sum(totals.values())
    expected = n * n - sum(total * total for total in totals.values())
    if n < 2 or expected == 0:
        return None
    return 1.0 - (n - 1) * disagreement / expected


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer that counts, with what became of its item.

    Attributes:
        unit: The item's key.
        curator: Who gave it.
        answer: A label, or that it cannot be told or judged.
        seconds: How long it took, where known.
        settled: The label that was settled; None where none was.
        gold: The known answer of a gold item; None of all others.
    """

    unit: int
    curator: str
    answer: str
    seconds: float | None = None
    settled: str | None = None
    gold: str | None = None


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


def curator_rates(answers: Iterable[GivenAnswer], positive: str) -> list[CuratorRates]:
    """The rates of each curator, by name.

    Args:
        answers: The answers that count, of all curators.
        positive: The label that is looked for.
    """
    by_curator: dict[str, list[GivenAnswer]] = defaultdict(list)
    for given in answers:
        by_curator[given.curator].append(given)
    return [_rates(curator, by_curator[curator], positive) for curator in sorted(by_curator)]


def _rates(curator: str, answers: list[GivenAnswer], positive: str) -> CuratorRates:
    settled = [given for given in answers if given.settled is not None and given.gold is None]
    gold = [given for given in answers if given.gold is not None]
    positives = [given for given in gold if given.gold == positive]
    seconds = [given.seconds for given in answers if given.seconds is not None]
    return CuratorRates(
        curator=curator,
        answers=len(answers),
        agreed=sum(given.answer == given.settled for given in settled),
        compared=len(settled),
        gold_right=sum(given.answer == given.gold for given in gold),
        gold_answered=len(gold),
        gold_positive_found=sum(given.answer == positive for given in positives),
        gold_positives=len(positives),
        undecided=sum(given.answer in (UNCERTAIN, UNUSABLE) for given in answers),
        median_seconds=median(seconds) if seconds else None,
    )


def alpha_of_answers(answers: Iterable[GivenAnswer]) -> float | None:
    """Krippendorff's alpha of answers, by their items. That a picture is unusable is an answer like others."""
    units: dict[int, list[str]] = defaultdict(list)
    for given in answers:
        units[given.unit].append(given.answer)
    return krippendorff_alpha(units.values())


__all__ = ["CuratorRates", "GivenAnswer", "alpha_of_answers", "curator_rates", "krippendorff_alpha"]
