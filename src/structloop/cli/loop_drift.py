"""`structloop loop drift`."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_output import progress_bar


class Source(StrEnum):
    """What may look new."""

    IMAGER = "imager"
    KIND = "kind"


def drift(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Such as crystals/visible.", show_default=False)],
    by: Annotated[Source, typer.Option("--by", help="Imagers, or kinds of plates.")] = Source.IMAGER,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="What the model learnt from. Default: the newest.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Images to ask for.")] = 40,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Say which imagers or kinds of plates look new to the model, and which images to label there."""
    from structloop.crystals.drift import drift_by_source
    from structloop.jobs.training import bench_of
    from structloop.loop.datasets.versions import find_dataset, load_split
    from structloop.loop.promotion.bench import in_production, modality_of
    from structloop.loop.tasks import REVIEW_TASKS
    from structloop.loop.training.fast_head_models import open_base
    from structloop.loop.training.feature_cache import FeatureCache

    with workspace_of(context) as workspace:
        bench = bench_of(workspace)
        review = REVIEW_TASKS.get(task)
        modality = modality_of(review)
        info = find_dataset(workspace.database, dataset or task)
        split = load_split(workspace.database, workspace.kept, info.id, review)
        base = open_base(workspace.models, in_production(bench, review), modality, bench.runtime)
        with progress_bar("Looking", quiet or as_json) as tell:
            found = drift_by_source(
                workspace.database,
                review,
                modality,
                split.train + split.validation,
                base.extractor,
                FeatureCache(workspace.files, threads=workspace.settings.threads),
                by=by.value,
                to_label=count,
                on_progress=tell,
            )
    if as_json:
        listed = [
            {
                "source": report.source,
                "alarm": report.is_alarm,
                "possible": report.possible,
                "plates": report.groups[0],
                "p_values": {test.what: test.p_value for test in report.tests},
                "message": report.message,
                "label": keys,
            }
            for report, keys in found
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    for report, keys in found:
        typer.echo(report.message)
        for key in keys:
            typer.echo(f"  {key}")
    if not found:
        typer.echo("There are no plates of a named source beside those of the data set.")


def register(app: typer.Typer) -> None:
    """Adds the command to the group."""
    app.command()(drift)


__all__ = ["register"]
