"""Sessions of exposures over HTTP: columns and what changes of them, pages, limits, places, pictures."""

import base64
import csv
import io
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pyarrow import parquet
from sqlalchemy import update

from structloop.api.exposure_shapes import LimitsFields
from structloop.exposures.made_up import store_made_up_session
from structloop.jobs import Workspace
from structloop.micrographs.ctf.files import read_ctf_table
from structloop.micrographs.judging import Limits
from structloop.micrographs.motion.relion import read_corrected_micrographs
from structloop.store.tables import ProcessedExposure, ProcessingSession

COUNT = 90


@pytest.fixture
def session(workspace: Workspace, tmp_path: Path) -> str:
    """Address of a made-up session with two pictures."""
    results = tmp_path / "results"
    results.mkdir()
    rng = np.random.default_rng(1)
    for name in ("a.png", "p.png"):
        Image.fromarray(rng.integers(0, 255, (200, 300), np.uint8)).save(results / name)
    key = store_made_up_session(
        workspace.database, results, name="Night", count=COUNT, seed=4, pictures=[("a.png", "p.png")]
    )
    return f"/api/v1/exposures/sessions/{key}"


def floats(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_a_session_is_listed_with_its_counts(client: TestClient, session: str) -> None:
    (listed,) = client.get("/api/v1/exposures/sessions").json()
    assert (listed["name"], listed["state"], listed["made_up"]) == ("Night", "finished", True)
    assert listed["done"] + listed["failed"] == COUNT
    assert 0 < listed["problematic"] < listed["done"]
    assert listed["done_per_hour"] > 100
    assert client.get("/api/v1/exposures/sessions/99").status_code == 404


def test_a_session_whose_process_died_or_falls_behind_says_so(
    client: TestClient, workspace: Workspace, session: str
) -> None:
    def change(**values: object) -> dict[str, Any]:
        if values:
            with workspace.database.session() as writing:
                writing.execute(update(ProcessingSession).values(**values))
        return dict(client.get(session).json()["session"])

    now = datetime.now(UTC)
    assert change(state="running", heartbeat_at=now, watched=True, waiting=3)["state"] == "running"
    assert change()["behind"] is None
    assert "400 movies wait" in change(waiting=400)["behind"]
    assert change(behind="60 come in an hour, 40 are done")["behind"].startswith("60 come")
    assert change(heartbeat_at=now - timedelta(minutes=5))["state"] == "killed"


def test_columns_hold_every_exposure_in_the_order_of_its_time(client: TestClient, session: str) -> None:
    whole = client.get(f"{session}/columns").json()
    assert whole["whole"]
    assert whole["total"] == len(whole["ids"]) == COUNT
    times = floats(whole["times"])
    assert (np.diff(times) >= 0).all()
    motion = floats(whole["numbers"]["total_motion_angstrom"])
    assert motion.shape == (COUNT,)
    page = client.get(f"{session}/exposures", params={"limit": 1, "offset": 7}).json()["items"][0]
    assert whole["ids"][7] == page["id"]
    assert motion[7] == pytest.approx(page["total_motion_angstrom"], rel=1e-5)
    squares = whole["texts"]["square"]
    places = np.frombuffer(base64.b64decode(squares["places"]), "<i4")
    assert squares["names"][places[7]] == page["square"]
    flags = np.frombuffer(base64.b64decode(whole["flags"]), np.uint8)
    assert {int(key) for key in whole["failures"]} == {
        key for key, flag in zip(whole["ids"], flags, strict=True) if flag & 1
    }


def test_only_what_changed_is_sent_again(client: TestClient, workspace: Workspace, session: str) -> None:
    first = client.get(f"{session}/columns").json()
    later = client.get(f"{session}/columns", params={"since": first["cursor"]}).json()
    assert not later["whole"]
    assert later["total"] == COUNT
    assert len(later["ids"]) < COUNT
    changed = first["ids"][2]
    with workspace.database.session() as writing:
        writing.execute(
            update(ProcessedExposure)
            .where(ProcessedExposure.id == changed)
            .values(total_motion_angstrom=77.0, processed_at=datetime.now(UTC) + timedelta(minutes=3))
        )
    later = client.get(f"{session}/columns", params={"since": later["cursor"]}).json()
    assert changed in later["ids"]
    assert floats(later["numbers"]["total_motion_angstrom"])[later["ids"].index(changed)] == 77.0
    limits = client.get(session).json()["limits"]
    client.put(f"{session}/limits", json={"limits": limits | {"most_ctf_resolution_angstrom": 3.9}})
    assert client.get(f"{session}/columns", params={"since": later["cursor"]}).json()["whole"]
    assert client.get(f"{session}/columns", params={"since": "yesterday"}).status_code == 422


def test_pages_are_filtered_and_sorted(client: TestClient, session: str) -> None:
    def names(**query: str | bool) -> list[dict[str, Any]]:
        answer = client.get(f"{session}/exposures", params={"limit": 500, **query})
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"] == len(answer.json()["items"])
        return list(answer.json()["items"])

    fine, bad, failed = (names(kind=kind) for kind in ("fine", "problematic", "failed"))
    assert len(fine) + len(bad) + len(failed) == COUNT
    assert all(each["reasons"] for each in bad)
    assert all(each["reason"] for each in failed)
    worst = names(sort="ctf_resolution_angstrom", descending=True)
    known = [each["ctf_resolution_angstrom"] for each in worst if each["ctf_resolution_angstrom"] is not None]
    assert known == sorted(known, reverse=True)
    assert worst[-1]["ctf_resolution_angstrom"] is None or len(known) == COUNT
    square = fine[0]["square"]
    assert {each["square"] for each in names(square=square)} == {square}
    assert [each["id"] for each in names(search=fine[3]["name"].lower())] == [fine[3]["id"]]
    assert names(search="100%_") == []
    assert client.get(f"{session}/exposures", params={"sort": "details"}).status_code == 422


def test_limits_are_set_and_everything_is_judged_anew(client: TestClient, session: str) -> None:
    detail = client.get(session).json()
    assert set(detail["limits"]) == set(LimitsFields.model_fields) == {each.name for each in fields(Limits)}
    strict = detail["limits"] | {"most_ctf_resolution_angstrom": 3.6}
    answer = client.put(f"{session}/limits", json={"limits": strict}).json()
    assert answer["problematic"] > answer["before"] == detail["session"]["problematic"]
    after = client.get(session).json()
    assert after["limits"] == strict
    assert after["session"]["problematic"] == answer["problematic"]
    assert after["session"]["limits_origin"].startswith("set by ")
    back = client.put(f"{session}/limits", json={"limits": detail["limits"]}).json()
    assert back["problematic"] == detail["session"]["problematic"]
    wrongs: list[dict[str, Any]] = [
        strict | {"ice_nm": [80, 20]},
        strict | {"most_tilt_deg": -1},
        strict | {"most": 1},
        {},
    ]
    for wrong in wrongs:
        assert client.put(f"{session}/limits", json={"limits": wrong}).status_code == 422
    assert client.get(session).json()["limits"] == detail["limits"]


def test_places_say_their_share_with_an_interval(client: TestClient, session: str) -> None:
    places = client.get(f"{session}/places").json()
    assert places[0]["kind"] == "grid"
    assert all(each["low"] <= each["share"] <= each["high"] for each in places)
    squares = [each for each in places if each["kind"] == "square"]
    assert sum(each["exposures"] for each in squares) == places[0]["exposures"]
    assert all(each["reason"] for each in squares if each["leave"])
    assert client.get("/api/v1/exposures/sessions/99/places").status_code == 404


def test_one_exposure_is_told_with_its_tracks_and_reasons(client: TestClient, session: str) -> None:
    bad = client.get(f"{session}/exposures", params={"kind": "problematic"}).json()["items"][0]
    detail = client.get(f"/api/v1/exposures/{bad['id']}").json()
    assert detail["exposure"] == bad
    assert detail["session_name"] == "Night"
    assert detail["path_angstrom"][0] == [0.0, 0.0]
    assert len(detail["local_paths"][0]["path_angstrom"]) == len(detail["path_angstrom"])
    assert detail["facts"][0] == {"name": "pixel_size_angstrom", "value": "0.83", "origin": "made up", "others": []}
    assert detail["has_picture"]
    assert client.get("/api/v1/exposures/999999").status_code == 404


def test_pictures_are_small_copies_that_the_browser_keeps(client: TestClient, session: str) -> None:
    key = client.get(f"{session}/exposures", params={"kind": "fine"}).json()["items"][0]["id"]
    for what in ("picture", "power"):
        first = client.get(f"/api/v1/exposures/{key}/{what}", params={"size": 96})
        assert first.headers["content-type"] == "image/jpeg"
        again = client.get(
            f"/api/v1/exposures/{key}/{what}", params={"size": 96}, headers={"If-None-Match": first.headers["etag"]}
        )
        assert again.status_code == 304


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "link.png", "a\0b", "gone.png", None])
def test_no_picture_leaves_the_folder_of_results(
    client: TestClient, workspace: Workspace, session: str, tmp_path: Path, name: str | None
) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "secret.png")
    (tmp_path / "results" / "link.png").symlink_to(tmp_path / "secret.png")
    key = client.get(f"{session}/exposures", params={"kind": "fine"}).json()["items"][0]["id"]
    with workspace.database.session() as writing:
        writing.execute(update(ProcessedExposure).where(ProcessedExposure.id == key).values(picture_file=name))
    answer = client.get(f"/api/v1/exposures/{key}/picture")
    assert answer.status_code == (410 if name == "gone.png" else 404)
    assert str(tmp_path / "secret") not in answer.text


def test_a_session_is_made_up_to_try_the_pages(client: TestClient) -> None:
    made = [client.post("/api/v1/exposures/sessions/made-up", params={"count": 20}).json() for _ in range(2)]
    assert [each["name"] for each in made] == ["Made-up session 1", "Made-up session 2"]
    assert made[0]["done"] + made[0]["failed"] == 20


def test_details_of_a_pipeline_are_told(client: TestClient, workspace: Workspace, session: str) -> None:
    key = client.get(f"{session}/exposures", params={"kind": "fine"}).json()["items"][0]["id"]
    details = {
        "particles": {"picker": "log", "xyp": [[10.0, 20.0, 0.5], [30.0, 40.0, 0.9]]},
        "ctf": {"ice_rings": [{"spacing_angstrom": 3.66, "strength": 4.0}]},
        "metadata": {
            "voltage_kv": {"value": 300.0, "origin": "a.xml", "others": [{"value": 200.0, "origin": "header"}]},
            "stage_um": {"value": [1.5, -2.0], "origin": "a.xml"},
        },
        "remarks": ["the gain is old"],
    }
    with workspace.database.session() as writing:
        writing.execute(update(ProcessedExposure).where(ProcessedExposure.id == key).values(details=details))
    detail = client.get(f"/api/v1/exposures/{key}").json()
    assert floats(detail["particles"]).reshape(-1, 3)[0] == pytest.approx([30, 40, 0.9])
    assert detail["ice_rings_angstrom"] == [3.66]
    assert [(each["value"], each["others"]) for each in detail["facts"]] == [
        ("300", ["200 (header)"]),
        ("1.5, -2", []),
    ]
    assert detail["remarks"] == ["the gain is old"]


def test_marks_are_given_and_taken_back_and_limits_learned_from_them(client: TestClient, session: str) -> None:
    items = client.get(f"{session}/exposures", params={"limit": 500, "sort": "total_motion_angstrom"}).json()["items"]
    known = [each["id"] for each in items if each["total_motion_angstrom"] is not None]
    good = client.post("/api/v1/exposures/marks", json={"exposure_ids": known[:12], "label": "good"})
    assert good.status_code == 200, good.text
    bad = client.post("/api/v1/exposures/marks", json={"exposure_ids": known[-12:], "label": "bad"}).json()
    assert len(client.get(f"{session}/marks").json()) == 24
    learned = client.get(f"{session}/learned-limits").json()
    assert (learned["marks"], learned["good"]) == (24, 12)
    assert learned["agreed_after"] >= learned["agreed_before"]
    before = client.get(session).json()["limits"]
    assert learned["limits"].keys() == before.keys()
    client.post("/api/v1/exposures/marks/withdraw", json={"mark_ids": [each["id"] for each in bad]})
    assert {each["label"] for each in client.get(f"{session}/marks").json()} == {"good"}
    assert client.post("/api/v1/exposures/marks", json={"exposure_ids": [10**9], "label": "bad"}).status_code == 404
    assert client.post("/api/v1/exposures/marks", json={"exposure_ids": known[:1], "label": "so"}).status_code == 422


def test_a_selection_is_taken_along_as_tables_and_as_relion_reads_them(
    client: TestClient, workspace: Workspace, session: str, tmp_path: Path
) -> None:
    items = client.get(f"{session}/exposures", params={"kind": "fine", "limit": 5}).json()["items"]
    ids = [each["id"] for each in items]

    def export(how: str, **more: object) -> Any:
        return client.post(f"{session}/export", json={"format": how, "ids": ids} | more)

    rows = list(csv.DictReader(io.StringIO(export("csv").text)))
    assert [row["name"] for row in rows] == [each["name"] for each in items]
    assert float(rows[0]["ice_nm"]) == items[0]["ice_nm"]
    table = parquet.read_table(io.BytesIO(export("parquet").content))
    assert table.column("name").to_pylist() == [each["name"] for each in items]
    for how in ("ctf-star", "corrected-star"):
        refused = export(how)
        assert refused.status_code == 422
        assert "micrograph" in refused.json()["detail"]
    with workspace.database.session() as writing:
        for each in items:
            named = update(ProcessedExposure).where(ProcessedExposure.id == each["id"])
            writing.execute(named.values(micrograph_file=f"{each['name']}.mrc"))
    star = tmp_path / "micrographs_ctf.star"
    star.write_bytes(export("ctf-star").content)
    fits = list(read_ctf_table(star))
    assert [Path(each.micrograph) for each in fits] == [tmp_path / "results" / f"{each['name']}.mrc" for each in items]
    assert fits[0].defocus_u_um == pytest.approx(items[0]["defocus_u_um"], abs=1e-5)
    assert fits[0].fit_resolution_angstrom == pytest.approx(items[0]["ctf_resolution_angstrom"], abs=1e-4)
    star.write_bytes(export("corrected-star").content)
    moved = read_corrected_micrographs(star)
    assert [each.total_angstrom for each in moved] == pytest.approx(
        [each["total_motion_angstrom"] for each in items], abs=1e-4
    )
    assert export("csv", ids=[]).status_code == 422
    assert export("xlsx").status_code == 422
    assert client.post("/api/v1/exposures/sessions/99/export", json={"format": "csv", "ids": ids}).status_code == 404
