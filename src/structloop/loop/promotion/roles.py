"""Roles of model versions in a review task: events that are only ever added, and the standing that follows from them.

What does the work is the last version that was promoted. To go back is one more event: the version before does the work
again, and what was given up is retired. Nothing is ever removed, and scores go on saying which version made them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from structloop.core.errors import PromotionError
from structloop.schema.models import ModelCard
from structloop.store import Database
from structloop.store.database import insert_or_ignore
from structloop.store.tables import ModelRole, ModelVersion
from structloop.store.tables.base import utc_now

Role = Literal["candidate", "shadow", "production", "retired"]


@dataclass(frozen=True, slots=True)
class RoleEvent:
    """A model version was given a role.

    Attributes:
        id: Its place in the order of events.
        version_id: Of the model version.
        model: As `name@version`.
        role: The role.
        goes_back: Whether it is production again because what came after was given up.
        who, why, at: Who did it, why, and when (UTC).
        evidence: The gate's verdict and what it saw.
    """

    id: int
    version_id: int
    model: str
    role: Role
    goes_back: bool
    who: str
    why: str
    at: datetime
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """The roles that hold in a task.

    Attributes:
        task: The review task.
        production: What does the work; None: the model that the settings name.
        before: Versions that did the work before it, the latest first: the ways back.
        shadows: Those that score silently beside it.
        candidates: Those that were trained or imported and have no further role.
    """

    task: str
    production: RoleEvent | None
    before: tuple[RoleEvent, ...]
    shadows: tuple[RoleEvent, ...]
    candidates: tuple[RoleEvent, ...]


def fold(task: str, events: Iterable[RoleEvent]) -> Standing:
    """The standing after `events`, in their order."""
    stack: list[RoleEvent] = []
    latest: dict[int, RoleEvent] = {}
    for event in events:
        if event.role == "production":
            if event.goes_back:
                while stack and stack[-1].version_id != event.version_id:
                    given_up = stack.pop()
                    latest.pop(given_up.version_id, None)
            stack = [each for each in stack if each.version_id != event.version_id]
            stack.append(event)
        else:
            stack = [each for each in stack if each.version_id != event.version_id]
        latest[event.version_id] = event
    others = [event for event in latest.values() if event.role in ("shadow", "candidate")]
    return Standing(
        task,
        stack[-1] if stack else None,
        tuple(reversed(stack[:-1])),
        tuple(event for event in others if event.role == "shadow"),
        tuple(event for event in others if event.role == "candidate"),
    )


def history(database: Database, task: str) -> list[RoleEvent]:
    """All events of a task, the first first."""
    with database.reading() as session:
        return _events(session, task)


def events_of(database: Database, version_id: int) -> list[RoleEvent]:
    """The roles that a model version was given in any task, the first first."""
    with database.reading() as session:
        rows = session.execute(
            select(ModelRole, ModelVersion.name, ModelVersion.version)
            .join(ModelVersion, ModelVersion.id == ModelRole.model_version_id)
            .where(ModelRole.model_version_id == version_id)
            .order_by(ModelRole.id)
        )
        return [_event(row, f"{name}@{version}") for row, name, version in rows]


def standing(database: Database, task: str) -> Standing:
    """The roles that hold in a task now."""
    return fold(task, history(database, task))


def record_version(database: Database, card: ModelCard) -> int:
    """The id of a model version, recorded with its card where it is new."""
    row = {"name": card.name, "version": card.version, "card": card.model_dump(mode="json"), "created_at": utc_now()}
    with database.session() as session:
        session.execute(insert_or_ignore(database, ModelVersion, [row]))
        return session.scalars(
            select(ModelVersion.id).where(ModelVersion.name == card.name, ModelVersion.version == card.version)
        ).one()


def give_role(
    database: Database,
    task: str,
    version_id: int,
    role: Role,
    *,
    who: str,
    why: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> RoleEvent:
    """Gives a model version the role of candidate or shadow, or retires it; `promote` is the way to production.

    Raises:
        PromotionError: the role is production.
    """
    if role == "production":
        raise PromotionError("a model comes to production by promotion, with a verdict of the gate")
    with database.session() as session:
        _take_turns(session)
        return _add(session, task, version_id, role, who=who, why=why, evidence=evidence)


def promote(
    database: Database,
    task: str,
    version_id: int,
    *,
    who: str,
    why: str = "",
    evidence: Mapping[str, Any],
    replaces: str | None,
) -> RoleEvent:
    """Makes a model version do the work of a task.

    Args:
        database: Where roles are kept.
        task: The review task.
        version_id: The model version.
        who: A person, or `policy`.
        why: In their words.
        evidence: The gate's verdict and the comparison that it saw.
        replaces: What it was compared with, as `name@version`; None where nothing was in production.

    Raises:
        PromotionError: it does the work already, or something else than `replaces` does by now.
    """
    with database.session() as session:
        _take_turns(session)
        now = fold(task, _events(session, task)).production
        if now is not None and now.version_id == version_id:
            raise PromotionError(f"{now.model} is in production for {task} already")
        if (None if now is None else now.model) != replaces:
            raise PromotionError(
                f"{task}: {'nothing' if now is None else now.model} is in production, but the candidate was compared "
                f"with {replaces or 'nothing'}; compare again, then promote"
            )
        return _add(session, task, version_id, "production", who=who, why=why, evidence=evidence)


def roll_back(database: Database, task: str, *, who: str, why: str = "") -> Standing:
    """Gives up what is in production: the version before does the work again, or the model that the settings name.

    Returns:
        The standing afterwards.

    Raises:
        PromotionError: nothing was promoted.
    """
    with database.session() as session:
        _take_turns(session)
        now = fold(task, _events(session, task))
        if now.production is None:
            raise PromotionError(f"{task}: nothing was promoted, so there is nothing to go back from")
        gone = {"given_up": now.production.model}
        if now.before:
            back = now.before[0].version_id
            _add(session, task, back, "production", who=who, why=why, evidence=gone, goes_back=True)
        _add(session, task, now.production.version_id, "retired", who=who, why=why, evidence={})
        return fold(task, _events(session, task))


def _events(session: Session, task: str) -> list[RoleEvent]:
    rows = session.execute(
        select(ModelRole, ModelVersion.name, ModelVersion.version)
        .join(ModelVersion, ModelVersion.id == ModelRole.model_version_id)
        .where(ModelRole.task == task)
        .order_by(ModelRole.id)
    )
    return [_event(row, f"{name}@{version}") for row, name, version in rows]


def _event(row: ModelRole, model: str) -> RoleEvent:
    role: Role = row.role  # type: ignore[assignment]  # the table's check allows no other
    return RoleEvent(
        row.id, row.model_version_id, model, role, row.goes_back, row.who, row.why, row.created_at, row.evidence
    )


def _add(
    session: Session,
    task: str,
    version_id: int,
    role: Role,
    *,
    who: str,
    why: str,
    evidence: Mapping[str, Any] | None,
    goes_back: bool = False,
) -> RoleEvent:
    version = session.get(ModelVersion, version_id)
    if version is None:
        raise PromotionError(f"there is no model version {version_id}")
    if not who.strip():
        raise PromotionError("say who gives the model its role")
    row = ModelRole(
        task=task,
        model_version_id=version_id,
        role=role,
        goes_back=goes_back,
        who=who.strip(),
        why=why,
        evidence=dict(evidence or {}),
    )
    session.add(row)
    session.flush()
    return _event(row, f"{version.name}@{version.version}")


def _take_turns(session: Session) -> None:
    """Two people who promote at once do so one after the other. SQLite has one writer at a time anyhow."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE model_role IN EXCLUSIVE MODE"))


__all__ = [
    "Role",
    "RoleEvent",
    "Standing",
    "events_of",
    "fold",
    "give_role",
    "history",
    "promote",
    "record_version",
    "roll_back",
    "standing",
]
