"""`structloop settings`: every setting, its value, and where the value comes from."""

import json
import os
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from structloop.cli.context import global_options, settings_of
from structloop.core.log import mask_secrets
from structloop.core.settings import ENVIRONMENT_PREFIX, SETTINGS_FILE, Settings

if TYPE_CHECKING:
    from pathlib import Path

Origin = Literal["default", "file", "environment", "command line"]
EPILOG = """
Examples:

  structloop settings                              all settings

  STRUCTLOOP_PORT=9000 structloop settings --json  as JSON, for programs
"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("settings", epilog=EPILOG)(settings)


def settings(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """List every setting with its value and where it comes from."""
    current = settings_of(context)
    given_home = global_options(context).home is not None
    in_file = _keys_of(current.home / SETTINGS_FILE)
    values = current.model_dump(mode="json")
    rows = [
        (name, _shown(values[name]), _origin(name, given_home=given_home, in_file=in_file), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        entries = {name: {"value": value, "origin": origin} for name, value, origin, _ in rows}
        typer.echo(json.dumps(entries, indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("Setting", "Value", "From", "What it is", box=None, header_style="bold")
    for name, value, origin, description in rows:
        text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
        table.add_row(*(escape(cell) for cell in (name, text, origin, description)))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\nSettings file: {escape(str(current.home / SETTINGS_FILE))}", soft_wrap=True)


def _keys_of(file: "Path") -> set[str]:
    if not file.is_file():
        return set()
    return set(tomllib.loads(file.read_text(encoding="utf-8")))


def _origin(name: str, *, given_home: bool, in_file: set[str]) -> Origin:
    if name == "home" and given_home:
        return "command line"
    variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
    if any(key.upper().split("__", 1)[0] == variable for key in os.environ):
        return "environment"
    return "file" if name in in_file else "default"


def _shown(value: Any) -> Any:
    return mask_secrets(value) if isinstance(value, str) else value


__all__ = ["register"]
