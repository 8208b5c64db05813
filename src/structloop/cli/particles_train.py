"""`structloop particles train`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.cli.context import settings_of
from structloop.cli.particles_options import (
    AsJson,
    Contrast,
    DiameterAngstrom,
    DiameterPx,
    Micrographs,
    NoMask,
    PixelSize,
    Quiet,
    checked_seconds,
    print_failures,
    runtime_of,
    scale_of,
)
from structloop.cli.particles_progress import reading_bar, training_bar
from structloop.cli.stopping import terminating_as_interrupt

if TYPE_CHECKING:
    from structloop.particles.training import LabelledFiles
    from structloop.schema.models import PickerCard


def register(app: typer.Typer) -> None:
    """Adds the command to the group `particles`."""
    app.command("train")(train)


def train(
    context: typer.Context,
    micrographs: Micrographs,
    coordinates: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Labelled particles: STAR, .box, .cbox, .cs, .txt, .csv.", show_default=False
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the new model.", show_default=False)],
    diameter_px: DiameterPx = None,
    diameter_angstrom: DiameterAngstrom = None,
    pixel_size_angstrom: PixelSize = None,
    backend: Annotated[
        str, typer.Option(help="heatmap or sam2 (networks), or log or template, which need none.")
    ] = "heatmap",
    base: Annotated[
        str | None,
        typer.Option(
            help="Of sam2: the SAM2 model, a folder or a hub id such as facebook/sam2.1-hiera-tiny.", show_default=False
        ),
    ] = None,
    allow_download: Annotated[
        bool, typer.Option("--allow-download", help="Of sam2: fetch the SAM2 model from the hub if it is not here.")
    ] = False,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Seconds that training may take.")] = 240.0,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from", help="Model to start from. Default: the general one; of sam2, its base.", show_default=False
        ),
    ] = None,
    complete: Annotated[
        bool | None,
        typer.Option(
            "--complete/--partial",
            help="Whether every particle of each labelled micrograph is marked. Default: judged by the numbers.",
            show_default=False,
        ),
    ] = None,
    contrast: Contrast = None,
    y_axis: Annotated[str, typer.Option("--y-axis", help="Where y begins in FILE: down or up.")] = "down",
    no_mask: NoMask = False,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps instead of a time limit: the same on every machine.", show_default=False),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of that name.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a picker on the micrographs that FILE names; a few micrographs, or some dozen particles, are enough.

    Names are matched without folders and endings. What cannot be used is listed, and the rest goes on. Stopped or
    killed, the same command goes on where it was.

    Examples:

      structloop particles train --micrographs "Micrographs/*.mrc" --coordinates labels.star
      --diameter-angstrom 190 --pixel-size-angstrom 1.77 --name beta-gal

      structloop particles train --micrographs Micrographs --coordinates clicks.csv --diameter-px 108 --name beta-gal
    """
    if y_axis not in {"down", "up"}:
        raise typer.BadParameter(f"'{y_axis}' is neither down nor up", param_hint="--y-axis")
    if allow_download and backend != "sam2":
        raise typer.BadParameter(f"backend {backend} fetches nothing; leave it out", param_hint="--allow-download")
    scale = scale_of(diameter_px, diameter_angstrom, pixel_size_angstrom)
    checked_seconds(time_limit, "--time-limit")
    from structloop.models.pickers.training_plan import TrainingSettings
    from structloop.models.registry import ModelRegistry
    from structloop.particles.picking import find_micrographs
    from structloop.particles.training import TrainingRequest, check_request, read_labelled, train_model

    settings = settings_of(context)
    registry = ModelRegistry(settings.home)
    request = TrainingRequest(
        name=name,
        backend=backend,
        start_from=start_from,
        base=base,
        allow_download=allow_download or settings.allow_download,
        settings=TrainingSettings(time_limit_s=time_limit, steps=steps, seed=seed, threads=settings.threads),
        contrast=contrast or "dark",
        replace_existing=replace,
    )
    check_request(request, registry)
    silent = quiet or as_json
    try:
        with terminating_as_interrupt():
            with reading_bar(silent) as on_read:
                files = read_labelled(
                    find_micrographs(micrographs),
                    coordinates.expanduser(),
                    scale,
                    contrast=request.contrast,
                    complete=complete,
                    y_axis="up" if y_axis == "up" else "down",
                    masking=not no_mask,
                    on_progress=on_read,
                )
            if not silent:
                _announce(files)
            print_failures(files.problems, "things in the labels cannot be used")
            with training_bar(silent) as on_progress:
                card = train_model(
                    files,
                    request,
                    registry,
                    checkpoints=settings.home / "training",
                    runtime=runtime_of(settings),
                    on_progress=on_progress,
                )
    except KeyboardInterrupt:
        typer.echo("Stopped. What was learned is kept; the same command goes on.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(_report(card, files), indent=2))
    elif not quiet:
        _print(card)


def _announce(files: "LabelledFiles") -> None:
    size = f", {files.pixel_size_angstrom:g} angstrom per pixel" if files.pixel_size_angstrom else ""
    typer.echo(
        f"{files.labels} particles in {len(files.labelled)} micrographs; diameter {files.diameter_px:.1f} px{size}"
    )
    for remark in dict.fromkeys(files.remarks):
        typer.echo(f"note: {remark}", err=True)


def _report(card: "PickerCard", files: "LabelledFiles") -> dict[str, object]:
    return {
        "model": card.name,
        "version": card.version,
        "micrographs": len(files.labelled),
        "labels": files.labels,
        "threshold": card.threshold,
        "expected": [each.model_dump() for each in card.expected],
        "problems": [{"micrograph": name, "reason": reason} for name, reason in files.problems],
    }


def _print(card: "PickerCard") -> None:
    from structloop.particles.picking import expected_at

    typer.echo(f"Model '{card.name}' ({card.version}) is trained.")
    expected = expected_at(card, card.threshold)
    if expected is not None:
        typer.echo(
            f"At its threshold of {card.threshold:.2f}, expect a precision of {expected.precision:.2f} "
            f"({expected.precision_low:.2f} to {expected.precision_high:.2f}) and a recall of {expected.recall:.2f} "
            f"({expected.recall_low:.2f} to {expected.recall_high:.2f})."
        )
    typer.echo(f"Next: structloop particles pick --model {card.name} --micrographs DIR --out picks.star")


__all__ = ["register"]
