"""`structloop particles pick`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import settings_of
from structloop.cli.particles_options import (
    AsJson,
    Contrast,
    DiameterAngstrom,
    DiameterPx,
    Micrographs,
    ModelName,
    NoMask,
    PixelSize,
    Quiet,
    load_picker,
    print_failures,
    scale_of,
    threads_of,
)
from structloop.cli.particles_progress import picking_bar
from structloop.cli.stopping import terminating_as_interrupt

if TYPE_CHECKING:
    from structloop.models.pickers import Picker
    from structloop.particles.picking import PickedMicrograph, PickingOptions, PickingResult, Prepared

Threshold = Annotated[
    float | None,
    typer.Option(help="Least probability of a pick. Default: the model's own.", show_default=False),
]
ExpectedPrecision = Annotated[
    float | None,
    typer.Option(
        "--expected-precision",
        help="Instead: the least threshold that is expected to give this precision.",
        show_default=False,
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option(
        "--pictures",
        metavar="DIR",
        help="Draw every micrograph that is picked now, with its picks and what is masked, as PNG.",
        file_okay=False,
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the command to the group `particles`."""
    app.command("pick")(pick)


def pick(
    context: typer.Context,
    model: ModelName,
    micrographs: Micrographs,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Picks: .star, .cs, .csv, .txt, or a folder for one file each.", show_default=False
        ),
    ],
    threshold: Threshold = None,
    expected_precision: ExpectedPrecision = None,
    diameter_px: DiameterPx = None,
    diameter_angstrom: DiameterAngstrom = None,
    pixel_size_angstrom: PixelSize = None,
    contrast: Contrast = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", help="Format of FILE where its ending leaves a choice.", show_default=False),
    ] = None,
    pictures: Pictures = None,
    no_mask: NoMask = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Pick the particles of many micrographs, each with the probability that it is one.

    Stopped or killed, the same command goes on where it was, and nothing is picked twice: all candidates are kept in
    OUT.journal, so that another threshold needs no picking. Micrographs that cannot be picked are listed, and the rest
    goes on; where none could be, it exits with 1. No real label went into the general model: its probabilities are
    fitted first, to the shape of the scores in up to eight of the micrographs.

    Examples:

      structloop particles pick --model beta-gal --micrographs Micrographs --out picks.star

      structloop particles pick --model general --micrographs "Micrographs/*.mrc" --out picks.star
      --diameter-angstrom 190 --expected-precision 0.9 --pictures pictures
    """
    from structloop.particles.picking import (
        BlindPicker,
        PickingOptions,
        PickJournal,
        calibrated_blind,
        check_out,
        find_micrographs,
        is_blind,
        pick_micrographs,
        pick_set,
        save_picture,
        threshold_for,
        write_picks,
    )

    out = out.expanduser()
    check_out(out, format_name)
    settings = settings_of(context)
    picker = load_picker(context, model, settings)
    card = picker.card
    scale = scale_of(diameter_px, diameter_angstrom, pixel_size_angstrom, card)
    found = find_micrographs(micrographs)
    # Refused before the work, as far as it can be known then.
    by_curve = threshold is not None or (bool(card.expected) and not is_blind(card))
    least = threshold_for(card, threshold=threshold, expected_precision=expected_precision if by_curve else None)
    options = PickingOptions(
        scale=scale,
        contrast=contrast or card.contrast,
        masking=not no_mask,
        threads=threads_of(settings),
        batch=max(1, min(4, settings.batch_size)),
        threshold=least,
    )

    def draw(prepared: "Prepared", entry: "PickedMicrograph") -> None:
        if pictures is not None:
            save_picture(prepared, entry, least, pictures)

    journal_path = out.with_name(out.name + ".journal")
    try:
        with (
            terminating_as_interrupt(),
            PickJournal.open(journal_path, made_by(picker, options)) as journal,
            picking_bar(quiet or as_json) as on_progress,
        ):
            picker = calibrated_blind(picker, found, journal, options)
            if isinstance(picker, BlindPicker):
                least = threshold_for(picker.card, threshold=threshold, expected_precision=expected_precision)
                options = replace(options, threshold=least)
            result = pick_micrographs(picker, found, journal, options, on_progress=on_progress, on_picked=draw)
            picked = [journal.picked[each.name] for each in found if each.name in journal.picked]
    except KeyboardInterrupt:
        typer.echo("Stopped. What was picked is kept; the same command goes on.", err=True)
        raise typer.Exit(130) from None
    if not picked:
        print_failures(result.failed, "micrographs could not be picked")
        raise typer.Exit(1)
    probabilities = [each.probability for each in picked]
    least = threshold_for(picker.card, threshold=threshold, expected_precision=expected_precision, found=probabilities)
    picks = pick_set(picked, threshold=least, origin=f"structloop {card.name} {card.version}")
    written = write_picks(picks, out, format_name=format_name, diameter_px=picked[0].diameter_px)
    _report(picker, card.version, result, picked, picks.count, least, out, quiet=quiet, as_json=as_json)
    print_failures(result.failed, "micrographs could not be picked")
    if not quiet:
        for remark in (*written.remarks, *dict.fromkeys(f"{e.micrograph}: {r}" for e in picked for r in e.remarks)):
            typer.echo(f"note: {remark}", err=True)


def made_by(picker: "Picker", options: "PickingOptions") -> dict[str, Any]:
    """What decides the candidates of a micrograph; a journal made by something else is begun anew."""
    from structloop.particles.picking import is_blind

    return {
        "model": picker.card.name,
        "version": picker.card.version,
        "diameter_px": options.scale.diameter_px,
        "diameter_angstrom": options.scale.diameter_angstrom,
        "pixel_size_angstrom": options.scale.pixel_size_angstrom,
        "contrast": options.contrast,
        "masking": options.masking,
        "calibration": "of these micrographs" if is_blind(picker.card) else "of the model",
    }


def _report(
    picker: "Picker",
    version: str,
    result: "PickingResult",
    picked: "list[PickedMicrograph]",
    count: int,
    threshold: float,
    out: Path,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    from structloop.particles.picking import BlindPicker, expected_at

    expected = expected_at(picker.card, threshold)
    sizes = sorted({each.pixel_size_angstrom for each in picked if each.pixel_size_angstrom is not None})
    diameters = sorted(each.diameter_px for each in picked)
    if as_json:
        report = {
            "model": picker.card.name,
            "version": version,
            "picks": count,
            "threshold": threshold,
            "expected": None if expected is None else expected.model_dump(),
            "micrographs_picked": result.picked,
            "micrographs_known": result.known,
            "failed": [{"micrograph": name, "reason": reason} for name, reason in result.failed],
            "out": str(out),
        }
        typer.echo(json.dumps(report, indent=2))
        return
    if quiet:
        return
    before = f", {result.known} known already" if result.known else ""
    typer.echo(f"{result.picked} micrographs picked now{before}; diameter {diameters[len(diameters) // 2]:.1f} px")
    if sizes:
        span = f"{sizes[0]:g}" if len(sizes) == 1 else f"{sizes[0]:g} to {sizes[-1]:g}"
        typer.echo(f"pixel size {span} angstrom")
    if isinstance(picker, BlindPicker):
        typer.echo(
            f"no real label went into this model: probabilities are from the shape of the scores in "
            f"{picker.micrographs} of the micrographs"
        )
    typer.echo(f"{count} picks of probability {threshold:.2f} and above written to {out}")
    if expected is not None:
        typer.echo(
            f"expected precision {expected.precision:.2f} ({expected.precision_low:.2f} to "
            f"{expected.precision_high:.2f}), recall {expected.recall:.2f} ({expected.recall_low:.2f} to "
            f"{expected.recall_high:.2f})"
        )


__all__ = ["made_by", "register"]
