"""`structloop micrographs`: exposures, from movies to what can be said of them."""

import typer

from structloop.cli import (
    micrographs_export,
    micrographs_process,
    micrographs_show,
    micrographs_simulate,
    micrographs_watch,
)

app = typer.Typer(no_args_is_help=True, help="Exposures: movies to motion, CTF, ice, particles, and a judgement.")
micrographs_simulate.register(app)
micrographs_process.register(app)
micrographs_watch.register(app)
micrographs_show.register(app)
micrographs_export.register(app)

__all__ = ["app"]
