"""A session's results as files beside its micrographs: a table as CSV and Parquet, and RELION's two STAR files."""

from functools import partial
from pathlib import Path

from structloop.core.errors import CtfError, MotionFileError
from structloop.exposures.tables import table_rows, write_corrected, write_csv, write_ctf, write_parquet
from structloop.exposures.writing import no_space_told, write_whole
from structloop.store import Database

CSV, PARQUET = "exposures.csv", "exposures.parquet"
CORRECTED, CTF = "corrected_micrographs.star", "micrographs_ctf.star"


def write_tables(database: Database, session_id: int, out: Path) -> tuple[str, ...]:
    """Writes all four files, each whole or not at all; returns what people should know of them.

    Names in the STAR files are relative to `out`.

    Raises:
        NoSpaceError, ExposureError: the folder cannot be written.
        StoreUnavailableError: the database cannot be read.
    """
    with database.reading() as session:
        rows = table_rows(session, session_id)
    remarks = []
    done = [row for row in rows if row["micrograph_file"]]
    named = [row for row in done if not any(letter.isspace() for letter in row["name"])]
    if len(named) < len(done):
        remarks.append(
            f"{len(done) - len(named)} movies have blanks in their names, which RELION cannot read: they are left out "
            "of the STAR files; rename them"
        )
    with no_space_told(out):
        write_whole(out / CSV, partial(write_csv, rows))
        write_whole(out / PARQUET, partial(write_parquet, rows))
        try:
            if named:
                write_whole(out / CORRECTED, partial(write_corrected, named))
            if any(row["defocus_u_um"] is not None for row in named):
                write_whole(out / CTF, partial(write_ctf, named))
        except (CtfError, MotionFileError) as error:
            remarks.append(f"a STAR file was not written: {error}")
    return tuple(remarks)


__all__ = ["CORRECTED", "CSV", "CTF", "PARQUET", "write_tables"]
