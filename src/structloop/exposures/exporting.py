"""A selection of exposures to take along: as a table, or as RELION's lists of micrographs."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from structloop.exposures.sessions import get_session
from structloop.exposures.tables import table_rows, write_corrected, write_csv, write_ctf, write_parquet
from structloop.store import Database

ExportFormat = Literal["csv", "parquet", "ctf-star", "corrected-star"]
FORMATS: tuple[str, ...] = get_args(ExportFormat)


def export_exposures(database: Database, session_id: int, ids: Sequence[int], how: ExportFormat) -> bytes:
    """Exposures of a session as the contents of a file, in the order in which they were taken.

    Args:
        database: Where they are.
        session_id: Whose; others' are left out.
        ids: Which.
        how: `csv` and `parquet` have every column; the STAR files, micrographs that were made, with whole paths.

    Raises:
        NotFoundError: there is no such session.
        CtfError, MotionFileError: none of them can be listed, or something that RELION needs is not known.
    """
    with database.snapshot() as session:
        results = Path(get_session(session, session_id).results)
        rows = table_rows(session, session_id, ids)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exposures"
        _WRITERS[how](rows, path, results)
        return path.read_bytes()


def _csv(rows: list[dict[str, Any]], path: Path, _results: Path) -> None:
    write_csv(rows, path)


def _parquet(rows: list[dict[str, Any]], path: Path, _results: Path) -> None:
    write_parquet(rows, path)


_WRITERS: dict[str, Callable[[list[dict[str, Any]], Path, Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "ctf-star": write_ctf,
    "corrected-star": write_corrected,
}

__all__ = ["FORMATS", "ExportFormat", "export_exposures"]
