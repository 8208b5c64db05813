from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from structloop.core.errors import CurationClosedError, CurationError, NotFoundError
from structloop.crystals import curation
from structloop.crystals.annotations import TASK, annotate
from structloop.crystals.curation.candidates import load_candidates
from structloop.loop.curation import withdraw_open
from structloop.schema.loop import CurationReason, CurationState, ItemKey
from structloop.store import Database
from structloop.store.tables import Plate, Project
from support.stored_plates import StoredPlate, store_plate

Say = Callable[[str, int, int, str], None]


@pytest.fixture
def plate(database: Database, tmp_path: Path) -> StoredPlate:
    """A plate whose pictures all look different; hits in A01 and A02, an unsure drop in A03."""
    return store_plate(
        database,
        tmp_path / "images",
        rows=2,
        columns=3,
        drops=(1,),
        inspections=2,
        probabilities={("A01", 1, 1): 0.95, ("A01", 1, 2): 0.9, ("A02", 1, 2): 0.8, ("A03", 1, 1): 0.45},
        structured=True,
    )


@pytest.fixture
def say(database: Database, plate: StoredPlate) -> Say:
    """Annotates a drop of the plate: well, drop, inspection, label."""

    def annotate_drop(well: str, drop: int, inspection: int, label: str) -> None:
        annotate(
            database,
            plate.drops[well, drop],
            inspection=inspection,
            scheme="axis",
            label=label,
            annotator="ada",
            score_visible=False,
        )

    return annotate_drop


def wells(database: Database, **options: object) -> list[tuple[str, int]]:
    page = curation.next_views(database, "nobody", limit=50, **options)  # type: ignore[arg-type]
    return [(item.well, item.inspection) for item in page.items]


def test_candidates_hold_scores_and_the_labels_of_people(database: Database, plate: StoredPlate, say: Say) -> None:
    say("A01", 1, 1, "other")
    say("A02", 1, 2, "crystal")
    say("A03", 1, 1, "uncertain")
    candidates = load_candidates(database)
    assert len(candidates) == 12
    human = dict(zip(candidates.keys(), candidates.items.human.tolist(), strict=True))
    at = {
        key: ItemKey(plate.drops[key[0], 1], plate.inspections[key[1]]) for key in (("A01", 1), ("A02", 2), ("A03", 1))
    }
    assert [human[at[key]] for key in at] == [0, 1, -1]
    assert len(load_candidates(database, [plate.id])) == 12
    assert len(load_candidates(database, [999])) == 0


def test_an_empty_database_makes_an_empty_queue(database: Database) -> None:
    report = curation.fill_queue(database)
    assert (report.looked_at, report.added_count) == (0, 0)
    assert curation.next_views(database, "ada").items == []


def test_the_queue_is_filled_with_reasons(database: Database, plate: StoredPlate, say: Say) -> None:
    say("A01", 1, 1, "other")
    say("B01", 1, 1, "other")
    report = curation.fill_queue(database, near_width=0.06)
    assert report.added == {"disagreement": 1, "near-threshold": 1, "audit": 1}
    assert (report.labelled, report.to_json()["added_count"]) == (2, 3)
    page = curation.next_views(database, "ada", limit=10)
    by_reason = {item.reason: item for item in page.items}
    disagreement = by_reason[CurationReason.DISAGREEMENT]
    assert (disagreement.well, disagreement.probability, disagreement.human_label) == ("A01", 0.95, "other")
    assert disagreement.image_visible_id == plate.images["A01", 1, 1, "visible"]
    assert disagreement.image_uv_url == f"/api/v1/images/{plate.images['A01', 1, 1, 'uv']}/original"
    assert disagreement.model is not None
    assert disagreement.model.name == "tester"
    assert [each.number for each in disagreement.inspections] == [1, 2]
    blind = by_reason[None]
    assert (blind.well, blind.is_blind, blind.probability, blind.human_label) == ("B01", True, None, None)
    assert page.open_for_curator == 3
    # Again: nothing is asked twice.
    assert curation.fill_queue(database, near_width=0.06).added_count == 0


def test_an_audit_is_shown_blind_until_it_is_closed(database: Database, plate: StoredPlate, say: Say) -> None:
    say("B01", 1, 1, "other")
    curation.fill_queue(database, answers_needed=1, near_width=0.01)
    (item,) = curation.next_views(database, "ada", limit=5, reason=CurationReason.AUDIT).items
    closed = curation.answer_item(database, item.id, curator="ada", answer="other").item
    assert (closed.state, closed.reason, closed.human_label) == (CurationState.SETTLED, CurationReason.AUDIT, "other")


def test_pictures_of_a_drop_that_look_the_same_are_asked_about_once(
    database: Database, tmp_path: Path, plate: StoredPlate, say: Say
) -> None:
    say("A01", 1, 1, "other")
    say("A01", 1, 2, "other")
    say("A02", 1, 2, "other")
    for modality in ("visible", "uv"):
        first = tmp_path / "images" / f"PLATE1_1_A01_1_{modality}.png"
        Image.open(first).convert("L").point(lambda value: value * 9 // 10).save(str(first).replace("_1_A01", "_2_A01"))
    assert curation.fill_queue(database, near_width=0.01).added == {"disagreement": 2}
    assert wells(database) == [("A01", 1), ("A02", 2)]
    # Nor is the other one asked about later.
    assert curation.fill_queue(database, near_width=0.01).added_count == 0


def test_a_drop_is_asked_about_once_in_a_filling_and_later_where_it_looks_different(
    database: Database, say: Say
) -> None:
    say("A01", 1, 1, "other")
    say("A01", 1, 2, "other")
    for inspections in ([("A01", 1)], [("A01", 1), ("A01", 2)]):
        assert curation.fill_queue(database, near_width=0.01).added == {"disagreement": 1}
        assert wells(database) == inspections
    assert curation.fill_queue(database, near_width=0.01).added_count == 0


def test_a_drop_of_which_people_say_different_things_is_asked_about_at_both(database: Database, say: Say) -> None:
    say("A01", 1, 1, "other")
    say("A01", 1, 2, "crystal")
    assert curation.fill_queue(database, near_width=0.01).added_count == 2


def test_no_project_floods_the_queue(database: Database, tmp_path: Path) -> None:
    everything = {(f"{row}{column:02d}", 1, 1): 0.9 for row in "AB" for column in range(1, 6)}
    plates = [
        store_plate(
            database,
            tmp_path / barcode,
            barcode,
            rows=2,
            columns=5,
            drops=(1,),
            inspections=1,
            probabilities=everything,
        )
        for barcode in ("P1", "P2", "P3")
    ]
    with database.session() as session:
        project = Project(name="big")
        session.add(project)
        session.flush()
        for stored in plates[:2]:
            session.get_one(Plate, stored.id).project_id = project.id
    for stored in plates:
        for drop_id in stored.drops.values():
            annotate(
                database, drop_id, inspection=1, scheme="axis", label="other", annotator="ada", score_visible=False
            )
    report = curation.fill_queue(database, size=10, project_share=0.4)
    assert (report.cap, report.added_count) == (4, 8)
    items = curation.next_views(database, "ada", limit=50).items
    assert sum(item.project == "big" for item in items) == 4
    assert sum(item.project is None for item in items) == 4
    assert curation.fill_queue(database, size=10, project_share=0.4).added_count == 0


def test_drift_alarms_and_held_out_probabilities_are_heard(database: Database, plate: StoredPlate, say: Say) -> None:
    def key(well: str) -> ItemKey:
        return ItemKey(plate.drops[well, 1], plate.inspections[1])

    for well, label in (("A01", "crystal"), ("B01", "other"), ("B02", "other"), ("B03", "crystal")):
        say(well, 1, 1, label)
    held_out = {key("A01"): 0.9, key("B01"): 0.05, key("B02"): 0.97, key("B03"): 0.8}
    report = curation.fill_queue(database, drifted=[key("A03")], out_of_sample=held_out, near_width=0.01)
    assert report.added["label-error"] == 1
    assert report.added["drift"] == 1
    assert wells(database, reason=CurationReason.LABEL_ERROR) == [("B02", 1)]
    assert wells(database, reason=CurationReason.DRIFT) == [("A03", 1)]


def test_what_is_settled_is_not_asked_again_and_what_was_taken_out_is(database: Database, say: Say) -> None:
    say("A01", 1, 1, "other")
    say("A02", 1, 2, "other")
    curation.fill_queue(database, answers_needed=1, near_width=0.01)
    first = curation.next_views(database, "ada").items[0]
    curation.answer_item(database, first.id, curator="ada", answer="crystal", crystal_type="3d")
    assert withdraw_open(database, TASK) == 1
    assert curation.fill_queue(database, near_width=0.01).added_count == 1
    assert wells(database) == [("A02", 2)]


def test_settled_items_come_back_as_gold_and_look_like_an_audit(database: Database, say: Say) -> None:
    say("A01", 1, 1, "other")
    say("A02", 1, 2, "other")
    curation.fill_queue(database, answers_needed=1, near_width=0.01)
    for item, answer in zip(curation.next_views(database, "ada", limit=9).items, ("crystal", "other"), strict=True):
        curation.answer_item(database, item.id, curator="ada", answer=answer)
    assert curation.fill_gold(database, size=5) == 2
    assert curation.fill_gold(database, size=5) == 0
    items = curation.next_views(database, "bob", limit=9).items
    assert {(item.is_blind, item.reason, item.probability, item.model) for item in items} == {(True, None, None, None)}
    for item in items:
        curation.answer_item(database, item.id, curator="bob", answer="crystal")
    (rates,) = [each for each in curation.queue_view(database, "bob").curators if each.curator == "bob"]
    assert (rates.gold_accuracy, rates.gold_answered, rates.gold_crystals_found, rates.gold_crystals) == (0.5, 2, 1, 1)
    # The items themselves stay settled.
    assert curation.fill_queue(database, near_width=0.01).added_count == 0


def test_answers_are_checked_and_undone(database: Database, say: Say) -> None:
    say("A01", 1, 1, "other")
    curation.fill_queue(database, near_width=0.01)
    (item,) = curation.next_views(database, "ada").items
    with pytest.raises(CurationError, match="does not go with"):
        curation.answer_item(database, item.id, curator="ada", answer="other", crystal_type="2d")
    with pytest.raises(CurationError, match="does not go with"):
        curation.answer_item(database, item.id, curator="ada", answer="crystal", crystal_type="9d")
    curation.answer_item(database, item.id, curator="ada", answer="crystal", crystal_type="2d", seconds=2.0)
    with pytest.raises(CurationClosedError):
        curation.answer_item(database, item.id, curator="ada", answer="crystal")
    assert curation.next_views(database, "ada").open_for_curator == 0
    assert curation.undo_answer(database, curator="ada").answer_count == 0
    with pytest.raises(NotFoundError):
        curation.undo_answer(database, curator="ada")
    assert curation.item_view(database, item.id).state is CurationState.OPEN


@pytest.mark.parametrize("bad", [{"size": 0}, {"project_share": 0.0}, {"project_share": 1.5}])
def test_a_queue_that_makes_no_sense_is_refused(database: Database, bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="size"):
        curation.fill_queue(database, **bad)  # type: ignore[arg-type]
