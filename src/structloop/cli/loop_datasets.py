"""`structloop loop datasets`: build, list, show and compare versions."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_options import AsJson, MadeBy, Seed, Task, Why, WithholdLeaks, account

if TYPE_CHECKING:
    from structloop.loop.datasets import DatasetInfo

_SHOWN = 20


class Labels(StrEnum):
    """Which labels a data set rests on."""

    CURATED = "curated"
    STANDING = "standing"
    AGREED = "agreed"
    ANNOTATED = "annotated"


class Groups(StrEnum):
    """What splits keep together."""

    AUTO = "auto"
    PROJECT = "project"
    PLATE = "plate"


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `datasets`."""
    app.command("build")(build)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("diff")(diff)


def build(
    context: typer.Context,
    task: Task = "crystals/visible",
    labels: Annotated[
        Labels,
        typer.Option(
            help="curated: what curators settled; standing: and labels that no curator has in hand; agreed: and labels "
            "the model agrees with; annotated: all."
        ),
    ] = Labels.STANDING,
    group_by: Annotated[
        Groups, typer.Option(help="What splits keep together. auto: projects if there are five, else plates.")
    ] = Groups.AUTO,
    validation_share: Annotated[float, typer.Option(min=0.0, max=0.9, help="Part held back to choose on.")] = 0.15,
    test_share: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Part for a frozen test set, where the task has none.")
    ] = 0.2,
    test_set: Annotated[
        str | None, typer.Option(help="Test set to keep clear of. Default: the newest.", show_default=False)
    ] = None,
    withhold_leaks: WithholdLeaks = False,
    by: MadeBy = None,
    why: Why = "",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make a version of a task's data set from settled drops and from labels with which the model agrees.

    Splits never cut a plate. What looks like an image of the test set is refused. Versions are never changed.
    """
    from structloop.crystals.datasets import LabelChoice
    from structloop.jobs.datasets import build_task_dataset
    from structloop.loop.datasets import BuildSettings, GroupBy, newest_dataset

    with workspace_of(context) as workspace:
        before = newest_dataset(workspace.database, task)
        info = build_task_dataset(
            workspace.database,
            workspace.kept,
            task,
            BuildSettings(
                made_by=account(by),
                why=why,
                group_by=GroupBy(group_by.value),
                validation_share=validation_share,
                test_share=test_share,
                test_set=test_set,
                withhold_leaks=withhold_leaks,
                seed=seed,
            ),
            labels=LabelChoice(labels.value),
        )
    if as_json:
        typer.echo(json.dumps(_json(info), indent=2))
        return
    if before is not None and before.id == info.id:
        typer.echo(f"Nothing has changed since {info.name}; no version was made.")
        return
    print_dataset(info)


def list_(
    context: typer.Context,
    task: Annotated[str | None, typer.Option("--task", help="Only of this review task.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List all versions, the newest first."""
    from structloop.loop.datasets import list_datasets

    with workspace_of(context) as workspace:
        infos = list_datasets(workspace.database, task)
    if as_json:
        typer.echo(json.dumps([_json(info) for info in infos], indent=2))
        return
    if not infos:
        typer.echo("No data set was made yet; `structloop loop datasets build` makes one.")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table(
        # Names are what other commands take: they are never shortened.
        Column("Version", no_wrap=True),
        "Images", "Labels", "Test set", "By", "Why", "Made", box=None, header_style="bold",
    )  # fmt: skip
    for info in infos:
        table.add_row(
            escape(info.name),
            str(info.counts["images"]),
            escape(_counts(info.counts["labels"])),
            escape(info.test_set or ""),
            escape(info.made_by),
            escape(info.why),
            f"{info.created_at:%Y-%m-%d %H:%M}",
        )
    Console(soft_wrap=True, highlight=False).print(table)


def show(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Such as crystals/visible#3; without a number: the newest.")],
    as_json: AsJson = False,
) -> None:
    """Show a version: its parts, what its labels rest on, and how it was made."""
    from structloop.loop.datasets import find_dataset

    with workspace_of(context) as workspace:
        info = find_dataset(workspace.database, version)
    if as_json:
        typer.echo(json.dumps(_json(info), indent=2))
    else:
        print_dataset(info)


def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(help="The earlier version, such as crystals/visible#2.")],
    after: Annotated[str, typer.Argument(help="The later version.")],
    as_json: AsJson = False,
) -> None:
    """Tell what differs between two versions: images added, removed, labelled otherwise, in another part."""
    from structloop.loop.datasets import compare, dataset_rows, find_dataset, summarise

    with workspace_of(context) as workspace:
        infos = [find_dataset(workspace.database, name) for name in (before, after)]
        difference = compare(*(dataset_rows(info, workspace.kept) for info in infos))
    counts = summarise(difference)
    if as_json:
        keys: dict[str, Any] = {
            "added": [row.key for row in difference.added],
            "removed": [row.key for row in difference.removed],
            "relabelled": [
                {"key": each.key, "before": each.before.label, "after": each.after.label}
                for each in difference.relabelled
            ],
            "moved": [
                {"key": each.key, "before": each.before.partition, "after": each.after.partition}
                for each in difference.moved
            ],
        }
        typer.echo(json.dumps({"counts": counts, **keys}, indent=2))
        return
    typer.echo(f"From {infos[0].name} to {infos[1].name}:")
    for name in ("added", "removed", "relabelled", "moved"):
        typer.echo(f"  {name}: {_counts(counts[name]) or 'none'}")
    typer.echo(f"  unchanged: {counts['unchanged']}")
    for each in difference.relabelled[:_SHOWN]:
        typer.echo(f"  {each.key}: {each.before.label} -> {each.after.label}")


def print_dataset(info: "DatasetInfo") -> None:
    """A version for people."""
    counts = info.counts
    typer.echo(f"{info.name}: {counts['images']} images ({_counts(counts['labels'])})")
    for name, part in counts["partitions"].items():
        typer.echo(f"  {name}: {part['images']} images of {part['groups']} groups ({_counts(part['labels'])})")
    typer.echo(f"  labels: {_counts(counts['sources'])}")
    if info.test_set:
        typer.echo(f"  test set: {info.test_set}, frozen")
    if counts.get("withheld"):
        typer.echo(f"  withheld, as their plate or project is in a test set: {counts['withheld']}")
    if counts.get("leaks_withheld"):
        typer.echo(f"  left out, as they look like test images: {counts['leaks_withheld']}")
    typer.echo(f"  made by {info.made_by}, {info.created_at:%Y-%m-%d %H:%M} UTC{f': {info.why}' if info.why else ''}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _json(info: "DatasetInfo") -> dict[str, Any]:
    return {**asdict(info), "name": info.name, "created_at": info.created_at.isoformat()}


__all__ = ["print_dataset", "register"]
