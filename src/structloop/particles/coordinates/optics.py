"""An optics group from what a person says of the microscope, where the picks come without one."""

import math
from dataclasses import replace

from structloop.core.errors import CoordinateFileError
from structloop.particles.coordinates.numerals import shown
from structloop.particles.coordinates.star import OPTICS, PIXEL_SIZE
from structloop.schema.particles import OpticsGroup, PickSet


def with_optics(
    picks: PickSet,
    *,
    pixel_size_angstrom: float | None = None,
    voltage_kv: float | None = None,
    spherical_aberration_mm: float | None = None,
    amplitude_contrast: float | None = None,
) -> PickSet:
    """The picks with these values in their optics groups; with one group for all where they have none.

    Without any value, picks whose micrographs all have the same known pixel size get a group that says it.

    Raises:
        CoordinateFileError: a value cannot be.
    """
    stated = {
        PIXEL_SIZE: _checked(pixel_size_angstrom, "a pixel size", 0.01, 1000.0, "angstrom"),
        "rlnVoltage": _checked(voltage_kv, "a voltage", 1.0, 5000.0, "kV"),
        "rlnSphericalAberration": _checked(spherical_aberration_mm, "a spherical aberration", 0.0, 100.0, "mm"),
        "rlnAmplitudeContrast": _checked(amplitude_contrast, "an amplitude contrast", 0.0, 1.0, ""),
    }
    values = {name: shown(value) for name, value in stated.items() if value is not None}
    micrographs = picks.micrographs
    if pixel_size_angstrom is not None:
        micrographs = tuple(replace(each, pixel_size_angstrom=pixel_size_angstrom) for each in micrographs)
    if picks.optics:
        groups = tuple(replace(group, columns={**group.columns, **values}) for group in picks.optics)
        return replace(picks, micrographs=micrographs, optics=groups)
    sizes = {each.pixel_size_angstrom for each in micrographs}
    known = sizes.pop() if len(sizes) == 1 else None
    if known is not None:
        values.setdefault(PIXEL_SIZE, shown(known))
    numbers = {each.optics_group for each in micrographs} - {None}
    # Groups that are numbered and not described, as in a .cs file, are not made one.
    if not values or len(numbers) > 1 or any(OPTICS in each.extra for each in micrographs):
        return replace(picks, micrographs=micrographs)
    number = next(iter(numbers), None)
    number = number if number is not None and number > 0 else 1
    group = OpticsGroup(number, f"opticsGroup{number}", values)
    micrographs = tuple(replace(each, optics_group=number) for each in micrographs)
    return replace(picks, micrographs=micrographs, optics=(group,))


def _checked(value: float | None, what: str, low: float, high: float, unit: str) -> float | None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise CoordinateFileError(f"{what} of {value:g} {unit} cannot be; give {low:g} to {high:g}".replace("  ", " "))
    return value


__all__ = ["with_optics"]
