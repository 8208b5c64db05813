"""The committed OpenAPI file is what the routes are, and the application keeps what it promises."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from structloop.api.app import create_app
from structloop.api.openapi import openapi_document, openapi_text
from structloop.core.settings import load_settings
from structloop.jobs import Workspace
from support.stored_plates import store_plate

FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
REMEDY = "run `structloop openapi > docs/reference/openapi.json` and commit it, then `npm run generate` in web"


def test_the_committed_file_is_what_the_routes_are() -> None:
    assert FILE.read_text(encoding="utf-8") == openapi_text(), REMEDY


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in openapi_document()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_operations_have_stable_names_summaries_and_tags() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    for _, _, operation in operations():
        assert operation["operationId"].replace("_", "").isalpha()
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1


def test_errors_are_problem_documents() -> None:
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                content = answer["content"]
                assert list(content) == ["application/problem+json"], f"{method} {path} {status}"
    schemas = openapi_document()["components"]["schemas"]
    assert set(schemas["Problem"]["required"]) >= {"title", "detail", "remedy", "status", "type"}
    references = json.dumps(openapi_document())
    for part in references.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("contract")
    with Workspace(load_settings(home=folder / "home")) as workspace:
        store_plate(workspace.database, folder / "images", probabilities={("A01", 1, 1): 0.8})
        schema = schemathesis.openapi.from_dict(openapi_document())
        schema.app = create_app(workspace)
        yield schema


# The events are an answer without end, and have tests of their own.
ROUTES = sorted((method, path) for path, method, _ in operations() if not path.endswith("/events"))


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_keeps_its_promises(api: Any, method: str, path: str) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=api[path][method].as_strategy())
    def keeps_its_promises(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            base_url="http://127.0.0.1",
            headers={"Host": "127.0.0.1"},
            # Some routes compute; on a busy machine that takes longer than the ten seconds of schemathesis.
            timeout=120,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    keeps_its_promises()
