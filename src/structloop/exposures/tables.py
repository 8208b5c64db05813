"""Exposures as tables: every column with reasons and remarks as text, and what RELION's two lists need."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, inspect, select
from sqlalchemy.orm import Session

from structloop.core.errors import CtfError, MotionFileError
from structloop.micrographs.ctf.files import write_micrographs_ctf
from structloop.micrographs.motion.relion import write_corrected_micrographs
from structloop.schema.ctf import CtfEstimate, CtfTable
from structloop.schema.motion import CorrectedMicrograph, MotionSummary
from structloop.store.tables import ProcessedExposure
from structloop.store.tables.base import UtcDateTime

_NOT_TOLD = frozenset({"session_id", "exposure_id", "fingerprint", "reasons", "details"})
COLUMNS = (
    *(column.name for column in inspect(ProcessedExposure).columns if column.name not in _NOT_TOLD),
    "reasons",
    "remarks",
)
"""Columns of a table; `reasons` and `remarks` are texts, parted by semicolons."""

_OPTICS = ("voltage_kv", "cs_mm", "amplitude_contrast")
_AT_ONCE = 500

Rows = Sequence[dict[str, Any]]


def table_rows(session: Session, session_id: int, ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Exposures of a session in the order in which they were taken: `COLUMNS`, and the optics that RELION needs.

    Args:
        session: Of the store.
        session_id: Whose exposures.
        ids: Only these; None for all.
    """
    table = ProcessedExposure
    conditions: list[list[ColumnElement[bool]]] = [[]]
    if ids is not None:
        parts = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
        conditions = [[table.id.in_(part)] for part in parts]
    optics = [
        func.coalesce(table.details["ctf"][name].as_float(), table.details["metadata"][name]["value"].as_float()).label(
            name
        )
        for name in _OPTICS
    ]
    plain = [getattr(table, name) for name in COLUMNS if name != "remarks"]
    rows = []
    for condition in conditions:
        query = select(*plain, table.details["remarks"].label("remarks"), *optics)
        for row in session.execute(query.where(table.session_id == session_id, *condition)).all():
            values = dict(row._mapping)
            values["reasons"] = "; ".join(each["words"] for each in row.reasons or ())
            values["remarks"] = "; ".join(row.remarks or ())
            rows.append(values)
    return sorted(rows, key=lambda row: (row["taken_at"] or row["processed_at"], row["name"]))


def write_csv(rows: Rows, path: Path) -> None:
    """Writes a table with a heading."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_text(row[name]) for name in COLUMNS])
    path.write_text(text.getvalue(), encoding="utf-8")


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    # A spreadsheet would take such a name for a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def write_parquet(rows: Rows, path: Path) -> None:
    """Writes a table whose columns have the same types whatever is known."""
    import pyarrow
    from pyarrow import parquet

    kinds: dict[type, Any] = {
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        str: pyarrow.string(),
        datetime: pyarrow.timestamp("us", "UTC"),
    }
    types = {
        column.name: datetime if isinstance(column.type, UtcDateTime) else column.type.python_type
        for column in inspect(ProcessedExposure).columns
    }
    types |= {"reasons": str, "remarks": str}
    schema = pyarrow.schema([pyarrow.field(name, kinds[types[name]]) for name in COLUMNS])
    named = [{name: row[name] for name in COLUMNS} for row in rows]
    parquet.write_table(pyarrow.Table.from_pylist(named, schema=schema), path, compression="zstd")


def write_corrected(rows: Rows, path: Path, folder: Path | None = None) -> None:
    """Writes RELION's `corrected_micrographs.star` of exposures that have a micrograph.

    Args:
        rows: Of `table_rows`; others are left out.
        path: The file.
        folder: That names are put after; without it they stand as they are.

    Raises:
        MotionFileError: there are none, their optics differ in more than pixel size, or are not known.
    """
    done = [row for row in rows if row["micrograph_file"] and row["pixel_size_angstrom"] is not None]
    if not done:
        raise MotionFileError("none of these exposures has an aligned micrograph; select others, or process them again")
    optics = {tuple(row[name] for name in _OPTICS) for row in done}
    if len(optics) > 1:
        raise MotionFileError("these exposures differ in voltage, Cs or amplitude contrast; list each kind by itself")
    voltage, cs, contrast = next(iter(optics))
    if voltage is None or cs is None or contrast is None:
        raise MotionFileError("the optics of these exposures are not known; process them again with them given")
    listed = []
    for row in done:
        lengths = [row[f"{name}_motion_angstrom"] for name in ("total", "early", "late")]
        total, early, late = (float("nan") if each is None else each for each in lengths)
        motion = MotionSummary(row["name"], "structloop", total, early, late, row["pixel_size_angstrom"])
        listed.append(CorrectedMicrograph(Path(_file(row, folder)), motion))
    write_corrected_micrographs(
        path,
        listed,
        pixel_size_angstrom=done[0]["pixel_size_angstrom"],
        voltage_kv=voltage,
        cs_mm=cs,
        amplitude_contrast=contrast,
    )


def write_ctf(rows: Rows, path: Path, folder: Path | None = None) -> None:
    """Writes RELION's `micrographs_ctf.star` of exposures that have a micrograph and a fit; arguments as above.

    Raises:
        CtfError: there are none, or their optics are not known.
    """
    fitted = [row for row in rows if row["micrograph_file"] and row["defocus_u_um"] is not None]
    if not fitted:
        raise CtfError("none of these exposures has a micrograph with a CTF; select others, or process them again")
    write_micrographs_ctf(CtfTable(tuple(_estimate(row, folder) for row in fitted)), path)


def _estimate(row: dict[str, Any], folder: Path | None) -> CtfEstimate:
    return CtfEstimate(
        _file(row, folder),
        row["defocus_u_um"],
        row["defocus_v_um"],
        row["astigmatism_angle_deg"] or 0.0,
        row["phase_shift_deg"] or 0.0,
        row["voltage_kv"],
        row["cs_mm"],
        row["amplitude_contrast"],
        row["pixel_size_angstrom"],
        row["ctf_resolution_angstrom"] if row["rings_seen"] else None,
        row["ctf_confidence"],
    )


def _file(row: dict[str, Any], folder: Path | None) -> str:
    name = str(row["dose_weighted_file"] or row["micrograph_file"])
    return name if folder is None else str(folder / name)


__all__ = ["COLUMNS", "table_rows", "write_corrected", "write_csv", "write_ctf", "write_parquet"]
