"""Made-up sessions with all their truth, written as acquisition programs would write them."""

from structloop.grids.acquisitions.simulating.taking import SimulatedOrder
from structloop.grids.acquisitions.simulating.writing import LAYOUTS, Written, simulate_sessions

__all__ = ["LAYOUTS", "SimulatedOrder", "Written", "simulate_sessions"]
