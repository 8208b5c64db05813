"""Trainings, roles and lineages over the API, on a small real network and drops that people labelled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from structloop.api.app import create_app
from structloop.core.settings import load_settings
from structloop.crystals.annotations import annotate
from structloop.jobs import Workspace
from structloop.jobs.kinds import KINDS
from structloop.loop.promotion.roles import promote, record_version
from structloop.loop.promotion.training_runs import begin_run, end_run
from support.loop_datasets import TASK, store_dataset
from support.stored_plates import StoredPlate, store_plate
from support.tiny_models import TINY, add_tiny_model

API = "/api/v1"
SCORED_BY = "tester"
"""The model of stored scores; it has no files."""


class Control:
    """A job's control that is never asked to stop."""

    def progress(self, done: int, total: int | None, message: str = "") -> None:
        """Passed over."""

    def should_stop(self) -> bool:
        """Never."""
        return False


@pytest.fixture
def workspace(home: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose default model is a small network with weights by chance."""
    settings = load_settings(home=home, default_model=TINY, threads=1, runtime="torch", precision="fp32", settle_s=0)
    with Workspace(settings) as workspace:
        add_tiny_model(home, tmp_path / "scratch")
        yield workspace


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    """A client on this machine."""
    with TestClient(create_app(workspace), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture
def plates(workspace: Workspace, tmp_path: Path) -> list[StoredPlate]:
    """Four plates of two drops, a crystal in A01 of each, as people said."""
    stored = []
    for barcode in ("P1", "P2", "P3", "P4"):
        plate = store_plate(
            workspace.database, tmp_path / barcode, barcode, rows=1, columns=2, drops=(1,), inspections=1,
            probabilities={("A01", 1, 1): 0.9}, structured=True,
        )  # fmt: skip
        for (well, _), drop_id in plate.drops.items():
            annotate(
                workspace.database, drop_id, inspection=1, scheme="axis", annotator="ada", score_visible=False,
                label="crystal" if well == "A01" else "other",
            )  # fmt: skip
        stored.append(plate)
    return stored


def roles(client: TestClient) -> Any:
    (found,) = client.get(f"{API}/model-roles", params={"task": TASK}).json()
    return found


def test_a_model_is_trained_shadowed_promoted_and_given_up(
    client: TestClient, workspace: Workspace, tmp_path: Path
) -> None:
    store_dataset(workspace.database, workspace.kept, tmp_path / "images")
    asked = client.post(f"{API}/training-runs", json={"task": TASK, "dataset": f"{TASK}#1"})
    assert (asked.status_code, asked.json()["kind"]) == (202, "loop.train")
    KINDS["loop.train"].start(workspace, {"task": TASK}, Control())
    (run,) = client.get(f"{API}/training-runs", params={"task": TASK}).json()
    assert (run["state"], run["dataset"], run["start"]) == ("finished", f"{TASK}#1", TINY)
    assert run["course"]["verdict"]["checks"]
    (candidate,) = roles(client)["candidates"]
    assert candidate["model"] == run["model"]
    body = {"task": TASK, "model": run["name"], "who": "ada"}
    shadowed = client.post(f"{API}/model-roles/shadows", json=body).json()
    assert [each["model"] for each in shadowed["shadows"]] == [run["model"]]
    assert shadowed["shadows"][0]["evidence"]["verdict"], "what it earned as a candidate stays in sight"
    refused = client.post(f"{API}/model-roles/promotions", json=body | {"despite_gate": True})
    assert refused.status_code == 409
    asked = client.post(f"{API}/model-roles/promotions", json=body | {"despite_gate": True, "why": "a test"})
    assert (asked.status_code, asked.json()["kind"], asked.json()["subject"]) == (202, "loop.promote", run["name"])
    request = {"task": TASK, "model": run["name"], "who": "ada", "why": "a test", "despite_gate": True}
    assert KINDS["loop.promote"].start(workspace, request, Control())["model"] == run["model"]
    assert roles(client)["production"]["who"] == "ada"
    assert client.post(f"{API}/model-roles/retirements", json=body).status_code == 409, "production is rolled back"
    back = client.post(f"{API}/model-roles/roll-backs", json={"task": TASK, "who": "ben", "why": "worse"}).json()
    assert (back["production"], back["default_model"]) == (None, TINY)
    assert [each["role"] for each in back["history"]] == ["retired", "production", "shadow", "candidate"]
    assert client.post(f"{API}/model-roles/roll-backs", json={"task": TASK, "who": "ben"}).status_code == 409


def test_a_score_is_traced_to_its_model_its_data_set_and_its_people(
    client: TestClient, workspace: Workspace, plates: list[StoredPlate]
) -> None:
    build = {"task": TASK, "made_by": "ada", "why": "the first", "test_share": 0.0}
    KINDS["loop.dataset"].start(workspace, build, Control())
    # Eight drops teach nothing: the training is written down as one that went well.
    version = record_version(workspace.database, workspace.models.card(TINY))
    run = begin_run(
        workspace.database, task=TASK, method="fast-head", dataset_version_id=1, start=SCORED_BY, name=TINY, seed=0,
        settings={},
    )  # fmt: skip
    end_run(workspace.database, run.id, "finished", model_version_id=version)
    promote(workspace.database, TASK, version, who="ben", why="it helps", evidence={}, replaces=None)
    KINDS["crystals.score"].start(workspace, {"barcode": "P1"}, Control())
    drop = plates[0].drops["A01", 1]
    found = client.get(f"{API}/drops/{drop}/lineage").json()
    score = next(each for each in found["scores"] if each["modality"] == "visible" and each["is_current"])
    step, began_with = score["steps"]
    assert (step["name"], began_with["name"], began_with["run"]) == (TINY, SCORED_BY, None)
    assert (step["run"]["id"], step["dataset"]["name"], step["dataset"]["why"]) == (1, f"{TASK}#1", "the first")
    assert step["people"] == [{"name": "ada", "part": "annotator", "images": 8}]
    assert (step["learnt"]["label"], step["learnt"]["source"]) == ("crystal", "agreed")
    assert [(each["role"], each["who"]) for each in step["events"]][-1] == ("production", "ben")
    earlier = [each for each in found["scores"] if not each["is_current"]]
    assert earlier, "the score from before is kept, with its version"
    assert client.get(f"{API}/drops/{drop}/lineage", params={"inspection": 7}).status_code == 404
    assert client.get(f"{API}/drops/999999/lineage").status_code == 404
