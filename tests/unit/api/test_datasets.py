import hashlib
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from structloop.core.errors import DataLeakError
from structloop.crystals.annotations import annotate
from structloop.jobs import Workspace
from structloop.jobs.kinds import KINDS
from structloop.store.tables import DropImageFile
from support.stored_plates import StoredPlate, store_plate

API = "/api/v1"
BUILD = {"task": "crystals/visible", "made_by": "ada", "why": "test"}


class Control:
    """A job's control; asked to stop or not."""

    def __init__(self, *, stop: bool = False) -> None:
        self.stop = stop

    def progress(self, done: int, total: int | None, message: str = "") -> None:
        """Passed over."""

    def should_stop(self) -> bool:
        """As it was made."""
        return self.stop


@pytest.fixture
def plates(workspace: Workspace, tmp_path: Path) -> list[StoredPlate]:
    """Four plates of two drops; the model finds a crystal in A01, and so do people."""
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


def build(workspace: Workspace, **more: object) -> dict[str, object]:
    return KINDS["loop.dataset"].start(workspace, BUILD | more, Control())


def test_what_models_learn_from_people_is_listed(client: TestClient) -> None:
    tasks = client.get(f"{API}/review-tasks").json()
    assert [task["name"] for task in tasks][:2] == ["crystals/uv", "crystals/visible"]
    assert tasks[1]["labels"] == ["crystal", "other"]
    assert tasks[1]["details"] == {"crystal": ["microcrystals", "1d", "2d", "3d"]}


def test_a_version_is_planned_built_and_looked_at(
    client: TestClient, workspace: Workspace, plates: list[StoredPlate]
) -> None:
    plan = client.post(f"{API}/datasets/plan", json=BUILD).json()
    assert (plan["counts"]["images"], plan["leak_count"], plan["freezes_test_set"], plan["waiting"]) == (8, 0, True, 0)
    assert client.get(f"{API}/datasets").json() == []
    job = client.post(f"{API}/datasets", json=BUILD)
    assert (job.status_code, job.json()["kind"]) == (202, "loop.dataset")
    result = build(workspace)
    assert build(workspace) == result, "a job that runs twice makes one version"
    (info,) = client.get(f"{API}/datasets", params={"task": "crystals/visible"}).json()
    assert (info["name"], info["made_by"], info["test_set"]) == ("crystals/visible#1", "ada", "test-1")
    assert client.get(f"{API}/datasets/{info['id']}").json() == info
    assert [each["name"] for each in client.get(f"{API}/test-sets").json()] == ["test-1"]
    page = client.get(f"{API}/datasets/{info['id']}/rows", params={"label": "crystal", "limit": 2}).json()
    assert (page["total"], len(page["items"])) == (4, 2)
    row = page["items"][0]
    assert row["image_id"] == plates[0].images["A01", 1, 1, "visible"]
    test_rows = client.get(f"{API}/datasets/{info['id']}/rows", params={"partition": "test"}).json()
    assert test_rows["total"] == info["counts"]["partitions"]["test"]["images"]


def test_a_plan_says_how_many_labels_wait_with_curators(client: TestClient, plates: list[StoredPlate]) -> None:
    drop = plates[0].drops["A01", 1]
    client.post(f"{API}/curation/items", json={"drop_id": drop, "inspection": 1}).raise_for_status()
    plan = client.post(f"{API}/datasets/plan", json=BUILD).json()
    assert (plan["counts"]["images"], plan["waiting"]) == (7, 1)


def test_a_job_that_is_stopped_records_nothing(client: TestClient, workspace: Workspace, plates: object) -> None:
    assert plates
    assert KINDS["loop.dataset"].start(workspace, BUILD, Control(stop=True)) == {"stopped": True}
    assert client.get(f"{API}/datasets").json() == []
    assert client.get(f"{API}/test-sets").json() == []


def test_two_versions_are_compared(client: TestClient, workspace: Workspace, plates: list[StoredPlate]) -> None:
    first = build(workspace, test_share=0.0)["dataset_id"]
    drop = plates[0].drops["A01", 1]
    annotate(
        workspace.database, drop, inspection=1, scheme="ispyb-grade", label="9", annotator="bob", score_visible=False
    )
    second = build(workspace, test_share=0.0)["dataset_id"]
    diff = client.get(f"{API}/datasets/{first}/diff/{second}").json()
    assert diff["counts"]["relabelled"] == {"crystal -> crystal": 1}
    (changed,) = diff["relabelled"]
    assert (changed["before"]["detail"], changed["after"]["detail"]) == ("", "3d")
    assert diff["counts"]["unchanged"] == 7


def test_what_leaks_is_shown_with_both_pictures(
    client: TestClient, workspace: Workspace, plates: list[StoredPlate], tmp_path: Path
) -> None:
    build(workspace)
    (test_set,) = client.get(f"{API}/test-sets").json()
    assert test_set["counts"]["images"] == 2
    (info,) = client.get(f"{API}/datasets").json()
    test_row = client.get(f"{API}/datasets/{info['id']}/rows", params={"partition": "test"}).json()["items"][0]
    twin = store_plate(workspace.database, tmp_path / "T", "T", rows=1, columns=1, drops=(1,), inspections=1)
    annotate(
        workspace.database, twin.drops["A01", 1], inspection=1, scheme="axis", label="other", annotator="ada",
        score_visible=False,
    )  # fmt: skip
    barcode, well = test_row["group"], test_row["key"].split("/")[1]
    source = tmp_path / barcode / f"{barcode}_1_{well}_1_visible.png"
    copy = tmp_path / "T" / "T_1_A01_1_visible.png"
    Image.open(source).save(copy, optimize=True)
    with workspace.database.session() as session:
        stored = session.get_one(DropImageFile, twin.images["A01", 1, 1, "visible"])
        stored.sha256, stored.size_bytes = hashlib.sha256(copy.read_bytes()).hexdigest(), copy.stat().st_size
    (leak,) = client.post(f"{API}/datasets/plan", json=BUILD).json()["leaks"]
    assert leak["train"]["image_id"] == twin.images["A01", 1, 1, "visible"]
    assert leak["test"]["image_id"] == test_row["image_id"]
    assert leak["similarity"] > 0.99
    for side in ("train", "test"):
        assert client.get(f"{API}/images/{leak[side]['image_id']}/original").status_code == 200
    with pytest.raises(DataLeakError) as refused:
        build(workspace)
    assert leak["train"]["key"] in str(refused.value)
    assert leak["test"]["key"] in str(refused.value)
    assert [each["id"] for each in client.get(f"{API}/datasets").json()] == [info["id"]]
    build(workspace, withhold_leaks=True)
    newest = client.get(f"{API}/datasets").json()[0]
    rows = client.get(f"{API}/datasets/{newest['id']}/rows", params={"limit": 50}).json()["items"]
    assert leak["train"]["key"] not in {row["key"] for row in rows}


def test_what_is_not_there_or_makes_no_sense_is_told(client: TestClient) -> None:
    for path in ("datasets/9", "datasets/9/rows", "datasets/9/diff/8"):
        assert client.get(f"{API}/{path}").status_code == 404
    assert client.post(f"{API}/datasets", json=BUILD | {"task": "x"}).status_code == 404
    nothing = client.post(f"{API}/datasets/plan", json=BUILD)
    assert (nothing.status_code, nothing.json()["type"]) == (422, "urn:structloop:dataset")
    assert client.post(f"{API}/datasets/plan", json=BUILD | {"test_set": "x"}).status_code == 404
    assert client.post(f"{API}/datasets", json=BUILD | {"validation_share": 1.0}).status_code == 422
