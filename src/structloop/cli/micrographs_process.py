"""`structloop micrographs process`."""

from typing import Annotated

import typer

from structloop.cli import micrographs_options as options
from structloop.cli.micrographs_running import Given, run_session


def register(app: typer.Typer) -> None:
    """Adds the command to the group `micrographs`."""
    app.command("process")(process)


def process(
    context: typer.Context,
    where: Annotated[
        str, typer.Argument(metavar="PATH|GLOB", help="A movie, a folder of movies, or a pattern in quotes.")
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
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Process movies: motion, CTF, ice, particles, and what is problematic.

    Into DIR go aligned micrographs, pictures, exposures.csv and .parquet, and the STAR files that RELION reads. Movies
    that fail are listed, the rest goes on, and it exits with 1. The same command does only what is new or has changed.

    Examples:

      structloop micrographs process movies/ --out aligned --gain gain.mrc --pixel-size-angstrom 0.83 --dose-per-frame 1

      structloop micrographs process "raw/*_fractions.tiff" --out aligned --limit most-ctf-resolution=5 --limit ice=:90
    """
    from structloop.exposures.finding import Source
    from structloop.exposures.processing import check_out
    from structloop.exposures.watching import Once

    check_out(out, where)
    source = Source(where, recursive, metadata, tuple(each for each in (gain, defects, vacuum, out) if each))
    movies = source.look_once()
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
    given = Given(values, picker, condition, limits, limit, places, workers, name, quiet or as_json, as_json)
    result = run_session(context, given, source=where, out=out, feed=Once(movies), watched=False, total=len(movies))
    if result.failed:
        raise typer.Exit(1)


__all__ = ["register"]
