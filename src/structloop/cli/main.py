"""`structloop`: the command line put together, and how its errors are told."""

import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from structloop.cli import (
    crystals_import,
    crystals_plates,
    crystals_score,
    crystals_why,
    demo,
    grids,
    jobs,
    loop,
    micrographs,
    models,
    openapi,
    particles,
    serve,
)
from structloop.cli import settings as settings_command
from structloop.cli.context import GlobalOptions
from structloop.core.errors import StructloopError
from structloop.core.log import configure_logging, mask_secrets
from structloop.core.settings import load_settings

_debugging: ContextVar[bool] = ContextVar("structloop_debugging", default=False)

EXAMPLES = """
Examples:

  structloop demo                      a simulated plate, in the browser

  structloop crystals score FOLDER     import images and score them

  structloop serve                     look at all plates in the browser
"""

app = typer.Typer(
    name="structloop",
    help="Lab-in-the-loop vision for structural biology: find crystals in crystallization drops.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
crystals = typer.Typer(no_args_is_help=True, help="Crystallization plates: import, score, evaluate.")
crystals_import.register(crystals)
crystals_score.register(crystals)
crystals_plates.register(crystals)
crystals_why.register(crystals)
app.add_typer(crystals, name="crystals")
app.add_typer(grids.app, name="grids")
app.add_typer(micrographs.app, name="micrographs")
app.add_typer(particles.app, name="particles")
app.add_typer(loop.app, name="loop")
app.add_typer(models.app, name="models")
app.add_typer(jobs.app, name="jobs")
serve.register(app)
demo.register(app)
settings_command.register(app)
openapi.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from structloop import __version__

        typer.echo(f"structloop {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Folder of all state. Default: STRUCTLOOP_HOME, else ~/.structloop.",
            file_okay=False,
            show_default=False,
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Log everything, and show tracebacks of errors.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = GlobalOptions(home=home, debug=debug)
    _debugging.set(debug)
    settings = load_settings(home=home)
    configure_logging("debug" if debug else settings.log_level, settings.log_style)


def main() -> None:
    """Runs the command line. An error of structloop's own is one line on standard error and exit code 1."""
    try:
        app()
    except StructloopError as error:
        if _debugging.get():
            raise
        typer.echo(f"error: {mask_secrets(str(error))}", err=True)
        sys.exit(1)


__all__ = ["app", "main"]
