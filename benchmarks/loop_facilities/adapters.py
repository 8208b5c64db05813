"""The loop with LoRA adapters on a tiny DINOv2, by structloop's own training, averaging and calibration; one seed."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loop_facilities.batches import CYCLES, draw
from loop_facilities.curating import NEITHER, Curation, Said, by_queue, standing
from loop_facilities.drops import pictures, read
from loop_facilities.running import (
    CRYSTAL,
    CURATED_PER_PLATE,
    LOOP,
    NO_LOOP,
    OTHER,
    RAW,
    VALIDATION_SHARE,
    Row,
    Scenario,
    parts_of,
    worth,
)
from loop_facilities.tiny_dinov2 import INPUT, SIDE_PX, foundation, foundation_pictures
from structloop.core.errors import TrainingError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.evaluation.judging import Judgement, judge_items
from structloop.loop.promotion.sharing import AverageRequest, average_models, calibrate, evaluation_weights
from structloop.loop.training.lora_models import LoraRequest, train_lora_model
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.models.training.lora_settings import LoraSettings
from structloop.schema.images import Modality
from structloop.schema.loop import Partition
from structloop.schema.models import PlattCalibration, TrainingDataset
from structloop.simulation.experts import CURATOR, SCORER

RUNTIME = Runtime("torch", "fp32", threads=1)
DATASET = TrainingDataset(name="simulated laboratory", version="1", description="benchmark", synthetic=True)
AVERAGED, WEIGHTED = "adapters averaged over labs", "adapters averaged by evaluation"
FOUNDATION = "foundation"
TUNING_EPOCHS, FOUNDATION_EPOCHS, CYCLE_EPOCHS = 12, 2, 2

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def run_adapters(folder: Path, scenario: Scenario, seed: int) -> dict[str, Any]:
    """All numbers of one seed, as JSON. What was trained is kept, and an interrupted run goes on.

    Args:
        folder: Of the cached drops.
        scenario: What is simulated.
        seed: Of plates, people and trainings.
    """
    home = folder / "adapters" / f"seed-{seed}"
    registry = ModelRegistry(home)
    begin(folder, home, registry, seed)
    labs = [_Lab(folder, home, name, place, scenario, seed) for place, name in enumerate(scenario.labs)]
    for lab in labs:
        lab.arms[NO_LOOP] = [lab.measure(FOUNDATION)] * CYCLES
        lab.arms[RAW] = lab.retrained()
        lab.arms[LOOP] = lab.looped()
    for cycle in range(CYCLES):
        members = tuple(lab.models[cycle] for lab in labs)
        for lab in labs:
            seen = [lab.balanced_accuracy(name, cycle) for name in members]
            for arm, weights in ((AVERAGED, (1.0,) * len(labs)), (WEIGHTED, evaluation_weights(seen))):
                name = f"{lab.name}-{arm.split()[-1]}-{cycle}"
                if name not in registry.names():
                    average_models(registry, AverageRequest(name, members, weights))
                    calibrate(registry, lab.judge(name, cycle))
                lab.arms.setdefault(arm, []).append(lab.measure(name))
    return {
        "scenario": scenario.name,
        "seed": seed,
        "labs": {lab.name: {"arms": lab.arms, "human": lab.human, "errors": {}} for lab in labs},
        "shared": {sender.name: {lab.name: lab.measure(sender.models[-1]) for lab in labs} for sender in labs},
    }


def begin(folder: Path, home: Path, registry: ModelRegistry, seed: int) -> None:
    """Makes the tiny network and the model that no laboratory has trained yet, unless they are there."""
    base = home / "tiny-dinov2"
    if base.exists() and FOUNDATION in registry.names():
        return
    seen, truth, facility = foundation_pictures(folder / "foundation.npz")
    held = facility >= np.quantile(facility, 1 - VALIDATION_SHARE)
    if not base.exists():
        foundation(base, seen[~held], truth[~held], epochs=TUNING_EPOCHS, seed=seed)
    if FOUNDATION not in registry.names():
        items = [_item(f"drop-{row}", str(facility[row]), bool(truth[row]), seen[row]) for row in range(len(truth))]
        split = Split(
            tuple(item for item, apart in zip(items, held, strict=True) if not apart),
            tuple(item for item, apart in zip(items, held, strict=True) if apart),
            (),
        )
        recipe = LoraSettings(epochs=FOUNDATION_EPOCHS, images_at_once=16, seed=seed, threads=1)
        request = LoraRequest(FOUNDATION, str(base), Modality.VISIBLE, recipe=recipe, specification=INPUT)
        train_lora_model(registry, request, split, DATASET, folder=home / "training" / FOUNDATION)


class _Lab:
    """A laboratory with pictures."""

    def __init__(self, folder: Path, home: Path, name: str, place: int, scenario: Scenario, seed: int) -> None:
        self.name = name
        self._home = home
        self._registry = ModelRegistry(home)
        self._seed = seed * 10 + place
        drops = read(folder, name, scenario.drops)
        rates = SCORER.times(scenario.errors)
        self._drops, self.test = draw(
            drops,
            self._seed,
            prevalence=scenario.prevalence,
            rates=rates,
            plates=scenario.plates,
            test_drops=scenario.test_drops,
        )
        self._curators = CURATOR.times(scenario.errors)
        self._budget = CURATED_PER_PLATE * scenario.plates
        self._seen = _smaller(pictures(folder, name, self._drops.drop, self._drops.truth))
        self._test_seen = _smaller(pictures(folder, name, self.test.drop, self.test.truth))
        self.arms: dict[str, list[Row]] = {}
        self.models: list[str] = []
        self._validation: list[tuple[LabelledItem, ...]] = []
        drops_, truth = self._drops, self._drops.truth
        self.human = {
            "drops": len(drops_),
            "crystals": int(truth.sum()),
            "missed": int((truth & ~drops_.human).sum()),
            "false_alarms": int((~truth & drops_.human).sum()),
            "minutes": drops_.seconds / 60,
        }

    def measure(self, name: str) -> Row:
        """What a model is worth on the frozen test set."""
        card = self._registry.card(name)
        calibration = card.calibration_for(Modality.VISIBLE)
        even = calibration.prevalence if isinstance(calibration, PlattCalibration) else None
        truth = self.test.truth
        items = [_item(f"test-{row}", "test", truth[row], self._test_seen[row]) for row in range(len(truth))]
        return worth(
            self._probabilities(name, items),
            card.alarm_threshold_for(Modality.VISIBLE),
            0.5 if even is None else even,
            self.test,
        )

    def judge(self, name: str, cycle: int) -> Judgement:
        """On the validation items that the laboratory had in a cycle."""
        classifier = self._registry.load(name, RUNTIME)
        return judge_items(classifier, self._validation[cycle], Modality.VISIBLE, threads=1)

    def balanced_accuracy(self, name: str, cycle: int) -> float:
        """On the same; that of chance where a class is missing."""
        found = self.judge(name, cycle).overall.balanced_accuracy
        return 0.5 if found is None else found.value

    def retrained(self) -> list[Row]:
        """The model of all labels that people gave, after each cycle."""
        rows, model = [], FOUNDATION
        parts: dict[str, Partition] = {}
        for cycle in range(CYCLES):
            usable = self._drops.cycle <= cycle
            parts = parts_of(self._drops.plate, usable, self._drops.human, self._seed, parts)
            split = self._split(usable, self._drops.human, parts)
            model = self._trained(f"{self.name}-raw-{cycle}", model, split)
            rows.append(self.measure(model))
        return rows

    def looped(self) -> list[Row]:
        """The loop's, likewise."""
        drops, rows, model = self._drops, [], FOUNDATION
        done = Curation.begin(len(drops), self._curators, self._seed)
        parts: dict[str, Partition] = {}
        probability, alarm = np.zeros(len(drops)), np.zeros(len(drops))
        for cycle in range(CYCLES):
            known, fresh = drops.cycle <= cycle, np.flatnonzero(drops.cycle == cycle)
            items = [_item(str(row), "", bool(drops.human[row]), self._seen[row]) for row in fresh]
            probability[fresh] = self._probabilities(model, items)
            alarm[fresh] = self._registry.card(model).alarm_threshold_for(Modality.VISIBLE)
            # What scored them had not learnt from them.
            said = Said(probability, alarm, probability)
            done.curate(by_queue(done, drops, said, known, self._budget), drops)
            labels = np.where(done.settled >= 0, done.settled == 1, drops.human)
            usable = standing(done, known)
            parts = parts_of(drops.plate, usable, labels, self._seed, parts)
            split = self._split(usable, labels, parts)
            model = self._trained(f"{self.name}-loop-{cycle}", model, split)
            counts = {
                "curations": float(len(done.order)),
                "answers": float(done.answers),
                "minutes": done.seconds / 60,
                "unsettled": float((done.settled == NEITHER).sum()),
                "left_errors": float((labels != drops.truth)[usable].sum()),
            }
            rows.append(self.measure(model) | counts)
            self.models.append(model)
            self._validation.append(split.validation)
        return rows

    def _split(self, usable: Bools, labels: Bools, parts: dict[str, Partition]) -> Split:
        items = [
            (_item(f"{self.name}-{row}", str(self._drops.plate[row]), bool(labels[row]), self._seen[row]))
            for row in np.flatnonzero(usable)
        ]
        held = {plate for plate, part in parts.items() if part is Partition.VALIDATION}
        return Split(
            tuple(item for item in items if item.group not in held),
            tuple(item for item in items if item.group in held),
            (),
        )

    def _trained(self, name: str, start: str, split: Split) -> str:
        if name in self._registry.names():
            return name
        recipe = LoraSettings(epochs=CYCLE_EPOCHS, images_at_once=16, seed=self._seed, threads=1)
        request = LoraRequest(name, start, Modality.VISIBLE, recipe=recipe, specification=INPUT)
        try:
            train_lora_model(self._registry, request, split, DATASET, folder=self._home / "training" / name)
        except TrainingError as error:
            print(f"{name}: {error}", flush=True)
            return start
        return name

    def _probabilities(self, name: str, items: list[LabelledItem]) -> Floats:
        return judge_items(self._registry.load(name, RUNTIME), items, Modality.VISIBLE, threads=1).probabilities


def _smaller(seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (SIDE_PX, SIDE_PX)
    return np.stack([np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BILINEAR)) for each in seen])


def _item(key: str, group: str, crystal: bool, seen: NDArray[np.uint8]) -> LabelledItem:
    return LabelledItem(
        key,
        group,
        CRYSTAL if crystal else OTHER,
        lambda: Image.fromarray(seen),
        sha256=hashlib.sha256(seen.tobytes()).hexdigest(),
    )
