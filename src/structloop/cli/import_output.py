"""What the import commands print: plate maps, what was recognised, what was left out."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from structloop.schema.crystals import Well

if TYPE_CHECKING:
    from structloop.core.plugins import BrokenPlugin
    from structloop.crystals.importing import ImportPreview, ImportReport, PreviewInspection, PreviewPlate
    from structloop.crystals.layouts import Layout
    from structloop.schema.crystals import FileProblem
    from structloop.schema.events import JobProgress

# Longer lists of files are cut on the terminal; --json has more, and the browser shows all.
LISTED = 50
# Wider plates are shown as numbers only.
WIDEST_MAP = 24
# Of whole stores, only the numbers are shown.
MOST_MAPS = 12


def _console() -> Console:
    # Paths and names must not be wrapped where the output is read by a program.
    return Console(soft_wrap=True, highlight=False)


@contextmanager
def job_progress(title: str) -> Iterator[Callable[["JobProgress"], None]]:
    """A progress bar on standard error for a job that is waited for; none where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _job: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, note="")
        yield lambda job: bar.update(task, completed=job.done, total=job.total, note=escape(job.message))


def print_layouts(usable: Sequence["Layout"], broken: Sequence["BrokenPlugin"]) -> None:
    """The layouts that can be used, and the plugins that cannot."""
    console = _console()
    for layout in usable:
        console.print(f"[bold]{escape(layout.name)}[/]  {escape(layout.title)}\n    {escape(layout.description)}")
    for plugin in broken:
        console.print(f"[red]not usable:[/] {escape(plugin.reason)}")


def print_preview(preview: "ImportPreview") -> None:
    """The plate maps that an import would make, and what it would leave out."""
    console = _console()
    console.print(f"Layout [bold]{escape(preview.layout)}[/]: {escape(preview.why)}")
    maps = sum(len(plate.inspections) for plate in preview.plates)
    for plate in preview.plates:
        state = "new" if plate.is_new else "known already"
        console.print(
            f"\nPlate [bold]{escape(plate.barcode)}[/] ({state}): {plate.format.rows} x {plate.format.columns} wells, "
            f"drops {', '.join(map(str, plate.format.drops))}, {plate.image_count} images"
        )
        for inspection in plate.inspections:
            _print_inspection(console, plate, inspection, with_map=maps <= MOST_MAPS)
    _print_skipped(console, preview.skipped)
    _print_files(console, "left out", preview.problems, len(preview.problems))
    console.print(
        f"\nWould look at {_count(preview.image_count, 'image')} of {_count(len(preview.plates), 'plate')}; "
        "nothing was written."
        if preview.plates
        else "\nNothing to import."
    )


def _print_inspection(
    console: Console, plate: "PreviewPlate", inspection: "PreviewInspection", *, with_map: bool
) -> None:
    key = f" ({escape(inspection.key)})" if inspection.key else ""
    date = f", {inspection.taken_at:%Y-%m-%d}" if inspection.taken_at else ""
    lights = ", ".join(f"{count} {modality}" for modality, count in sorted(inspection.modalities.items()))
    console.print(f"  Inspection {inspection.number}{key}{date}: {lights}")
    by_well: Counter[tuple[int, int]] = Counter()
    for (row, column, _), count in inspection.cells.items():
        by_well[row, column] += count
    total = plate.format.rows * plate.format.columns
    if with_map and plate.format.columns <= WIDEST_MAP:
        for line in _well_map(plate.format.rows, plate.format.columns, by_well):
            console.print(f"    {line}")
    missing = total - len(by_well)
    if missing:
        first = [str(well) for well in plate.format.wells() if not by_well[well.row, well.column]][:8]
        more = ", ..." if missing > len(first) else ""
        console.print(f"    {missing} of {total} wells have no image: {', '.join(first)}{more}")


def _well_map(rows: int, columns: int, by_well: Counter[tuple[int, int]]) -> list[str]:
    """Lines of a plate map: the number of images of each well, `.` for none."""
    width = max(2, len(str(max(by_well.values(), default=0))))
    lines = ["   " + " ".join(f"{column + 1:>{width}}" for column in range(columns))]
    for row in range(rows):
        cells = (by_well[row, column] for column in range(columns))
        letters = str(Well(row, 0))[:-2]
        lines.append(f"{letters:>2} " + " ".join(f"{count or '.':>{width}}" for count in cells))
    return lines


def print_result(result: Mapping[str, Any]) -> None:
    """What an import did, from its job's result."""
    console = _console()
    console.print(f"Layout [bold]{escape(str(result['layout']))}[/]: {escape(str(result['why']))}")
    if result["plates"]:
        table = Table("Plate", "Images added", box=None, header_style="bold", pad_edge=False)
        for plate in result["plates"]:
            table.add_row(escape(str(plate["barcode"])), str(plate["added"]))
        console.print(table)
    _print_skipped(console, result["skipped"])
    _print_entries(console, "imported, but", result["notices"], len(result["notices"]))
    _print_entries(console, "left out", result["problem_files"], result["problems"])
    parts = [f"{_count(result['added'], 'image')} added"]
    parts += [f"{result[kind]} {kind}" for kind in ("replaced", "unchanged", "moved", "duplicates") if result[kind]]
    parts.append(f"{result['problems']} left out")
    console.print(("Stopped early: " if result["stopped"] else "") + ", ".join(parts) + ".")


def print_round(report: "ImportReport") -> None:
    """One line per round of a watch, and what could not be imported."""
    console = _console()
    plates = ", ".join(f"{plate.barcode} +{plate.added}" for plate in report.plates.values() if plate.added)
    if report.added or report.moved:
        console.print(
            f"{_count(report.added, 'image')} added, {report.unchanged} unchanged: {escape(plates) or 'no plate'}"
        )
    _print_files(console, "left out", report.problems, len(report.problems))


def preview_as_json(preview: "ImportPreview") -> dict[str, Any]:
    """A preview as JSON."""
    return {
        "root": str(preview.root),
        "layout": preview.layout,
        "why": preview.why,
        "image_count": preview.image_count,
        "plates": [
            {
                "barcode": plate.barcode,
                "is_new": plate.is_new,
                "rows": plate.format.rows,
                "columns": plate.format.columns,
                "drops": list(plate.format.drops),
                "image_count": plate.image_count,
                "inspections": [
                    {
                        "number": inspection.number,
                        "key": inspection.key,
                        "taken_at": inspection.taken_at.isoformat() if inspection.taken_at else None,
                        "modalities": {modality.value: count for modality, count in inspection.modalities.items()},
                        "cells": [
                            {"well": str(Well(row, column)), "drop": drop, "images": count}
                            for (row, column, drop), count in sorted(inspection.cells.items())
                        ],
                    }
                    for inspection in plate.inspections
                ],
            }
            for plate in preview.plates
        ],
        "skipped": dict(preview.skipped),
        "problems": [{"path": str(problem.path), "reason": problem.reason} for problem in preview.problems],
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _print_skipped(console: Console, skipped: Mapping[str, int]) -> None:
    if skipped:
        parts = (f"{count} {escape(reason)}" for reason, count in sorted(skipped.items(), key=lambda item: -item[1]))
        console.print(f"Passed over: {'; '.join(parts)}")


def _print_files(console: Console, what: str, problems: Sequence["FileProblem"], total: int) -> None:
    entries = [{"path": str(problem.path), "reason": problem.reason} for problem in problems[:LISTED]]
    _print_entries(console, what, entries, total)


def _print_entries(console: Console, what: str, entries: Sequence[Mapping[str, str]], total: int) -> None:
    for entry in entries[:LISTED]:
        console.print(f"[yellow]{what}[/] {escape(entry['path'])}: {escape(entry['reason'])}")
    if total > LISTED:
        console.print(f"... and {total - LISTED} more ({what}); --json lists up to 1000")


__all__ = ["job_progress", "preview_as_json", "print_layouts", "print_preview", "print_result", "print_round"]
