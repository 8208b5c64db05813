"""Errors of the drop simulation."""

from structloop.core.errors import StructloopError


class SimulationError(StructloopError, ValueError):
    """A simulation is asked for with an argument out of its range."""
