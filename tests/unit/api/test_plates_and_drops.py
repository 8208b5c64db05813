import csv
import io

import pytest
from fastapi.testclient import TestClient

from support.stored_plates import StoredPlate

API = "/api/v1"


def test_health_and_info(client: TestClient) -> None:
    health = client.get(f"{API}/health").json()
    assert (health["status"], health["database"]) == ("ok", "sqlite")
    info = client.get(f"{API}/info").json()
    assert info["default_model"] == "drops-compact"
    assert info["default_model_caution"] == "none"
    assert info["combination_rules"] == ["max", "mean", "product", "noisy-or"]
    assert info["import_allowed"] is True
    assert info["annotator"]


def test_info_without_the_default_model_still_answers(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, workspace: object
) -> None:
    monkeypatch.setattr(workspace.models, "_shipped", workspace.home)  # type: ignore[attr-defined]
    info = client.get(f"{API}/info").json()
    assert (info["default_model_version"], info["default_model_caution"]) == (None, None)


def test_the_list_of_plates(client: TestClient, plate: StoredPlate) -> None:
    page = client.get(f"{API}/plates", params={"search": "plate", "state": "hits", "sort": "best"}).json()
    assert page["total"] == 1
    (item,) = page["items"]
    assert (item["barcode"], item["state"], item["hit_count"]) == ("PLATE1", "scored", 2)
    assert client.get(f"{API}/plates", params={"state": "unscored"}).json() == {"items": [], "total": 0}


@pytest.mark.parametrize(
    "query", ["state=nonsense", "sort=nonsense", "limit=0", "limit=501", "offset=-1", "limit=a", "search=" + "x" * 201]
)
def test_bad_queries_are_problems_that_name_the_field(client: TestClient, query: str) -> None:
    answer = client.get(f"{API}/plates?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:structloop:bad-request"
    assert query.split("=")[0] in problem["detail"]
    assert problem["remedy"]


def test_one_plate(client: TestClient, plate: StoredPlate) -> None:
    detail = client.get(f"{API}/plates/{plate.id}").json()
    assert [item["number"] for item in detail["inspections"]] == [1, 2, 3]
    assert detail["scorings"][0]["model_visible"] == {"name": "tester", "version": "0123456789ab"}


@pytest.mark.parametrize(
    "path", ["/plates/999", "/plates/999/map", "/plates/999/problems", "/plates/999/scores.csv", "/drops/999"]
)
def test_what_is_not_there_is_a_problem_with_a_remedy(client: TestClient, path: str) -> None:
    answer = client.get(API + path)
    assert answer.status_code == 404
    problem = answer.json()
    assert (problem["type"], problem["title"], problem["status"]) == ("urn:structloop:not-found", "Not Found", 404)
    assert "999" in problem["detail"]
    assert problem["remedy"]


def test_the_plate_map_at_its_best_and_at_one_inspection(client: TestClient, plate: StoredPlate) -> None:
    shown = client.get(f"{API}/plates/{plate.id}/map").json()
    assert len(shown["cells"]) == 11
    best = max(shown["cells"], key=lambda item: item["probability"])
    assert (best["well"], best["drop"], best["probability"], best["inspection"]) == ("A02", 3, 0.9, 1)
    third = client.get(f"{API}/plates/{plate.id}/map", params={"inspection": "3"}).json()
    assert {item["inspection"] for item in third["cells"]} == {3}
    assert client.get(f"{API}/plates/{plate.id}/map?inspection=9").status_code == 404
    assert client.get(f"{API}/plates/{plate.id}/map?inspection=last").status_code == 422
    assert client.get(f"{API}/plates/{plate.id}/map?scoring={plate.scoring}").json() == shown
    assert client.get(f"{API}/plates/{plate.id}/map?scoring=77").status_code == 404


def test_scores_as_csv(client: TestClient, plate: StoredPlate) -> None:
    answer = client.get(f"{API}/plates/{plate.id}/scores.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="PLATE1-scores.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 33
    assert list(rows[0])[:4] == ["plate", "well", "drop", "inspection"]
    (best,) = [row for row in rows if (row["well"], row["drop"], row["inspection"]) == ("A02", "3", "1")]
    assert float(best["crystal_probability"]) == 0.9


def test_a_drop_and_the_hits(client: TestClient, plate: StoredPlate) -> None:
    hits = client.get(f"{API}/hits").json()
    assert [(item["well"], item["drop"]) for item in hits["items"]] == [("A02", 3), ("B01", 1)]
    drop = client.get(f"{API}/drops/{hits['items'][0]['drop_id']}").json()
    assert (drop["well"], drop["barcode"], drop["best_inspection"]) == ("A02", "PLATE1", 1)
    assert drop["inspections"][0]["images"][0]["modality"] == "visible"
    within = client.get(f"{API}/hits", params={"plate": plate.id, "below_threshold": True, "limit": 3}).json()
    assert (len(within["items"]), within["has_more"]) == (3, True)
    assert client.get(f"{API}/hits?plate=999").status_code == 404


def test_human_scores_are_given_listed_and_undone(client: TestClient, plate: StoredPlate) -> None:
    drop = plate.drops["A02", 3]
    body = {"drop_id": drop, "inspection": 1, "scheme": "ispyb-grade", "label": "9", "score_visible": True}
    given = client.post(f"{API}/annotations", json=body)
    assert given.status_code == 201
    assert given.json()["is_crystal"] is True
    listed = client.get(f"{API}/drops/{drop}/annotations").json()
    assert listed == [given.json()]
    undone = client.post(f"{API}/annotations/{given.json()['id']}/withdraw")
    assert (undone.status_code, undone.json()["withdrawn"]) == (200, True)
    cells = client.get(f"{API}/plates/{plate.id}/map").json()["cells"]
    assert {item["label"] for item in cells} == {None}
    assert client.post(f"{API}/annotations/999/withdraw").status_code == 404


def test_a_human_score_stands_beside_the_name_that_was_given(client: TestClient, plate: StoredPlate) -> None:
    body = {
        "drop_id": plate.drops["A02", 3],
        "inspection": 1,
        "scheme": "axis",
        "label": "other",
        "score_visible": True,
    }
    nobody = client.get(f"{API}/info").json()["annotator"]
    given = [client.post(f"{API}/annotations", json=body | who).json() for who in ({"annotator": "Ada"}, {})]
    assert [each["annotator"] for each in given] == ["Ada", nobody]
    undone = client.post(f"{API}/annotations/{given[0]['id']}/withdraw", json={"annotator": "Ada"})
    assert (undone.status_code, undone.json()["annotator"]) == (200, "Ada")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"label": "11"}, 422),
        ({"scheme": "mine"}, 422),
        ({"drop_id": 999}, 404),
        ({"inspection": 99}, 404),
        ({"seconds": -1}, 422),
        ({"color": "red"}, 422),
    ],
)
def test_bad_human_scores_are_refused(
    client: TestClient, plate: StoredPlate, change: dict[str, object], status: int
) -> None:
    body = {"drop_id": plate.drops["A02", 3], "inspection": 1, "scheme": "axis", "label": "other"}
    answer = client.post(f"{API}/annotations", json=body | {"score_visible": False} | change)
    assert answer.status_code == status
    assert answer.json()["remedy"]


def test_models_and_their_cards(client: TestClient) -> None:
    (model,) = client.get(f"{API}/models").json()
    assert (model["name"], model["is_default"], model["alarm_threshold"]) == ("drops-compact", True, 0.5)
    card = client.get(f"{API}/models/drops-compact").json()["card"]
    assert card["labels"] == ["crystal", "other"]
    missing = client.get(f"{API}/models/nothing")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:structloop:model-not-found")
    assert client.get(f"{API}/models/..%2F..%2Fetc").status_code in (404, 422)
