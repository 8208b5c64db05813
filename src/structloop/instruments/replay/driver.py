"""The driver `replay`: `replay:///data/session?speed=100`."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from structloop.core.errors import NotCapableError
from structloop.instruments.clock import VirtualClock, WallClock
from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.replay.microscope import ReplayMicroscope
from structloop.schema.acquisition import Capability, Tier


class ReplayDriver:
    """Opens recorded sessions."""

    name = "replay"
    tier = Tier.OBSERVE
    capabilities = frozenset({Capability.OBSERVATION})
    summary = "a recorded session (a journal, or an EPU session's folder), shown again at 1 to 1000 times"
    options: Mapping[str, str] = MappingProxyType(
        {
            "speed": "how many times faster than it was, 1 to 1000 (1)",
            "clock": "wall: wait between images; virtual: do not wait, and only count the time (wall)",
        }
    )

    def open(self, address: ScopeAddress) -> ReplayMicroscope:
        """See `Driver.open`.

        Raises:
            NotCapableError: the address names a host or no folder, or an option has an impossible value.
        """
        if address.host or not address.path.strip("/"):
            raise NotCapableError(f"'{address}' names no folder; write replay:///data/session, with three slashes")
        speed = address.options.get("speed", "1")
        try:
            times = float(speed)
        except ValueError as error:
            raise NotCapableError(f"speed={speed} is no number; give 1 to 1000") from error
        clock = address.options.get("clock", "wall")
        if clock not in {"wall", "virtual"}:
            raise NotCapableError(f"clock={clock} is neither wall nor virtual")
        return ReplayMicroscope(Path(address.path), times, VirtualClock() if clock == "virtual" else WallClock())


__all__ = ["ReplayDriver"]
