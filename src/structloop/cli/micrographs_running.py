"""What processing and watching exposures do alike: open a session, run it, and tell how it goes."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from structloop.cli.context import settings_of, workspace_of
from structloop.cli.micrographs_options import limits_of, places_of, range_of, workers_of
from structloop.cli.micrographs_output import line_of, print_session
from structloop.cli.progress import Told, progress_bar

if TYPE_CHECKING:
    from structloop.exposures.options import ExposureOptions
    from structloop.exposures.running import Event, RunResult
    from structloop.exposures.throughput import Rates
    from structloop.exposures.tools import ConditionClassifier
    from structloop.exposures.watching import Feed
    from structloop.jobs import Workspace
    from structloop.micrographs.judging import Limits
    from structloop.models.pickers import Picker

# A watch says so often how it goes.
_STATUS_S = 600.0


@dataclass(frozen=True)
class Given:
    """What the options say.

    Attributes:
        values: Of `ExposureOptions`, by name; None where an option was not given.
        picker: Name of the picker.
        condition: Whether conditions are told.
        limits: File of limits.
        limit: Single ones.
        places: Pattern.
        workers: Movies at once.
        name: Of the session.
        quiet, as_json: What is printed.
    """

    values: dict[str, Any]
    picker: str | None
    condition: bool
    limits: Path | None
    limit: list[str] | None
    places: str | None
    workers: int | None
    name: str | None
    quiet: bool = False
    as_json: bool = False


def run_session(
    context: typer.Context,
    given: Given,
    *,
    source: str,
    out: Path,
    feed: "Feed",
    watched: bool,
    total: int | None,
    idle_s: float | None = None,
) -> "RunResult":
    """Runs a session to its end, or until Ctrl-C; prints what people should know.

    Args:
        context: Of the command.
        given: Its options.
        source: Where movies come from, as it was given.
        out: Folder of the results.
        feed: What finds them.
        watched: Whether more come.
        total: How many there are, where that is known.
        idle_s: Ends a watch when nothing came for so long.
    """
    from structloop.exposures.processing import Job, Processing, check_out
    from structloop.exposures.running import run
    from structloop.exposures.tools import load_tools

    check_out(out, source)
    limits = limits_of(given.limits, given.limit)
    places = places_of(given.places)
    picker, options = _options(context, given)
    with workspace_of(context) as workspace:
        tools = load_tools(options, picker, _condition(workspace, given.condition))
        job = Job(out, options, tools, source, given.name, watched, places, limits, "options" if limits else None)
        with (
            Processing(workspace.database, job, lambda text: typer.echo(text, err=True)) as processing,
            _stopping() as stop,
            progress_bar("Exposures", given.quiet or watched) as bar,
        ):
            judged_by = _limits_now(workspace, processing.session_id)
            teller = _Teller(given.quiet, judged_by, total, bar)
            result = run(
                processing,
                feed,
                workers=workers_of(given.workers, options.threads),
                stop=stop,
                idle_s=idle_s,
                on_event=teller.event,
                on_rates=teller.rates,
            )
        print_session(workspace.database, processing.session_id, result, as_json=given.as_json, quiet=given.quiet)
    return result


def _options(context: typer.Context, given: Given) -> "tuple[Picker | None, ExposureOptions]":
    from structloop.exposures.options import ExposureOptions
    from structloop.micrographs.movies import EerGrouping

    values = {name: value for name, value in given.values.items() if value is not None}
    if "eer_group" in values:
        values["eer"] = EerGrouping(frames=values.pop("eer_group"))
    values["defocus_um"] = range_of(values["defocus_um"], "--defocus-um")
    name = given.picker or ("log" if values.get("diameter_angstrom") is not None else None)
    if name is None:
        return None, ExposureOptions(**values)
    from structloop.cli.particles_options import load_picker

    picker = load_picker(context, name, settings_of(context))
    return picker, ExposureOptions(**values, picker=f"{picker.card.name} {picker.card.version}")


def _condition(workspace: "Workspace", wanted: bool) -> "ConditionClassifier | None":
    """What tells the condition of exposures: the model in production, else the shipped one."""
    from structloop.exposures.condition import open_condition

    return open_condition(workspace.models, workspace.database).classify if wanted else None


def _limits_now(workspace: "Workspace", session_id: int) -> "Limits":
    from structloop.exposures.judging import limits_of as limits_of_session
    from structloop.store.tables import ProcessingSession

    with workspace.database.reading() as session:
        return limits_of_session(session.get_one(ProcessingSession, session_id))


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """While it lasts, Ctrl-C and a polite kill set the event: movies under way are ended, and then all is."""
    stop = threading.Event()

    def end(*_: object) -> None:
        if not stop.is_set():
            typer.echo("Ending after the movies under way ...", err=True)
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Teller:
    """Prints what happens."""

    def __init__(self, quiet: bool, limits: "Limits", total: int | None, bar: Told) -> None:
        self._quiet, self._limits, self._total, self._bar = quiet, limits, total, bar
        self._done = self._failed = 0
        self._told = time.monotonic()
        self._left: float | None = None
        self._note = ""

    def event(self, event: "Event") -> None:
        record = event.record
        if record is None:
            typer.echo(event.text, err=True)
            return
        self._done += 1
        self._failed += record.state == "failed"
        self._show()
        if record.state == "failed":
            typer.echo(f"{self._counted()}{record.name}: failed: {record.reason}", err=True)
        elif not self._quiet and not event.known:
            typer.echo(f"{self._counted()}{line_of(record, self._limits)}", err=True)
            for remark in record.details.get("remarks", []):
                typer.echo(f"    {remark}", err=True)

    def _counted(self) -> str:
        return "" if self._total is None else f"[{self._done}/{self._total}] "

    def rates(self, rates: "Rates") -> None:
        self._left = rates.backlog_s
        self._note = "" if rates.done_per_hour is None else f"{rates.done_per_hour:.0f} exposures an hour"
        self._show()
        if self._total is None and self._note and not self._quiet and time.monotonic() - self._told >= _STATUS_S:
            self._told = time.monotonic()
            so_far = f"{self._done} exposures so far, {self._failed} failed"
            typer.echo(f"{so_far}; {self._note}; {rates.waiting} wait", err=True)

    def _show(self) -> None:
        if self._total is not None:
            self._bar(self._done, self._total, self._left, self._note)


__all__ = ["Given", "run_session"]
