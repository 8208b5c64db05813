"""`structloop grids snapshot`: one picture from a microscope, by default the simulated one."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.cli.finite import defocus, finite
from structloop.cli.grids_ending import ending_of, say
from structloop.cli.stopping import run_stoppable

if TYPE_CHECKING:
    from structloop.grids.snapshots import Snapshot

Scope = Annotated[str, typer.Option("--scope", help="Address of the microscope.")]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", help="What to take it with. Default: the microscope's first preset.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="File to write: .mrc, .png, .jpg or .tif. Default: PRESET.png here.",
        dir_okay=False,
        show_default=False,
    ),
]
XUm = Annotated[
    float | None,
    typer.Option("--x-um", callback=finite, help="Stage position; left out, it stays.", show_default=False),
]
YUm = Annotated[
    float | None,
    typer.Option("--y-um", callback=finite, help="Stage position; left out, it stays.", show_default=False),
]
SlotNumber = Annotated[
    int | None,
    typer.Option(
        "--slot",
        min=1,
        help="Grid to load first. A simulated microscope without a grid loads the first.",
        show_default=False,
    ),
]
Defocus = Annotated[
    float | None,
    typer.Option("--defocus-um", callback=defocus, help="Underfocus. Default: the preset's.", show_default=False),
]
Binning = Annotated[int, typer.Option("--binning", min=1, help="Pixels averaged per axis.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what is known of the picture as JSON.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the group `grids`."""
    app.command("snapshot")(snapshot)


def snapshot(
    scope: Scope = "simulated://",
    preset: PresetName = None,
    out: Out = None,
    x_um: XUm = None,
    y_um: YUm = None,
    slot: SlotNumber = None,
    defocus_um: Defocus = None,
    binning: Binning = 1,
    as_json: AsJson = False,
) -> None:
    """Take one picture. Without options, from the simulated microscope: nothing needs to be set up.

    Limits are checked before anything moves. Valves are opened and the beam is let through where needed; afterwards
    both are as safe as before. A PNG, JPEG or TIFF has its contrast stretched; an MRC file has the numbers, the pixel
    size and the stage position.

    Examples:

      structloop grids snapshot

      structloop grids snapshot --preset square --x-um 120 --y-um -80 --out square.png

      structloop grids snapshot --scope serialem://127.0.0.1:48888 --preset view --out view.mrc
    """
    from structloop.grids.snapshots import SnapshotOrder, check_ending, take_snapshot, write_picture
    from structloop.instruments.drivers import open_microscope

    if out is not None:
        check_ending(out)
    order = SnapshotOrder(preset, x_um=x_um, y_um=y_um, slot=slot, defocus_um=defocus_um, binning=binning)
    microscope = open_microscope(scope)
    with tempfile.TemporaryDirectory(prefix="structloop-snapshot-") as folder:
        try:
            taken = run_stoppable(take_snapshot(microscope, order, Path(folder)))
        except KeyboardInterrupt:
            say(f"{ending_of(Path(folder))}.")
            raise typer.Exit(130) from None
    path = out or Path(f"{taken.facts.preset}.png")
    write_picture(taken, path)
    if as_json:
        facts = taken.facts.model_dump(mode="json")
        typer.echo(json.dumps({"file": str(path), "binning": binning, "image": facts}, indent=2))
    else:
        _print(taken, path)


def _print(taken: "Snapshot", path: Path) -> None:
    facts = taken.facts
    stage = facts.stage
    typer.echo(
        f"{path}: preset {facts.preset}, {facts.width_px} x {facts.height_px} pixels of "
        f"{facts.pixel_size_angstrom:.4g} A, at x {stage.x_um:.2f} um, y {stage.y_um:.2f} um"
    )


__all__ = ["register"]
