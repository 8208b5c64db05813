"""Thermo Fisher's TEM scripting: what its vocabulary covers, and the beginning of a driver."""

from structloop.instruments.tem_scripting.driver import tem_scripting_driver
from structloop.instruments.tem_scripting.mapping import MAPPING

__all__ = ["MAPPING", "tem_scripting_driver"]
