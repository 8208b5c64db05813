"""Gatan's Latitude and DigitalMicrograph: what their vocabulary covers, and the beginning of a driver."""

from structloop.instruments.latitude.driver import latitude_driver
from structloop.instruments.latitude.mapping import MAPPING

__all__ = ["MAPPING", "latitude_driver"]
