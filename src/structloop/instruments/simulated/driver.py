"""The driver `simulated`: `simulated://?seed=3&grids=4`."""

from collections.abc import Mapping

from structloop.core.errors import NotCapableError
from structloop.instruments.clock import Clock, VirtualClock, WallClock
from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.microscope import Microscope
from structloop.instruments.simulated.faults import FaultPlan
from structloop.instruments.simulated.machine import SLOTS
from structloop.instruments.simulated.microscope import SimulatedMicroscope
from structloop.instruments.simulated.options import OPTIONS, choice, number, read_options
from structloop.schema.acquisition import CAPABILITY_OF, Capability, Tier
from structloop.simulation.grids import Cassette


class SimulatedDriver:
    """Opens simulated microscopes."""

    name = "simulated"
    tier = Tier.COMMAND
    capabilities: frozenset[Capability] = frozenset(CAPABILITY_OF.values())
    summary = "a simulated microscope over a cassette of grids with known truth, for development, teaching and tests"
    options: Mapping[str, str] = OPTIONS

    def open(self, address: ScopeAddress) -> Microscope:
        """See `Driver.open`."""
        if address.host or address.port or address.path.strip("/"):
            raise NotCapableError(f"{address}: a simulated microscope is nowhere; write simulated://?seed=3")
        options = read_options(address.options)
        grids = number(address.options, "grids", 4, 1, SLOTS)
        kinds = [kind for kind in address.options.get("kinds", "").split(",") if kind]
        try:
            cassette = Cassette.from_seed(options.seed, grids, kinds or None)
        except ValueError as error:
            raise NotCapableError(f"simulated microscope: {error}") from error
        faults = FaultPlan.parse(address.options.get("faults", ""))
        clock: Clock = (
            WallClock() if choice(address.options, "clock", ("virtual", "wall")) == "wall" else VirtualClock()
        )
        return SimulatedMicroscope(cassette, clock, faults, options)


__all__ = ["SimulatedDriver"]
