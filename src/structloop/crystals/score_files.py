"""Scores as a file: one row per experiment (drop x inspection), as CSV, JSON or Parquet by the file's ending."""

import csv
import io
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import aliased

from structloop.core.errors import ScoreFileError
from structloop.schema.crystals import Well
from structloop.store import Database
from structloop.store.tables import (
    Drop,
    DropImageFile,
    ExperimentScore,
    Inspection,
    ModelVersion,
    Plate,
    Scoring,
)

# Six digits are far finer than any network's arithmetic (bf16 has three).
CSV_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One experiment under one scoring; the fields are the columns of the file, in their order.

    Attributes:
        plate, well, drop, inspection: Which experiment: barcode, `A01`, sub-well number as the file names write it,
            number of the inspection.
        visible_probability, uv_probability: Calibrated crystal probabilities; None where there is none.
        crystal_probability: The two combined by `rule`; None where both are missing.
        model_visible, model_uv: name@version of what scored the image; None where there is no image or no model.
        error: Why a probability is missing although there is an image.
        image_visible, image_uv: Paths of the images; None where there is none.
    """

    plate: str
    well: str
    drop: int
    inspection: int
    visible_probability: float | None
    uv_probability: float | None
    crystal_probability: float | None
    model_visible: str | None
    model_uv: str | None
    rule: str
    error: str | None
    image_visible: str | None
    image_uv: str | None


COLUMNS = tuple(field.name for field in fields(ScoreRow))


def score_rows(database: Database, scoring_ids: Sequence[int], inspection: int | None = None) -> Iterator[ScoreRow]:
    """The experiments of scorings, each scoring by inspection, well (along rows) and drop.

    Args:
        database: Where they are.
        scoring_ids: Rows of the table `scoring`, such as `ScoreReport.scoring_id`, in the order wanted.
        inspection: Only the inspection of that number; None: all.
    """
    visible, uv = aliased(DropImageFile), aliased(DropImageFile)
    model_visible, model_uv = aliased(ModelVersion), aliased(ModelVersion)
    for scoring_id in scoring_ids:
        statement = (
            select(
                Plate.barcode,
                Drop.row,
                Drop.column,
                Drop.number,
                Inspection.number,
                ExperimentScore.visible_probability,
                ExperimentScore.uv_probability,
                ExperimentScore.crystal_probability,
                model_visible.name,
                model_visible.version,
                model_uv.name,
                model_uv.version,
                Scoring.rule,
                ExperimentScore.error,
                visible.path,
                uv.path,
            )
            .join(Scoring, Scoring.id == ExperimentScore.scoring_id)
            .join(Plate, Plate.id == Scoring.plate_id)
            .join(Drop, Drop.id == ExperimentScore.drop_id)
            .join(Inspection, Inspection.id == ExperimentScore.inspection_id)
            .outerjoin(model_visible, model_visible.id == Scoring.model_visible_id)
            .outerjoin(model_uv, model_uv.id == Scoring.model_uv_id)
            .outerjoin(visible, visible.id == ExperimentScore.image_visible_id)
            .outerjoin(uv, uv.id == ExperimentScore.image_uv_id)
            .where(ExperimentScore.scoring_id == scoring_id)
            .order_by(Inspection.number, Drop.row, Drop.column, Drop.number)
        )
        if inspection is not None:
            statement = statement.where(Inspection.number == inspection)
        with database.reading() as session:
            for row in session.execute(statement).yield_per(1000):
                barcode, well_row, well_column, drop, number, visible_p, uv_p, combined_p = row[:8]
                visible_name, visible_version, uv_name, uv_version, rule, error, visible_path, uv_path = row[8:]
                yield ScoreRow(
                    plate=barcode,
                    well=str(Well(well_row, well_column)),
                    drop=drop,
                    inspection=number,
                    visible_probability=visible_p,
                    uv_probability=uv_p,
                    crystal_probability=combined_p,
                    model_visible=_model(visible_name, visible_version, visible_path),
                    model_uv=_model(uv_name, uv_version, uv_path),
                    rule=rule,
                    error=error,
                    image_visible=visible_path,
                    image_uv=uv_path,
                )


def _model(name: str | None, version: str | None, image: str | None) -> str | None:
    return None if name is None or image is None else f"{name}@{version}"


def check_score_file(path: Path) -> None:
    """Refuses a file that `write_scores` could not write, so that this is known before an hour of scoring.

    Raises:
        ScoreFileError: the ending is none of those that are written, or the folder does not exist.
    """
    if path.suffix.lower() not in _WRITERS:
        raise ScoreFileError(f"'{path}' ends in '{path.suffix}'; scores are written as {', '.join(_WRITERS)}")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ScoreFileError(f"the folder {folder} for '{path.name}' does not exist; make it first")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise ScoreFileError(f"'{path}' cannot be written: it is a folder, or its folder is read-only")


def write_scores(rows: Iterable[ScoreRow], path: Path) -> int:
    """Writes rows in the format that the ending of `path` names; a file there is replaced only once all is written.

    Returns:
        How many rows were written.

    Raises:
        ScoreFileError: the ending is none of those that are written, or the file cannot be written.
    """
    check_score_file(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        count = _WRITERS[path.suffix.lower()](rows, temporary)
        os.replace(temporary, path)  # noqa: PTH105  # says what it does: the old file goes, the new one comes
    except OSError as error:
        raise ScoreFileError(f"'{path}' cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return count


def csv_lines(rows: Iterable[ScoreRow]) -> Iterator[str]:
    """The lines of a CSV file, line ends included, its header first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
    yield buffer.getvalue()


def _write_csv(rows: Iterable[ScoreRow], path: Path) -> int:
    count = -1
    with path.open("x", encoding="utf-8", newline="") as file:
        for count, line in enumerate(csv_lines(rows)):  # noqa: B007  # the header is line 0
            file.write(line)
    return count


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.{CSV_DIGITS}g}"
        case _:
            return str(value)


def _write_json(rows: Iterable[ScoreRow], path: Path) -> int:
    count = 0
    with path.open("x", encoding="utf-8") as file:
        file.write("[")
        for row in rows:
            file.write((",\n" if count else "\n") + json.dumps(asdict(row), ensure_ascii=False))
            count += 1
        file.write("\n]\n")
    return count


def _write_parquet(rows: Iterable[ScoreRow], path: Path) -> int:
    import pyarrow
    from pyarrow import parquet

    types = {"int": pyarrow.int32(), "float": pyarrow.float64(), "str": pyarrow.string()}
    # The dataclass says what a column holds; `float | None` is a nullable float.
    columns = [
        pyarrow.field(field.name, types[kind.removesuffix(" | None")], nullable=kind.endswith(" | None"))
        for field in fields(ScoreRow)
        for kind in [field.type.__name__ if isinstance(field.type, type) else str(field.type)]
    ]
    table = pyarrow.Table.from_pylist([asdict(row) for row in rows], schema=pyarrow.schema(columns))
    parquet.write_table(table, path)
    return int(table.num_rows)


_WRITERS: dict[str, Callable[[Iterable[ScoreRow], Path], int]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".parquet": _write_parquet,
}

__all__ = ["COLUMNS", "ScoreRow", "check_score_file", "csv_lines", "score_rows", "write_scores"]
