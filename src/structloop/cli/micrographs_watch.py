"""`structloop micrographs watch`."""

from pathlib import Path
from typing import Annotated

import typer

from structloop.cli import micrographs_options as options
from structloop.cli.context import settings_of
from structloop.cli.micrographs_running import Given, run_session


def register(app: typer.Typer) -> None:
    """Adds the command to the group `micrographs`."""
    app.command("watch")(watch)


def watch(
    context: typer.Context,
    where: Annotated[
        str, typer.Argument(metavar="DIR|GLOB", help="Folder that fills with movies, or a pattern in quotes.")
    ],
    out: options.Out,
    name: options.Name = None,
    recursive: options.Recursive = False,
    metadata: options.MetadataFolder = None,
    gain: options.Gain = None,
    gain_rotate: options.GainRotate = 0,
    gain_flip: options.GainFlip = "none",
    defects: options.Defects = None,
    pixel_size_angstrom: options.PixelSize = None,
    voltage_kv: options.VoltageKv = None,
    cs_mm: options.CsMm = None,
    amplitude_contrast: options.AmplitudeContrast = None,
    dose_per_frame: options.DosePerFrame = None,
    phase_plate: options.PhasePlate = None,
    defocus_um: options.DefocusRange = "0.2:5",
    eer_group: options.EerGroup = None,
    skip_first: options.SkipFirst = 0,
    skip_last: options.SkipLast = 0,
    vacuum: options.Vacuum = None,
    mean_free_path_nm: options.MeanFreePath = None,
    picker: options.PickerName = None,
    diameter_angstrom: options.Diameter = None,
    threshold: options.Threshold = None,
    condition: options.Condition = True,
    limits: options.LimitsFile = None,
    limit: options.LimitList = None,
    places: options.Places = None,
    threads: options.Threads = 2,
    workers: options.Workers = None,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0, help="End when nothing came for so many seconds. Default: go on.", show_default=False),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Process movies as they come, until Ctrl-C.

    A movie is read once it has not changed for the setting settle_s; one that changes later is processed again. Killed
    or stopped, the same command goes on where it was. It says when it falls behind.

    Examples:

      structloop micrographs watch /data/session7/raw --out /data/session7/aligned --gain gain.mrc --dose-per-frame 1.2

      structloop micrographs watch /data/epu/Images-Disc1 --recursive --out aligned --diameter-angstrom 180
    """
    from structloop.core.errors import ExposureError
    from structloop.exposures.finding import Source
    from structloop.exposures.watching import Watch

    if not any(letter in where for letter in "*?[") and not Path(where).expanduser().is_dir():
        raise ExposureError(f"{where} is no folder; give one that is there, or a pattern in quotes")
    source = Source(where, recursive, metadata, tuple(each for each in (gain, defects, vacuum, out) if each))
    values = {
        "gain": gain,
        "gain_rotate": gain_rotate,
        "gain_flip": gain_flip,
        "defects": defects,
        "pixel_size_angstrom": pixel_size_angstrom,
        "voltage_kv": voltage_kv,
        "cs_mm": cs_mm,
        "amplitude_contrast": amplitude_contrast,
        "dose_per_frame": dose_per_frame,
        "phase_plate": phase_plate,
        "defocus_um": defocus_um,
        "eer_group": eer_group,
        "skip_first": skip_first,
        "skip_last": skip_last,
        "vacuum": vacuum,
        "mean_free_path_nm": mean_free_path_nm,
        "diameter_angstrom": diameter_angstrom,
        "threshold": threshold,
        "threads": threads,
    }
    given = Given(values, picker, condition, limits, limit, places, workers, name, quiet)
    if not quiet:
        typer.echo(f"Watching {where}; results go to {out}. Ctrl-C ends it.")
    feed = Watch(source, settings_of(context).settle_s)
    run_session(context, given, source=where, out=out, feed=feed, watched=True, total=None, idle_s=until_idle)


__all__ = ["register"]
