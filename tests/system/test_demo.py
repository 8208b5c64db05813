"""`structloop demo`, with smaller plates: it simulates, imports, scores, labels, and reuses what is there."""

import subprocess
import sys
from pathlib import Path

import pytest

from structloop.crystals.platelist import list_plates
from structloop.crystals.platemap import plate_map
from structloop.crystals.views import PlateOrder
from structloop.store import Database
from support.processes import WITHIN_S

PROGRAM = """
from structloop.cli import demo
from structloop.cli.main import main
from structloop.simulation.plates import PlateRecipe

def small_recipe(number):
    return PlateRecipe(
        barcode=f"DEMO{number:04d}", seed=6 + number, rows=2, columns=3, days=(1, 4), prevalence=0.5, long_side=160
    )

demo._recipe = small_recipe
demo.os.cpu_count = lambda: 1
main()
"""


def run_demo(*options: str) -> str:
    arguments = [sys.executable, "-c", PROGRAM, "demo", *options]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_makes_a_scored_plate_and_reuses_it(home: Path) -> None:
    assert "6 drops, 2 inspections, 24 images" in run_demo("--once")
    database = Database(f"sqlite:///{home / 'demo' / 'structloop.db'}")
    (plate,) = list_plates(database).items
    assert (plate.state, plate.experiment_count, plate.scored_count) == ("scored", 12, 12)
    cells = plate_map(database, plate.id).cells
    assert all(cell.probability is not None and cell.image_uv_id is not None for cell in cells)
    images = {path: path.stat().st_mtime_ns for path in (home / "demo" / "images").rglob("*.jpg")}
    assert len(images) == 24
    next(iter(images)).unlink()
    run_demo("--no-serve", "--plates", "2")
    kept = {path: path.stat().st_mtime_ns for path in (home / "demo" / "images").rglob("*DEMO0001*.jpg")}
    assert kept.keys() == images.keys()
    assert sum(kept[path] != images[path] for path in images) == 1
    same, other = list_plates(database, sort=PlateOrder.BARCODE).items
    assert (same.id, same.image_count, same.scored_count) == (plate.id, 24, 12)
    assert (other.barcode, other.state, other.scored_count) == ("DEMO0002", "scored", 12)
    # A colleague has labelled the second plate: crystals grow, and none goes away.
    first, last = (plate_map(database, other.id, inspection=number).cells for number in (1, 2))
    assert {cell.label for cell in (*first, *last)} == {"crystal", "other"}
    assert all(late.label == "crystal" for early, late in zip(first, last, strict=True) if early.label == "crystal")
    assert all(cell.label is None for cell in plate_map(database, same.id).cells)
    database.close()
