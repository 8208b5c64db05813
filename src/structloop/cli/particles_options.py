"""Options that the commands on particles share, and what follows from them."""

import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from structloop.cli.context import settings_of
from structloop.core.errors import ParticlesError

if TYPE_CHECKING:
    from structloop.core.settings import Settings
    from structloop.models.pickers import Picker
    from structloop.models.runtime import Runtime
    from structloop.particles.picking import Scale
    from structloop.schema.models import PickerCard

Micrographs = Annotated[
    str,
    typer.Option(
        metavar="DIR|GLOB",
        help="Micrographs (MRC, TIFF, JPEG, PNG): a folder, a pattern in quotes, or a STAR file that lists them.",
        show_default=False,
    ),
]
DiameterPx = Annotated[
    float | None,
    typer.Option("--diameter-px", help="Diameter of the particle in stored pixels.", show_default=False),
]
DiameterAngstrom = Annotated[
    float | None,
    typer.Option(
        "--diameter-angstrom", help="Diameter of the particle instead, with the pixel size.", show_default=False
    ),
]
PixelSize = Annotated[
    float | None,
    typer.Option(
        "--pixel-size-angstrom",
        help="Pixel size of the stored micrographs. Default: what their headers say.",
        show_default=False,
    ),
]
Contrast = Annotated[
    Literal["dark", "bright"] | None,
    typer.Option("--contrast", help="How particles look. Default: dark, or what the model says.", show_default=False),
]
NoMask = Annotated[
    bool,
    typer.Option(
        "--no-mask", help="Pick on film, lumps and crystalline ice too; streaked borders are always left out."
    ),
]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        help="Name of a trained model, or general (no labels needed), log or template (no network).",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary; only errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]

LISTED = 10


def scale_of(
    diameter_px: float | None,
    diameter_angstrom: float | None,
    pixel_size_angstrom: float | None,
    card: "PickerCard | None" = None,
) -> "Scale":
    """The size of the particle, from the options, or else from what a model was trained for.

    Raises:
        ParticlesError: it is not known, or a value cannot be.
    """
    from structloop.particles.picking import Scale

    if diameter_px is None and diameter_angstrom is None and card is not None and card.diameter_px is not None:
        if card.pixel_size_angstrom is not None and pixel_size_angstrom is not None:
            return Scale(None, card.diameter_px * card.pixel_size_angstrom, pixel_size_angstrom)
        return Scale(card.diameter_px, None, pixel_size_angstrom)
    return Scale(diameter_px, diameter_angstrom, pixel_size_angstrom)


def runtime_of(settings: "Settings") -> "Runtime":
    """What the settings say about running networks."""
    from structloop.models.runtime import Runtime

    return Runtime(settings.runtime, settings.precision, settings.threads)


def threads_of(settings: "Settings") -> int:
    """Threads that read micrographs: as many as may be used, and no more than eight, which no disk keeps up with."""
    return max(1, min(8, settings.threads or os.cpu_count() or 1))


def load_picker(context: typer.Context, name: str, settings: "Settings | None" = None) -> "Picker":
    """The picker of that name.

    Raises:
        ModelError, UnknownPluginError: as `load_any_picker` says.
    """
    from structloop.particles.picking import load_any_picker

    settings = settings or settings_of(context)
    return load_any_picker(name, settings.home, runtime_of(settings), allow_download=settings.allow_download)


def print_failures(failed: "list[tuple[str, str]]", what: str) -> None:
    """Lists what could not be used, on standard error."""
    if not failed:
        return
    typer.echo(f"{len(failed)} {what}:", err=True)
    for name, reason in failed[:LISTED]:
        typer.echo(f"  {name}: {reason}" if name not in reason else f"  {reason}", err=True)
    if len(failed) > LISTED:
        typer.echo(f"  ... and {len(failed) - LISTED} more", err=True)


def checked_seconds(value: float, option: str) -> float:
    """A number of seconds above 0.

    Raises:
        ParticlesError: it is not.
    """
    if not 0 < value < 1e7:
        raise ParticlesError(f"{option} is {value:g}; give a number of seconds above 0")
    return value


__all__ = [
    "AsJson",
    "Contrast",
    "DiameterAngstrom",
    "DiameterPx",
    "Micrographs",
    "ModelName",
    "NoMask",
    "PixelSize",
    "Quiet",
    "checked_seconds",
    "load_picker",
    "print_failures",
    "runtime_of",
    "scale_of",
    "threads_of",
]
