from importlib.metadata import EntryPoint, EntryPoints

import pytest

from structloop.core import plugins
from structloop.core.errors import PluginError, UnknownPluginError
from structloop.core.plugins import PluginRegistry

GROUP = "structloop.test_numbers"


class FortyTwo:
    value = 42


good = FortyTwo()
not_a_number = "text"


def _registry(monkeypatch: pytest.MonkeyPatch, **points: str) -> PluginRegistry[FortyTwo]:
    found = EntryPoints(EntryPoint(name, value, GROUP) for name, value in points.items())
    monkeypatch.setattr(plugins, "entry_points", lambda group: found.select(group=group))
    return PluginRegistry(GROUP, lambda thing: isinstance(thing, FortyTwo))


def test_objects_and_factories_are_both_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = _registry(monkeypatch, thing=f"{__name__}:good", factory=f"{__name__}:FortyTwo")
    assert registry.names() == ["factory", "thing"]
    assert registry.get("thing") is good
    assert registry.get("factory").value == 42
    assert registry.get("factory") is registry.get("factory")


def test_an_unknown_name_lists_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownPluginError, match="installed: thing"):
        _registry(monkeypatch, thing=f"{__name__}:good").get("other")


def test_one_broken_plugin_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = _registry(
        monkeypatch, thing=f"{__name__}:good", gone="no_such_module:x", wrong=f"{__name__}:not_a_number"
    )
    usable, broken = registry.usable()
    assert list(usable) == ["thing"]
    assert [plugin.name for plugin in broken] == ["gone", "wrong"]
    assert "no_such_module" in broken[0].reason


def test_a_name_claimed_twice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = EntryPoints(
        [EntryPoint("n", f"{__name__}:good", GROUP), EntryPoint("n", f"{__name__}:not_a_number", GROUP)]
    )
    monkeypatch.setattr(plugins, "entry_points", lambda group: found.select(group=group))
    with pytest.raises(PluginError, match="offered by"):
        PluginRegistry[FortyTwo](GROUP, lambda thing: isinstance(thing, FortyTwo)).get("n")
