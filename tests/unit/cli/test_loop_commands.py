"""`structloop loop`: from a data set to production and back, on the command line."""

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from structloop.cli.main import app
from structloop.core.errors import PromotionError
from structloop.jobs.workspace import open_workspace
from support.loop_datasets import TASK, store_dataset
from support.tiny_models import TINY, add_tiny_model

runner = CliRunner()


def run(*arguments: str) -> str:
    result = runner.invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def ready(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tiny_model(home, tmp_path / "scratch")
    monkeypatch.setenv("STRUCTLOOP_DEFAULT_MODEL", TINY)
    monkeypatch.setenv("STRUCTLOOP_RUNTIME", "torch")
    monkeypatch.setenv("STRUCTLOOP_PRECISION", "fp32")
    monkeypatch.setenv("STRUCTLOOP_THREADS", "1")
    with open_workspace(home) as workspace:
        store_dataset(workspace.database, workspace.kept, tmp_path / "images", per_plate=6)


@pytest.mark.usefixtures("ready")
def test_train_compare_promote_and_go_back(tmp_path: Path) -> None:
    trained = json.loads(run("loop", "train", TASK, "--json", "--prevalence", "0.33"))
    name = trained["model"].partition("@")[0]
    assert trained["verdict"]["current"] is None
    assert run("loop", "runs").split()[5:6] == ["finished"]
    assert json.loads(run("loop", "runs", "--json"))[0]["model"] == trained["model"]
    assert f"production: {TINY} (as the settings say)" in run("loop", "roles", TASK)

    page = tmp_path / "report.html"
    told = run("loop", "compare", TASK, name, "--html", str(page))
    assert "balanced accuracy" in told
    assert "The gate" in told
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")

    # Eight crystals are fewer than the gate wants to see.
    refused = runner.invoke(app, ["loop", "promote", TASK])
    assert isinstance(refused.exception, PromotionError)
    assert "are needed for its numbers" in str(refused.exception)
    lacking = runner.invoke(app, ["loop", "promote", TASK, "--despite-gate"])
    assert "needs --why" in str(lacking.exception)
    told = run("loop", "promote", TASK, "--despite-gate", "--why", "a first afternoon", "--who", "Ada")
    assert f"{trained['model']} is in production" in told
    shown = json.loads(run("loop", "roles", TASK, "--json"))
    assert shown["production"]["evidence"]["despite_gate"] is True
    assert (shown["production"]["who"], shown["production"]["why"]) == ("Ada", "a first afternoon")
    again = runner.invoke(app, ["loop", "promote", TASK, name])
    assert "in production" in str(again.exception)

    run("loop", "shadow", TASK, TINY)
    assert f"shadow: {TINY}" in run("loop", "roles", TASK)
    run("loop", "retire", TASK, TINY)
    assert "is in production for" in str(runner.invoke(app, ["loop", "retire", TASK, name]).exception)
    assert f"{TINY} (as the settings say) is in production" in run("loop", "rollback", TASK, "--why", "too early")
    assert "too early" in run("loop", "roles", TASK, "--history")
    none = runner.invoke(app, ["loop", "promote", "crystals/uv"])
    assert "has no candidate" in str(none.exception)


@pytest.mark.usefixtures("ready")
def test_share_between_labs_and_average(home: Path, tmp_path: Path) -> None:
    for name, seed in (("one", "0"), ("two", "1")):
        run("loop", "train", TASK, "--name", name, "--start", TINY, "--seed", seed, "-q")
    archive = tmp_path / "one.zip"
    assert "fast-head of one@" in run("loop", "share", "export", "one", str(archive), "--task", TASK)
    with zipfile.ZipFile(archive) as opened:
        shared = json.loads(opened.read("one/shared.json"))
    assert shared["evaluation"]["metrics"]["recall"]["value"] >= 0
    assert "test-0" not in json.dumps(shared["evaluation"]), "names of plates stay at home"
    assert "licence Apache-2.0" in run("loop", "share", "import", str(archive), "--name", "theirs")
    told = run("loop", "share", "average", TASK, "two", "theirs", "--name", "both", "--weights", "evaluation", "-q")
    assert told.startswith("both@")
    assert "candidate: both@" in run("loop", "roles", TASK)


@pytest.mark.usefixtures("ready")
def test_drift_without_other_plates_says_so() -> None:
    assert "There are no plates of a named source" in run("loop", "drift", TASK, "-q")
    assert json.loads(run("loop", "drift", TASK, "--by", "kind", "--json")) == []
