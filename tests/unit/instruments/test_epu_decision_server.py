"""The local decision service keeps what the vendor's public description of Smart EPU's promises."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from structloop.testing.epu_decision_bodies import AreaIn, AreaStateIn, DecisionIn, SessionIn, ValueIn
from structloop.testing.epu_decision_server import create_app
from structloop.testing.epu_decision_store import DecisionStore

SESSION = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
REFERENCE = Path("reference") / "epu-decision-service-openapi.json"


def furnished() -> DecisionStore:
    """A store that has one of everything."""
    store = DecisionStore()
    store.add_session(SessionIn.model_validate({"sessionId": SESSION, "sessionName": "a session"}))
    area = {"sessionId": SESSION, "id": 12, "areaType": "gridsquare"}
    store.put_areas([AreaIn.model_validate(area)], new=True, known=False)
    store.add_states([AreaStateIn.model_validate({"sessionId": SESSION, "areaId": 12, "state": "started"})])
    store.add_decisions([DecisionIn.model_validate({"sessionId": SESSION, "areaId": 12, "decisionValue": "true"})])
    store.add_values([ValueIn.model_validate({"sessionId": SESSION, "areaId": 12, "name": "a", "value": "b"})])
    return store


@pytest.fixture(scope="module")
def description(real_data: Path) -> dict[str, Any]:
    path = real_data.parent / REFERENCE
    if not path.is_file():
        pytest.skip(f"no real data at {path}")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    # Where it is served by the vendor is of no matter here.
    document["servers"] = [{"url": "/"}]
    return document


@pytest.fixture(scope="module")
def service(description: dict[str, Any]) -> Any:
    schema = schemathesis.openapi.from_dict(description)
    schema.app = create_app(furnished(), longest_wait_s=0.02)
    return schema


def operations(description: dict[str, Any]) -> list[tuple[str, str]]:
    return [(method, path) for path, item in description["paths"].items() for method in item if method != "parameters"]


@pytest.mark.real_data
def test_every_operation_of_the_description_is_served(description: dict[str, Any]) -> None:
    served = {
        (method.lower(), getattr(route, "path", ""))
        for route in create_app().routes
        for method in getattr(route, "methods", ())
    }
    assert set(operations(description)) <= served
    assert len(operations(description)) == 46


@pytest.mark.real_data
def test_every_operation_answers_as_described(service: Any, description: dict[str, Any]) -> None:
    for method, path in operations(description):

        @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=service[path][method].as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
        def answers_as_described(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ]
            )

        answers_as_described()


STORY: list[tuple[str, str, str, object, int]] = [
    ("post", "/api/v1/Session", "", {"sessionName": "new", "sessionId": str(UUID(int=9))}, 201),
    ("post", "/api/v1/Session", "", {"sessionName": "new", "sessionId": str(UUID(int=9))}, 409),
    ("post", "/api/v1/Session", "", {}, 400),
    ("get", "/api/v1/Session", "sessionName=new", None, 200),
    ("get", "/api/v1/Sessions", "", None, 200),
    ("get", "/api/v1/Session/{id}", "", None, 200),
    ("get", "/api/v1/Session/{id}/IsRegistered", "", None, 200),
    ("post", "/api/v1/Area", "", {"sessionId": SESSION, "id": 20, "areaType": "foilhole", "parentId": 12}, 201),
    ("post", "/api/v1/Area", "", {"sessionId": SESSION, "id": 20}, 409),
    ("post", "/api/v1/Area", "", {"sessionId": SESSION, "id": 21, "parentId": 999}, 404),
    ("put", "/api/v1/Area", "", {"sessionId": SESSION, "id": 20, "areaType": "particle", "parentId": 12}, 201),
    ("put", "/api/v1/Area", "", {"sessionId": SESSION, "id": 999}, 404),
    ("post", "/api/v1/Areas", "", [{"sessionId": SESSION, "id": 31}, {"sessionId": SESSION, "id": 32}], 201),
    ("post", "/api/v1/Areas", "", [], 400),
    ("put", "/api/v1/Areas", "", [{"sessionId": SESSION, "id": 31}, {"sessionId": SESSION, "id": 33}], 204),
    ("get", "/api/v1/Session/{sessionId}/Areas", "parentAreaId=12", None, 200),
    ("get", "/api/v1/Session/{sessionId}/Area/{areaId}", "", None, 200),
    ("get", "/api/v1/Session/{sessionId}/Area/{parentAreaId}/Areas", "", None, 200),
    ("post", "/api/v1/AreaState", "", {"sessionId": SESSION, "areaId": 12, "state": "completed"}, 201),
    ("post", "/api/v1/AreaStates", "", [{"sessionId": SESSION, "areaId": 12, "state": "queued"}], 201),
    ("get", "/api/v1/Session/{sessionId}/AreaStates", "areaType=gridsquare", None, 200),
    ("get", "/api/v1/Session/{sessionId}/Area/{areaId}/LatestAreaState", "", None, 200),
    ("get", "/api/v1/Session/{sessionId}/AreaState/{areaStateId}", "", None, 200),
    ("post", "/api/v1/CurrentApplicationState", "", {"state": "running", "sessionId": SESSION}, 201),
    ("get", "/api/v1/CurrentApplicationState", "", None, 200),
    ("get", "/api/v1/Session/{sessionId}/ApplicationStates", "", None, 200),
    ("post", "/api/v1/Decision", "", {"sessionId": SESSION, "areaId": 12, "decisionType": "focus"}, 201),
    ("post", "/api/v1/Decision", "", {"sessionId": SESSION, "areaId": 999}, 404),
    ("post", "/api/v1/Decisions", "", [{"sessionId": SESSION, "areaId": 12}], 201),
    ("post", "/api/v1/Decisions", "", [{"sessionId": SESSION, "areaId": 999}], 409),
    ("get", "/api/v1/Session/{sessionId}/LatestDecision", "areaId=12&decisionType=focus", None, 200),
    ("get", "/api/v1/Session/{sessionId}/LatestDecision", "areaId=12&decisionType=acquisitionOrder", None, 204),
    ("get", "/api/v1/Session/{sessionId}/TimedDecision", "areaId=12&decisionType=focus&timeout=5", None, 200),
    (
        "get",
        "/api/v1/Session/{sessionId}/TimedDecision",
        "areaId=12&pluginType=dummy&timeout=5",
        None,
        204,
    ),
    ("get", "/api/v1/Session/{sessionId}/Decisions", "areaIds=12&areaIds=20", None, 200),
    ("delete", "/api/v1/Session/{sessionId}/Decisions", "areaId=12&decisionType=focus", None, 204),
    ("get", "/api/v1/Session/{sessionId}/AlgorithmResult", "areaId=20&name=ctf", None, 200),
    ("get", "/api/v1/Session/{sessionId}/AlgorithmResults", "parentAreaId=12&name=ctf", None, 200),
    ("get", "/api/v1/Session/{sessionId}/LatestAlgorithmResult", "parentAreaId=12&name=ctf", None, 200),
    ("get", "/api/v1/Session/{sessionId}/LatestAlgorithmResult", "parentAreaId=12&name=atlas", None, 204),
    ("get", "/api/v1/Configuration", "", None, 404),
    ("post", "/api/v1/Configuration", "", {"smartPluginConfigurations": [{"pluginName": "SmartFocus"}]}, 201),
    ("patch", "/api/v1/Configuration/Plugin", "", {"pluginName": "SmartFocus", "customPluginSelection": True}, 200),
    ("patch", "/api/v1/Configuration/Plugin", "", {"pluginName": "another"}, 404),
    ("get", "/api/v1/Configuration", "", None, 200),
    ("delete", "/api/v1/Configuration", "", None, 204),
    ("post", "/api/v1/NameValueStore", "", {"sessionId": SESSION, "name": "n", "value": "v"}, 201),
    ("post", "/api/v1/NameValueStores", "", [{"sessionId": SESSION, "name": "n"}, {"sessionId": SESSION}], 400),
    ("get", "/api/v1/NameValueStore/{sessionId}/Values", "name=n", None, 200),
    ("get", "/api/v1/NameValueStore/{sessionId}/Value/{id}", "", None, 200),
    ("post", "/api/v1/RunStart", "", {"sessionId": SESSION}, 200),
    ("get", "/api/v1/Session/{sessionId}/Run/{runNumber}", "", None, 200),
    ("patch", "/api/v1/RunStop", "", {"sessionId": SESSION, "runNumber": 1, "reason": "done"}, 200),
    ("get", "/api/v1/Session/{sessionId}/Runs", "", None, 200),
    ("delete", "/api/v1/Session/{sessionId}/AllDecisions", "", None, 204),
    ("get", "/api/v1/Athena/Status", "", None, 200),
    ("get", "/api/v1/Version", "", None, 200),
    ("delete", "/api/v1/Session/{id}", "", None, 200),
    ("get", "/api/v1/Session/{id}", "", None, 404),
]
PLACES = {"sessionId": SESSION, "areaId": "12", "parentAreaId": "12", "areaStateId": "1", "runNumber": "1"}


def tell() -> Iterator[tuple[str, str, int, Any]]:
    """The story of a session, as EPU and a plug-in make it happen, with each answer."""
    client = TestClient(create_app(furnished(), longest_wait_s=0.02))
    for method, path, query, body, expected in STORY:
        if path.endswith("AlgorithmResult") and query.startswith("areaId"):
            # The description lets a result's values be nothing but empty objects.
            given = {"sessionId": SESSION, "areaId": 20, "name": "ctf", "result": {"fit": {}}}
            assert client.post("/testing/AlgorithmResult", json=given).status_code == 201
        one = path.startswith("/api/v1/Session/{id}")
        places = PLACES | {"id": SESSION if one else value_id(client)}
        url = path.format(**places) + (f"?{query}" if query else "")
        yield method, path, expected, client.request(method, url, json=body)


def value_id(client: TestClient) -> str:
    """The id of the first named text."""
    answer = client.get(f"/api/v1/NameValueStore/{SESSION}/Values")
    return str(answer.json()[0]["id"]) if answer.status_code == 200 else "0"


def test_a_session_goes_as_epu_and_a_plug_in_make_it_go() -> None:
    for method, path, expected, answer in tell():
        assert answer.status_code == expected, f"{method} {path}: {answer.text}"


@pytest.mark.real_data
def test_each_answer_of_that_story_is_as_described(service: Any) -> None:
    told = set()
    for method, path, _, answer in tell():
        service[path][method].validate_response(answer)
        if answer.is_success:
            told.add((method, path))
    missing = set(operations(service.raw_schema)) - told
    assert missing == {
        ("get", "/api/v1/Session/{sessionId}/Decision/{decisionId}"),
        ("post", "/api/v1/NameValueStores"),
    }, "told in other tests"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"sessionId": 5}', b"[" * 50_000])
def test_nonsense_is_refused_and_never_fails(body: bytes) -> None:
    client = TestClient(create_app(furnished(), longest_wait_s=0.02))
    for route in create_app().routes:
        path = getattr(route, "path", "").replace("{", "").replace("}", "")
        for method in getattr(route, "methods", ()):
            answer = client.request(method, path, content=body)
            assert answer.status_code < 500
            deep = client.request(method, f"{path}?areaId=x&timeout=1e9&decisionType=coffee", content=body)
            assert deep.status_code < 500


def test_a_decision_can_be_looked_up_by_its_id() -> None:
    client = TestClient(create_app(furnished()))
    decision = {"sessionId": SESSION, "areaId": 12, "id": str(UUID(int=5)), "decisionValue": "1"}
    assert client.post("/api/v1/Decision", json=decision).status_code == 201
    assert client.get(f"/api/v1/Session/{SESSION}/Decision/{UUID(int=5)}").json()["decisionValue"] == "1"
    assert client.get(f"/api/v1/Session/{SESSION}/Decision/{UUID(int=6)}").status_code == 404


def test_it_serves_alone() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "structloop.testing.epu_decision_server", "--port", str(port)])
    try:
        transport = httpx.HTTPTransport(retries=8)  # with growing pauses, about 30 s
        with httpx.Client(transport=transport, timeout=30) as client:
            assert client.get(f"http://127.0.0.1:{port}/api/v1/Sessions").json() == []
    finally:
        process.terminate()
        process.wait()
