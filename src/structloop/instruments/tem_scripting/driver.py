"""The beginning of a driver for Thermo Fisher's TEM scripting."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from structloop.instruments.skeleton import SkeletonDriver, VendorLibrary
from structloop.instruments.tem_scripting.mapping import MAPPING
from structloop.schema.acquisition import StagePosition

NEEDS = (
    "The TEM scripting interface and the Python package comtypes are needed, on the microscope's own Windows computer; "
    "run structloop there."
)


def _connect(client: ModuleType, options: Mapping[str, str]) -> object:
    instrument: object = client.CreateObject("TEMScripting.Instrument.1")
    return instrument


def _position(handle: object) -> StagePosition:
    instrument: Any = handle
    place = instrument.Stage.Position
    return StagePosition(x_um=place.X * 1e6, y_um=place.Y * 1e6, z_um=place.Z * 1e6, tilt_deg=math.degrees(place.A))


LIBRARY = VendorLibrary("comtypes.client", NEEDS, _connect, _position)


def tem_scripting_driver() -> SkeletonDriver:
    """The driver `tem-scripting`."""
    return SkeletonDriver(MAPPING, LIBRARY)


__all__ = ["LIBRARY", "tem_scripting_driver"]
