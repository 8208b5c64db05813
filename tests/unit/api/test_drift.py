"""An imager that looks new: its drops join the queue, once each, and leave it; by API and by command."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from structloop.api.app import create_app
from structloop.cli.main import app
from structloop.core.settings import load_settings
from structloop.crystals.curation import answer_item
from structloop.crystals.drift import queue_drift
from structloop.jobs import JobQueue, Worker, Workspace
from structloop.schema.loop import ItemKey
from support.drifting import IMAGER, PLATES, store_new_imager
from support.loop_datasets import TASK
from support.tiny_models import TINY, add_tiny_model

API = "/api/v1"
runner = CliRunner()


@pytest.fixture
def workspace(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace with a data set, and plates of an imager that looks new."""
    for name, value in (("DEFAULT_MODEL", TINY), ("RUNTIME", "torch"), ("PRECISION", "fp32"), ("THREADS", "1")):
        monkeypatch.setenv(f"STRUCTLOOP_{name}", value)
    add_tiny_model(home, tmp_path / "scratch")
    with Workspace(load_settings(home=home, settle_s=0)) as workspace:
        store_new_imager(workspace, tmp_path)
        yield workspace


def test_what_looks_new_is_looked_for_queued_once_and_taken_back(workspace: Workspace) -> None:
    with TestClient(create_app(workspace), base_url="http://127.0.0.1:8765") as client:
        nothing = client.get(f"{API}/drift", params={"task": TASK}).json()
        assert nothing == {"job_id": None, "finished_at": None, "sources": []}
        job = client.post(f"{API}/drift", json={"task": TASK, "count": 5}).json()["id"]
        with Worker(workspace):
            JobQueue(workspace).wait(job, timeout_s=100)
        found = client.get(f"{API}/drift", params={"task": TASK}).json()
        assert found["job_id"] == job
        (source,) = found["sources"]
        assert (source["source"], source["alarm"], source["plates"]) == (IMAGER, True, PLATES)
        assert len(set(source["to_label"])) == 5
        ask = {"job_id": job, "source": IMAGER}
        first = client.post(f"{API}/drift/queue", json=ask).json()
        assert (len(first["joined"]), first["known"]) == (5, 0)
        again = client.post(f"{API}/drift/queue", json=ask).json()
        assert (again["joined"], again["known"]) == ([], 5)
        queue = client.get(f"{API}/curation").json()
        assert queue["open_by_reason"] == {"drift": 5}
        waiting = client.get(f"{API}/curation/next", params={"curator": "ada", "limit": 10}).json()["items"]
        # The most different first, each with the imager that it is there for.
        asked = [f"{each['barcode']}/{each['well']}/{each['drop']}/{each['inspection']}/visible" for each in waiting]
        assert asked == source["to_label"]
        assert {each["drift_of"] for each in waiting} == {IMAGER}
        answer_item(workspace.database, waiting[0]["id"], curator="ada", answer="other")
        gone = client.post(f"{API}/curation/withdrawals", json={"items": first["joined"], "reason": "drift"}).json()
        assert gone == {"withdrawn": 4}, "what was answered stays"
        assert client.get(f"{API}/curation").json()["open_by_reason"] == {"drift": 1}
        back = client.post(f"{API}/drift/queue", json=ask).json()
        assert (len(back["joined"]), back["known"]) == (4, 1)
        other = client.post(f"{API}/drift/queue", json={"job_id": job, "source": "RI-1"})
        assert (other.status_code, other.json()["remedy"]) == (404, "look for drift again")
        assert client.post(f"{API}/drift/queue", json={"job_id": "none", "source": IMAGER}).status_code == 404


def test_the_command_queues_what_it_asks_to_label(workspace: Workspace) -> None:
    def run(*arguments: str) -> str:
        told = runner.invoke(app, ["loop", *arguments], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.stdout

    only_told = json.loads(run("drift", TASK, "--count", "3", "--json"))
    assert [each["queued"] for each in only_told] == [None]
    assert run("queue", "status").startswith("0 drops wait")
    assert f"3 joined the queue (drift: {IMAGER})\n" in run("drift", TASK, "--count", "3", "--queue")
    assert "0 joined the queue (drift: RI-54); 3 wait there already" in run("drift", TASK, "--count", "3", "--queue")
    assert "0 drops taken out" in run("queue", "empty", "--reason", "disagreement")
    assert "3 drops taken out" in run("queue", "empty", "--reason", "drift")
    done = queue_drift(workspace.database, [ItemKey(2, 1), ItemKey(1, 1), ItemKey(2, 1)], answers_needed=1)
    assert done.joined == (ItemKey(2, 1), ItemKey(1, 1))
