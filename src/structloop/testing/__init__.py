"""Conformance suites that authors of plugins subclass in their own tests. Needs pytest, once one is asked for.

The commands of this package (`python -m structloop.testing.serialem_server`) start without pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structloop.testing.layouts import LayoutCase, LayoutTests
    from structloop.testing.microscopes import MicroscopeTests, ObserverTests
    from structloop.testing.pickers import PickerTests

_WHERE = {
    "LayoutCase": "layouts",
    "LayoutTests": "layouts",
    "MicroscopeTests": "microscopes",
    "ObserverTests": "microscopes",
    "PickerTests": "pickers",
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


__all__ = ["LayoutCase", "LayoutTests", "MicroscopeTests", "ObserverTests", "PickerTests"]
