"""`structloop grids ...`: cryo-EM grids, put together."""

import typer

from structloop.cli import (
    grids_record,
    grids_scopes,
    grids_screen,
    grids_sessions,
    grids_simulate,
    grids_snapshot,
    grids_targeting,
)

app = typer.Typer(help="Cryo-EM grids: microscopes, sessions, where to look next.", no_args_is_help=True)
grids_scopes.register(app)
grids_snapshot.register(app)
grids_screen.register(app)
grids_record.register(app)
grids_simulate.register(app)
grids_sessions.register(app)
grids_targeting.register(app)

__all__ = ["app"]
