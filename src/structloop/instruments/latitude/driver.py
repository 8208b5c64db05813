"""The beginning of a driver for microscopes that Gatan's DigitalMicrograph (and Latitude in it) controls."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from structloop.instruments.latitude.mapping import MAPPING
from structloop.instruments.skeleton import SkeletonDriver, VendorLibrary
from structloop.schema.acquisition import StagePosition

NEEDS = (
    "Gatan's DigitalMicrograph (GMS 3.4 or newer) is needed with its Python installed; run structloop in that Python, "
    "while DigitalMicrograph runs."
)


def _connect(digital_micrograph: ModuleType, options: Mapping[str, str]) -> object:
    microscope: object = digital_micrograph.Py_Microscope()
    return microscope


def _position(handle: object) -> StagePosition:
    microscope: Any = handle
    return StagePosition(
        x_um=microscope.GetStageX(),
        y_um=microscope.GetStageY(),
        z_um=microscope.GetStageZ(),
        tilt_deg=microscope.GetStageAlpha(),
    )


LIBRARY = VendorLibrary("DigitalMicrograph", NEEDS, _connect, _position)


def latitude_driver() -> SkeletonDriver:
    """The driver `latitude`."""
    return SkeletonDriver(MAPPING, LIBRARY)


__all__ = ["LIBRARY", "latitude_driver"]
