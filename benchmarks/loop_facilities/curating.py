"""The queue and the curators of a run, on the selection and settlement of `structloop.loop.curation`."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loop_facilities.batches import Labelled
from structloop.loop.curation.mixing import mix
from structloop.loop.curation.selection import ScoredItems, agreements, disagreements, label_errors
from structloop.loop.curation.settling import settle
from structloop.schema.loop import UNCERTAIN, CurationReason, CurationState
from structloop.simulation.experts import POSITIVE, Expert, ExpertRates
from structloop.simulation.experts import UNCERTAIN as SHRUG

UNTOUCHED, NEITHER = -2, -1
Floats = NDArray[np.float64]
Chooser = Callable[["Curation", Labelled, "Said", NDArray[np.bool_], int], list[int]]


@dataclass(frozen=True)
class Said:
    """What models said of the drops.

    Attributes:
        probability: `(n,)`, by the model that was in production when the drop's batch came.
        alarm: `(n,)`, its threshold.
        out_of_sample: `(n,)`, by a model that has not learnt from the drop's label.
    """

    probability: Floats
    alarm: Floats
    out_of_sample: Floats


@dataclass
class Curation:
    """What curators have settled so far.

    Attributes:
        settled: `(n,)` int8: 1 crystal, 0 other, `NEITHER` where nobody could tell, `UNTOUCHED`.
        answers: How many answers were given.
        seconds: How long they took.
        people: Two curators and the one who breaks ties.
    """

    settled: NDArray[np.int8]
    people: tuple[Expert, Expert, Expert]
    answers: int = 0
    seconds: float = 0.0
    order: list[int] = field(default_factory=list)

    @classmethod
    def begin(cls, count: int, rates: ExpertRates, seed: int) -> "Curation":
        """Nothing is settled yet."""
        first, second, third = (Expert(rates, seed * 100 + number) for number in (50, 51, 52))
        return cls(np.full(count, UNTOUCHED, np.int8), (first, second, third))

    def curate(self, chosen: list[int], drops: Labelled) -> None:
        """Two people answer each item, and a third where they differ."""
        names = {POSITIVE: "crystal", SHRUG: UNCERTAIN}
        for index in chosen:
            given: list[tuple[str, str | None]] = []
            for person in self.people:
                if settle(given).state is not CurationState.OPEN:
                    break
                look = person.answer([drops.truth[index]], [drops.is_micro[index]], [drops.hardness[index]])
                self.answers += 1
                self.seconds += float(look.seconds[0])
                given.append((names.get(int(look.labels[0]), "other"), None))
            outcome = settle(given)
            self.settled[index] = NEITHER if outcome.label is None else int(outcome.label == "crystal")
            self.order.append(index)


def by_queue(done: Curation, drops: Labelled, said: Said, known: NDArray[np.bool_], size: int) -> list[int]:
    """What the loop's queue takes first, by its usual shares.

    All drops have a label here and one modality, so that the reasons for drops without a label find nothing, and
    suspected label errors, disagreements and an audit of agreements share the queue.
    """
    items = scored(drops, said, known & (done.settled == UNTOUCHED))
    rng = np.random.default_rng(len(done.order))
    found = {
        CurationReason.LABEL_ERROR: label_errors(items, said.out_of_sample),
        CurationReason.DISAGREEMENT: disagreements(items),
        CurationReason.AUDIT: agreements(items, rng),
    }
    return [each.index for each in mix(found, size, project=items.project, item=items.item, present=done.order)]


def at_random(done: Curation, drops: Labelled, said: Said, known: NDArray[np.bool_], size: int) -> list[int]:
    """As many drops, whichever."""
    rng = np.random.default_rng([len(done.order), 11])
    waiting = np.flatnonzero(known & (done.settled == UNTOUCHED))
    return [int(index) for index in rng.permutation(waiting)[:size]]


def standing(done: Curation, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The drops whose labels join the data set, as `LabelChoice.STANDING` has it: all but what could not be settled."""
    joining: NDArray[np.bool_] = known & (done.settled != NEITHER)
    return joining


def scored(drops: Labelled, said: Said, waiting: NDArray[np.bool_]) -> ScoredItems:
    """Drops as selection looks at them; those that do not wait for a curator count as unlabelled."""
    count = len(drops)
    return ScoredItems(
        probability=said.probability,
        threshold=said.alarm,
        human=np.where(waiting, drops.human.astype(np.int8), np.int8(-1)).astype(np.int8),
        views=said.probability[:, None],
        project=np.zeros(count, np.int64),
        item=np.arange(count),
    )
