"""The driver `serialem`: `serialem://host:port`."""

from collections.abc import Mapping
from types import MappingProxyType

from structloop.core.errors import NotCapableError
from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.microscope import Microscope
from structloop.instruments.serialem.client import DEFAULT_PORT, SerialEMClient
from structloop.instruments.serialem.places import DEFAULT_PLACES, places_of
from structloop.instruments.serialem.scope import SerialEMMicroscope
from structloop.schema.acquisition import CAPABILITY_OF, Capability, Tier

_PLACE = (
    "a low-dose area's parameters (V F T R P S) or an imaging state's name for the preset {name} (default {default})"
)
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "timeout": "longest time, in seconds, for a command that does not take long by nature (default 60)",
        "longest": "longest time, in seconds, for any command, however long it takes by nature (default: none)",
        "slots": "how many slots the autoloader has (default 12)",
        "folder": "folder on SerialEM's machine for montages (default: its present one)",
        **{
            name: _PLACE.format(name=name, default=f"the state '{place.state}'" if place.state else place.letter)
            for name, place in DEFAULT_PLACES.items()
        },
    }
)


class SerialEMDriver:
    """Opens microscopes that SerialEM commands, through its Python socket for external control."""

    name = "serialem"
    tier = Tier.COMMAND
    capabilities: frozenset[Capability] = frozenset(CAPABILITY_OF.values())
    summary = "SerialEM through its Python socket; nothing is installed on its machine"
    options: Mapping[str, str] = OPTIONS

    def open(self, address: ScopeAddress) -> Microscope:
        """See `Driver.open`."""
        if address.path.strip("/"):
            raise NotCapableError(f"{address}: SerialEM has no path; write serialem://host:{DEFAULT_PORT}")
        timeout_s = _number(address, "timeout", 60.0, 1.0, 86400.0)
        slots = round(_number(address, "slots", 12.0, 1.0, 100.0))
        client = SerialEMClient(
            address.host or "127.0.0.1",
            address.port or DEFAULT_PORT,
            timeout_s=timeout_s,
            connect_timeout_s=min(10.0, timeout_s),
            longest_s=_number(address, "longest", 0.0, 0.1, 86400.0) if "longest" in address.options else None,
            greeting=(("NoMessageBoxOnError", (1,)),),
        )
        folder = address.options.get("folder", "")
        return SerialEMMicroscope(client, places_of(address.options), folder=folder, slots=slots)


def _number(address: ScopeAddress, name: str, default: float, low: float, high: float) -> float:
    text = address.options.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise NotCapableError(f"{address}: {name}={text} is not a number of {low:g} to {high:g}")
    return value


__all__ = ["OPTIONS", "SerialEMDriver"]
