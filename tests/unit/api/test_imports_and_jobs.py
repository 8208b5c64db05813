import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from filelock import FileLock
from PIL import Image
from typer.testing import CliRunner

from structloop.api.app import create_app
from structloop.cli.main import app as commands
from structloop.core.errors import JobCanceledError
from structloop.core.settings import load_settings
from structloop.jobs import JobQueue, Workspace
from structloop.jobs.worker import worker_lock_path
from support.stored_plates import StoredPlate

API = "/api/v1"


def _imager(root: Path) -> Path:
    folder = root / "rawimages" / "2026" / "EM0001" / "1"
    folder.mkdir(parents=True)
    for well, light in (("A01", "Vis"), ("A01", "UV"), ("H12", "Vis")):
        Image.new("RGB", (64, 64), "grey").save(folder / f"FORMULATRIX_EM0001_1_05-01-2026_{well}_1_{light}.jpg")
    (folder / "FORMULATRIX_EM0001_1_05-01-2026_B01_1_Vis.jpg").touch()
    return root / "rawimages"


def test_layouts_are_listed(client: TestClient) -> None:
    layouts = {item["name"]: item for item in client.get(f"{API}/layouts").json()}
    assert {"embl", "manifest", "xchem"} <= layouts.keys()
    assert layouts["embl"]["title"]


def test_a_preview_shows_the_plate_map_and_changes_nothing(client: TestClient, import_root: Path) -> None:
    body = {"path": str(_imager(import_root)), "layout": "auto"}
    answer = client.post(f"{API}/imports/preview", json=body)
    assert answer.status_code == 200, answer.text
    preview = answer.json()
    assert preview["layout"] == "embl"
    assert preview["why"]
    (plate,) = preview["plates"]
    assert (plate["barcode"], plate["is_new"], plate["image_count"]) == ("EM0001", True, 3)
    assert plate["modalities"] == ["visible", "uv"]
    assert plate["cells"] == [
        {"row": 0, "column": 0, "drop": 1, "image_count": 2},
        {"row": 7, "column": 11, "drop": 1, "image_count": 1},
    ]
    assert preview["problem_count"] == 1
    assert "B01" in preview["problems"][0]["path"]
    assert client.get(f"{API}/plates").json()["total"] == 0


def test_an_import_becomes_a_job_once(client: TestClient, import_root: Path) -> None:
    body = {"path": str(_imager(import_root))}
    first = client.post(f"{API}/imports", json=body)
    assert first.status_code == 202
    job = first.json()
    assert (job["kind"], job["state"]) == ("crystals.import", "queued")
    assert client.post(f"{API}/imports", json=body).json()["id"] == job["id"]
    assert client.get(f"{API}/jobs/{job['id']}").json() == job
    assert client.get(f"{API}/imports/{job['id']}").status_code == 404, "there is no outcome before it has ended"


def test_two_long_folders_with_the_same_beginning_are_two_jobs(client: TestClient, import_root: Path) -> None:
    deep = import_root / ("x" * 200) / ("y" * 200)
    jobs = []
    for name in ("first", "second"):
        (deep / name).mkdir(parents=True)
        jobs.append(client.post(f"{API}/imports", json={"path": str(deep / name)}).json()["id"])
    assert jobs[0] != jobs[1]


@pytest.mark.parametrize("rule", [None, "mean"])
def test_the_command_line_joins_what_the_browser_asked_for(
    client: TestClient,
    import_root: Path,
    workspace: Workspace,
    plate: StoredPlate,
    monkeypatch: pytest.MonkeyPatch,
    rule: str | None,
) -> None:
    def stop_waiting(_queue: JobQueue, job: str, _on_progress: object = None) -> None:
        raise JobCanceledError(f"waited for {job}")

    monkeypatch.setattr(JobQueue, "wait", stop_waiting)
    folder = _imager(import_root).resolve()
    importing = client.post(f"{API}/imports", json={"path": str(folder)}).json()["id"]
    scoring = client.post(f"{API}/plates/{plate.id}/score", json={"rule": rule}).json()["id"]
    options = ["--rule", rule] if rule else []
    # As while a server runs the jobs of this home.
    with FileLock(worker_lock_path(workspace)):
        for target, job in ((str(folder), importing), ("PLATE1", scoring)):
            result = CliRunner().invoke(commands, ["crystals", "score", target, *options])
            assert result.exit_code == 1, result.output
            assert f"waited for {job}" in result.output
        result = CliRunner().invoke(commands, ["crystals", "import", str(folder)])
        assert f"waited for {importing}" in result.output + str(result.exception)
    assert len(JobQueue(workspace).list()) == 2


@pytest.mark.parametrize("route", ["/imports", "/imports/preview"])
def test_only_import_roots_may_be_imported(client: TestClient, import_root: Path, tmp_path: Path, route: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (import_root / "way-out").symlink_to(outside)
    beside = Path(f"{import_root}-too")
    beside.mkdir()
    for path in (outside, import_root / ".." / "outside", import_root / "way-out", Path("/"), beside):
        answer = client.post(API + route, json={"path": str(path)})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:structloop:import-refused")
        assert "import_roots" in answer.json()["remedy"]
    assert client.get(f"{API}/jobs").json() == {"items": []}


@pytest.mark.parametrize("path", ["relative/folder", "bad\u0000path", ""])
def test_paths_must_be_whole(client: TestClient, path: str) -> None:
    assert client.post(f"{API}/imports", json={"path": path}).status_code == 422


def test_a_loop_of_links_and_unknown_layouts_are_refused(client: TestClient, import_root: Path) -> None:
    loop = import_root / "loop"
    loop.symlink_to(loop)
    assert client.post(f"{API}/imports/preview", json={"path": str(loop)}).status_code == 422
    answer = client.post(f"{API}/imports", json={"path": str(import_root), "layout": "nothing"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:structloop:layout")
    assert client.post(f"{API}/imports/preview", json={"path": str(import_root / "no")}).status_code == 422


def test_without_import_roots_the_browser_may_not_import(home: Path, tmp_path: Path) -> None:
    with Workspace(load_settings(home=home)) as workspace:
        client = TestClient(create_app(workspace), base_url="http://127.0.0.1")
        answer = client.post(f"{API}/imports", json={"path": str(tmp_path)})
        assert answer.status_code == 403
        assert "import_roots" in answer.json()["detail"] + answer.json()["remedy"]
        assert client.get(f"{API}/info").json()["import_allowed"] is False


def test_scoring_becomes_a_job_once(client: TestClient, plate: StoredPlate) -> None:
    answer = client.post(f"{API}/plates/{plate.id}/score", json={"rule": "noisy-or"})
    assert answer.status_code == 202
    job = answer.json()
    assert (job["kind"], job["subject"]) == ("crystals.score", "PLATE1")
    again = client.post(f"{API}/plates/{plate.id}/score", json={"rule": "noisy-or"}).json()
    other = client.post(f"{API}/plates/{plate.id}/score", json={}).json()
    assert again["id"] == job["id"]
    assert other["id"] != job["id"]
    listed = [item["id"] for item in client.get(f"{API}/jobs").json()["items"]]
    assert sorted(listed) == sorted([job["id"], other["id"]])
    assert client.post(f"{API}/plates/999/score", json={}).status_code == 404
    assert client.post(f"{API}/plates/{plate.id}/score", json={"rule": "sum"}).status_code == 422


def test_jobs_are_stopped(client: TestClient, plate: StoredPlate) -> None:
    job = client.post(f"{API}/plates/{plate.id}/score", json={}).json()
    stopped = client.post(f"{API}/jobs/{job['id']}/cancel")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "canceled")
    assert client.post(f"{API}/jobs/{job['id']}/cancel").json()["state"] == "canceled"
    for path in ("/jobs/nothing", "/jobs/..%2Fx"):
        assert client.get(API + path).status_code in (404, 422)
    assert client.post(f"{API}/jobs/nothing/cancel").status_code == 404


def test_files_that_were_left_out_are_listed(client: TestClient, plate: StoredPlate) -> None:
    assert client.get(f"{API}/problems").json() == {"items": [], "total": 0}
    assert client.get(f"{API}/plates/{plate.id}/problems").json() == {"items": [], "total": 0}


def test_a_preview_of_a_folder_that_vanishes_is_no_crash(client: TestClient, import_root: Path) -> None:
    folder = _imager(import_root)
    shutil.rmtree(folder)
    answer = client.post(f"{API}/imports/preview", json={"path": str(folder)})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:structloop:layout")
