"""The simulated microscope: a driver like any other, over a scene with known truth.

    microscope = SimulatedMicroscope(Cassette.from_seed(3), VirtualClock(), FaultPlan(), SimulatedOptions(seed=3))
    microscope = open_microscope("simulated://?seed=3&grids=4&camera=1024&faults=stage-jam:0.01")

What is true of its images is behind a door of its own, `instruments.simulated.truth`.
"""

from structloop.instruments.simulated.driver import SimulatedDriver
from structloop.instruments.simulated.faults import SUSCEPTIBLE, FaultPlan, PlannedFault, When
from structloop.instruments.simulated.microscope import SimulatedMicroscope
from structloop.instruments.simulated.options import SimulatedOptions

__all__ = [
    "SUSCEPTIBLE",
    "FaultPlan",
    "PlannedFault",
    "SimulatedDriver",
    "SimulatedMicroscope",
    "SimulatedOptions",
    "When",
]
