"""`structloop crystals score`, `evaluate` and `jobs` from the command line, on plates with all that goes wrong."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from structloop.cli.main import app
from support.crystals_on_disk import jpeg, write_plate
from support.tiny_models import TINY, add_tiny_model

Run = Callable[..., Result]


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process; the model `tiny` is the default."""
    add_tiny_model(home, tmp_path / "weights")
    for name, value in {"DEFAULT_MODEL": TINY, "RUNTIME": "torch", "THREADS": "1", "SETTLE_S": "0"}.items():
        monkeypatch.setenv(f"STRUCTLOOP_{name}", value)

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
        return result

    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_imported_and_scored_and_again_by_barcode(run: Run, tmp_path: Path) -> None:
    write_plate(tmp_path / "store", wells=3, drops=2)
    first = run("crystals", "score", str(tmp_path / "store"), "--out", str(tmp_path / "s.csv"))
    assert "6 images scored now" in first.output
    assert "6 rows written" in first.output
    rows = rows_of(tmp_path / "s.csv")
    assert [(row["well"], row["drop"]) for row in rows] == [(f"A0{w}", str(d)) for w in (1, 2, 3) for d in (1, 2)]
    assert all(row["model_visible"].startswith("tiny@") and row["rule"] == "max" for row in rows)
    again: dict[str, Any] = json.loads(run("crystals", "score", "97wo", "--rule", "noisy-or", "--json").stdout)
    (plate,) = again["plates"]
    assert (plate["images_scored"], plate["images_known"], plate["rule"]) == (0, 6, "noisy-or")
    assert run("crystals", "score", "97wo", "--quiet").output == ""
    jobs = json.loads(run("jobs", "list", "--json").stdout)
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert jobs[0]["id"] in run("jobs", "list").output
    assert "images_scored: 0" in run("jobs", "show", jobs[0]["id"]).output
    assert "is succeeded" in run("jobs", "cancel", jobs[0]["id"]).output


def test_what_cannot_be_read_is_told_and_the_rest_is_scored(run: Run, tmp_path: Path) -> None:
    paths = write_plate(tmp_path / "store with spaces é", wells=4, drops=1)
    folder = paths[0].parent
    (folder / "97wo_05A_1.jpg").write_bytes(jpeg(1)[:500])
    (folder / "97wo_06A_1.jpg").touch()
    Image.new("RGB", (64, 64)).save(folder / "97wo_07A_1.jpg", "PNG")
    Image.new("L", (1, 1)).save(folder / "97wo_08A_1.jpg", "JPEG")
    (folder / "loop").symlink_to(folder)
    run("crystals", "import", str(folder.parent))
    # Gone between import and scoring.
    paths[1].unlink()
    result = run("crystals", "score", "97wo", "--out", str(tmp_path / "s.csv"))
    assert f"not scored {paths[1]}" in result.output
    assert "tried again next time" in result.output
    rows = {row["well"]: row for row in rows_of(tmp_path / "s.csv")}
    assert set(rows) == {"A01", "A02", "A03", "A04", "A07"}
    assert [well for well, row in rows.items() if row["error"]] == ["A02"]
    assert rows["A02"]["crystal_probability"] == ""
    assert rows["A07"]["crystal_probability"] != ""


def test_a_plate_whose_images_are_all_gone_is_a_failure_and_said_to_be_so(run: Run, tmp_path: Path) -> None:
    paths = write_plate(tmp_path / "store", wells=2, drops=1)
    run("crystals", "import", str(tmp_path / "store"))
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    assert "0 experiments scored, 2 failed" in run("crystals", "score", "97wo", code=1).output
    assert run("crystals", "score", "97wo", "--quiet", code=1).stderr == "No experiment got a score; 2 failed.\n"
    paths[0].write_bytes(contents[0])
    assert "1 experiments scored, 1 failed" in run("crystals", "score", "97wo").output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("score", "NOPE"), "neither the barcode"),
        (("score", "./nowhere"), "nowhere"),
        (("score", "NOPE", "--model", "none"), "no model 'none'"),
        (("score", "NOPE", "--out", "s.xlsx"), ".csv, .json, .parquet"),
        (("evaluate", "none.csv"), "cannot be read"),
    ],
)
def test_mistakes_are_told_before_any_work(run: Run, arguments: tuple[str, ...], told: str) -> None:
    result = run("crystals", *arguments, code=1)
    assert told in str(result.exception)


def test_a_model_is_judged_on_labels(run: Run, tmp_path: Path) -> None:
    paths = write_plate(tmp_path / "store", wells=4, drops=1)
    lines = [
        f"{path.relative_to(tmp_path)},{'crystal' if number % 2 else 'other'}" for number, path in enumerate(paths)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *lines, "none.jpg,other"]))
    report = tmp_path / "report.json"
    result = run(
        "crystals", "evaluate", str(tmp_path / "labels.csv"), "--json", str(report), "--plots", str(tmp_path / "plots")
    )
    assert "balanced accuracy" in result.output
    assert "line 6: none.jpg" in result.output
    told = json.loads(report.read_text())
    assert 0 <= told["auc"] <= 1
    assert told["threshold"] == 0.5
    assert [image["path"] for image in told["images"]] == [str(path.relative_to(tmp_path)) for path in paths]
    assert (tmp_path / "plots" / "roc.svg").exists()


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_real_plate_has_all_its_wells_and_drops(run: Run, real_data: Path, tmp_path: Path) -> None:
    run("crystals", "score", str(real_data / "crystals" / "plate_ci022987"), "--out", str(tmp_path / "s.csv"))
    rows = rows_of(tmp_path / "s.csv")
    assert len(rows) == 288
    wells = [f"{letter}{column:02d}" for letter in "ABCDEFGH" for column in range(1, 13)]
    assert [(row["well"], row["drop"]) for row in rows] == [(well, drop) for well in wells for drop in ("1", "3", "4")]
    assert not any(row["error"] for row in rows)
