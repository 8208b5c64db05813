"""Leginon: what its vocabulary covers, and the beginning of a driver."""

from structloop.instruments.leginon.driver import leginon_driver
from structloop.instruments.leginon.mapping import MAPPING

__all__ = ["MAPPING", "leginon_driver"]
