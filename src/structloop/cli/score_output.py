"""What the scoring commands print: the summary of a plate and its top drops."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from structloop.crystals.score_files import score_rows
from structloop.store import Database

TOP = 10
LISTED = 20


def print_scores(database: Database, report: dict[str, Any], inspection: int | None) -> None:
    """The result of a scoring job: what was scored, what failed, and the best drops of the plate."""
    console = Console(soft_wrap=True, highlight=False)
    models = ", ".join(f"{modality} by {escape(model)}" for modality, model in report["models"].items())
    console.print(
        f"Plate [bold]{escape(report['barcode'])}[/]: {report['experiments']} experiments scored, "
        f"{report['experiments_failed']} failed; "
        f"{report['images_scored']} images scored now, {report['images_known']} known already"
    )
    console.print(f"Models: {models}; rule {report['rule']}; alarm threshold {report['alarm_threshold']:.3f}")
    for failure in report["failures"][:LISTED]:
        again = " (tried again next time)" if failure["will_retry"] else ""
        console.print(f"[yellow]not scored[/] {escape(failure['path'])}: {escape(failure['reason'])}{again}")
    if report["images_failed"] > LISTED:
        console.print(f"... and {report['images_failed'] - LISTED} more; the error column of the scores names all")
    _print_top(console, database, report, inspection)
    if report["stopped"]:
        console.print("[yellow]Stopped early[/]; scoring again does the rest.")


def _print_top(console: Console, database: Database, report: dict[str, Any], inspection: int | None) -> None:
    best: dict[tuple[str, int], Any] = {}
    for row in score_rows(database, [report["scoring_id"]], inspection):
        known = best.get((row.well, row.drop))
        if row.crystal_probability is not None and (
            known is None or row.crystal_probability > known.crystal_probability
        ):
            best[row.well, row.drop] = row
    ranked = sorted(best.values(), key=lambda row: (-row.crystal_probability, row.well, row.drop))
    hits = sum(row.crystal_probability >= report["alarm_threshold"] for row in ranked)
    console.print(f"[bold]{hits} of {len(ranked)} drops[/] reach the alarm threshold.")
    if not ranked:
        return
    table = Table("", "Well", "Drop", "Inspection", "Crystal", "Visible", "UV", box=None, header_style="bold")
    for row in ranked[:TOP]:
        # A mark beside the number, because colour alone would not reach everyone.
        mark = "*" if row.crystal_probability >= report["alarm_threshold"] else ""
        numbers = (row.crystal_probability, row.visible_probability, row.uv_probability)
        cells = ("-" if number is None else f"{number:.3f}" for number in numbers)
        table.add_row(mark, row.well, str(row.drop), str(row.inspection), *cells)
    console.print(table)


__all__ = ["print_scores"]
