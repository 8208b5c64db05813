"""`structloop particles suggest`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from structloop.cli.context import settings_of
from structloop.cli.particles_options import (
    AsJson,
    Contrast,
    DiameterAngstrom,
    DiameterPx,
    Micrographs,
    PixelSize,
    Quiet,
    load_picker,
    print_failures,
    scale_of,
    threads_of,
)
from structloop.cli.particles_progress import picking_bar
from structloop.cli.stopping import terminating_as_interrupt


def register(app: typer.Typer) -> None:
    """Adds the command to the group `particles`."""
    app.command("suggest")(suggest)


def suggest(
    context: typer.Context,
    micrographs: Micrographs,
    model: Annotated[str, typer.Option("--model", help="Picker whose doubts count.")] = "general",
    labelled: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Coordinates of what is labelled already; it is not suggested.", show_default=False
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many to suggest.")] = 5,
    diameter_px: DiameterPx = None,
    diameter_angstrom: DiameterAngstrom = None,
    pixel_size_angstrom: PixelSize = None,
    contrast: Contrast = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Say which micrographs to label next: those that tell most, and that differ from one another.

    Examples:

      structloop particles suggest --micrographs Micrographs --diameter-px 108

      structloop particles suggest --micrographs Micrographs --model beta-gal --labelled labels.star --count 3
    """
    from structloop.particles.coordinates import match_names, read_coordinates
    from structloop.particles.picking import PickingOptions, find_micrographs
    from structloop.particles.suggesting import collect_traits
    from structloop.particles.suggesting import suggest as choose

    settings = settings_of(context)
    picker = load_picker(context, model, settings)
    found = find_micrographs(micrographs)
    known: list[str] = []
    if labelled is not None:
        names = [each.micrograph for each in read_coordinates(labelled.expanduser()) if len(each)]
        known = list(match_names(names, [each.name for each in found]).pairs.values())
    options = PickingOptions(
        scale=scale_of(diameter_px, diameter_angstrom, pixel_size_angstrom, picker.card),
        contrast=contrast or picker.card.contrast,
        threads=threads_of(settings),
    )
    try:
        with terminating_as_interrupt(), picking_bar(quiet or as_json) as on_progress:
            traits, result = collect_traits(picker, found, options, on_progress=on_progress)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    print_failures(result.failed, "micrographs could not be looked at")
    if not traits:
        raise typer.Exit(1)
    chosen = choose(traits, count=count, labelled=known)
    if as_json:
        typer.echo(json.dumps([each.__dict__ for each in chosen], indent=2))
        return
    for number, each in enumerate(chosen, start=1):
        typer.echo(
            f"{number}. {each.micrograph}  (about {each.expected_particles:.0f} particles, {each.undecided:.0f} in "
            f"doubt; novelty {each.novelty:.1f})"
        )


__all__ = ["register"]
