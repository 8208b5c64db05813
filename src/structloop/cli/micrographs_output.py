"""What the commands on exposures print: a line per movie, and the summary of a session."""

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from sqlalchemy import select

from structloop.cli.grids_tables import count_of, plain_table, results_console

if TYPE_CHECKING:
    from structloop.exposures.records import ExposureRecord
    from structloop.exposures.running import RunResult
    from structloop.micrographs.judging import Limits
    from structloop.store import Database

_LISTED = 20
_PROBLEMATIC = 0.5


def line_of(record: "ExposureRecord", limits: "Limits") -> str:
    """One exposure in a line: its numbers, and how it is judged."""
    from structloop.exposures.judging import judge_exposure

    said = []
    if record.total_motion_angstrom is not None:
        said.append(f"moved {record.total_motion_angstrom:.1f} Å")
    if record.rings_seen and record.defocus_u_um is not None and record.defocus_v_um is not None:
        said.append(f"defocus {(record.defocus_u_um + record.defocus_v_um) / 2:.2f} µm")
    if record.ctf_resolution_angstrom is not None:
        said.append(f"rings to {record.ctf_resolution_angstrom:.1f} Å")
    elif record.rings_seen is False:
        said.append("no rings")
    if record.particles is not None:
        said.append(count_of(record.particles, "particle"))
    judged = judge_exposure(record, limits)
    if judged is not None:
        bad = judged.problematic >= _PROBLEMATIC
        why = "; ".join(each.words for each in judged.reasons[:3])
        said.append(f"problematic ({why or f'{judged.problematic:.0%}'})" if bad else "fine")
    return f"{record.name}: {', '.join(said)}"


def summary_of(database: "Database", session_id: int) -> dict[str, Any]:
    """The numbers of a session: counts, commonest reasons, failures."""
    from structloop.exposures.listing import listed_session
    from structloop.exposures.sessions import commonest_reasons, counts_of
    from structloop.store.tables import ProcessedExposure, ProcessingSession

    table = ProcessedExposure
    rate = listed_session(database, session_id).done_per_hour
    with database.reading() as session:
        owner = session.get_one(ProcessingSession, session_id)
        counts = counts_of(session, [session_id])[session_id]
        rows = session.execute(
            select(table.problematic, table.reasons).where(table.session_id == session_id, table.state == "done")
        ).all()
        failed = session.execute(
            select(table.name, table.reason)
            .where(table.session_id == session_id, table.state == "failed")
            .order_by(table.name)
        ).all()
        return {
            "id": owner.id,
            "name": owner.name,
            "source": owner.source,
            "results": owner.results,
            "done": counts.done,
            "failed": counts.failed,
            "fine": counts.fine,
            "problematic": counts.problematic,
            "done_per_hour": rate,
            "reasons": [
                {"indicator": each.indicator, "exposures": each.exposures, "example": each.words}
                for each in commonest_reasons(rows)
            ],
            "failures": [{"name": name, "reason": reason} for name, reason in failed],
            "remarks": list(owner.remarks or ()),
        }


def print_session(
    database: "Database", session_id: int, result: "RunResult", *, as_json: bool = False, quiet: bool = False
) -> None:
    """The summary at the end of a run."""
    summary = summary_of(database, session_id)
    summary |= {"processed_now": result.processed, "known": result.known, "waiting": result.left}
    summary |= {"seconds": round(result.seconds, 1), "stopped": result.stopped}
    # What has no row: two movies of one name.
    rows = {each["name"]: each["reason"] for each in summary["failures"]}
    summary["failures"] += [
        {"name": name, "reason": reason} for name, reason in result.failed.items() if rows.get(name) != reason
    ]
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    if quiet:
        return
    print_summary(summary)
    if result.processed:
        typer.echo(f"{count_of(result.processed, 'movie')} processed now, in {result.seconds:.0f} s")
    if result.stopped:
        typer.echo(f"Stopped; {count_of(result.left, 'movie')} left. The same command goes on where it was.")


def print_summary(summary: dict[str, Any]) -> None:
    """Counts, reasons and failures of a session as tables."""
    from structloop.exposures.judging import CAUSES

    console = results_console()
    rate = summary["done_per_hour"]
    console.print(
        f"[bold]{escape(summary['name'])}[/]: {count_of(summary['done'], 'exposure')} processed, "
        f"{summary['fine']} fine, {summary['problematic']} problematic, {summary['failed']} failed"
        f"{'' if rate is None else f'; {rate:.0f} an hour'}; results in {escape(summary['results'])}"
    )
    if summary["reasons"]:
        table = plain_table(("problematic for", "exposures", "such as"))
        for each in summary["reasons"]:
            table.add_row(CAUSES[each["indicator"]], str(each["exposures"]), escape(each["example"]))
        console.print(table)
    failures = summary["failures"]
    if failures:
        table = plain_table(("failed", "why"))
        for each in failures[:_LISTED]:
            table.add_row(escape(each["name"]), escape(str(each["reason"])))
        console.print(table)
        if len(failures) > _LISTED:
            console.print(f"... and {len(failures) - _LISTED} more; exposures.csv names all")
    for remark in summary["remarks"]:
        console.print(f"note: {escape(remark)}")


__all__ = ["line_of", "print_session", "print_summary", "summary_of"]
