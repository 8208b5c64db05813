"""The beginning of a driver for JEOL microscopes beside JADAS, through PyJEM."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from structloop.instruments.jadas.mapping import MAPPING
from structloop.instruments.skeleton import SkeletonDriver, VendorLibrary
from structloop.schema.acquisition import StagePosition

NEEDS = "JEOL's PyJEM is needed, on the microscope's own computer; run structloop there, with the Python that has it."


def _connect(tem3: ModuleType, options: Mapping[str, str]) -> object:
    tem3.connect()
    stage: object = tem3.Stage3()
    return stage


def _position(handle: object) -> StagePosition:
    stage: Any = handle
    x_nm, y_nm, z_nm, tilt_deg = stage.GetPos()[:4]
    return StagePosition(x_um=x_nm * 1e-3, y_um=y_nm * 1e-3, z_um=z_nm * 1e-3, tilt_deg=tilt_deg)


LIBRARY = VendorLibrary("PyJEM.TEM3", NEEDS, _connect, _position)


def jadas_driver() -> SkeletonDriver:
    """The driver `jadas`."""
    return SkeletonDriver(MAPPING, LIBRARY)


__all__ = ["LIBRARY", "jadas_driver"]
