"""Drivers: what turns an address into a microscope. They are plugins of the entry-point group `structloop.microscopes`.

An address is a URL whose scheme is the driver's name: `simulated://?seed=3`, `serialem://127.0.0.1:48888`,
`epu:///data/session`, `replay:///data/session?speed=100`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from structloop.core.errors import NotCapableError
from structloop.core.plugins import PluginRegistry
from structloop.instruments.clock import Clock
from structloop.instruments.microscope import Microscope
from structloop.schema.acquisition import Capability, Tier

MICROSCOPE_GROUP = "structloop.microscopes"


@dataclass(frozen=True, slots=True)
class ScopeAddress:
    """Where a microscope is and how to open it.

    Attributes:
        driver: Name of the driver among the plugins.
        host, port: Of a server; empty and None where there is none.
        path: Of a folder or file, as the file system has it; empty where there is none.
        options: What stands after the `?`, by name.
    """

    driver: str
    host: str = ""
    port: int | None = None
    path: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, text: str) -> "ScopeAddress":
        """Read an address; a driver's name alone is one too.

        Raises:
            NotCapableError: it is no address, or gives an option twice.
        """
        bad = f"'{text}' is not the address of a microscope"
        if "://" not in text and ":" not in text:
            text += "://"
        try:
            parts = urlsplit(text)
            port = parts.port
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise NotCapableError(f"{bad}: {error}; write driver://host:port/path?option=value") from error
        if not parts.scheme or parts.fragment or parts.username is not None:
            raise NotCapableError(f"{bad}; write driver://host:port/path?option=value")
        options = dict(pairs)
        if len(options) < len(pairs):
            raise NotCapableError(f"{bad}: it gives an option twice")
        return cls(parts.scheme, parts.hostname or "", port, unquote(parts.path), MappingProxyType(options))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        query = f"?{urlencode(self.options)}" if self.options else ""
        return f"{self.driver}://{host}{port}{quote(self.path)}{query}"


@runtime_checkable
class Driver(Protocol):
    """Opens microscopes through one vendor's software."""

    @property
    def name(self) -> str:
        """As in the entry point and the address."""
        ...

    @property
    def tier(self) -> Tier:
        """How far it goes."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The most a microscope of it can offer; which one does, its `parts` say once connected."""
        ...

    @property
    def summary(self) -> str:
        """One line for lists."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """Name and meaning of each option that an address may give."""
        ...

    def open(self, address: ScopeAddress) -> Microscope:
        """The microscope at an address, not connected yet; nothing is reached or read before `connect`.

        Raises:
            NotCapableError: the address lacks something or has an impossible value; the message names it.
        """
        ...


@runtime_checkable
class OwnTime(Protocol):
    """A microscope with a time of its own, such as a simulated one; whoever runs it waits on that clock."""

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...


def _is_driver(thing: object) -> bool:
    return isinstance(thing, Driver) and not isinstance(thing, type)


microscope_drivers: PluginRegistry[Driver] = PluginRegistry(MICROSCOPE_GROUP, _is_driver)
"""All installed drivers."""


def open_microscope(address: str | ScopeAddress, drivers: PluginRegistry[Driver] = microscope_drivers) -> Microscope:
    """The microscope at an address, not connected yet.

    Raises:
        UnknownPluginError: there is no such driver; the message lists those installed.
        NotCapableError: the address is faulty, or gives an option that the driver does not know.
    """
    parsed = ScopeAddress.parse(address) if isinstance(address, str) else address
    driver = drivers.get(parsed.driver)
    for option in parsed.options:
        if option not in driver.options:
            near = difflib.get_close_matches(option, driver.options, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            known = ", ".join(sorted(driver.options)) or "none"
            raise NotCapableError(f"driver '{driver.name}' has no option '{option}'; {hint}it knows: {known}")
    return driver.open(parsed)


__all__ = ["MICROSCOPE_GROUP", "Driver", "OwnTime", "ScopeAddress", "microscope_drivers", "open_microscope"]
