"""What a screening decided, as notes in the session's journal: a session that resumes decides the same."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from structloop.core.errors import JournalError
from structloop.grids.screening.plan import ScreeningPlan
from structloop.instruments.entries import Entry, Noted
from structloop.instruments.runner import Runner

PREFIX = "screening "
PLAN = "plan"
"""Key that the plan itself is noted under."""


class Decisions:
    """The decisions of a session, by key.

    Args:
        runner: Whose journal they stand in.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known = read_decisions(runner.journal.entries)

    def get(self, key: str) -> Any | None:
        """What was decided under a key before, if anything was."""
        return self._known.get(key)

    def agree_on(self, plan: ScreeningPlan) -> None:
        """Note the plan, or see that it is the one that the session was begun with.

        Raises:
            JournalError: it is another; the message names what differs.
        """
        begun = plan_in(self._known)
        if begun is None:
            self.note(PLAN, plan.model_dump(mode="json"))
        elif begun != plan:
            now, then = plan.model_dump(), begun.model_dump()
            differing = ", ".join(f"{name} {then[name]}, now {now[name]}" for name in now if now[name] != then[name])
            raise JournalError(
                f"the session in {self._runner.journal.folder} was begun with another plan: {differing}; go on with "
                "that plan, or begin a new folder"
            )

    def note(self, key: str, value: Any) -> Any:
        """Write a decision down, durably; returns it as it will be read back."""
        text = json.dumps({"key": key, "decided": value}, sort_keys=True)
        self._runner.journal.append(Noted(at=self._runner.clock.now(), text=PREFIX + text))
        self._known[key] = json.loads(text)["decided"]
        return self._known[key]


def noted_plan(entries: Iterable[Entry]) -> ScreeningPlan | None:
    """The plan that a journal's screening was begun with; None where none is noted.

    Raises:
        JournalError: What is noted is no plan.
    """
    return plan_in(read_decisions(entries))


def plan_in(decisions: dict[str, Any]) -> ScreeningPlan | None:
    """The plan among decisions.

    Raises:
        JournalError: What is noted is no plan.
    """
    if PLAN not in decisions:
        return None
    try:
        return ScreeningPlan.model_validate(decisions[PLAN])
    except ValidationError as error:
        raise JournalError(
            f"the plan that the journal notes is none: {error}; restore the journal from a copy, or begin a new folder"
        ) from error


def read_decisions(entries: Iterable[Entry]) -> dict[str, Any]:
    """The decisions in a journal, by key; the last one of a key holds.

    Raises:
        JournalError: A note begins like a decision and is none.
    """
    known: dict[str, Any] = {}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, Noted) or not entry.text.startswith(PREFIX):
            continue
        try:
            note = json.loads(entry.text.removeprefix(PREFIX))
            known[note["key"]] = note["decided"]
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"entry {number} of the journal begins with '{PREFIX}' and is no decision of a screening: {error}; "
                "restore the journal from a copy, or begin a new folder"
            ) from error
    return known


__all__ = ["PLAN", "PREFIX", "Decisions", "noted_plan", "read_decisions"]
