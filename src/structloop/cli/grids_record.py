"""`structloop grids record` and `replay`: what others do at a microscope, written down and shown again."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.grids_ending import say
from structloop.cli.grids_folders import check_session_folder
from structloop.cli.grids_tables import count_of
from structloop.cli.stopping import run_stoppable

if TYPE_CHECKING:
    from structloop.instruments.microscope import ObservedImage

Scope = Annotated[
    str, typer.Option("--scope", help="Address of a microscope that is observed, such as epu:///data/session.")
]
Out = Annotated[
    Path, typer.Option("--out", help="Folder of the recording; one that was begun goes on.", file_okay=False)
]
Recorded = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="A session that structloop ran or recorded (with its journal), or the folder of an EPU session.",
        show_default=False,
    ),
]
Speed = Annotated[float, typer.Option("--speed", min=1, max=1000, help="How many times faster than it was.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print each image as a line of JSON.")]
ResultAsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `grids`."""
    app.command("record")(record)
    app.command("replay")(replay)


def record(scope: Scope, out: Out, as_json: ResultAsJson = False) -> None:
    """Follow a microscope that is observed, and record what it shows, until its session ends or Ctrl-C.

    The recording can be replayed, and imported like any session. Sessions that structloop runs itself are recorded by
    themselves: their folder is the recording.

    Examples:

      structloop grids record --scope "epu:///data/session?follow=yes" --out recording

      structloop grids replay recording --speed 100
    """
    from structloop.instruments.drivers import open_microscope
    from structloop.instruments.replay import record as run_recording

    check_session_folder(out, "recording")
    microscope = open_microscope(scope)

    def told(observed: "ObservedImage") -> None:
        if sys.stderr.isatty():
            say(_line(observed))

    try:
        result = run_stoppable(run_recording(microscope, out, told=told))
    except KeyboardInterrupt:
        say(f"Stopped; what was seen is in {out}, and the same command goes on.")
        raise typer.Exit(130) from None
    if as_json:
        numbers = {"images": result.images, "without_pixels": result.without_pixels, "known": result.known}
        typer.echo(json.dumps({"folder": str(out), **numbers}, indent=2))
        return
    rest = f", {result.without_pixels} without pixels" if result.without_pixels else ""
    known = f", {result.known} known before" if result.known else ""
    typer.echo(f"{out}: {count_of(result.images, 'image')} recorded{rest}{known}")


def replay(folder: Recorded, speed: Speed = 1, as_json: AsJson = False) -> None:
    """Show a recorded session again: each image when its time has come, as a line.

    What it shows can be used like any observed microscope: its address is replay://DIR?speed=N.

    Examples:

      structloop grids replay night --speed 1000

      structloop grids replay recording --speed 60 --json
    """
    from structloop.instruments.replay import ReplayMicroscope

    async def work() -> int:
        microscope = ReplayMicroscope(folder.expanduser().absolute(), speed)
        await microscope.connect()
        count = 0
        try:
            observation = microscope.parts.observation
            if observation is None:
                return 0
            async for observed in observation.images():
                count += 1
                typer.echo(json.dumps(_as_json(observed)) if as_json else _line(observed))
        finally:
            await microscope.close()
        return count

    try:
        count = run_stoppable(work())
    except KeyboardInterrupt:
        say("Stopped.")
        raise typer.Exit(130) from None
    if not as_json:
        typer.echo(f"{count_of(count, 'image')}; the session ended")


def _line(observed: "ObservedImage") -> str:
    if observed.image is None:
        return f"{observed.level:9} {observed.name}: metadata only"
    facts = observed.image.facts
    where = f"x {facts.stage.x_um:.2f} um, y {facts.stage.y_um:.2f} um"
    return f"{facts.taken_at:%H:%M:%S} {observed.level:9} {observed.name}: {where}, {facts.pixel_size_angstrom:.4g} A"


def _as_json(observed: "ObservedImage") -> dict[str, Any]:
    return {
        "level": observed.level,
        "name": observed.name,
        "parent": observed.parent,
        "source": str(observed.source),
        "image": None if observed.image is None else observed.image.facts.model_dump(mode="json"),
    }


__all__ = ["register"]
