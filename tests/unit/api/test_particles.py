"""Particle projects over the API: from a folder to marks, without leaving the folders that may be looked into."""

import base64
import io
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from structloop.jobs import JobQueue, Workspace
from structloop.jobs.worker import Worker
from structloop.particles.projects.picked import StoredPicks, record_picks
from structloop.schema.events import JobState
from structloop.store.tables import ModelVersion

PARTICLES = "/api/v1/particles"


@pytest.fixture
def project(client: TestClient, workspace: Workspace, import_root: Path) -> int:
    pixels = np.random.default_rng(1).normal(128, 20, (600, 800)).clip(0, 255).astype(np.uint8)
    pixels[100:140, 200:240] = 20
    Image.fromarray(pixels).save(import_root / "a_1.png")
    Image.fromarray(pixels).save(import_root / "a_2.png")
    (import_root / "cut.mrc").write_bytes(b"\0" * 100)
    made = client.post(
        f"{PARTICLES}/projects", json={"name": "ribosome", "folder": str(import_root), "diameter_px": 30}
    )
    assert made.status_code == 201
    _finish_jobs(workspace)
    return int(made.json()["id"])


def _finish_jobs(workspace: Workspace) -> None:
    queue = JobQueue(workspace)
    with Worker(workspace):
        for job in queue.list(10):
            assert queue.wait(job.id, timeout_s=100).state is JobState.SUCCEEDED


def _micrographs(client: TestClient, project: int) -> list[dict[str, object]]:
    return list(client.get(f"{PARTICLES}/projects/{project}/micrographs").json())


def _pick(workspace: Workspace, micrograph: int) -> None:
    with workspace.database.session() as session:
        version = ModelVersion(name="particles-general", version="1", card={})
        session.add(version)
        session.flush()
        number = version.id
    picks = StoredPicks(np.array([[220.0, 120.0], [500.0, 300.0]]), np.array([0.9, 0.3]))
    record_picks(workspace.database, micrograph, number, diameter_px=30.0, fingerprint="f", picks=picks)


def test_a_project_finds_its_micrographs_and_says_what_is_wrong_with_the_rest(client: TestClient, project: int) -> None:
    found = {str(one["name"]): one for one in _micrographs(client, project)}
    assert sorted(found) == ["a_1.png", "a_2.png", "cut.mrc"]
    assert (found["a_1.png"]["width_px"], found["a_1.png"]["height_px"]) == (800, 600)
    assert "cut.mrc" in str(found["cut.mrc"]["problem"])
    view = client.get(f"{PARTICLES}/projects/{project}").json()
    assert (view["micrographs"], view["problems"], view["model"]) == (3, 1, "particles-general")


def test_folders_outside_the_roots_are_refused(client: TestClient, tmp_path: Path) -> None:
    for path in (str(tmp_path), "/etc", "relative"):
        answer = client.post(f"{PARTICLES}/projects", json={"name": "p", "folder": path, "diameter_px": 30})
        assert answer.status_code in {403, 422}
        assert client.get(f"{PARTICLES}/folders", params={"path": path}).status_code in {403, 422}


def test_looking_into_folders_stays_below_the_roots(client: TestClient, project: int, import_root: Path) -> None:
    (import_root / "more").mkdir()
    top = client.get(f"{PARTICLES}/folders").json()
    assert (top["path"], top["parent"], top["folders"]) == (str(import_root), None, ["more"])
    assert top["roots"] == [str(import_root)]
    assert (top["micrographs"], top["width_px"]) == (3, 800)
    below = client.get(f"{PARTICLES}/folders", params={"path": str(import_root / "more")}).json()
    assert below["parent"] == str(import_root)


def test_the_diameter_is_given_once(client: TestClient, import_root: Path) -> None:
    body = {"name": "p", "folder": str(import_root)}
    for wrong in ({}, {"diameter_px": 1.0, "diameter_angstrom": 2.0}, {"diameter_angstrom": 100.0}):
        assert client.post(f"{PARTICLES}/projects", json=body | wrong).status_code == 422
    right = body | {"diameter_angstrom": 100.0, "pixel_size_angstrom": 2.0}
    assert client.post(f"{PARTICLES}/projects", json=right).json()["diameter_px"] == 50.0


def test_a_picture_is_made_once_and_kept(client: TestClient, project: int) -> None:
    micrograph = _micrographs(client, project)[0]["id"]
    address = f"{PARTICLES}/micrographs/{micrograph}/picture"
    answer = client.get(address, params={"size": 400, "low_pass_px": 10})
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.size, picture.mode) == ((400, 300), "L")
    pixels = np.asarray(picture, float)
    assert pixels[52:68, 102:118].mean() < pixels.mean() - 40
    again = client.get(
        address, params={"size": 400, "low_pass_px": 10}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304
    problem = _micrographs(client, project)[2]["id"]
    assert client.get(f"{PARTICLES}/micrographs/{problem}/picture").status_code == 422


def test_picks_are_shown_less_what_people_said(client: TestClient, workspace: Workspace, project: int) -> None:
    micrograph = int(str(_micrographs(client, project)[0]["id"]))
    address = f"{PARTICLES}/micrographs/{micrograph}"
    assert client.get(f"{address}/picks").json()["model_version"] is None
    _pick(workspace, micrograph)
    assert _table(client, address).tolist() == [[220.0, 120.0, np.float32(0.9)], [500.0, 300.0, np.float32(0.3)]]
    marks = client.post(f"{address}/erase", json={"x_px": 222, "y_px": 119}).json()
    assert (len(marks["others"]), marks["can_undo"]) == (1, True)
    assert _table(client, address)[:, 0].tolist() == [500.0]
    assert client.post(f"{address}/undo").json()["others"] == []
    assert len(client.post(f"{address}/redo").json()["others"]) == 1
    box = {"left_px": 400, "top_px": 200, "right_px": 600, "bottom_px": 400, "threshold": 0.2}
    assert len(client.post(f"{address}/erase-box", json=box).json()["others"]) == 2
    marked = client.post(f"{address}/marks", json={"x_px": 10, "y_px": 20}).json()
    assert marked["particles"] == [{"x_px": 10, "y_px": 20}]
    assert client.post(f"{address}/marks", json={"x_px": 1000, "y_px": 20}).status_code == 422
    assert client.post(f"{address}/finish", json={"threshold": 0.5}).json()["finished"]
    assert not client.post(f"{address}/reopen").json()["finished"]
    view = client.get(address, params={"threshold": 0.1}).json()
    assert (view["picks"], view["marked"]) == (0, 1)


def _table(client: TestClient, address: str) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    answer = client.get(f"{address}/picks").json()
    table = np.frombuffer(base64.b64decode(answer["table"]), "<f4").reshape(-1, 3)
    assert len(table) == answer["count"]
    return table


def test_a_project_can_be_changed_and_forgotten(client: TestClient, project: int, import_root: Path) -> None:
    changed = client.patch(f"{PARTICLES}/projects/{project}", json={"diameter_px": 44.0})
    assert changed.json()["diameter_px"] == 44.0
    assert client.patch(f"{PARTICLES}/projects/{project}", json={"diameter_px": 0}).status_code == 422
    chosen = client.patch(f"{PARTICLES}/projects/{project}", json={"model": "template"})
    assert chosen.json()["model"] == "template"
    assert client.patch(f"{PARTICLES}/projects/{project}", json={"model": "nothing-like-it"}).status_code == 404
    assert client.delete(f"{PARTICLES}/projects/{project}").status_code == 204
    assert client.get(f"{PARTICLES}/projects/{project}").status_code == 404
    assert (import_root / "a_1.png").is_file()


def test_what_is_exported_has_the_project_s_name_in_any_script(
    client: TestClient, workspace: Workspace, import_root: Path
) -> None:
    Image.fromarray(np.zeros((200, 200), np.uint8)).save(import_root / "a.png")
    body = {"name": "リボソーム 1", "folder": str(import_root), "diameter_px": 30}
    project = int(client.post(f"{PARTICLES}/projects", json=body).json()["id"])
    _finish_jobs(workspace)
    micrograph = _micrographs(client, project)[0]["id"]
    client.post(f"{PARTICLES}/micrographs/{micrograph}/marks", json={"x_px": 50, "y_px": 60})
    answer = client.get(f"{PARTICLES}/projects/{project}/export")
    assert answer.status_code == 200
    assert unquote(answer.headers["content-disposition"]) == "attachment; filename*=UTF-8''リボソーム_1.star"
    assert b"a.png 50 60 1" in answer.content
