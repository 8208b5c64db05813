"""Where people and the model say different things: on the map, of a drop, and in the queue of curators."""

from pathlib import Path

import pytest

from structloop.crystals.annotations import annotate, withdraw
from structloop.crystals.changes import look_at_plates
from structloop.crystals.curation import answer_item, ask_about, fill_queue, next_views
from structloop.crystals.drops import drop_detail
from structloop.crystals.platemap import plate_map
from structloop.crystals.views import DisagreementState, DisagreementView
from structloop.schema.loop import ItemKey
from structloop.store import Database
from support.stored_plates import StoredPlate, store_plate

HIGH = {("A02", 3, 1): 0.9, ("B01", 1, 2): 0.7, ("B03", 1, 2): 0.8}


@pytest.fixture
def plate(database: Database, tmp_path: Path) -> StoredPlate:
    return store_plate(database, tmp_path / "images", probabilities=HIGH, structured=True)


def say(
    database: Database, plate: StoredPlate, well: str, drop: int, inspection: int, label: str, scheme: str = "axis"
) -> int:
    said = annotate(
        database,
        plate.drops[well, drop],
        inspection=inspection,
        scheme=scheme,
        label=label,
        annotator="ada",
        score_visible=True,
    )
    return said.id


def on_map(database: Database, plate: StoredPlate, inspection: int | None = None) -> dict[str, DisagreementView]:
    cells = plate_map(database, plate.id, inspection=inspection).cells
    return {f"{cell.well}.{cell.drop}": cell.disagreement for cell in cells if cell.disagreement is not None}


def test_labels_of_every_scheme_are_held_against_the_alarm(database: Database, plate: StoredPlate) -> None:
    for scheme, label, person in (
        ("axis", "other", "other"),
        ("axis", "crystal", None),
        ("ispyb-grade", "4", "other"),
        ("ispyb-grade", "9", None),
        ("marco", "precipitate", "other"),
        ("crystal-type", "2d", None),
        ("axis", "other", "other"),
        ("axis", "uncertain", None),
    ):
        say(database, plate, "A02", 3, 1, label, scheme)
        found = on_map(database, plate).get("A02.3")
        assert (None if found is None else found.human_label) == person, (scheme, label)
        if found is not None:
            assert found.probability == pytest.approx(0.9)
            assert (found.inspection, found.state) == (1, DisagreementState.UNASKED)


def test_a_label_counts_for_the_inspection_that_was_looked_at(database: Database, plate: StoredPlate) -> None:
    # B01.1 is crystal at inspection 2 for the model, and nothing before: who saw nothing then does not disagree.
    say(database, plate, "B01", 1, 1, "other")
    assert on_map(database, plate) == {}
    say(database, plate, "B01", 1, 1, "crystal")
    assert on_map(database, plate)["B01.1"].inspection == 1
    assert list(on_map(database, plate, 1)) == ["B01.1"]
    assert on_map(database, plate, 2) == {}
    say(database, plate, "B01", 1, 2, "0", "ispyb-grade")
    detail = drop_detail(database, plate.drops["B01", 1])
    assert [(each.inspection, each.human_label) for each in detail.disagreements] == [(1, "crystal"), (2, "other")]
    assert on_map(database, plate)["B01.1"].inspection == 2, "the newest is shown"


def test_what_is_withdrawn_or_said_anew_disagrees_no_more(database: Database, plate: StoredPlate) -> None:
    first = say(database, plate, "A02", 3, 1, "other")
    second = say(database, plate, "B03", 1, 2, "other")
    assert sorted(on_map(database, plate)) == ["A02.3", "B03.1"]
    withdraw(database, first, annotator="ada")
    say(database, plate, "B03", 1, 2, "crystal")
    assert on_map(database, plate) == {}
    assert second > first


def test_a_plate_without_scores_has_no_disagreements(database: Database, tmp_path: Path) -> None:
    plate = store_plate(database, tmp_path / "images", scored=False)
    say(database, plate, "A01", 1, 1, "crystal")
    assert on_map(database, plate) == {}
    assert drop_detail(database, plate.drops["A01", 1]).disagreements == []


def test_a_disagreement_leads_to_its_item_until_curators_settle_it(database: Database, plate: StoredPlate) -> None:
    for well, drop, inspection in (("A02", 3, 1), ("B03", 1, 2)):
        say(database, plate, well, drop, inspection, "other")
    fill_queue(database, size=10)
    queued = on_map(database, plate)
    assert {each.state for each in queued.values()} == {DisagreementState.QUEUED}
    item = queued["B03.1"].curation_item_id
    assert item is not None
    shown = next_views(database, "ada", limit=2, first=item)
    assert [each.well for each in shown.items] == ["B03", "A02"]
    assert shown.open_for_curator == 2
    answer_item(database, item, curator="ada", answer="crystal")
    assert [each.well for each in next_views(database, "ada", limit=2, first=item).items] == ["A02"]
    assert on_map(database, plate)["B03.1"].curation_item_id == item, "it waits for a second curator"
    answer_item(database, item, curator="bob", answer="crystal")
    settled = on_map(database, plate)["B03.1"]
    assert (settled.state, settled.settled_label, settled.curation_item_id) == (
        DisagreementState.SETTLED,
        "crystal",
        None,
    )
    assert [each.well for each in next_views(database, "cyd", limit=2, first=item).items] == ["A02"]
    other = queued["A02.3"].curation_item_id
    assert other is not None
    for curator in ("ada", "bob"):
        answer_item(database, other, curator=curator, answer="uncertain")
    assert on_map(database, plate)["A02.3"].state is DisagreementState.UNDECIDED


def test_what_is_asked_about_blind_cannot_be_opened_from_the_map(database: Database, plate: StoredPlate) -> None:
    for well, drop, inspection in (("A02", 3, 1), ("B03", 1, 2)):
        say(database, plate, well, drop, inspection, "crystal")
    assert fill_queue(database, size=10).added == {"audit": 2}
    say(database, plate, "A02", 3, 1, "other")
    blind = on_map(database, plate)["A02.3"]
    assert (blind.state, blind.curation_item_id) == (DisagreementState.QUEUED, None)


def test_plates_change_when_people_are_asked_and_when_they_answer(database: Database, plate: StoredPlate) -> None:
    seen, _ = look_at_plates(database, None)
    key = ItemKey(plate.drops["B03", 1], plate.inspections[2])
    ask_about(database, [key])
    seen, changed = look_at_plates(database, seen)
    assert changed == [plate.id]
    (item,) = next_views(database, "ada").items
    answer_item(database, item.id, curator="ada", answer="other")
    seen, changed = look_at_plates(database, seen)
    assert changed == [plate.id]
    assert look_at_plates(database, seen)[1] == []
