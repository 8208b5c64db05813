"""When answers settle an item: by default two equal ones, and a third person's where the first two differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from structloop.schema.loop import UNCERTAIN, UNUSABLE, CurationState


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the answers to an item come to.

    Attributes:
        state: Open while more answers are needed.
        label: The settled label, if any.
        detail: The kind within it on which those who settled it agree, if any.
    """

    state: CurationState
    label: str | None = None
    detail: str | None = None


def settle(answers: Sequence[tuple[str, str | None]], needed: int = 2) -> Outcome:
    """What answers come to, in whatever order they came.

    An answer that `needed` people gave holds. Where no answer can get there any more with `2 * needed - 1` people (all
    three differ), it cannot be told. `needed = 1` is a lab with one curator.

    Args:
        answers: Answer and detail of each person, one each.
        needed: Equal answers that settle an item; at least 1.
    """
    if needed < 1:
        raise ValueError(f"needed = {needed} equal answers must be at least 1")
    counts = Counter(answer for answer, _ in answers)
    # Of two answers that are both frequent enough, which needs more people than are ever asked, the more frequent.
    best = min(counts, key=lambda answer: (-counts[answer], answer), default=None)
    if best is not None and counts[best] >= needed:
        if best == UNCERTAIN:
            return Outcome(CurationState.UNCERTAIN)
        if best == UNUSABLE:
            return Outcome(CurationState.UNUSABLE)
        details = {detail for answer, detail in answers if answer == best and detail is not None}
        return Outcome(CurationState.SETTLED, best, details.pop() if len(details) == 1 else None)
    if len(answers) >= 2 * needed - 1:
        return Outcome(CurationState.UNCERTAIN)
    return Outcome(CurationState.OPEN)


__all__ = ["Outcome", "settle"]
