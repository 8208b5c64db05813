"""The demo's settings: whatever the environment says of the user's own plates, the demo keeps to its folder."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import structloop.jobs
from structloop.cli.main import app
from structloop.core.settings import Settings
from structloop.jobs import Workspace, open_workspace


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that the command opens its workspace with; it ends there."""
    settings: list[Settings] = []

    def open_and_end(home: Path | None = None, **overrides: Any) -> Workspace:
        settings.append(open_workspace(home, **overrides).settings)
        raise SystemExit(0)

    monkeypatch.setattr(structloop.jobs, "open_workspace", open_and_end)
    return settings


def test_the_demo_keeps_to_its_folder_and_to_its_way_of_scoring(
    opened: list[Settings], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRUCTLOOP_DATABASE_URL", "postgresql+psycopg://everybody@plates/production")
    monkeypatch.setenv("STRUCTLOOP_DEFAULT_MODEL", "our-own")
    monkeypatch.setenv("STRUCTLOOP_COMBINATION_RULE", "product")
    for arguments, folder in (([], home / "demo"), (["--home", str(home / "elsewhere")], home / "elsewhere")):
        assert CliRunner().invoke(app, ["demo", "--once", *arguments], catch_exceptions=False).exit_code == 0
        settings = opened.pop()
        assert settings.home == folder
        assert settings.resolved_database_url == f"sqlite:///{folder / 'structloop.db'}"
        assert (settings.default_model, settings.combination_rule) == ("drops-compact", "max")
