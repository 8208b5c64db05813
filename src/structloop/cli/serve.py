"""`structloop serve`: the browser interface, the API and the jobs of one home, on this machine only."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.cli.context import settings_of, workspace_of

if TYPE_CHECKING:
    from structloop.jobs import Workspace

Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65535, help="Port; 0 takes any free one. Default: the setting port.", show_default=False
    ),
]
Host = Annotated[
    str | None,
    typer.Option("--host", help="Address; only this machine's own, until there are users.", show_default=False),
]
ImportRoots = Annotated[
    list[Path] | None,
    typer.Option(
        "--import-root",
        exists=True,
        file_okay=False,
        help="Folder that the browser may look into and import from, besides those of the setting import_roots. "
        "May be given several times.",
        show_default=False,
    ),
]
EPILOG = """
Examples:

  structloop serve                       http://127.0.0.1:8765

  structloop serve --port 9000 --open    another port, and open the browser

  structloop --home /data/plates serve   another home folder

  structloop serve --import-root ~/micrographs    folders that the browser may look into
"""
NO_INTERFACE = (
    "The browser interface is not built, so only the API is served: install Node.js 20.19 or newer with npm, and "
    "install structloop again (pip install -v shows why a build fails)."
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("serve", epilog=EPILOG)(serve)


def serve(
    context: typer.Context,
    port: Port = None,
    host: Host = None,
    import_root: ImportRoots = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = False,
) -> None:
    """Serve the browser interface and the API, and run imports and scorings. Ctrl-C ends."""
    roots = None
    if import_root:
        roots = [*settings_of(context).import_roots, *(path.expanduser().resolve() for path in import_root)]
    with workspace_of(context, port=port, host=host, import_roots=roots) as workspace:
        serve_workspace(workspace, open_browser=open_browser)


def serve_workspace(workspace: "Workspace", *, open_browser: bool) -> None:
    """Serves until Ctrl-C; says where, and opens the browser where there is one to open.

    Raises:
        AddressRefusedError, AddressInUseError, SettingsError: as `api.serving.serve`.
    """
    from structloop.api.interface import interface_is_built
    from structloop.api.serving import serve

    if not interface_is_built():
        typer.echo(NO_INTERFACE, err=True)

    def on_ready(address: str) -> None:
        typer.echo(f"structloop is at {address} (home: {workspace.home}). Ctrl-C ends.")
        if open_browser and has_browser():
            webbrowser.open(address)

    try:
        serve(workspace, on_ready=on_ready)
    except KeyboardInterrupt:
        # The server has ended in good order before it passes the signal on.
        typer.echo("structloop has ended.", err=True)


def has_browser() -> bool:
    """Whether a graphical browser can be opened; a text browser would take over the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


__all__ = ["NO_INTERFACE", "has_browser", "register", "serve_workspace"]
