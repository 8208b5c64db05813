"""What `crystals evaluate` prints."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from structloop.crystals.evaluation import EvaluationReport
    from structloop.loop.evaluation import BinaryEvaluation

LISTED = 50


@contextmanager
def evaluation_progress(title: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error; none where that is no terminal or `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_evaluation(report: "EvaluationReport") -> None:
    """The metrics as a table, the confusion matrix, and the rows that were left out."""
    console = Console(soft_wrap=True, highlight=False)
    rate = len(report.judged) / report.seconds if report.seconds > 0 else float("inf")
    console.print(
        f"Model [bold]{escape(report.card.name)}[/]@{report.card.version}: {len(report.judged)} images "
        f"({report.overall.positives} crystal, {report.overall.negatives} other), {rate:.1f} images/s"
    )
    _print_metrics(console, "all images", report.overall)
    _print_confusion(console, report.overall, report.threshold)
    for modality, part in report.by_modality.items():
        _print_metrics(console, f"{modality} images", part)
        _print_confusion(console, part, report.card.alarm_threshold_for(modality))
    for problem in report.problems[:LISTED]:
        console.print(f"[yellow]left out[/] line {problem.line}: {escape(problem.image)}: {escape(problem.reason)}")
    if len(report.problems) > LISTED:
        console.print(f"... and {len(report.problems) - LISTED} more rows left out; --json lists all")


def _print_metrics(console: Console, title: str, evaluation: "BinaryEvaluation") -> None:
    table = Table(title, "Value", "95 % interval", box=None, header_style="bold")
    named = {
        "recall": "recall",
        "precision": "precision (here)",
        "precision_at_prevalence": f"precision at {evaluation.prevalence:.0%} crystals",
        "specificity": "specificity",
        "balanced_accuracy": "balanced accuracy",
        "average_precision": "average precision",
        "auc": "AUC",
    }
    for name, shown in named.items():
        estimate = getattr(evaluation, name)
        if estimate is None:
            table.add_row(shown, "-", f"({evaluation.reasons.get(name, 'not known')})")
        else:
            table.add_row(shown, f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}")
    table.add_row("Brier score", f"{evaluation.brier:.3f}", "")
    table.add_row("calibration error", f"{evaluation.calibration_error:.3f}", "")
    console.print(table)


def _print_confusion(console: Console, evaluation: "BinaryEvaluation", threshold: float) -> None:
    table = Table(f"alarm threshold {threshold:.3f}", "alarm", "no alarm", box=None, header_style="bold")
    table.add_row("crystal", str(evaluation.true_positives), str(evaluation.false_negatives))
    table.add_row("other", str(evaluation.false_positives), str(evaluation.true_negatives))
    console.print(table)


__all__ = ["evaluation_progress", "print_evaluation"]
