"""JEOL's JADAS and PyJEM: what their vocabulary covers, and the beginning of a driver."""

from structloop.instruments.jadas.driver import jadas_driver
from structloop.instruments.jadas.mapping import MAPPING

__all__ = ["MAPPING", "jadas_driver"]
