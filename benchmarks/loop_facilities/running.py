"""One run: three cycles in every laboratory of a scenario, for every arm, with one seed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from loop_facilities.batches import CYCLES, PLATES, TEST_DROPS, WELLS, Labelled, TestSet, draw
from loop_facilities.curating import NEITHER, Chooser, Curation, Said, at_random, by_queue, scored
from loop_facilities.drops import card, read
from loop_facilities.models import EVEN, Model, averaged, embedded, train
from structloop.loop.curation.selection import label_errors
from structloop.simulation.experts import CURATOR, SCORER
from structloop.simulation.laboratories import FAMILIAR, LABORATORIES

BUDGET = 48
"""Drops that curators are asked to settle in each cycle, of 288."""

NO_LOOP, RAW, LOOP, RANDOM = "no loop", "raw human labels", "the loop", "the loop, random queue"
HALF, QUARTER = "the loop, half the curations", "the loop, a quarter of the curations"
AVERAGED, TRUTH = "heads averaged over labs", "true labels (bound)"

Row = dict[str, float]


@dataclass(frozen=True)
class Scenario:
    """What is simulated.

    Attributes:
        name: As tables name it.
        labs: The laboratories.
        prevalence: Share of drops with crystals.
        errors: Times the published rates of experts' errors.
        full: Whether the arms that only the main table needs are run.
    """

    name: str
    labs: tuple[str, ...] = LABORATORIES
    prevalence: float = 0.06
    errors: float = 1.0
    full: bool = False


SCENARIOS = {
    "main": Scenario("three laboratories", full=True),
    "twice": Scenario("experts with twice the errors", errors=2.0),
    "rare": Scenario("2 % of drops with crystals", prevalence=0.02),
    "familiar": Scenario("a laboratory of the training set", labs=(FAMILIAR,)),
}

DROPS = TEST_DROPS + CYCLES * PLATES * WELLS
"""Drops that a laboratory needs."""


def run(folder: Path, scenario: Scenario, seed: int) -> dict[str, Any]:
    """All numbers of a run, as JSON.

    Args:
        folder: Of the cached features.
        scenario: What is simulated.
        seed: Of the plates, the people, and the folds.
    """
    start = embedded(card(folder), read(folder, scenario.labs[0], DROPS).bare.shape[1])
    labs = [_Lab(folder, name, place, scenario, seed, start) for place, name in enumerate(scenario.labs)]
    found: dict[str, Any] = {"scenario": scenario.name, "seed": seed, "labs": {lab.name: lab.numbers for lab in labs}}
    if len(labs) > 1:
        for cycle in range(CYCLES):
            models = [lab.loops[cycle] for lab in labs]
            for lab in labs:
                features, labels = lab.learnt[cycle]
                together = averaged(models, [1.0] * len(models), features, labels)
                lab.numbers["arms"].setdefault(AVERAGED, []).append(measure(together, lab.test))
        found["shared"] = {
            sender.name: {lab.name: measure(sender.loops[-1], lab.test) for lab in labs} for sender in labs
        }
    return found


class _Lab:
    """A laboratory and what becomes of it."""

    def __init__(self, folder: Path, name: str, place: int, scenario: Scenario, seed: int, start: Model) -> None:
        self.name = name
        self._seed = seed * 10 + place
        self._start = start
        rates = SCORER.times(scenario.errors)
        self._drops, self.test = draw(
            read(folder, name, DROPS), self._seed, prevalence=scenario.prevalence, rates=rates
        )
        self._curators = CURATOR.times(scenario.errors)
        drops = self._drops
        arms: dict[str, list[Row]] = {NO_LOOP: [measure(start, self.test)] * CYCLES}
        arms[RAW], raw = self._retrained(drops.human)
        if scenario.full:
            arms[TRUTH], _ = self._retrained(drops.truth)
        arms[LOOP], self.loops, self.learnt = self._looped(by_queue, BUDGET)
        arms[RANDOM], _, _ = self._looped(at_random, BUDGET)
        if scenario.full:
            arms[HALF], _, _ = self._looped(by_queue, BUDGET // 2)
            arms[QUARTER], _, _ = self._looped(by_queue, BUDGET // 4)
        self.numbers: dict[str, Any] = {
            "arms": arms,
            "errors": _detection(drops, raw),
            "human": {
                "drops": len(drops),
                "crystals": int(drops.truth.sum()),
                "missed": int((drops.truth & ~drops.human).sum()),
                "false_alarms": int((~drops.truth & drops.human).sum()),
                "minutes": drops.seconds / 60,
            },
        }

    def _retrained(self, labels: NDArray[np.bool_]) -> tuple[list[Row], Model]:
        rows, model = [], self._start
        for cycle in range(CYCLES):
            known = np.flatnonzero(self._drops.cycle <= cycle)
            model = self._trained(known, labels) or model
            rows.append(measure(model, self.test))
        return rows, model

    def _looped(
        self, choose: Chooser, budget: int
    ) -> tuple[list[Row], list[Model], list[tuple[NDArray[np.float32], NDArray[np.bool_]]]]:
        drops = self._drops
        done = Curation.begin(len(drops), self._curators, self._seed)
        model, learnt = self._start, np.zeros(0, np.intp)
        rows, models, sets = [], [], []
        for cycle in range(CYCLES):
            known = drops.cycle <= cycle
            probability = model.probability(drops.features)
            if len(model.out_of_fold):
                probability[learnt] = model.out_of_fold
            done.curate(choose(done, drops, Said(probability, model.alarm), known, budget), drops)
            labels = np.where(done.settled >= 0, done.settled == 1, drops.human)
            usable = np.flatnonzero(known & (done.settled != NEITHER))
            fresh = self._trained(usable, labels)
            if fresh is not None:
                model, learnt = fresh, usable
            wrong = labels != drops.truth
            rows.append(
                measure(model, self.test)
                | {
                    "curations": float(len(done.order)),
                    "answers": float(done.answers),
                    "minutes": done.seconds / 60,
                    "unsettled": float((done.settled == NEITHER).sum()),
                    "planted": float((drops.human != drops.truth)[known].sum()),
                    "queued_errors": float((drops.human != drops.truth)[done.order].sum()),
                    "left_errors": float(wrong[usable].sum()),
                }
            )
            models.append(model)
            sets.append((drops.features[usable], labels[usable]))
        return rows, models, sets

    def _trained(self, rows: NDArray[np.intp], labels: NDArray[np.bool_]) -> Model | None:
        plates = [str(number) for number in self._drops.plate[rows]]
        return train(self._drops.features[rows], labels[rows], plates, self._seed)


def measure(model: Model, test: TestSet) -> Row:
    """What a model is worth on a frozen test set, at its natural prevalence."""
    probability = model.probability(test.features)
    ranked = average_precision_score(test.truth, probability, sample_weight=test.weights)
    row = {"average_precision": float(ranked)}
    for rule, threshold in (("", model.alarm), ("even_", EVEN)):
        alarms = probability >= threshold
        recall, false = float(alarms[test.truth].mean()), float(alarms[~test.truth].mean())
        load = test.prevalence * recall + (1 - test.prevalence) * false
        row |= {
            f"{rule}balanced_accuracy": (recall + 1 - false) / 2,
            f"{rule}recall": recall,
            f"{rule}precision": test.prevalence * recall / load if load else 0.0,
            f"{rule}load": WELLS * load,
        }
    return row


def _detection(drops: Labelled, raw: Model) -> Row:
    """How well label errors are found, by the model of raw labels out of fold, before anybody curates."""
    planted = drops.human != drops.truth
    if not len(raw.out_of_fold):
        return {}
    suspects = label_errors(scored(drops, Said(raw.out_of_fold, raw.alarm), np.ones(len(drops), np.bool_)))
    found = {"planted": float(planted.sum()), "drops": float(len(drops)), "suspected": float(len(suspects))}
    found["true_suspects"] = float(planted[suspects].sum())
    first = suspects[: int(planted.sum())]
    found["true_first"] = float(planted[first].sum())
    for name, labelled in (("false_alarm", drops.human), ("miss", ~drops.human)):
        found[f"{name}_planted"] = float((planted & labelled).sum())
        found[f"{name}_suspected"] = float(labelled[suspects].sum())
        found[f"{name}_found"] = float((planted & labelled)[suspects].sum())
    return found
