import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from structloop.core.errors import CurationClosedError, CurationError, NotFoundError
from structloop.loop import curation
from structloop.loop.curation import Answered, NewItem, QueueItem
from structloop.loop.datasets.recording import ItemsChangedError, claim_items
from structloop.schema.loop import CurationReason, CurationState, ItemKey
from structloop.store import Database
from structloop.store.tables import CurationDecision, CurationItem, DatasetVersion

TASK = "tests/things"
ALLOWED = ("crystal", "other", "uncertain", "unusable")


def new(number: int, *, reason: CurationReason = CurationReason.DISAGREEMENT, **more: object) -> NewItem:
    values: dict[str, object] = {
        "key": ItemKey(number, 1),
        "group_id": number % 3,
        "project_id": None,
        "reason": reason,
        "priority": float(number),
        "probability": 0.7,
    }
    return NewItem(**(values | more))  # type: ignore[arg-type]


def fill(database: Database, *items: NewItem) -> list[QueueItem]:
    curation.add_items(database, TASK, items)
    return curation.next_items(database, TASK, "nobody", limit=100)


def say(database: Database, item: int | QueueItem, who: str, what: str, detail: str | None = None) -> Answered:
    key = item if isinstance(item, int) else item.id
    return curation.answer(database, key, curator=who, answer=what, allowed=ALLOWED, detail=detail, seconds=1.5)


def together(*actions: Callable[[], object]) -> list[object]:
    """Does things at the same time, and returns what each returned or raised of our own errors."""
    barrier = threading.Barrier(len(actions))
    results: list[object] = [None] * len(actions)

    def run(place: int) -> None:
        barrier.wait()
        try:
            results[place] = actions[place]()
        except (CurationError, NotFoundError) as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_items_come_by_priority_and_each_curator_sees_what_they_have_not_answered(database: Database) -> None:
    first, second, third = fill(database, new(2), new(1), new(3))
    assert [item.key.item_id for item in (first, second, third)] == [1, 2, 3]
    say(database, first, "ada", "crystal")
    assert [item.id for item in curation.next_items(database, TASK, "ada", limit=5)] == [second.id, third.id]
    assert curation.next_items(database, TASK, "bob")[0].id == first.id
    assert curation.next_items(database, "other/task", "bob") == []


def test_an_item_joins_once_while_it_is_open(database: Database) -> None:
    fill(database, new(1))
    assert curation.add_items(database, TASK, [new(1), new(2)]) == 1
    assert curation.add_items(database, TASK, []) == 0
    assert len(curation.next_items(database, TASK, "ada", limit=9)) == 2


def test_two_equal_answers_settle_an_item_and_close_it(database: Database) -> None:
    (item,) = fill(database, new(1))
    open_still = say(database, item, "ada", "crystal", "2d").item
    assert (open_still.state, open_still.answer_count, open_still.closed_at) == (CurationState.OPEN, 1, None)
    settled = say(database, item, " bob ", "crystal").item
    assert (settled.state, settled.label, settled.detail) == (CurationState.SETTLED, "crystal", "2d")
    assert settled.closed_at is not None
    with pytest.raises(CurationClosedError, match="is closed"):
        say(database, item, "cyd", "other")


def test_a_third_person_breaks_a_tie(database: Database) -> None:
    (item,) = fill(database, new(1))
    say(database, item, "ada", "crystal")
    assert say(database, item, "bob", "other").item.state is CurationState.OPEN
    assert say(database, item, "cyd", "other").item.label == "other"


def test_one_curator_is_enough_where_the_lab_says_so(database: Database) -> None:
    (item,) = fill(database, new(1, answers_needed=1))
    assert say(database, item, "ada", "unusable").item.state is CurationState.UNUSABLE


def test_bad_answers_are_refused(database: Database) -> None:
    (item,) = fill(database, new(1))
    say(database, item, "ada", "other")
    with pytest.raises(CurationClosedError, match="ada has answered"):
        say(database, item, "ada", "other")
    with pytest.raises(CurationError, match="no answer here"):
        say(database, item, "bob", "maybe")
    with pytest.raises(CurationError, match="curator's name"):
        say(database, item, "  ", "other")
    with pytest.raises(NotFoundError, match="no item 999"):
        say(database, 999, "bob", "other")
    with pytest.raises(NotFoundError, match="no item 999"):
        curation.queue_item(database, 999)


def test_undoing_adds_a_row_and_opens_what_the_answer_had_closed(database: Database) -> None:
    (item,) = fill(database, new(1))
    say(database, item, "ada", "crystal")
    say(database, item, "bob", "crystal")
    again = curation.undo(database, TASK, curator="bob")
    assert (again.state, again.label, again.answer_count, again.closed_at) == (CurationState.OPEN, None, 1, None)
    assert say(database, item, "bob", "other").item.state is CurationState.OPEN
    with database.reading() as session:
        rows = session.execute(
            select(CurationDecision.curator, CurationDecision.answer, CurationDecision.attempt).order_by(
                CurationDecision.id
            )
        ).all()
    assert [tuple(row) for row in rows] == [
        ("ada", "crystal", 0),
        ("bob", "crystal", 0),
        ("bob", None, None),
        ("bob", "other", 1),
    ]


def test_undo_goes_back_step_by_step_and_says_when_there_is_nothing_left(database: Database) -> None:
    first, second = fill(database, new(1), new(2))
    say(database, first, "ada", "crystal")
    say(database, second, "ada", "other")
    assert curation.undo(database, TASK, curator="ada").id == second.id
    assert curation.undo(database, TASK, curator="ada", curation_item_id=first.id).id == first.id
    with pytest.raises(NotFoundError, match="ada has given no answer"):
        curation.undo(database, TASK, curator="ada")


def test_an_answer_before_the_one_that_closed_the_item_stays(database: Database) -> None:
    (item,) = fill(database, new(1))
    say(database, item, "ada", "crystal")
    say(database, item, "bob", "crystal")
    with pytest.raises(CurationClosedError, match="closed by bob"):
        curation.undo(database, TASK, curator="ada")


def test_what_a_data_set_rests_on_stays(database: Database) -> None:
    (item,) = fill(database, new(1, answers_needed=1))
    say(database, item, "ada", "crystal")
    with database.session() as session:
        dataset = DatasetVersion(task=TASK, number=1, manifest_sha256="0" * 64, counts={}, settings={}, made_by="ada")
        session.add(dataset)
        session.flush()
        session.get_one(CurationItem, item.id).dataset_version_id = dataset.id
    with pytest.raises(CurationClosedError, match="rests on item"):
        curation.undo(database, TASK, curator="ada")
    # The way on: ask about it anew.
    assert curation.add_items(database, TASK, [new(1)]) == 1


def test_gold_items_stay_open_for_everybody_and_tell_how_curators_do(database: Database) -> None:
    fill(database, new(1, reason=CurationReason.GOLD, gold_label="crystal", probability=None))
    (item,) = curation.next_items(database, TASK, "ada")
    for who, what in (("ada", "crystal"), ("bob", "other"), ("cyd", "crystal")):
        assert say(database, item, who, what).item.state is CurationState.OPEN
    assert curation.next_items(database, TASK, "ada") == []
    standing = curation.queue_standing(database, TASK, positive="crystal", curator="ada")
    assert [(each.curator, each.gold_accuracy) for each in standing.curators] == [("ada", 1), ("bob", 0), ("cyd", 1)]
    assert standing.open_for_curator == 0
    with pytest.raises(ValueError, match="gold_label"):
        new(2, reason=CurationReason.GOLD)


def test_how_the_queue_stands(database: Database) -> None:
    items = fill(database, new(1), new(2), new(3, reason=CurationReason.AUDIT), new(4, answers_needed=1))
    for item, ada, bob in zip(items, ("crystal", "other", "other"), ("crystal", "other", "crystal"), strict=False):
        say(database, item, "ada", ada)
        say(database, item, "bob", bob)
    standing = curation.queue_standing(database, TASK, positive="crystal", curator="ada")
    assert standing.open == {CurationReason.AUDIT: 1, CurationReason.DISAGREEMENT: 1}
    assert (standing.open_count, standing.open_for_curator) == (2, 1)
    assert standing.closed == {CurationState.SETTLED: 2}
    # By hand: 6 answers, 3 crystal; 2 unequal pairs of 18; alpha = 1 - 5 * 2 / 18.
    assert standing.alpha == pytest.approx(1 - 5 * 2 / 18)
    assert standing.batch_alpha == standing.alpha
    assert [each.agreement for each in standing.curators] == [1.0, 1.0]
    assert curation.queue_standing(database, "empty", positive="crystal").alpha is None


def test_what_nobody_has_answered_can_be_taken_out(database: Database) -> None:
    items = fill(database, new(1), new(2), new(3, reason=CurationReason.AUDIT))
    say(database, items[0], "ada", "crystal")
    assert curation.withdraw_open(database, TASK, reason=CurationReason.AUDIT) == 1
    assert curation.withdraw_open(database, TASK) == 1
    with pytest.raises(CurationClosedError, match="withdrawn"):
        say(database, items[1], "bob", "other")
    assert curation.add_items(database, TASK, [new(2)]) == 1


def test_two_curators_answering_at_once_settle_the_item_once(database: Database) -> None:
    for item in fill(database, *(new(number) for number in range(6))):
        one, two = together(
            lambda item=item: say(database, item, "ada", "crystal"),  # type: ignore[misc]
            lambda item=item: say(database, item, "bob", "crystal"),  # type: ignore[misc]
        )
        assert isinstance(one, Answered)
        assert isinstance(two, Answered)
        assert sorted((one.item.state, two.item.state)) == [CurationState.OPEN, CurationState.SETTLED]
        assert curation.queue_item(database, item.id).answer_count == 2


def test_three_at_once_lose_nothing_and_the_last_is_told(database: Database) -> None:
    for item in fill(database, *(new(number) for number in range(4))):
        results = together(
            *(lambda item=item, who=who: say(database, item, who, "other") for who in ("ada", "bob", "cyd"))
        )
        assert sum(isinstance(result, Answered) for result in results) == 2
        assert sum(isinstance(result, CurationClosedError) for result in results) == 1


def test_the_same_curator_in_two_windows_counts_once(database: Database) -> None:
    for item in fill(database, *(new(number) for number in range(4))):
        results = together(*(lambda item=item: say(database, item, "ada", "other") for _ in range(2)))
        assert sum(isinstance(result, Answered) for result in results) == 1
        assert curation.queue_item(database, item.id).answer_count == 1


def test_undo_and_another_answer_at_once_leave_no_contradiction(database: Database) -> None:
    for item in fill(database, *(new(number) for number in range(4))):
        say(database, item, "ada", "crystal")
        together(
            lambda: curation.undo(database, TASK, curator="ada"),
            lambda item=item: say(database, item, "bob", "crystal"),  # type: ignore[misc]
        )
        now = curation.queue_item(database, item.id)
        assert (now.state, now.answer_count) in {(CurationState.OPEN, 1), (CurationState.SETTLED, 2)}
        with database.reading() as session:
            rows = session.scalar(select(func.count()).where(CurationDecision.curation_item_id == item.id))
        # Nothing is ever removed: ada's answer, bob's, and a withdrawal where ada was still allowed to.
        assert rows == (3 if now.answer_count == 1 else 2)


def test_an_answer_undone_and_a_data_set_that_rests_on_it_at_once_agree_on_who_was_first(database: Database) -> None:
    for number, item in enumerate(fill(database, *(new(number, answers_needed=1) for number in range(6)))):
        say(database, item, "ada", "crystal")

        def claim(item: QueueItem = item, number: int = number) -> None:
            with database.session() as session:
                used = DatasetVersion(
                    task=TASK, number=number, manifest_sha256="0" * 64, counts={}, settings={}, made_by="bob"
                )
                session.add(used)
                session.flush()
                claim_items(session, {item.id: "crystal"}, used.id)

        def try_claim(claim: Callable[[], None] = claim) -> ItemsChangedError | None:
            try:
                claim()
            except ItemsChangedError as error:
                return error
            return None

        undone, claimed = together(lambda: curation.undo(database, TASK, curator="ada"), try_claim)
        now = curation.queue_item(database, item.id)
        if isinstance(claimed, ItemsChangedError):
            assert isinstance(undone, QueueItem)
            assert (now.state, now.dataset_version_id) == (CurationState.OPEN, None)
        else:
            assert isinstance(undone, CurationClosedError)
            assert (now.label, now.dataset_version_id is not None) == ("crystal", True)
    assert not curation.recount(database, TASK)
