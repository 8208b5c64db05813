from fastapi.testclient import TestClient

from support.stored_plates import StoredPlate

API = "/api/v1"


def fill(client: TestClient, plate: StoredPlate) -> list[dict[str, object]]:
    for (well, drop), label in {("A02", 3): "other", ("B01", 1): "other"}.items():
        inspection = 1 if well == "A02" else 2
        body = {"drop_id": plate.drops[well, drop], "inspection": inspection, "scheme": "axis", "label": label}
        client.post(f"{API}/annotations", json=body | {"score_visible": False}).raise_for_status()
    report = client.post(f"{API}/curation/fill", json={"size": 5}).json()
    assert report["added"] == {"disagreement": 2}
    items: list[dict[str, object]] = client.get(f"{API}/curation/next", params={"curator": "ada", "limit": 5}).json()[
        "items"
    ]
    return items


def test_from_disagreements_to_a_settled_item(client: TestClient, plate: StoredPlate) -> None:
    first, second = fill(client, plate)
    assert (first["well"], first["probability"], first["human_label"]) == ("A02", 0.9, "other")
    assert client.get(str(first["image_visible_url"])).status_code == 200
    for curator, answer in (("ada", "crystal"), ("bob", "other"), ("cyd", "crystal")):
        body = {"curator": curator, "answer": answer, "seconds": 2.0}
        if answer == "crystal":
            body["crystal_type"] = "3d"
        reply = client.post(f"{API}/curation/items/{first['id']}/answers", json=body)
        assert reply.status_code == 201
    item = reply.json()["item"]
    assert (item["state"], item["label"], item["crystal_type"]) == ("settled", "crystal", "3d")
    page = client.get(f"{API}/curation/next", params={"curator": "ada"}).json()
    assert [item["id"] for item in page["items"]] == [second["id"]]
    assert page["open_for_curator"] == 1
    queue = client.get(f"{API}/curation", params={"curator": "ada"}).json()
    assert (queue["open"], queue["settled"], queue["open_for_curator"]) == (1, 1, 1)
    assert [each["curator"] for each in queue["curators"]] == ["ada", "bob", "cyd"]
    shown = client.get(f"{API}/curation/items/{first['id']}").json()
    assert [(each["curator"], each["answer"]) for each in shown["answers"]] == [
        ("ada", "crystal"),
        ("bob", "other"),
        ("cyd", "crystal"),
    ]
    assert (shown["state"], shown["dataset_id"]) == ("settled", None)


def test_curators_are_asked_about_a_drop_that_somebody_chose(client: TestClient, plate: StoredPlate) -> None:
    fill(client, plate)
    body = {"drop_id": plate.drops["B02", 1], "inspection": 3, "answers_needed": 1}
    assert client.post(f"{API}/curation/items", json=body).json()["open"] == 3
    assert client.post(f"{API}/curation/items", json=body).json()["open"] == 3
    (item,) = client.get(f"{API}/curation/next", params={"curator": "ada"}).json()["items"]
    assert (item["well"], item["inspection"], item["reason"], item["probability"]) == ("B02", 3, "chosen", 0.1)
    assert item["answers"] == []
    client.post(f"{API}/curation/items/{item['id']}/answers", json={"curator": "ada", "answer": "other"})
    assert client.post(f"{API}/curation/items", json=body).json()["open"] == 3, "what was settled may be asked anew"
    for wrong in ({"drop_id": 999}, {"inspection": 9}):
        assert client.post(f"{API}/curation/items", json=body | wrong).status_code == 404


def test_refusals_say_why(client: TestClient, plate: StoredPlate) -> None:
    first, _ = fill(client, plate)
    url = f"{API}/curation/items/{first['id']}/answers"
    client.post(url, json={"curator": "ada", "answer": "other"})
    again = client.post(url, json={"curator": "ada", "answer": "other"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:structloop:curation-closed")
    assert "undo" in again.json()["remedy"]
    assert client.post(url, json={"curator": "bob", "answer": "maybe"}).status_code == 422
    blank = client.post(url, json={"curator": "  ", "answer": "other"})
    assert (blank.status_code, blank.json()["type"]) == (422, "urn:structloop:curation")
    typed = client.post(url, json={"curator": "bob", "answer": "other", "crystal_type": "2d"})
    assert typed.status_code == 422
    assert client.post(f"{API}/curation/items/99/answers", json={"curator": "b", "answer": "other"}).status_code == 404
    assert client.get(f"{API}/curation/items/99").status_code == 404
    assert client.get(f"{API}/curation/next").status_code == 422


def test_answers_are_undone(client: TestClient, plate: StoredPlate) -> None:
    first, second = fill(client, plate)
    for item in (first, second):
        client.post(f"{API}/curation/items/{item['id']}/answers", json={"curator": "ada", "answer": "other"})
    assert client.post(f"{API}/curation/undo", json={"curator": "ada"}).json()["id"] == second["id"]
    body = {"curator": "ada", "item_id": first["id"]}
    assert client.post(f"{API}/curation/undo", json=body).json()["answer_count"] == 0
    assert client.post(f"{API}/curation/undo", json=body).status_code == 404
