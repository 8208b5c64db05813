"""Recorded sessions and their replay, over the API."""

import base64

import pytest
from fastapi.testclient import TestClient

from structloop.simulation.hole_sessions import simulate_session

SESSIONS = "/api/v1/targeting/sessions"


def csv_of(seed: int = 1, tiles: int = 2) -> str:
    columns = simulate_session(seed, tiles=tiles).columns()
    lines = [",".join(columns), *(",".join(str(value) for value in row) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def add(client: TestClient, contents: str, name: str = "monday.csv") -> dict[str, object]:
    answer = client.post(SESSIONS, params={"name": name}, content=contents, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    session: dict[str, object] = answer.json()
    return session


def test_a_session_is_kept_once_listed_drawn_and_forgotten(client: TestClient) -> None:
    assert client.get(SESSIONS).json() == []
    session = add(client, csv_of())
    assert add(client, csv_of())["id"] == session["id"]
    assert session["features"] == ["predicted_ctf_resolution_A"]
    assert [one["name"] for one in client.get(SESSIONS).json()] == ["monday.csv"]
    drawn = client.get(f"{SESSIONS}/{session['id']}").json()
    assert len(drawn["hole_id"]) == len(drawn["x"]) == len(drawn["outcome_angstrom"]) == session["holes"]
    assert len(drawn["squares"]) == session["squares"]
    assert client.delete(f"{SESSIONS}/{session['id']}").status_code == 204
    assert client.get(f"{SESSIONS}/{session['id']}").status_code == 404


def test_a_replay_has_a_reason_and_an_expectation_for_every_step(client: TestClient) -> None:
    session = client.post(f"{SESSIONS}/simulated", params={"seed": 3}).json()
    assert session["simulated"]
    request = {"features": ["predicted_ctf_resolution_A"], "budget_minutes": 30}
    replay = client.post(f"{SESSIONS}/{session['id']}/replay", json=request).json()
    chances = base64.b64decode(replay["chances"])
    assert len(chances) == len(replay["steps"]) * session["holes"]
    assert max(chances) <= 100
    assert all(step["table"][0]["hole"] == step["hole"] for step in replay["steps"][1:])
    assert 0 < replay["good"] <= replay["possible"]
    assert client.post(f"{SESSIONS}/{session['id']}/replay", json=request).json() == replay


def test_overrides_change_what_follows(client: TestClient) -> None:
    session = add(client, csv_of())
    where = f"{SESSIONS}/{session['id']}/replay"
    plain = client.post(where, json={"budget_minutes": 20}).json()
    names = client.get(f"{SESSIONS}/{session['id']}").json()["hole_id"]
    unwanted = names[plain["steps"][6]["hole"]]
    override = {"after": 3, "action": "forbid", "hole_ids": [unwanted]}
    changed = client.post(where, json={"budget_minutes": 20, "overrides": [override]}).json()
    assert changed["steps"][:4] == plain["steps"][:4]
    assert unwanted not in {names[step["hole"]] for step in changed["steps"]}


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ("", "Field required"),
        ("a,b\n1,2\n", "lacks hole_id"),
        (csv_of().replace("ctf_max_resolution_A", "other"), "no column ctf_max_resolution_A"),
        (csv_of().replace("h0003", "h0002"), "stands twice"),
    ],
)
def test_a_faulty_file_is_refused_with_its_reason(client: TestClient, contents: str, said: str) -> None:
    answer = client.post(SESSIONS, params={"name": "x.csv"}, content=contents, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert client.get(SESSIONS).json() == []


def test_mistaken_requests_are_refused(client: TestClient) -> None:
    session = add(client, csv_of())
    where = f"{SESSIONS}/{session['id']}/replay"
    for request, said in (
        ({"features": ["ctf_max_resolution_A"]}, "is measured on the exposure"),
        ({"features": ["nothing"]}, "no feature nothing"),
        ({"start": 99_999}, "no hole in row"),
        ({"move_minutes": [3, 2, 1, 4]}, "not fall"),
        ({"overrides": [{"after": 0, "action": "forbid", "hole_ids": ["nowhere"]}]}, "no hole 'nowhere'"),
        ({"budget_minutes": -1}, "budget_minutes"),
        ({"unknown": 1}, "unknown"),
    ):
        answer = client.post(where, json=request)
        assert answer.status_code == 422, request
        assert said in answer.json()["detail"]
    assert client.post(f"{SESSIONS}/{'0' * 16}/replay", json={}).status_code == 404
    assert client.get(f"{SESSIONS}/..%2F..%2Fetc").status_code in (404, 422)
