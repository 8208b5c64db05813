"""One run: three cycles in every laboratory of a scenario, for every arm, with one seed."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from loop_facilities.batches import CYCLES, PLATES, TEST_DROPS, WELLS, Labelled, TestSet, draw
from loop_facilities.curating import NEITHER, Chooser, Curation, Said, at_random, by_queue, scored, standing
from loop_facilities.drops import card, read
from loop_facilities.models import Model, averaged, balanced_accuracy, embedded, train
from structloop.loop.curation.selection import label_errors
from structloop.loop.datasets.building import BuildSettings
from structloop.loop.datasets.splitting import split_groups
from structloop.loop.promotion.sharing import evaluation_weights
from structloop.loop.training.fast_head import LabelledFeatures
from structloop.schema.loop import Partition
from structloop.simulation.experts import CURATOR, SCORER
from structloop.simulation.laboratories import FAMILIAR, LABORATORIES

VALIDATION_SHARE = BuildSettings(made_by="benchmark").validation_share

CURATED_PER_PLATE = 16
"""Drops of each plate of 96, on average, that curators are asked to settle."""

NO_LOOP, RAW, LOOP, RANDOM = "no loop", "raw human labels", "the loop", "the loop, random queue"
HALF, QUARTER = "the loop, half the curations", "the loop, a quarter of the curations"
AVERAGED, WEIGHTED = "heads averaged over labs", "heads averaged by evaluation"
TRUTH = "true labels (bound)"
CRYSTAL, OTHER = "crystal", "other"

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

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
        plates: That a laboratory scores in a cycle.
        test_drops: In each frozen test set.
    """

    name: str
    labs: tuple[str, ...] = LABORATORIES
    prevalence: float = 0.06
    errors: float = 1.0
    full: bool = False
    plates: int = PLATES
    test_drops: int = TEST_DROPS

    @property
    def drops(self) -> int:
        """That a laboratory needs."""
        return self.test_drops + CYCLES * self.plates * WELLS


SCENARIOS = {
    "main": Scenario("three laboratories", full=True),
    "twice": Scenario("experts with twice the errors", errors=2.0),
    "rare": Scenario("2 % of drops with crystals", prevalence=0.02),
    "familiar": Scenario("a laboratory of the training set", labs=(FAMILIAR,)),
}


def run(folder: Path, scenario: Scenario, seed: int) -> dict[str, Any]:
    """All numbers of a run, as JSON.

    Args:
        folder: Of the cached features.
        scenario: What is simulated.
        seed: Of the plates, the people, and the folds.
    """
    start = embedded(card(folder), read(folder, scenario.labs[0], scenario.drops).bare.shape[1])
    labs = [_Lab(folder, name, place, scenario, seed, start) for place, name in enumerate(scenario.labs)]
    found: dict[str, Any] = {"scenario": scenario.name, "seed": seed, "labs": {lab.name: lab.numbers for lab in labs}}
    if len(labs) > 1:
        for cycle in range(CYCLES):
            models = [lab.course.models[cycle] for lab in labs]
            for lab in labs:
                own = lab.course.validation[cycle]
                arms = lab.numbers["arms"]
                uniform = averaged(models, [1.0] * len(models), own)
                arms.setdefault(AVERAGED, []).append(measure(uniform, lab.test))
                seen = [balanced_accuracy(model, own) for model in models]
                weighted = averaged(models, evaluation_weights(np.nan_to_num(seen, nan=0.5).tolist()), own)
                arms.setdefault(WEIGHTED, []).append(measure(weighted, lab.test))
        found["shared"] = {
            sender.name: {lab.name: measure(sender.course.models[-1], lab.test) for lab in labs} for sender in labs
        }
    return found


@dataclass
class _Course:
    """What becomes of a laboratory's model: one entry per cycle in each."""

    rows: list[Row] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    validation: list[LabelledFeatures] = field(default_factory=list)


class _Lab:
    """A laboratory and what becomes of it."""

    def __init__(self, folder: Path, name: str, place: int, scenario: Scenario, seed: int, start: Model) -> None:
        self.name = name
        self._seed = seed * 10 + place
        self._start = start
        rates = SCORER.times(scenario.errors)
        self._drops, self.test = draw(
            read(folder, name, scenario.drops),
            self._seed,
            prevalence=scenario.prevalence,
            rates=rates,
            plates=scenario.plates,
            test_drops=scenario.test_drops,
        )
        self._curators = CURATOR.times(scenario.errors)
        budget = CURATED_PER_PLATE * scenario.plates
        drops = self._drops
        arms: dict[str, list[Row]] = {NO_LOOP: [measure(start, self.test)] * CYCLES}
        arms[RAW] = self._retrained(drops.human).rows
        if scenario.full:
            arms[TRUTH] = self._retrained(drops.truth).rows
        self.course = self._looped(by_queue, budget)
        arms[LOOP] = self.course.rows
        arms[RANDOM] = self._looped(at_random, budget).rows
        if scenario.full:
            arms[HALF] = self._looped(by_queue, budget // 2).rows
            arms[QUARTER] = self._looped(by_queue, budget // 4).rows
        self.numbers: dict[str, Any] = {
            "arms": arms,
            "errors": self._detection(),
            "human": {
                "drops": len(drops),
                "crystals": int(drops.truth.sum()),
                "missed": int((drops.truth & ~drops.human).sum()),
                "false_alarms": int((~drops.truth & drops.human).sum()),
                "minutes": drops.seconds / 60,
            },
        }

    def _retrained(self, labels: Bools) -> _Course:
        course, model = _Course(), self._start
        parts: dict[str, Partition] = {}
        for cycle in range(CYCLES):
            learnt, held, parts = self._split(self._drops.cycle <= cycle, labels, parts)
            model = train(learnt, held, self._seed) or model
            course.rows.append(measure(model, self.test))
        return course

    def _looped(self, choose: Chooser, budget: int) -> _Course:
        drops = self._drops
        done = Curation.begin(len(drops), self._curators, self._seed)
        course, model = _Course(), self._start
        parts: dict[str, Partition] = {}
        probability, alarm = np.zeros(len(drops)), np.zeros(len(drops))
        for cycle in range(CYCLES):
            known, fresh = drops.cycle <= cycle, drops.cycle == cycle
            probability[fresh], alarm[fresh] = model.probability(drops.features[fresh]), model.alarm
            labels = np.where(done.settled >= 0, done.settled == 1, drops.human)
            said = Said(probability, alarm, self._out_of_sample(known & (done.settled != NEITHER), labels, probability))
            done.curate(choose(done, drops, said, known, budget), drops)
            labels = np.where(done.settled >= 0, done.settled == 1, drops.human)
            usable = standing(done, known)
            learnt, held, parts = self._split(usable, labels, parts)
            model = train(learnt, held, self._seed) or model
            course.rows.append(
                measure(model, self.test)
                | {
                    "curations": float(len(done.order)),
                    "answers": float(done.answers),
                    "minutes": done.seconds / 60,
                    "unsettled": float((done.settled == NEITHER).sum()),
                    "planted": float((drops.human != drops.truth)[known].sum()),
                    "queued_errors": float((drops.human != drops.truth)[done.order].sum()),
                    "left_errors": float((labels != drops.truth)[usable].sum()),
                    "labels": float(usable.sum()),
                }
            )
            course.models.append(model)
            course.validation.append(held)
        return course

    def _out_of_sample(self, known: Bools, labels: Bools, scored: Floats) -> Floats:
        """Of the known drops by folds that have not seen them; the scores where that cannot be."""
        found = scored.copy()
        judge = train(self._labelled(known, labels), None, self._seed)
        if judge is not None:
            found[known] = judge.out_of_fold
        return found

    def _labelled(self, rows: Bools, labels: Bools) -> LabelledFeatures:
        plates = [str(number) for number in self._drops.plate[rows]]
        return LabelledFeatures(self._drops.features[rows], labels[rows], plates)

    def _split(
        self, usable: Bools, labels: Bools, before: dict[str, Partition]
    ) -> tuple[LabelledFeatures, LabelledFeatures, dict[str, Partition]]:
        """Training and validation as a data set has them."""
        parts = parts_of(self._drops.plate, usable, labels, self._seed, before)
        held = np.array([parts.get(str(plate)) is Partition.VALIDATION for plate in self._drops.plate])
        return self._labelled(usable & ~held, labels), self._labelled(usable & held, labels), parts

    def _detection(self) -> Row:
        """How well label errors are found among all labels, before anybody curates."""
        drops = self._drops
        everything = np.ones(len(drops), np.bool_)
        said = self._start.probability(drops.features)
        by_folds = self._out_of_sample(everything, drops.human, said)
        alarm = np.full(len(drops), self._start.alarm)
        return detection(drops, label_errors(scored(drops, Said(said, alarm, by_folds), everything), by_folds))


def parts_of(
    plates: NDArray[np.int64], usable: Bools, labels: Bools, seed: int, before: dict[str, Partition]
) -> dict[str, Partition]:
    """Which plates train and which validate, as a data set has it; those placed before stay."""
    counts = {
        str(plate): Counter({CRYSTAL: int(labels[rows].sum()), OTHER: int((~labels[rows]).sum())})
        for plate in np.unique(plates[usable])
        for rows in [usable & (plates == plate)]
    }
    return split_groups(counts, positive=CRYSTAL, validation_share=VALIDATION_SHARE, seed=seed, fixed=before)


def measure(model: Model, test: TestSet) -> Row:
    """What a model is worth on a frozen test set, at its natural prevalence."""
    return worth(model.probability(test.features), model.alarm, model.even, test)


def worth(probability: Floats, alarm: float, even: float, test: TestSet) -> Row:
    """What probabilities `(n,)` and two thresholds are worth on a frozen test set, at its natural prevalence."""
    ranked = average_precision_score(test.truth, probability, sample_weight=test.weights)
    row = {"average_precision": float(ranked)}
    for rule, threshold in (("", alarm), ("even_", even)):
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


def detection(drops: Labelled, suspects: NDArray[np.intp]) -> Row:
    """How many of the planted errors are among suspects."""
    planted = drops.human != drops.truth
    found = {"planted": float(planted.sum()), "drops": float(len(drops)), "suspected": float(len(suspects))}
    found["true_suspects"] = float(planted[suspects].sum())
    found["true_first"] = float(planted[suspects[: int(planted.sum())]].sum())
    for name, labelled in (("false_alarm", drops.human), ("miss", ~drops.human)):
        found[f"{name}_planted"] = float((planted & labelled).sum())
        found[f"{name}_suspected"] = float(labelled[suspects].sum())
        found[f"{name}_found"] = float((planted & labelled)[suspects].sum())
    return found
