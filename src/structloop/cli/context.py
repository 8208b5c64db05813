"""What all commands share: the global options, and the settings and workspace that follow from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from structloop.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from structloop.jobs import Workspace


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options before the command; `main` keeps them in the context's `obj`."""

    home: Path | None = None
    debug: bool = False


def global_options(context: typer.Context) -> GlobalOptions:
    """The options before the command; their defaults where a group runs on its own, as in tests."""
    kept = context.find_root().obj
    return kept if isinstance(kept, GlobalOptions) else GlobalOptions()


def settings_of(context: typer.Context, **overrides: Any) -> Settings:
    """The settings that hold for a command; nothing is made on disk.

    Raises:
        SettingsError: an unknown key or a bad value.
    """
    return load_settings(home=global_options(context).home, **overrides)


def workspace_of(context: typer.Context, **overrides: Any) -> "Workspace":
    """The workspace that a command works on, its home folder made where missing.

    Raises:
        SettingsError: an unknown key, a bad value, or a home folder that cannot be made.
    """
    from structloop.jobs import open_workspace

    return open_workspace(global_options(context).home, **overrides)


__all__ = ["GlobalOptions", "global_options", "settings_of", "workspace_of"]
