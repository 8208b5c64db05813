"""`structloop particles watch`."""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.cli.context import settings_of
from structloop.cli.particles_options import (
    Contrast,
    DiameterAngstrom,
    DiameterPx,
    ModelName,
    NoMask,
    PixelSize,
    Quiet,
    load_picker,
    scale_of,
    threads_of,
)
from structloop.cli.particles_pick import ExpectedPrecision, Threshold, made_by

if TYPE_CHECKING:
    from structloop.models.pickers import Picker
    from structloop.particles.watching import Round


def register(app: typer.Typer) -> None:
    """Adds the command to the group `particles`."""
    app.command("watch")(watch)


def watch(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that fills with micrographs.")],
    model: ModelName,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for a STAR file each and picks.star. Default: DIR-picks.",
            file_okay=False,
            show_default=False,
        ),
    ] = None,
    threshold: Threshold = None,
    expected_precision: ExpectedPrecision = None,
    diameter_px: DiameterPx = None,
    diameter_angstrom: DiameterAngstrom = None,
    pixel_size_angstrom: PixelSize = None,
    contrast: Contrast = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="Draw each micrograph with its picks, too.")] = False,
    no_mask: NoMask = False,
    idle: Annotated[
        float | None,
        typer.Option(min=0, help="End when nothing came for so many seconds. Default: go on.", show_default=False),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Pick a live folder as it fills.

    A file is read once it has not changed for the setting settle_s. Ctrl-C ends the watch after the micrograph under
    way; the same command goes on where it was.

    Examples:

      structloop particles watch Micrographs --model beta-gal

      structloop particles watch /data/session7 --model general --diameter-angstrom 150 --out picks --pictures
    """
    from structloop.particles.picking import PickingOptions, threshold_for
    from structloop.particles.watching import watch_and_pick

    settings = settings_of(context)
    picker = load_picker(context, model, settings)
    options = PickingOptions(
        scale=scale_of(diameter_px, diameter_angstrom, pixel_size_angstrom, picker.card),
        contrast=contrast or picker.card.contrast,
        masking=not no_mask,
        threads=threads_of(settings),
        batch=1,
        threshold=threshold_for(picker.card, threshold=threshold, expected_precision=expected_precision),
    )

    def threshold_of(calibrated: "Picker") -> float:
        return threshold_for(calibrated.card, threshold=threshold, expected_precision=expected_precision)

    out = out.expanduser() if out is not None else folder.absolute().with_name(folder.absolute().name + "-picks")
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    if not quiet:
        typer.echo(f"Watching {folder}; picks go to {out}. Ctrl-C ends it.")
    try:
        total = watch_and_pick(
            picker,
            folder.expanduser(),
            out,
            options,
            made_by=made_by(picker, options),
            stop=stop,
            settle_s=settings.settle_s,
            idle_s=idle,
            pictures=pictures,
            threshold_of=threshold_of,
            on_round=lambda now: _tell(now, quiet),
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not quiet:
        typer.echo(f"{total} micrographs picked in all; picks of all in {out / 'picks.star'}")


def _tell(now: "Round", quiet: bool) -> None:
    for name, picks in now.picked:
        if not quiet:
            typer.echo(f"{name}: {picks} picks")
    for name, reason in now.failed:
        typer.echo(reason if name in reason else f"{name}: {reason}", err=True)


__all__ = ["register"]
