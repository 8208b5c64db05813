"""Exposures in the loop by the API: queue, answers of six labels, data set, a head trained on it, and its promotion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from structloop.api.app import create_app
from structloop.core.settings import load_settings
from structloop.exposures.condition import open_condition
from structloop.exposures.marks import mark
from structloop.jobs import Workspace
from structloop.jobs.kinds import KINDS
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

API = "/api/v1"
QUEUE = f"{API}/curation/exposures"
TASK = "micrographs/quality"
TRUE = {0: "empty-ice", 1: "crystalline", 2: "great"}


class Control:
    """A job's control that is never asked to stop."""

    def progress(self, done: int, total: int | None, message: str = "") -> None:
        """Passed over."""

    def should_stop(self) -> bool:
        """Never."""
        return False


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    with Workspace(load_settings(home=home, threads=1, runtime="torch", settle_s=0)) as workspace:
        yield workspace


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    with TestClient(create_app(workspace), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture
def exposures(workspace: Workspace, tmp_path: Path) -> dict[int, str]:
    """Two sessions of eight squares, three exposures each: noise of three grains, and what each is called."""
    rng = np.random.default_rng(0)
    results = tmp_path / "results"
    results.mkdir()
    names = {}
    with workspace.database.session() as session:
        for owner in (1, 2):
            session.add(
                ProcessingSession(id=owner, name=f"s{owner}", source=f"/m{owner}", results=f"{results}/{owner}")
            )
            (results / str(owner)).mkdir()
        session.flush()
        for key in range(1, 49):
            owner, kind = 1 + key % 2, key % 3
            side = (128, 32, 10)[kind]
            pixels = np.clip(rng.normal(128, 25, (side, side)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((128, 128), Image.Resampling.BICUBIC).save(
                results / str(owner) / f"{key}.png"
            )
            session.add(
                ProcessedExposure(
                    id=key, session_id=owner, name=f"e{key}", movie=f"/m/{key}", fingerprint="0", state="done",
                    grid="g", square=f"q{key % 16}", picture_file=f"{key}.png",
                    condition="great", condition_probability=0.5 + key / 100, poor_condition=0.5 - key / 200,
                )
            )  # fmt: skip
            names[key] = TRUE[kind]
        session.add(
            ProcessedExposure(id=90, session_id=1, name="no picture", movie="/m/90", fingerprint="0", state="done")
        )
        session.add(
            ProcessedExposure(
                id=91, session_id=1, name="disputed", movie="/m/91", fingerprint="0", state="done",
                picture_file="2.png", poor_condition=0.9, condition_probability=0.9, condition="no-ice",
            )
        )  # fmt: skip
    mark(workspace.database, [91], "good", annotator="ada")
    names[91] = "great"
    return names


def fill(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post(f"{QUEUE}/fill", json=more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_queue_asks_what_is_disputed_unsure_and_drawn(client: TestClient, exposures: dict[int, str]) -> None:
    filled = fill(client, size=9)
    assert (filled["looked_at"], filled["added_count"]) == (49, 9)
    assert filled["added"] == {"disagreement": 1, "near-threshold": 6, "audit": 2}
    assert fill(client, size=100)["looked_at"] == 40
    queue = client.get(QUEUE, params={"curator": "ada"}).json()
    assert [each["key"] for each in queue["choices"]] == ["1", "2", "3", "4", "5", "6", "u", "x"]
    assert (queue["open"], queue["open_for_curator"], queue["settled"]) == (49, 49, 0)
    listed = client.get(f"{QUEUE}/next", params={"curator": "ada", "limit": 50}).json()
    assert listed["open_for_curator"] == 49
    first = next(each for each in listed["items"] if not each["is_blind"])
    assert (first["exposure_id"], first["reason"], first["condition"]) == (91, "disagreement", "no-ice")
    for each in listed["items"]:
        if each["is_blind"]:
            assert (each["reason"], each["condition"], each["probability"]) == (None, None, None)


def test_two_equal_answers_settle_and_the_newest_is_undone(client: TestClient, exposures: dict[int, str]) -> None:
    fill(client, size=4)
    item = client.get(f"{QUEUE}/next", params={"curator": "ada"}).json()["items"][0]
    answers = f"{QUEUE}/items/{item['id']}/answers"
    assert client.post(answers, json={"curator": "ada", "answer": "crystal"}).status_code == 422
    given = client.post(answers, json={"curator": "ada", "answer": "decent", "seconds": 1.5})
    assert (given.status_code, given.json()["state"]) == (201, "open")
    assert client.post(answers, json={"curator": "ada", "answer": "great"}).status_code == 409
    assert client.post(answers, json={"curator": "bea", "answer": "decent"}).json()["label"] == "decent"
    queue = client.get(QUEUE).json()
    assert queue["settled_by_label"]["decent"] == queue["settled"] == 1
    undone = client.post(f"{QUEUE}/undo", json={"curator": "bea"}).json()
    assert (undone["id"], undone["state"], undone["label"]) == (item["id"], "open", None)
    assert client.post(f"{QUEUE}/undo", json={"curator": "cyd"}).status_code == 404


def test_items_of_drops_are_not_answered_here_and_unknown_sessions_are_told(client: TestClient) -> None:
    assert client.post(f"{QUEUE}/items/1/answers", json={"curator": "ada", "answer": "great"}).status_code == 404
    assert client.post(f"{QUEUE}/fill", json={"session_ids": [7]}).status_code == 404


def test_what_curators_settle_teaches_the_model_that_the_pipeline_uses(
    client: TestClient, workspace: Workspace, exposures: dict[int, str]
) -> None:
    fill(client, size=100, answers_needed=1)
    for item in client.get(f"{QUEUE}/next", params={"curator": "ada", "limit": 50}).json()["items"]:
        body = {"curator": "ada", "answer": exposures[item["exposure_id"]]}
        assert client.post(f"{QUEUE}/items/{item['id']}/answers", json=body).json()["state"] == "settled"
    build = {"task": TASK, "made_by": "ada", "why": "test"}
    plan = client.post(f"{API}/datasets/plan", json=build).json()
    assert plan["counts"]["images"] == 49 - plan["leak_count"]
    made = KINDS["loop.dataset"].start(workspace, build | {"withhold_leaks": True}, Control())
    rows = client.get(f"{API}/datasets/{made['dataset_id']}/rows").json()["items"]
    assert {row["label"] for row in rows} == set(TRUE.values())
    assert all(row["drop_id"] is None and row["exposure_id"] is not None for row in rows)
    assert {row["modality"] for row in rows} == {"electrons"}
    by_group: dict[str, set[str]] = {}
    for row in rows:
        by_group.setdefault(row["group"], set()).add(row["partition"])
    assert all(len(parts) == 1 for parts in by_group.values()), "a square is never cut"

    before = open_condition(workspace.models, workspace.database)
    assert before.model.startswith("exposures-condition@")
    (roles,) = client.get(f"{API}/model-roles", params={"task": TASK}).json()
    assert roles["default_model"] == "exposures-condition"
    trained = KINDS["loop.train"].start(workspace, {"task": TASK, "name": "ours"}, Control())
    assert trained["model"].startswith("ours@")
    KINDS["loop.promote"].start(
        workspace, {"task": TASK, "model": "ours", "who": "ada", "why": "a test", "despite_gate": True}, Control()
    )
    (metric,) = [each for each in trained["metrics"] if each["name"] == "all labels right"]
    assert metric["value"] > 0.8
    (roles,) = client.get(f"{API}/model-roles", params={"task": TASK}).json()
    judged = roles["production"]["evidence"]["comparison"]["candidate"]
    assert sum(judged["confusion"]["crystalline"].values()) > 0
    assert judged["all_labels"]["value"] == metric["value"]
    after = open_condition(workspace.models, workspace.database)
    assert after.model == trained["model"]
    tested = [row for row in rows if row["partition"] == "test"]
    pictures = [Image.open(f"{_folder(workspace, row['exposure_id'])}") for row in tested]
    found = after.classify_pictures(pictures)
    assert all((each.poor is None) == (each.label == "unknown") for each in found)
    assert any(each.poor is not None for each in found), "a model that people taught may judge"
    said = [max(each.probabilities, key=lambda name: each.probabilities[name]) for each in found]
    assert np.mean([label == row["label"] for label, row in zip(said, tested, strict=True)]) > 0.8


def _folder(workspace: Workspace, exposure_id: int) -> Path:
    with workspace.database.reading() as session:
        row = session.get_one(ProcessedExposure, exposure_id)
        owner = session.get_one(ProcessingSession, row.session_id)
        return Path(owner.results) / str(row.picture_file)
