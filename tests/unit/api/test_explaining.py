"""Why a score over the API: asked for until it is there, on real networks of two families, and refusals in words."""

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from structloop.api.app import create_app
from structloop.api.explaining import ExplainingDesk
from structloop.core.errors import ImageError, JobCanceledError
from structloop.core.settings import load_settings
from structloop.crystals.annotations import annotate
from structloop.jobs import Workspace
from structloop.jobs.training import bench_of
from structloop.loop.promotion.candidates import TrainingOrder, train_candidate
from support.loop_datasets import TASK, store_dataset
from support.stored_plates import StoredPlate, store_plate
from support.tiny_models import TINY, add_tiny_model

API = "/api/v1"
PATIENCE_S = 100.0


@pytest.fixture
def workspace(home: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose default model is a small network with weights by chance."""
    settings = load_settings(home=home, default_model=TINY, threads=1, runtime="torch", precision="fp32", settle_s=0)
    with Workspace(settings) as workspace:
        add_tiny_model(home, tmp_path / "scratch")
        yield workspace


@pytest.fixture
def plate(workspace: Workspace, tmp_path: Path) -> StoredPlate:
    """A plate of two drops with pictures."""
    return store_plate(
        workspace.database, tmp_path / "plate", rows=1, columns=2, drops=(1,), inspections=1, structured=True
    )


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    """A client on this machine."""
    with TestClient(create_app(workspace), base_url="http://127.0.0.1:8765") as client:
        yield client


def asked_until_there(client: TestClient, path: str, **parameters: str | int) -> Any:
    """Asks again until it is there, as the page does."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = client.get(f"{API}{path}", params=parameters)
        if answer.status_code != 200 or answer.json()["progress"] is None:
            return answer.json() | {"status": answer.status_code}
        assert answer.json()["progress"]["message"]
        assert time.monotonic() < deadline, answer.json()
        time.sleep(0.02)


def test_a_map_is_made_in_the_background_and_kept(client: TestClient, plate: StoredPlate, workspace: Workspace) -> None:
    image = plate.images["A01", 1, 1, "visible"]
    early = client.get(f"{API}/images/{image}/occlusion/overlay", params={"model": TINY})
    assert early.status_code == 404
    assert "ask for its map first" in early.json()["remedy"]
    first = client.get(f"{API}/images/{image}/occlusion", params={"model": TINY}).json()
    assert first["map"] is None or first["progress"] is None
    found = asked_until_there(client, f"/images/{image}/occlusion", model=TINY)
    assert found["model"] == {"name": TINY, "version": workspace.models.card(TINY).version}
    assert 0 < found["map"]["probability"] < 1
    assert found["map"]["scale"] >= 0.02
    assert "nor what is true" in found["map"]["caveat"]
    overlay = client.get(found["map"]["overlay_url"])
    assert overlay.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(overlay.content)) as picture:
        assert picture.mode == "RGBA"
        assert picture.width / picture.height == pytest.approx(96 / 64, rel=0.01)
        assert np.asarray(picture).shape[2] == 4
    again = client.get(found["map"]["overlay_url"], headers={"If-None-Match": overlay.headers["etag"]})
    assert again.status_code == 304
    assert client.get(f"{API}/images/{image}/occlusion", params={"model": TINY}).json()["map"] == found["map"]


def test_a_head_shows_what_it_learnt_from_and_the_default_what_people_labelled(
    client: TestClient, plate: StoredPlate, workspace: Workspace, tmp_path: Path
) -> None:
    dataset = store_dataset(workspace.database, workspace.kept, tmp_path / "images", per_plate=6)
    order = TrainingOrder(TASK, dataset.name, method="fast-head", name="head", start=TINY)
    train_candidate(bench_of(workspace), order)
    image = plate.images["A01", 1, 1, "visible"]
    found = asked_until_there(client, f"/images/{image}/nearest", model="head", count=3)
    nearest = found["nearest"]
    assert (nearest["origin"], nearest["dataset"], nearest["compared"]) == ("training", f"{TASK}#1", 24)
    assert [each["partition"] for each in nearest["examples"]] == ["train"] * 3
    distances = [each["distance"] for each in nearest["examples"]]
    assert distances == sorted(distances)
    picture = client.get(nearest["examples"][0]["picture_url"])
    assert picture.headers["content-type"] == "image/jpeg"
    wrong = client.get(f"{API}/datasets/{dataset.id}/picture", params={"key": "nothing"})
    assert wrong.status_code == 404
    assert asked_until_there(client, f"/images/{image}/occlusion", model="head")["map"]["probability"] > 0
    nobody = asked_until_there(client, f"/images/{image}/nearest", model=TINY)["nearest"]
    assert (nobody["origin"], nobody["examples"]) == ("none", [])
    annotate(
        workspace.database, plate.drops["A02", 1], inspection=1, scheme="axis", annotator="ada", score_visible=False,
        label="crystal",
    )  # fmt: skip
    told = asked_until_there(client, f"/images/{image}/nearest", model=TINY)["nearest"]
    assert (told["origin"], told["dataset"]) == ("facility", None)
    (alike,) = told["examples"]
    assert alike["picture_url"] == f"{API}/images/{plate.images['A02', 1, 1, 'visible']}/thumbnail"
    assert alike["said"] == [{"name": "ada", "part": "annotator", "answer": "crystal"}]
    assert alike["partition"] is None


def test_what_cannot_be_explained_says_why(client: TestClient, plate: StoredPlate, workspace: Workspace) -> None:
    image = plate.images["A01", 1, 1, "visible"]
    gone = client.get(f"{API}/images/{image}/occlusion")
    assert gone.status_code == 404
    assert "'tester' is not here any more" in gone.json()["detail"]
    other = client.get(f"{API}/images/{image}/nearest", params={"model": TINY, "version": "000000000000"})
    assert "another version by now" in other.json()["detail"]
    assert client.get(f"{API}/images/999/occlusion").status_code == 404
    annotate(
        workspace.database, plate.drops["A02", 1], inspection=1, scheme="axis", annotator="ada", score_visible=False,
        label="crystal",
    )  # fmt: skip
    path = Path(client.get(f"{API}/images/{image}").json()["path"])
    path.write_bytes(path.read_bytes()[:100])
    for what in ("occlusion", "nearest"):
        damaged = asked_until_there(client, f"/images/{image}/{what}", model=TINY)
        assert damaged["status"] == 410, what
        assert path.name in damaged["detail"]
        assert "import its folder again" in damaged["remedy"]


def until_there(desk: ExplainingDesk, key: str, work: Any) -> None:
    """Asks the desk until something came of it."""
    while desk.ask(key, work).result is None:
        time.sleep(0.005)


def test_the_desk_tells_an_error_once_and_stops_what_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = ExplainingDesk()
    started, calls = threading.Event(), [0]

    def fails(_tell: object, _stop: object) -> str:
        calls[0] += 1
        raise ImageError("no")

    def waits(tell: Any, should_stop: Any) -> str:
        tell(1, 2, "halfway")
        started.set()
        while not should_stop():
            time.sleep(0.005)
        raise JobCanceledError("stopped")

    with pytest.raises(ImageError, match="no"):
        until_there(desk, "fails", fails)
    assert calls[0] == 1
    desk.ask("waits", waits)
    assert started.wait(PATIENCE_S)
    assert (desk.ask("waits", waits).done, desk.ask("waits", waits).message) == (1, "halfway")
    started.clear()
    monkeypatch.setattr("structloop.api.explaining.PATIENCE_S", 0.0)
    # It was given up by now, or will be at once; whoever asks then has it begun anew, and gets no error.
    deadline = time.monotonic() + PATIENCE_S
    while not started.is_set():
        assert desk.ask("waits", waits).result is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    desk.close()
