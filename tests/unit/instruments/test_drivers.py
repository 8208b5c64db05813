from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core import plugins
from structloop.core.errors import NotCapableError, UnknownPluginError
from structloop.core.plugins import PluginRegistry
from structloop.instruments.drivers import MICROSCOPE_GROUP, Driver, ScopeAddress, microscope_drivers, open_microscope
from structloop.instruments.microscope import Microscope
from structloop.schema.acquisition import Capability, Tier


class RecordingDriver:
    """Opens nothing, and remembers what it was asked to."""

    name = "recording"
    tier = Tier.COMMAND
    capabilities = frozenset({Capability.STAGE})
    summary = "for this test"
    options: Mapping[str, str] = MappingProxyType({"seed": "of everything random", "grids": "in the cassette"})
    opened: ScopeAddress | None = None

    def open(self, address: ScopeAddress) -> Microscope:
        type(self).opened = address
        raise NotCapableError("nothing there")


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> PluginRegistry[Driver]:
    found = EntryPoints([EntryPoint("recording", f"{__name__}:RecordingDriver", MICROSCOPE_GROUP)])
    monkeypatch.setattr(plugins, "entry_points", lambda group: found.select(group=group))
    return PluginRegistry(microscope_drivers.group, microscope_drivers._check)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("simulated", ScopeAddress("simulated")),
        ("simulated://?seed=3&grids=4", ScopeAddress("simulated", options={"seed": "3", "grids": "4"})),
        ("serialem://127.0.0.1:48888", ScopeAddress("serialem", "127.0.0.1", 48888)),
        ("serialem://[::1]:5", ScopeAddress("serialem", "::1", 5)),
        ("epu:///data/my%20session", ScopeAddress("epu", path="/data/my session")),
        ("replay:///data/s?speed=100", ScopeAddress("replay", path="/data/s", options={"speed": "100"})),
        ("tem-scripting://scope", ScopeAddress("tem-scripting", "scope")),
    ],
)
def test_an_address_is_read(text: str, expected: ScopeAddress) -> None:
    assert ScopeAddress.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "://x", "serialem://h:port", "serialem://h:99999", "a://?x", "a://?x=1&x=2", "a://me@h", "a://h#part"],
)
def test_what_is_no_address_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(NotCapableError, match="not the address of a microscope"):
        ScopeAddress.parse(text)


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12),
    st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), st.text(max_size=8), max_size=3),
)
def test_an_address_written_and_read_is_the_same(driver: str, path: str, options: dict[str, str]) -> None:
    path = "/folder/" + path
    address = ScopeAddress(driver, path=path, options=options)
    assert ScopeAddress.parse(str(address)) == address


def test_the_driver_gets_the_address(drivers: PluginRegistry[Driver]) -> None:
    with pytest.raises(NotCapableError, match="nothing there"):
        open_microscope("recording://?seed=7", drivers)
    assert RecordingDriver.opened == ScopeAddress("recording", options={"seed": "7"})


def test_an_option_that_the_driver_does_not_know_is_refused_with_those_it_knows(
    drivers: PluginRegistry[Driver],
) -> None:
    with pytest.raises(NotCapableError, match=r"no option 'sed'; did you mean 'seed'\? it knows: grids, seed"):
        open_microscope("recording://?sed=7", drivers)


def test_an_unknown_driver_is_an_error_with_those_there_are(drivers: PluginRegistry[Driver]) -> None:
    with pytest.raises(UnknownPluginError, match="installed: recording"):
        open_microscope("titan://", drivers)
