"""`structloop particles convert` and `structloop particles evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.core.errors import CoordinateFileError, EvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structloop.schema.particles import PickSet, YAxis

AXES = ("down", "up")

Micrographs = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|GLOB|STAR",
        help="Micrographs of the picks: folder, pattern, or RELION's micrographs.star.",
        show_default=False,
    ),
]
MicrographSize = Annotated[
    str | None,
    typer.Option(metavar="WxH", help="Size of all micrographs in pixels, such as 5760x4092.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `particles`."""
    app.command("convert")(convert)
    app.command("evaluate")(evaluate)


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Coordinate file, or a folder of them.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File or folder to write; its ending says the format.")],
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format", help="star, star-3.0, relion-folder, box, cbox, cs, topaz, coord, csv.", show_default=False
        ),
    ] = None,
    micrographs: Micrographs = None,
    micrograph_size: MicrographSize = None,
    y_axis_in: Annotated[
        str, typer.Option("--y-axis-in", help="Where y begins in IN: down (first stored row) or up (last).")
    ] = "down",
    y_axis_out: Annotated[str, typer.Option("--y-axis-out", help="Where y begins in OUT: down or up.")] = "down",
    pixel_size: Annotated[
        float | None,
        typer.Option("--pixel-size-angstrom", help="Pixel size of the micrographs.", show_default=False),
    ] = None,
    voltage: Annotated[
        float | None, typer.Option("--voltage-kv", help="For a STAR file's optics group.", show_default=False)
    ] = None,
    aberration: Annotated[
        float | None,
        typer.Option("--spherical-aberration-mm", help="For a STAR file's optics group.", show_default=False),
    ] = None,
    contrast: Annotated[
        float | None, typer.Option("--amplitude-contrast", help="For a STAR file's optics group.", show_default=False)
    ] = None,
    box_size: Annotated[
        float | None,
        typer.Option("--box-size-px", help="Side of the boxes of .box and .cbox files.", show_default=False),
    ] = None,
) -> None:
    """Write picks in another program's format, and say what that format has no place for.

    IN is recognised by its contents. A folder as OUT is a folder for RELION: a STAR file per micrograph and their list.
    With --micrographs, names are written as RELION or cryoSPARC find them.

    Examples:

      structloop particles convert boxes/ picks.star --micrographs "Micrographs/*.mrc"

      structloop particles convert picks.star forRELION/ --micrographs micrographs_ctf.star

      structloop particles convert picks.star picks.cs --micrographs Micrographs
    """
    from structloop.particles.coordinates import write_coordinates
    from structloop.particles.coordinates.optics import with_optics

    picks = _read(source, micrographs, micrograph_size, _axis(y_axis_in, "--y-axis-in"), rename=True)
    picks = with_optics(
        picks,
        pixel_size_angstrom=pixel_size,
        voltage_kv=voltage,
        spherical_aberration_mm=aberration,
        amplitude_contrast=contrast,
    )
    written = write_coordinates(
        picks,
        target.expanduser(),
        format=format_name,
        y_axis=_axis(y_axis_out, "--y-axis-out"),
        box_size_px=box_size,
    )
    typer.echo(f"{written.picks} picks of {written.micrographs} micrographs written to {target} ({written.format})")
    for remark in (*picks.remarks, *written.remarks):
        typer.echo(f"note: {remark}", err=True)
    if written.left_out:
        typer.echo(f"left out, for {written.format} has no place for it: {'; '.join(written.left_out)}", err=True)


def evaluate(
    picks: Annotated[
        list[Path],
        typer.Option(
            "--picks", metavar="FILE", help="Picks to judge; give it again for each method.", show_default=False
        ),
    ],
    truth: Annotated[Path, typer.Option("--truth", metavar="FILE", help="Labels to judge by.", show_default=False)],
    diameter: Annotated[float, typer.Option("--diameter-px", help="Diameter of the particle.", show_default=False)],
    border: Annotated[
        float, typer.Option("--border", help="Picks and labels so near to an edge, in pixels, are left out.")
    ] = 0.0,
    radius: Annotated[
        list[float] | None,
        typer.Option("--radius", help="Farthest of a pick, as a part of the diameter. Default: 0.3 and 0.5."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Judge picks of this score and above; AP, ECE and Brier are of all.", show_default=False),
    ] = None,
    micrographs: Micrographs = None,
    micrograph_size: MicrographSize = None,
    picks_y_axis: Annotated[str, typer.Option(help="Where y begins in the picks: down or up.")] = "down",
    truth_y_axis: Annotated[str, typer.Option(help="Where y begins in the truth: down or up.")] = "down",
    count_missing: Annotated[
        bool, typer.Option("--count-missing", help="Micrographs without any picks count too, all particles missed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of tables.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the report: .json (all of it) or .csv (per micrograph).", show_default=False),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for the plots: precision-recall, reliability.", show_default=False)
    ] = None,
) -> None:
    """Judge picks against labels: precision, recall, F1, average precision, calibration; compare methods.

    Particle-wise, each pick is matched to one label at most; pixel-wise, discs are painted (never compare the two).
    Several methods are compared per micrograph: Wilcoxon's test, Benjamini-Hochberg correction, size of the effect.

    Examples:

      structloop particles evaluate --picks picks.star --truth truth.star --diameter-px 108 --border 128

      structloop particles evaluate --picks ours.star --picks topaz.txt --truth truth.star --diameter-px 108 --json
    """
    from structloop.particles.evaluation import RADII, judge_picks

    _check_outputs(out, plots)
    labels = _read(truth, micrographs, micrograph_size, _axis(truth_y_axis, "--truth-y-axis"), beside=border > 0)
    axis = _axis(picks_y_axis, "--picks-y-axis")
    names = _method_names(picks)
    methods = {
        name: _read(path, micrographs, micrograph_size, axis, beside=border > 0)
        for name, path in zip(names, picks, strict=True)
    }
    report = judge_picks(
        methods,
        labels,
        diameter_px=diameter,
        border_px=border,
        radii=tuple(dict.fromkeys(radius)) if radius else RADII,
        threshold=threshold,
        count_missing=count_missing,
    )
    from structloop.cli.particles_output import print_report, write_report

    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2, allow_nan=False))
    else:
        print_report(report)
    try:
        if out is not None:
            write_report(report, out.expanduser())
        if plots is not None:
            from structloop.particles.evaluation.plots import write_plots

            write_plots(plots.expanduser(), report)
    except OSError as error:
        raise EvaluationError(f"'{error.filename}' cannot be written: {error.strerror or error}") from error
    if not as_json:
        for what, path in (("report", out), ("plots", plots)):
            if path is not None:
                typer.echo(f"{what} written to {path}")


def _read(
    path: Path,
    micrographs: str | None,
    size: str | None,
    y_axis: "YAxis",
    *,
    rename: bool = False,
    beside: bool = False,
) -> "PickSet":
    """A coordinate file with what is known of its micrographs, in this program's frame."""
    from structloop.particles.coordinates import described_by, read_coordinates, read_micrograph_list
    from structloop.particles.coordinates.micrograph_lists import images_beside, with_size
    from structloop.particles.coordinates.reading import flipped

    picks = read_coordinates(path.expanduser())
    if micrographs is not None:
        picks = described_by(picks, read_micrograph_list(micrographs), rename=rename)
    if size is not None:
        picks = with_size(picks, _size(size))
    elif micrographs is None and (beside or y_axis == "up"):
        picks = described_by(picks, images_beside(picks, path.expanduser()), rename=False)
    return flipped(picks) if y_axis == "up" else picks


def _size(text: str) -> tuple[int, int]:
    """Height and width of `WxH`."""
    width, cross, height = text.lower().partition("x")
    if not cross or not (width.isascii() and height.isascii() and width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"'{text}' is no size such as 5760x4092", param_hint="--micrograph-size")
    if not 0 < int(width) <= 1_000_000 or not 0 < int(height) <= 1_000_000:
        raise typer.BadParameter(f"'{text}' is no size of a micrograph", param_hint="--micrograph-size")
    return int(height), int(width)


def _axis(text: str, option: str) -> "YAxis":
    if text == "down":
        return "down"
    if text == "up":
        return "up"
    raise typer.BadParameter(f"'{text}' is neither down nor up", param_hint=option)


def _method_names(paths: "Sequence[Path]") -> list[str]:
    """What each file is called in the tables: its name without ending, with as many folders as make it unique."""
    for depth in range(1, max(len(path.absolute().parts) for path in paths) + 1):
        names = ["/".join((*path.absolute().parts[-depth:-1], path.stem)) for path in paths]
        if len(set(names)) == len(names):
            return names
    # The same path twice, or two that differ in their endings only.
    names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise CoordinateFileError(f"'{paths[0]}' is given twice as --picks; give each method once")
    return names


def _check_outputs(out: Path | None, plots: Path | None) -> None:
    """Refuses before anything is computed what could not be written after."""
    if out is not None:
        if out.suffix.lower() not in (".json", ".csv"):
            raise EvaluationError(f"'{out}' ends in '{out.suffix}'; a report is written as .json or .csv")
        if not out.expanduser().absolute().parent.is_dir():
            raise EvaluationError(f"the folder of '{out}' does not exist; make it first")
    if plots is not None and plots.expanduser().is_file():
        raise EvaluationError(f"'{plots}' is a file; the plots need a folder")


__all__ = ["convert", "evaluate", "register"]
