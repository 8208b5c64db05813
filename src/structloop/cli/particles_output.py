"""What `particles evaluate` prints and writes."""

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from structloop.particles.evaluation import PicksReport

LISTED = 12
WIDTH_OF_FILES = 400


def print_report(report: "PicksReport") -> None:
    """The tables: over all micrographs, per micrograph, comparisons; and the remarks."""
    # Where no one watches, nothing is cut to the width of a screen.
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    console = Console(soft_wrap=True, highlight=False, width=width)
    console.print(
        f"{len(report.micrographs)} micrographs of {escape(report.truth_file)}, particle diameter "
        f"{report.diameter_px:g} px, border {report.border_px:g} px"
        + ("" if report.threshold is None else f", scores from {report.threshold:g}")
    )
    table = Table("particle-wise", "radius", "precision", "recall", "F1", "AP", "ECE", "Brier", "(constant)", "off px")
    table.box = None
    for method in report.methods:
        for each in method.radii:
            quality = each.quality
            table.add_row(
                escape(method.name),
                f"{each.radius_diameters:g} D",
                *map(_shown, (each.precision, each.recall, each.f1, each.average_precision)),
                _shown(None if quality is None else quality.calibration_error),
                _shown(None if quality is None else quality.brier),
                _shown(None if quality is None else quality.brier_of_base_rate),
                "-" if each.mean_distance_px is None else f"{each.mean_distance_px:.1f}",
            )
    console.print(table)
    for method in report.methods:
        for reason in dict.fromkeys(reason for each in method.radii for reason in each.reasons.values()):
            console.print(f"{escape(method.name)}: no numbers of the scores: {escape(reason)}")
    pixels = Table("pixel-wise", "precision", "recall", "F1 (Dice)", "IoU", box=None)
    for method in report.methods:
        values = (method.pixel_mean(metric) for metric in ("precision", "recall", "f1", "iou"))
        pixels.add_row(escape(method.name), *map(_shown, values))
    console.print(pixels)
    _print_micrographs(console, report)
    if report.comparisons:
        _print_comparisons(console, report)
    for remark in report.remarks:
        console.print(f"[yellow]note:[/] {escape(remark)}")


def _print_micrographs(console: Console, report: "PicksReport") -> None:
    table = Table("Micrograph", "method", "labels", "picks", "precision", "recall", "F1", box=None)
    for place, name in enumerate(report.micrographs[:LISTED]):
        for method in report.methods:
            each = method.micrographs[place]
            counts = next(iter(each.matched.values()))
            row = (escape(name), escape(method.name), str(each.truth), str(each.picks))
            table.add_row(*row, *map(_shown, (counts.precision, counts.recall, counts.f1)))
    console.print(table)
    if len(report.micrographs) > LISTED:
        console.print(f"... and {len(report.micrographs) - LISTED} more micrographs; --out FILE.csv has them all")


def _print_comparisons(console: Console, report: "PicksReport") -> None:
    table = Table("Comparison", "metric", "n", "mean difference", "p", "p corrected", "effect", box=None)
    for each in report.comparisons:
        table.add_row(
            escape(f"{each.first} - {each.second}"),
            each.metric,
            str(each.micrographs),
            f"{each.mean_difference:+.3f}",
            f"{each.p_value:.3g}",
            f"{each.corrected_p_value:.3g}",
            f"{each.effect:+.2f}",
        )
    console.print(table)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def write_report(report: "PicksReport", path: Path) -> None:
    """Writes all of it as JSON, or the micrographs' numbers as CSV, as the ending says.

    Raises:
        OSError: the file cannot be written.
    """
    if path.suffix.lower() == ".json":
        path.write_text(json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return
    rows = report.rows()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


__all__ = ["print_report", "write_report"]
