"""`structloop particles ...`: particles in micrographs, put together."""

import typer

from structloop.cli import particles_files, particles_pick, particles_suggest, particles_train, particles_watch

app = typer.Typer(help="Particles in micrographs: train, pick, judge, convert.", no_args_is_help=True)
particles_train.register(app)
particles_pick.register(app)
particles_suggest.register(app)
particles_watch.register(app)
particles_files.register(app)

__all__ = ["app"]
