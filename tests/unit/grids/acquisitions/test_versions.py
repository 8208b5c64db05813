"""Sessions as several versions of EPU write them come to the same in the store, in whatever order their files come."""

import random
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from structloop.grids.acquisitions import list_sessions, session_numbers
from structloop.grids.acquisitions.importing import import_acquisitions
from structloop.grids.acquisitions.listing import Level, list_items
from structloop.store import Database
from support import epu_trees
from support.epu_trees import EPU_2, EPU_3, HOLES, SQUARE, Manner

EPU_1 = replace(EPU_2, version="1.12.0.2329REL", pair="Ancient", stamp="20160503_0915", number="1")
EPU_4 = replace(EPU_3, version="4.1.0.99", namespace="urn:someday", stamp="20280102_112233123")


def _inline(root: Path, manner: Manner) -> None:
    """Squares written into the session's own list, as versions 1 and early 2 do; there is no Metadata folder."""
    path = root / "EpuSession.dm"
    square = re.sub(r"^<GridSquareXml[^>]*>|</GridSquareXml>$", "", epu_trees.square_xml(manner))
    text = path.read_text(encoding="utf-8")
    assert "<FileName>" in text
    path.write_text(re.sub(r"<FileName>[^<]*</FileName>", square, text), encoding="utf-8")
    shutil.rmtree(root / "Metadata")


@pytest.fixture(params=["1, inline", "2", "3", "4"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A session's tree in the manner of a version."""
    manner = {"1": EPU_1, "2": EPU_2, "3": EPU_3, "4": EPU_4}[request.param[0]]
    root = epu_trees.write_session(tmp_path / "written" / "grid", manner)
    if "inline" in request.param:
        _inline(root, manner)
    return root


def everything(database: Database) -> dict[str, Any]:
    """All that is said of the one session there, without the folder and the order it came in."""
    [facts] = list_sessions(database)
    levels = {
        level.value: sorted(
            ({k: Path(v).name if k.endswith("path") and v else v for k, v in row.items()} for row in items.as_dicts()),
            key=str,
        )
        for level in Level
        for items in [list_items(database, facts.id, level)]
    }
    numbers = session_numbers(database, str(facts.id))
    return {"key": facts.key, "version": facts.program_version, "grids": numbers.grids, "levels": levels}


def test_every_version_has_its_square_its_holes_and_its_exposure(tree: Path, database: Database) -> None:
    [recorded] = import_acquisitions(database, tree).sessions
    assert [remark for remark in recorded.remarks if "missing" in remark.kind] == []
    told = everything(database)
    [square] = told["levels"]["squares"]
    assert (square["square"], square["holes"], square["exposures"], square["images"]) == (SQUARE, 2, 1, 1)
    assert (square["x_um"], square["y_um"]) == pytest.approx((11, -6))
    holes = {hole["hole"]: hole for hole in told["levels"]["holes"]}
    assert set(holes) == set(HOLES)
    assert (holes[HOLES[1]]["x_um"], holes[HOLES[1]]["center_x_px"]) == pytest.approx((9, 500))
    [exposure] = told["levels"]["exposures"]
    assert (exposure["hole"], exposure["square"], exposure["area"]) == (HOLES[0], SQUARE, "77")
    sizes = {level.level: level.pixel_sizes_angstrom for level in told["grids"][0].levels}
    assert [sizes[name][0] for name in ("atlas", "square", "hole", "exposure")] == pytest.approx([5000, 400, 20, 0.8])


@pytest.mark.parametrize("seed", range(3))
def test_imports_while_files_arrive_in_any_order_end_in_the_same(seed: int, tree: Path, tmp_path: Path) -> None:
    whole = Database(f"sqlite:///{tmp_path / 'whole.db'}")
    import_acquisitions(whole, tree)
    at_once = everything(whole)
    files = sorted(path.relative_to(tree) for path in tree.rglob("*") if path.is_file())
    random.Random(seed).shuffle(files)
    growing = tmp_path / "growing" / "grid"
    other = Database(f"sqlite:///{tmp_path / 'growing.db'}")
    for number, path in enumerate(files):
        (growing / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree / path, growing / path)
        if number % 3 == 0 or path == files[-1]:
            assert import_acquisitions(other, growing).failed == []
            assert len(list_sessions(other)) == 1
    assert everything(other) == at_once
