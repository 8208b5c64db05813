"""The beginning of a driver for Leginon's instrument layer, pyscope."""

import math
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from structloop.instruments.leginon.mapping import MAPPING
from structloop.instruments.skeleton import SkeletonDriver, VendorLibrary
from structloop.schema.acquisition import StagePosition

NEEDS = (
    "Leginon's pyscope is needed, on the microscope's own computer; run structloop there, with the Python that has it."
)


def _connect(registry: ModuleType, options: Mapping[str, str]) -> object:
    found: Any = registry.getClass(options["class"])
    if found is None:
        raise ValueError(f"pyscope knows no class '{options['class']}'")
    microscope: object = found()
    return microscope


def _position(handle: object) -> StagePosition:
    microscope: Any = handle
    place = microscope.getStagePosition()
    return StagePosition(
        x_um=place["x"] * 1e6, y_um=place["y"] * 1e6, z_um=place["z"] * 1e6, tilt_deg=math.degrees(place["a"])
    )


LIBRARY = VendorLibrary("pyscope.registry", NEEDS, _connect, _position)

OPTIONS = MappingProxyType({"class": "pyscope's class of the microscope, such as Krios"})


def leginon_driver() -> SkeletonDriver:
    """The driver `leginon`."""
    return SkeletonDriver(MAPPING, LIBRARY, options=OPTIONS, required=("class",))


__all__ = ["LIBRARY", "leginon_driver"]
