"""What is counted of a queue is always what its rows say, whatever happens to it, and in whichever order."""

import random
import threading

from alembic import command
from sqlalchemy import select, update

from structloop.core.errors import CurationError, NotFoundError
from structloop.loop import curation
from structloop.loop.curation import NewItem
from structloop.loop.curation.queue import waiting_for
from structloop.loop.curation.tally import Counts, answer_counts, read_counts
from structloop.loop.datasets.recording import ItemsChangedError, claim_items
from structloop.schema.loop import CurationReason, CurationState, ItemKey
from structloop.store import Database
from structloop.store.database import alembic_config
from structloop.store.tables import CurationDecision, CurationItem, CurationTally, DatasetVersion

TASK = "tests/things"
ALLOWED = ("crystal", "other", "uncertain", "unusable")
PEOPLE = ("ada", "bob", "cyd", "dee")
REASONS = (CurationReason.DISAGREEMENT, CurationReason.AUDIT, CurationReason.GOLD)


def new(number: int, priority: float) -> NewItem:
    reason = REASONS[number % 3]
    return NewItem(
        ItemKey(number, 1),
        group_id=number % 3,
        project_id=None,
        reason=reason,
        priority=priority,
        gold_label="crystal" if reason is CurationReason.GOLD else None,
        answers_needed=1 + number % 5 // 3,
    )


def something_happens(database: Database, rng: random.Random) -> None:
    """Somebody answers, undoes, fills or empties the queue, or builds a data set."""
    what, who = rng.random(), rng.choice(PEOPLE)
    with database.reading() as session:
        keys = session.scalars(select(CurationItem.id).where(CurationItem.task == TASK)).all()
        settled = session.execute(
            select(CurationItem.id, CurationItem.label).where(CurationItem.state == CurationState.SETTLED.value)
        ).all()
    try:
        if what < 0.08 or not keys:
            first = rng.randrange(1000)
            curation.add_items(database, TASK, [new(first + step, rng.random()) for step in range(4)])
        elif what < 0.78:
            answer = rng.choice(("crystal", "crystal", "other", *ALLOWED[2:]))
            seconds = rng.choice((None, rng.uniform(0, 90)))
            curation.answer(database, rng.choice(keys), curator=who, answer=answer, allowed=ALLOWED, seconds=seconds)
        elif what < 0.95:
            curation.undo(database, TASK, curator=who)
        elif what < 0.97:
            curation.withdraw_open(database, TASK, reason=rng.choice((None, CurationReason.AUDIT)))
        elif settled:
            with database.session() as session:
                used = DatasetVersion(
                    task=TASK, number=rng.randrange(10**6), manifest_sha256="0" * 64, counts={}, settings={},
                    made_by="ada",
                )  # fmt: skip
                session.add(used)
                session.flush()
                claim_items(
                    session, {row.id: str(row.label) for row in rng.sample(settled, len(settled) // 2)}, used.id
                )
    except (CurationError, NotFoundError, ItemsChangedError):
        # Somebody else was sooner; what one wanted to change stands as it was.
        pass


def counted(database: Database) -> Counts:
    with database.reading() as session:
        return read_counts(session, TASK)


def test_the_tally_and_the_next_items_are_what_the_rows_say(database: Database) -> None:
    rng = random.Random(5)
    for _ in range(220):
        something_happens(database, rng)
    assert counted(database).total() > 200
    assert not curation.recount(database, TASK)
    with database.reading() as session:
        rows = session.execute(
            select(CurationDecision.curation_item_id, CurationDecision.curator).where(answer_counts())
        ).all()
        waiting = session.scalars(
            select(CurationItem)
            .where(CurationItem.state == CurationState.OPEN.value)
            .order_by(CurationItem.priority, CurationItem.id)
        ).all()
        answered = {tuple(row) for row in rows}
        assert any(item.answer_count > 2 for item in waiting)
        for who in (*PEOPLE, "nobody"):
            expected = [item.id for item in waiting if (item.id, who) not in answered]
            assert [item.id for item in curation.next_items(database, TASK, who, limit=500)] == expected
            assert waiting_for(session, TASK, who) == len(expected)
            gold = [item.id for item in waiting if item.id in expected and item.reason == "gold"]
            assert waiting_for(session, TASK, who, CurationReason.GOLD) == len(gold)


def test_a_tally_that_is_wrong_is_counted_anew(database: Database) -> None:
    rng = random.Random(3)
    for _ in range(40):
        something_happens(database, rng)
    right = counted(database)
    with database.session() as session:
        session.execute(update(CurationTally).values(value=CurationTally.value + 3))
    assert curation.recount(database, TASK)
    assert counted(database) == right


def test_an_older_database_is_counted_when_it_is_updated(database: Database, database_url: str) -> None:
    rng = random.Random(4)
    for _ in range(120):
        something_happens(database, rng)
    before = counted(database)
    with database.reading() as session:
        curators = session.execute(
            select(CurationItem.id, CurationItem.previous_curator).order_by(CurationItem.id)
        ).all()
    config = alembic_config(database_url)
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0009")
        command.upgrade(config, "head")
        connection.commit()
    assert counted(database) == before
    with database.reading() as session:
        assert (
            session.execute(select(CurationItem.id, CurationItem.previous_curator).order_by(CurationItem.id)).all()
            == curators
        )


def test_counts_hold_where_many_write_at_once(database: Database) -> None:
    curation.add_items(database, TASK, [new(number, float(number)) for number in range(12)])
    start = threading.Barrier(4)
    wrong: list[BaseException] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        start.wait()
        try:
            for _ in range(15):
                something_happens(database, rng)
        except BaseException as error:
            wrong.append(error)
            raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not curation.recount(database, TASK)
