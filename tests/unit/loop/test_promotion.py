"""Promotion: what the gate says and why, roles as events, the way back, two people at once."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from structloop.core.errors import PromotionError
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.evaluation.comparing import compare
from structloop.loop.evaluation.judging import Judgement, judgement_of
from structloop.loop.promotion.gate import GateVerdict, judge_first, judge_gate
from structloop.loop.promotion.roles import (
    RoleEvent,
    fold,
    give_role,
    history,
    promote,
    record_version,
    roll_back,
    standing,
)
from structloop.loop.tasks import GateDefaults
from structloop.schema.images import Modality
from structloop.store import Database
from support.classifiers import brightness_card

TASK = "crystals/visible"
RULES = GateDefaults()


def nothing() -> Image.Image:
    raise AssertionError("no image is read")


def judged(name: str, found: float, false_alarms: float, *, crystals: int = 200, others: int = 1800) -> Judgement:
    """A model that finds the first share of the crystals, and whose probabilities are honest."""
    items = [
        LabelledItem(f"{index:05d}", f"plate {index % 40}", "crystal" if index < crystals else "other", nothing)
        for index in range(crystals + others)
    ]
    hits, alarms = round(crystals * found), round(others * false_alarms)
    said = np.zeros(crystals + others)
    said[:hits] = said[crystals : crystals + alarms] = hits / max(hits + alarms, 1)
    said[hits:crystals] = said[crystals + alarms :] = (crystals - hits) / (crystals + others - hits - alarms)
    card = brightness_card(name, alarm_threshold=0.3)
    return judgement_of(card, Modality.VISIBLE, items, said, seconds_per_image=0.02)


def verdict(current: Judgement, candidate: Judgement, rules: GateDefaults = RULES) -> GateVerdict:
    return judge_gate(compare(current, candidate), rules)


def failing(found: GateVerdict) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def test_a_better_candidate_passes_and_every_reason_is_told() -> None:
    found = verdict(judged("old", 0.8, 0.1), judged("new", 0.9, 0.05))
    assert found.passed
    assert [check.name for check in found.checks] == ["test set", "recall", "paired test", "calibration", "speed"]
    assert "recall changes by +10.0 points" in found.checks[1].reason
    assert "the candidate is better" in found.checks[2].reason
    assert found.current == f"old@{brightness_card('old', alarm_threshold=0.3).version}"
    assert found.to_json()["passed"] is True


def test_a_candidate_that_loses_crystals_is_refused_however_few_its_false_alarms() -> None:
    found = verdict(judged("old", 0.9, 0.1), judged("new", 0.8, 0.0))
    assert failing(found) == ["recall"]
    assert "is lower by more than 2.0%" in found.objections[0]


def test_what_too_few_crystals_cannot_rule_out_is_refused_too() -> None:
    few = {"crystals": 21, "others": 200}
    found = verdict(judged("old", 0.95, 0.1, **few), judged("new", 0.9, 0.05, **few))
    assert failing(found) == ["recall"]
    assert "more test images would tell" in found.objections[0]


def test_each_of_the_other_reasons_stands_alone() -> None:
    old = judged("old", 0.9, 0.05)
    assert failing(verdict(old, judged("new", 0.9, 0.2))) == ["paired test"]
    slow = replace(judged("new", 0.9, 0.05), seconds_per_image=0.05)
    assert failing(verdict(old, slow)) == ["speed"]
    sure = judged("new", 0.9, 0.05)
    overconfident = judgement_of(
        sure.card, Modality.VISIBLE, sure.items, np.clip(sure.probabilities + 0.25, 0, 1), seconds_per_image=0.02
    )
    assert failing(verdict(old, overconfident)) == ["calibration"]
    assert failing(verdict(old, judged("new", 0.9, 0.05), GateDefaults(min_positives=201))) == ["test set"]
    empty = {"crystals": 0, "others": 50}
    assert "recall" in failing(verdict(judged("old", 0, 0.1, **empty), judged("new", 0, 0.1, **empty)))


def test_the_first_in_production_has_nothing_to_be_compared_with() -> None:
    assert judge_first(judged("new", 0.9, 0.05), RULES).passed
    assert judge_first(judged("new", 0.9, 0.05), RULES).current is None
    assert not judge_first(judged("new", 0.9, 0.05, crystals=5), RULES).passed


USABLE = ("great", "decent")


def sorted_exposures(name: str, right: float, *, sides: float, certainty: float, count: int = 400) -> Judgement:
    """A model of three labels, right on a share of each label; the rest it puts on the right side in a share."""
    card = brightness_card(name, (Modality.ELECTRONS,)).model_copy(
        update={"labels": ("great", "decent", "no-ice", "crystalline"), "positive_label": "great"}
    )
    items: list[LabelledItem] = []
    said: list[str] = []
    for label, neighbour, opposite in (
        ("great", "decent", "no-ice"),
        ("decent", "great", "no-ice"),
        ("no-ice", "crystalline", "great"),
    ):
        for index in range(count):
            items.append(LabelledItem(f"{label} {index:04d}", f"square {index % 40}", label, nothing))
            wrong = neighbour if index < count * (right + sides) else opposite
            said.append(label if index < count * right else wrong)
    sure = np.full(len(items), certainty)
    found = np.array([certainty if each == "great" else 0.1 for each in said])
    return judgement_of(card, Modality.ELECTRONS, items, found, seconds_per_image=0.02, said=said, certainty=sure)


def of_usable(current: Judgement, candidate: Judgement) -> GateVerdict:
    return judge_gate(compare(current, candidate), RULES, USABLE)


def test_where_labels_are_acceptable_the_gate_asks_whether_these_are_told_from_the_others() -> None:
    old = sorted_exposures("old", 0.6, sides=0.2, certainty=0.6)
    found = of_usable(old, sorted_exposures("new", 0.7, sides=0.2, certainty=0.7))
    assert [check.name for check in found.checks] == ["test set", "acceptable", "paired test", "calibration", "speed"]
    assert found.passed
    assert "to be great or decent, or not, changes by +10.0 points" in found.checks[1].reason
    # As many labels are right, and one that takes great for no-ice is worse than one that takes it for decent.
    assert failing(of_usable(old, sorted_exposures("new", 0.6, sides=0.05, certainty=0.6))) == ["acceptable"]
    assert failing(of_usable(old, sorted_exposures("new", 0.6, sides=0.2, certainty=0.9))) == ["calibration"]
    assert failing(of_usable(old, sorted_exposures("new", 0.5, sides=0.3, certainty=0.5))) == ["paired test"]


def test_the_test_set_must_hold_enough_of_what_is_acceptable_and_of_the_rest() -> None:
    few = sorted_exposures("new", 1.0, sides=0.0, certainty=1.0, count=15)
    assert judge_first(few, RULES).checks[0].reason.startswith("the test set holds 15 images of 'great'")
    found = judge_first(few, RULES, USABLE)
    assert failing(found) == ["test set"]
    assert "15 images of 'other labels', 20 are needed" in found.objections[0]
    assert judge_first(sorted_exposures("new", 1.0, sides=0.0, certainty=1.0, count=20), RULES, USABLE).passed


def versions(database: Database, *names: str) -> dict[str, int]:
    return {name: record_version(database, brightness_card(name)) for name in names}


def named(name: str) -> str:
    return f"{name}@{brightness_card(name).version}"


def test_from_candidate_to_shadow_to_production_and_back(database: Database) -> None:
    ids = versions(database, "a", "b")
    assert standing(database, TASK).production is None
    give_role(database, TASK, ids["a"], "candidate", who="policy")
    promote(database, TASK, ids["a"], who="Ada", why="the first", evidence={"passed": True}, replaces=None)
    give_role(database, TASK, ids["b"], "candidate", who="policy")
    give_role(database, TASK, ids["b"], "shadow", who="Ada")
    now = standing(database, TASK)
    assert now.production is not None
    assert (now.production.model, now.production.evidence) == (named("a"), {"passed": True})
    assert [event.model for event in now.shadows] == [named("b")]
    promote(database, TASK, ids["b"], who="Ada", evidence={}, replaces=named("a"))
    now = standing(database, TASK)
    assert now.production is not None
    assert now.production.model == named("b")
    assert [event.model for event in now.before] == [named("a")]
    assert not now.shadows
    back = roll_back(database, TASK, who="Bo", why="misses needles")
    assert back == standing(database, TASK)
    assert back.production is not None
    assert (back.production.model, back.production.goes_back, back.before) == (named("a"), True, ())
    assert roll_back(database, TASK, who="Bo").production is None, "the model that the settings name"
    with pytest.raises(PromotionError, match="nothing to go back from"):
        roll_back(database, TASK, who="Bo")
    assert [event.role for event in history(database, TASK)] == [
        *("candidate", "production", "candidate", "shadow", "production"),
        *("production", "retired", "retired"),
    ]
    assert standing(database, "crystals/uv").production is None


def test_what_was_compared_with_another_is_not_promoted(database: Database) -> None:
    ids = versions(database, "a", "b", "c")
    promote(database, TASK, ids["a"], who="Ada", evidence={}, replaces=None)
    with pytest.raises(PromotionError, match="compare again"):
        promote(database, TASK, ids["b"], who="Ada", evidence={}, replaces=None)
    with pytest.raises(PromotionError, match="already"):
        promote(database, TASK, ids["a"], who="Ada", evidence={}, replaces=named("a"))
    with pytest.raises(PromotionError, match="by promotion"):
        give_role(database, TASK, ids["b"], "production", who="Ada")
    with pytest.raises(PromotionError, match="no model version"):
        give_role(database, TASK, 999, "shadow", who="Ada")
    with pytest.raises(PromotionError, match="say who"):
        give_role(database, TASK, ids["b"], "shadow", who=" ")


def test_of_two_people_who_promote_at_once_one_is_told(database: Database) -> None:
    ids = versions(database, "a", "b", "c")
    promote(database, TASK, ids["a"], who="Ada", evidence={}, replaces=None)
    start = threading.Barrier(2)
    refused: list[str] = []

    def run(name: str) -> None:
        start.wait()
        try:
            promote(database, TASK, ids[name], who=name, evidence={}, replaces=named("a"))
        except PromotionError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert "compare again" in refused[0]
    assert len(history(database, TASK)) == 2


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["candidate", "shadow", "production", "retired"])), max_size=30
    )
)
def test_a_version_holds_one_role_at_most_and_going_back_undoes_a_promotion(steps: list[tuple[int, str]]) -> None:
    events = [
        RoleEvent(place, version, str(version), role, False, "x", "", datetime.now(UTC), {})  # type: ignore[arg-type]
        for place, (version, role) in enumerate(steps)
    ]
    now = fold(TASK, events)
    held = [now.production, *now.before, *now.shadows, *now.candidates]
    ids = [event.version_id for event in held if event is not None]
    assert len(ids) == len(set(ids))
    latest = {event.version_id: event.role for event in events}
    assert all(latest[event.version_id] == "production" for event in (now.production, *now.before) if event is not None)
    new = RoleEvent(100, 9, "9", "production", False, "x", "", datetime.now(UTC), {})
    if now.production is not None:
        back = replace(now.production, id=101, goes_back=True)
        again = fold(TASK, [*events, new, back])
        assert again.production is not None
        assert (again.production.version_id, again.before) == (now.production.version_id, now.before)
