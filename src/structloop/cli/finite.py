"""Checks of numbers given on the command line, before anything is opened or moved."""

import math

import typer

# More than any exposure or search view is taken at.
LARGEST_DEFOCUS_UM = 100.0


def finite(value: float | None) -> float | None:
    """The number as it is; refuses NaN and infinity, which Python reads as numbers too.

    Raises:
        typer.BadParameter: it is no finite number.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number")
    return value


def defocus(value: float | None) -> float | None:
    """The defocus as it is, in micrometres.

    Raises:
        typer.BadParameter: it is no finite number, or beyond what makes sense.
    """
    if finite(value) is not None and value is not None and abs(value) > LARGEST_DEFOCUS_UM:
        raise typer.BadParameter(f"{value:g} um lies beyond {LARGEST_DEFOCUS_UM:g} um; the unit is micrometres")
    return value


__all__ = ["LARGEST_DEFOCUS_UM", "defocus", "finite"]
