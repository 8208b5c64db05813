"""`structloop crystals evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.cli.context import workspace_of
from structloop.core.errors import LabelsError

if TYPE_CHECKING:
    from structloop.crystals.evaluation import EvaluationReport

Labels = Annotated[
    Path,
    typer.Argument(
        metavar="LABELS.csv",
        help="CSV file image,label[,modality]; labels are crystal or other, paths relative to the file.",
        show_default=False,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="Model to judge. Default: the setting default_model.", show_default=False),
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="File for the whole report, every image's probability included.", show_default=False),
]
Plots = Annotated[
    Path | None,
    typer.Option("--plots", help="Folder for plots: ROC, precision-recall, reliability, scores.", show_default=False),
]
Prevalence = Annotated[
    float, typer.Option("--prevalence", min=0.001, max=0.999, help="Share of crystals for the precision in use.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the bootstrap intervals.")]
AllowDownload = Annotated[bool, typer.Option("--allow-download", help="Fetch the model from the hub if need be.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table; only errors.")]


def evaluate(
    context: typer.Context,
    labels: Labels,
    model: ModelName = None,
    json_file: JsonFile = None,
    plots: Plots = None,
    prevalence: Prevalence = 0.05,
    seed: Seed = 0,
    allow_download: AllowDownload = False,
    quiet: Quiet = False,
) -> None:
    """Judge a model on labelled images: recall, precision, AUC and more, each with its 95 % interval.

    Rows that cannot be used are listed with their line, and the rest goes on.
    """
    from structloop.cli.evaluation_output import evaluation_progress, print_evaluation
    from structloop.crystals.evaluation import evaluate_labels

    labels = labels.expanduser()
    if json_file is not None and not json_file.expanduser().absolute().parent.is_dir():
        raise LabelsError(f"the folder of '{json_file}' does not exist; make it first")
    with workspace_of(context, allow_download=allow_download or None) as workspace:
        settings = workspace.settings
        name = workspace.models.resolve(model or workspace.models.default_name, allow_download=settings.allow_download)
        classifier = workspace.classifiers.load(name)
        with evaluation_progress(f"Judging {name}", quiet) as on_progress:
            report = evaluate_labels(
                classifier,
                labels,
                batch_size=settings.batch_size,
                threads=settings.threads,
                prevalence=prevalence,
                seed=seed,
                on_progress=on_progress,
            )
    _write(report, json_file, plots, labels)
    if not quiet:
        print_evaluation(report)
        for what, path in (("report", json_file), ("plots", plots)):
            if path is not None:
                typer.echo(f"{what} written to {path}")


def _write(report: "EvaluationReport", json_file: Path | None, plots: Path | None, labels: Path) -> None:
    try:
        if json_file is not None:
            json_file.expanduser().write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
        if plots is not None:
            from structloop.loop.evaluation.plots import write_plots

            write_plots(
                plots.expanduser(),
                report.overall,
                [each.image.is_crystal for each in report.judged],
                [each.probability for each in report.judged],
                report.threshold,
                positive="crystal",
                negative="other",
                title=f"{report.card.name}@{report.card.version} on {labels.name}",
            )
    except OSError as error:
        raise LabelsError(f"the results cannot be written: {error.filename}: {error.strerror or error}") from error


__all__ = ["evaluate"]
