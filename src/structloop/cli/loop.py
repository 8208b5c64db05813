"""`structloop loop`: the queue of curators, labels from elsewhere, data sets, training, promotion."""

import typer

from structloop.cli import (
    loop_annotations,
    loop_datasets,
    loop_datasets_files,
    loop_drift,
    loop_promotion,
    loop_queue,
    loop_sharing,
    loop_training,
)

app = typer.Typer(no_args_is_help=True, help="Learn from people: curate, build data sets, train, promote.")
loop_queue.register(app)
loop_annotations.register(app)
datasets = typer.Typer(no_args_is_help=True, help="Versions of labelled images: build, compare, exchange.")
loop_datasets.register(datasets)
loop_datasets_files.register(datasets)
app.add_typer(datasets, name="datasets")
loop_training.register(app)
loop_promotion.register(app)
loop_drift.register(app)
app.add_typer(loop_sharing.app, name="share")

__all__ = ["app"]
