"""Fills an empty database with plates as an archive holds them: many inspections, one image and one score of each.

Rows are made inside the database (INSERT ... SELECT), inspection by inspection over all plates, because that is the
order in which they come in over the years: the images of one plate do not lie side by side. Probabilities are a fixed
function of drop and inspection; about 4 % of the drops become hits.
"""

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Integer, cast, func, insert, literal, select, text, update

from structloop.store import Database
from structloop.store.tables import (
    Drop,
    DropImageFile,
    ExperimentScore,
    ImageScore,
    Inspection,
    ModelVersion,
    Plate,
    Scoring,
    scoring_key,
)

ROWS, COLUMNS, DROPS = 8, 12, (1, 3, 4)
DROPS_PER_PLATE = ROWS * COLUMNS * len(DROPS)
THRESHOLD = 0.5
PLATES_AT_ONCE = 250
START = datetime(2020, 1, 1, tzinfo=UTC)
MODEL = "benchmark"


def fill(database: Database, *, experiments: int, inspections: int) -> int:
    """Makes at least `experiments` drops with `inspections` inspections each; returns the number of plates."""
    plates = -(-experiments // DROPS_PER_PLATE)
    with database.engine.connect() as connection:
        _bulk_mode(connection)
        started = time.perf_counter()
        _plates(connection, plates, inspections)
        _say(f"{plates:,} plates, {plates * DROPS_PER_PLATE:,} drops", started)
        for number in range(1, inspections + 1):
            started = time.perf_counter()
            for first in range(1, plates + 1, PLATES_AT_ONCE):
                _images_and_scores(connection, number, first, min(first + PLATES_AT_ONCE, plates + 1))
                connection.commit()
            _say(f"inspection {number} of {inspections}", started)
        started = time.perf_counter()
        _summaries(connection)
        connection.commit()
        _settle(connection)
        _say("summaries of the plates", started)
    database.engine.dispose()
    return plates


def _say(what: str, started: float) -> None:
    print(f"  {what}: {time.perf_counter() - started:.0f} s", flush=True)


def _bulk_mode(connection: Connection) -> None:
    """Trades safety for speed, on a database that is thrown away: a crash here means making it again."""
    if connection.dialect.name == "sqlite":
        for pragma in ("synchronous=OFF", "foreign_keys=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
            connection.execute(text(f"PRAGMA {pragma}"))
    else:
        for setting in ("synchronous_commit=off", "session_replication_role=replica", "work_mem='256MB'"):
            connection.execute(text(f"SET {setting}"))
    connection.commit()


def _settle(connection: Connection) -> None:
    """What a server does by itself in the background; SQLite is left without statistics, as structloop leaves it."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        connection.commit()
    else:
        connection.commit()
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _insert(connection: Connection, table: type[Any], rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(itertools.islice(rows, 20_000)):
        connection.execute(insert(table), batch)


def _plates(connection: Connection, plates: int, inspections: int) -> None:
    connection.execute(insert(ModelVersion), [{"id": 1, "name": MODEL, "version": "1", "card": {}}])
    numbers = range(1, plates + 1)
    taken = [START + timedelta(hours=index) for index in range(plates)]
    _insert(
        connection,
        Plate,
        (
            {
                "id": plate,
                "barcode": f"BENCH{plate:06d}",
                "layout": "benchmark",
                "rows": ROWS,
                "columns": COLUMNS,
                "drops": list(DROPS),
                "created_at": taken[plate - 1],
                "imported_at": taken[plate - 1],
                "current_scoring_id": plate,
                "image_count": DROPS_PER_PLATE * inspections,
            }
            for plate in numbers
        ),
    )
    _insert(
        connection,
        Inspection,
        (
            {
                "id": (number - 1) * plates + plate,
                "plate_id": plate,
                "number": number,
                "imager": "benchmark",
                "taken_at": taken[plate - 1] + timedelta(days=number * number),
            }
            for number in range(1, inspections + 1)
            for plate in numbers
        ),
    )
    _insert(
        connection,
        Scoring,
        (
            {
                "id": plate,
                "key": scoring_key(plate, 1, None, "max"),
                "plate_id": plate,
                "model_visible_id": 1,
                "rule": "max",
                "alarm_threshold": THRESHOLD,
            }
            for plate in numbers
        ),
    )
    cells = list(itertools.product(range(ROWS), range(COLUMNS), DROPS))
    _insert(
        connection,
        Drop,
        (
            {"id": (plate - 1) * len(cells) + index, "plate_id": plate, "row": row, "column": column, "number": drop}
            for plate in numbers
            for index, (row, column, drop) in enumerate(cells, start=1)
        ),
    )
    connection.commit()


def _probability(drop: Any, number: int) -> ColumnElement[Any]:
    """Between 0 and 1, the same for ever: small for most drops, growing with the inspections for some."""
    chance = cast((drop * 48_271) % 65_521, Float) / 65_521.0
    noise = cast((drop * 16_807 + number * 7_919) % 32_749, Float) / 32_749.0
    steep = chance * chance * chance * chance
    return steep * steep * steep * steep * (0.4 + 0.06 * number) + 0.03 * noise


def _images_and_scores(connection: Connection, number: int, first: int, end: int) -> None:
    """Images, image scores and experiment scores of one inspection of the plates from `first` to before `end`."""
    sqlite = connection.dialect.name == "sqlite"
    begin: ColumnElement[int] = select(func.coalesce(func.max(DropImageFile.id), 0)).scalar_subquery()
    offset = connection.execute(select(begin)).scalar_one() - (first - 1) * DROPS_PER_PLATE
    image = Drop.id + offset
    digest = func.printf("%064d", image) if sqlite else func.lpad(cast(image, DropImageFile.sha256.type), 64, "0")
    name = func.printf("%08d", image) if sqlite else func.lpad(cast(image, DropImageFile.sha256.type), 8, "0")
    of_these = (Inspection.plate_id == Drop.plate_id) & (Inspection.number == number)
    chosen = (Drop.plate_id >= first) & (Drop.plate_id < end)
    values: dict[str, Any] = {
        "id": image,
        "drop_id": Drop.id,
        "inspection_id": Inspection.id,
        "modality": literal("visible"),
        "profile": literal(""),
        "focus": literal("single"),
        "path": literal("/archive/plates/images/of/this/imager/") + name + literal("_visible.jpg"),
        "size_bytes": cast(literal(100_000), Integer) + Drop.id % 50_000,
        "sha256": digest,
        "modified_at": Inspection.taken_at,
        "width_px": literal(1280),
        "height_px": literal(960),
    }
    source = select(*(value.label(key) for key, value in values.items())).join_from(Drop, Inspection, of_these)
    connection.execute(insert(DropImageFile).from_select(list(values), source.where(chosen).order_by(Drop.id)))

    probability = _probability(Drop.id, number)
    scores = select(image, literal(1), probability).where(chosen).order_by(Drop.id)
    connection.execute(insert(ImageScore).from_select(["image_id", "model_version_id", "probability"], scores))

    values = {
        "scoring_id": Drop.plate_id,
        "drop_id": Drop.id,
        "inspection_id": Inspection.id,
        "image_visible_id": image,
        "visible_probability": probability,
        "crystal_probability": probability,
    }
    source = select(*(value.label(key) for key, value in values.items())).join_from(Drop, Inspection, of_these)
    connection.execute(insert(ExperimentScore).from_select(list(values), source.where(chosen).order_by(Drop.id)))


def _summaries(connection: Connection) -> None:
    """The summary on each plate, as scoring writes it."""
    best = (
        select(
            ExperimentScore.scoring_id,
            ExperimentScore.drop_id,
            func.max(ExperimentScore.crystal_probability).label("best"),
            func.count().label("scored"),
        )
        .group_by(ExperimentScore.scoring_id, ExperimentScore.drop_id)
        .subquery()
    )
    summary = (
        select(
            best.c.scoring_id,
            func.max(best.c.best),
            func.sum(best.c.scored),
            func.count().filter(best.c.best >= THRESHOLD),
        )
        .group_by(best.c.scoring_id)
        .order_by(best.c.scoring_id)
    )
    for plate, highest, scored, hits in connection.execute(summary).all():
        newest = START + timedelta(hours=plate, days=81) if hits else None
        connection.execute(
            update(Plate)
            .where(Plate.id == plate)
            .values(best_probability=highest, scored_count=int(scored), hit_count=hits, newest_hit_at=newest)
        )
