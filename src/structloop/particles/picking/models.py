"""Pickers by the names that people give: those of the registry, `general`, and the two that need no model."""

from pathlib import Path

from structloop.models.pickers import Picker
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.models.runtime import Runtime
from structloop.particles.classical import LOG, TEMPLATE, default_picker
from structloop.schema.models import PickerCard

GENERAL = "general"
"""Short for the picker that comes with structloop."""


def load_any_picker(name: str, home: Path, runtime: Runtime | None = None, *, allow_download: bool = False) -> Picker:
    """The picker `name`: `general`, `log`, `template`, one of the registry of `home`, or a hub id.

    Raises:
        ModelNotFoundError, DownloadRefusedError, UnknownPluginError, ModelFormatError: as `ModelRegistry.load_picker`.
    """
    registry = ModelRegistry(home)
    if name in {LOG, TEMPLATE} and name not in registry.names():
        return default_picker(name)
    known = GENERAL_PICKER if name == GENERAL and GENERAL not in registry.names() else name
    return registry.load_picker(known, runtime, allow_download=allow_download)


def any_picker_card(registry: ModelRegistry, name: str) -> PickerCard:
    """The card of picker `name`: of the registry, or `log` or `template`.

    Raises:
        ModelNotFoundError, ModelFormatError: as `ModelRegistry.picker_card`.
    """
    if name in {LOG, TEMPLATE} and name not in registry.names():
        return default_picker(name).card
    return registry.picker_card(name)


def all_picker_cards(registry: ModelRegistry) -> list[PickerCard]:
    """The cards of the registry's pickers that can be read, then of the two that need no model."""
    cards, _ = registry.picker_cards()
    return cards + [default_picker(name).card for name in (LOG, TEMPLATE) if name not in registry.names()]


__all__ = ["GENERAL", "all_picker_cards", "any_picker_card", "load_any_picker"]
