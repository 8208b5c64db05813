"""A decision service like Smart EPU's, on this computer: for tests of plug-ins, and to see what EPU would be told.

It keeps everything in memory and speaks the same HTTP API, the long polling of `TimedDecision` included; its answers
are tested against the vendor's public description. EPU's side (registering, polling) and the plug-in's side (reading,
deciding) are both served. What that API does not offer, the processing's algorithm results, is added in Python
(`DecisionStore.add_result`) or by `POST /testing/AlgorithmResult`, which no real service has.

    python -m structloop.testing.epu_decision_server --port 8080
"""

import argparse
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, TypeAdapter

from structloop.instruments.epu.decision_shapes import AlgorithmName, AreaType, DecisionType, PluginType
from structloop.testing.epu_decision_bodies import (
    AreaIn,
    AreaStateIn,
    DecisionIn,
    PluginSetting,
    ResultIn,
    RunStopIn,
    SessionIn,
    Settings,
    StateIn,
    ValueIn,
)
from structloop.testing.epu_decision_store import DecisionStore, Refused

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Enum)
_MOST_BYTES = 16 * 1024 * 1024
_NO_CONTENT = (204, None)
VERSION = "1.0 (structloop, for tests)"


class Asked:
    """One request, with what it gives read and checked; a `ValueError` says what it lacks."""

    def __init__(self, request: Request, body: bytes) -> None:
        self._request = request
        self._body = body

    def session(self, name: str = "sessionId") -> UUID:
        """The session in the path."""
        return UUID(self._request.path_params[name])

    def path_id(self, name: str) -> int:
        """A number in the path."""
        return int(self._request.path_params[name])

    def path_uuid(self, name: str) -> UUID:
        """An id in the path."""
        return UUID(self._request.path_params[name])

    def text(self, name: str) -> str | None:
        """A text of the query."""
        return self._request.query_params.get(name)

    def number(self, name: str) -> int | None:
        """A whole number of the query."""
        value = self.text(name)
        return None if value is None or value == "" else int(value)

    def needed(self, name: str) -> int:
        """A whole number of the query that must be there."""
        value = self.number(name)
        if value is None:
            raise ValueError(f"{name} is missing")
        return value

    def numbers(self, *names: str) -> list[int] | None:
        """Whole numbers of the query, given once each; None where there is none."""
        values = [int(value) for name in names for value in self._request.query_params.getlist(name)]
        return values or None

    def word(self, name: str, words: type[_E]) -> _E | None:
        """One of the service's words in the query."""
        value = self.text(name)
        return None if value is None or value == "" else words(value)

    def body(self, shape: TypeAdapter[_T]) -> _T:
        """The body; none at all is an empty one, as the service requires none."""
        if not self._body.strip():
            return shape.validate_python([] if shape.core_schema["type"] == "nullable" else {})
        return shape.validate_python(json.loads(self._body))


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: str
    handle: Callable[[Asked], Any]
    bad: int = 404


_SESSION = TypeAdapter(SessionIn)
_AREA = TypeAdapter(AreaIn)
_AREAS: TypeAdapter[list[AreaIn] | None] = TypeAdapter(list[AreaIn] | None)
_STATE = TypeAdapter(AreaStateIn)
_STATES: TypeAdapter[list[AreaStateIn] | None] = TypeAdapter(list[AreaStateIn] | None)
_APPLICATION = TypeAdapter(StateIn)
_DECISION = TypeAdapter(DecisionIn)
_DECISIONS: TypeAdapter[list[DecisionIn] | None] = TypeAdapter(list[DecisionIn] | None)
_VALUE = TypeAdapter(ValueIn)
_VALUES: TypeAdapter[list[ValueIn] | None] = TypeAdapter(list[ValueIn] | None)
_RESULT = TypeAdapter(ResultIn)
_STOP = TypeAdapter(RunStopIn)
_SETTINGS = TypeAdapter(Settings)
_PLUGIN = TypeAdapter(PluginSetting)


def _read_routes(store: DecisionStore, longest_wait_s: float) -> list[_Route]:
    async def timed(asked: Asked) -> Any:
        wait_s = min(max(asked.number("timeout") or 0, 0), longest_wait_s)
        kind, plugin = asked.word("decisionType", DecisionType), asked.word("pluginType", PluginType)
        found = await store.wait_for_decision(asked.session(), asked.needed("areaId"), kind, plugin, wait_s)
        return _NO_CONTENT if found is None else found

    def latest_decision(asked: Asked) -> Any:
        area = store.area(asked.session(), asked.needed("areaId")).id
        kind, plugin = asked.word("decisionType", DecisionType), asked.word("pluginType", PluginType)
        found = store.decisions(asked.session(), [area], kind, plugin)
        return found[-1] if found else _NO_CONTENT

    def result(asked: Asked) -> Any:
        found = store.results(asked.session(), asked.word("name", AlgorithmName), area=asked.needed("areaId"))
        if not found:
            raise Refused(404, "there is no such result")
        return found[-1]

    def results(asked: Asked) -> Any:
        name = asked.word("name", AlgorithmName)
        return store.results(asked.session(), name, parent=asked.needed("parentAreaId")) or _NO_CONTENT

    def latest_result(asked: Asked) -> Any:
        found = store.results(asked.session(), asked.word("name", AlgorithmName), parent=asked.needed("parentAreaId"))
        return found[-1] if found else _NO_CONTENT

    def latest_state(asked: Asked) -> Any:
        area = store.area(asked.session(), asked.path_id("areaId"))
        return _last([state for state in store.data(area.sessionId).states if state.areaId == area.id], "state")

    def state(asked: Asked) -> Any:
        wanted = asked.path_id("areaStateId")
        return _last([state for state in store.data(asked.session()).states if state.id == wanted], "state")

    def states(asked: Asked) -> Any:
        areas = store.areas(asked.session(), asked.word("areaType", AreaType), asked.number("parentAreaId"))
        wanted = {area.id for area in areas}
        return [state for state in store.data(asked.session()).states if state.areaId in wanted]

    def values(asked: Asked) -> Any:
        area, name = asked.number("areaId"), asked.text("name")
        return [
            value
            for value in store.data(asked.session()).values
            if (area is None or value.areaId == area) and (name is None or value.name == name)
        ]

    def value(asked: Asked) -> Any:
        wanted = asked.path_id("id")
        return _last([value for value in store.data(asked.session()).values if value.id == wanted], "value")

    def run(asked: Asked) -> Any:
        wanted = asked.path_id("runNumber")
        return _last([run for run in store.data(asked.session()).runs if run.runNumber == wanted], "run")

    def by_name(asked: Asked) -> Any:
        name = asked.text("sessionName")
        if not name:
            raise Refused(400, "sessionName is missing")
        return _last([session for session in store.sessions() if session.sessionName == name], "session of that name")

    def is_registered(asked: Asked) -> Any:
        return any(str(session.sessionId) == str(asked.session("id")) for session in store.sessions())

    def settings(_: Asked) -> Any:
        if store.settings is None:
            raise Refused(404, "there is no configuration")
        return store.settings

    session = "Session/{sessionId}"
    return [
        _Route("GET", "Sessions", lambda _: store.sessions()),
        _Route("GET", "Session", by_name, 400),
        _Route("GET", "Session/{id}", lambda asked: store.data(asked.session("id")).session),
        _Route("GET", "Session/{id}/IsRegistered", is_registered),
        _Route("GET", f"{session}/Area/{{areaId}}", lambda asked: store.area(asked.session(), asked.path_id("areaId"))),
        _Route(
            "GET",
            f"{session}/Areas",
            lambda asked: store.areas(asked.session(), asked.word("areaType", AreaType), asked.number("parentAreaId")),
        ),
        _Route(
            "GET",
            f"{session}/Area/{{parentAreaId}}/Areas",
            lambda asked: store.areas(
                asked.session(), None, store.area(asked.session(), asked.path_id("parentAreaId")).id
            ),
        ),
        _Route("GET", f"{session}/AreaState/{{areaStateId}}", state, 400),
        _Route("GET", f"{session}/Area/{{areaId}}/LatestAreaState", latest_state, 400),
        _Route("GET", f"{session}/AreaStates", states),
        _Route("GET", f"{session}/AlgorithmResult", result, 400),
        _Route("GET", f"{session}/AlgorithmResults", results, 400),
        _Route("GET", f"{session}/LatestAlgorithmResult", latest_result, 400),
        _Route("GET", "CurrentApplicationState", lambda _: store.application),
        _Route("GET", f"{session}/ApplicationStates", lambda asked: store.data(asked.session()).application),
        _Route(
            "GET",
            f"{session}/Decision/{{decisionId}}",
            lambda asked: store.decision(asked.session(), asked.path_uuid("decisionId")),
            400,
        ),
        _Route("GET", f"{session}/LatestDecision", latest_decision, 400),
        _Route("GET", f"{session}/TimedDecision", timed, 400),
        _Route(
            "GET",
            f"{session}/Decisions",
            lambda asked: store.decisions(
                asked.session(),
                asked.numbers("areaIds", "areaId"),
                asked.word("decisionType", DecisionType),
                asked.word("pluginType", PluginType),
            ),
            400,
        ),
        _Route("GET", "Configuration", settings),
        _Route("GET", "NameValueStore/{sessionId}/Value/{id}", value, 400),
        _Route("GET", "NameValueStore/{sessionId}/Values", values, 400),
        _Route("GET", f"{session}/Run/{{runNumber}}", run),
        _Route("GET", f"{session}/Runs", lambda asked: store.data(asked.session()).runs),
        _Route("GET", "Athena/Status", lambda _: (200, None)),
        _Route("GET", "Version", lambda _: VERSION),
    ]


def _write_routes(store: DecisionStore) -> list[_Route]:
    def put_areas(asked: Asked) -> Any:
        store.put_areas(asked.body(_AREAS), new=True, known=True)
        return _NO_CONTENT

    def delete_decisions(asked: Asked) -> Any:
        store.delete_decisions(asked.session(), asked.needed("areaId"), asked.word("decisionType", DecisionType))
        return _NO_CONTENT

    def delete_all(asked: Asked) -> Any:
        store.delete_decisions(asked.session(), None, None)
        return _NO_CONTENT

    def set_settings(asked: Asked) -> Any:
        store.settings = asked.body(_SETTINGS)
        return 201, store.settings

    def delete_settings(_: Asked) -> Any:
        if store.settings is None:
            raise Refused(404, "there is no configuration")
        store.settings = None
        return _NO_CONTENT

    def set_plugin(asked: Asked) -> Any:
        given = asked.body(_PLUGIN)
        plugins = list(store.settings.smartPluginConfigurations or ()) if store.settings is not None else []
        names = [plugin.pluginName for plugin in plugins]
        if store.settings is None or given.pluginName not in names:
            raise Refused(404, f"there is no plug-in {given.pluginName}")
        plugins[names.index(given.pluginName)] = given
        store.settings = store.settings.model_copy(update={"smartPluginConfigurations": tuple(plugins)})
        return given

    def put_area(asked: Asked, *, new: bool) -> Any:
        area = asked.body(_AREA)
        put = store.put_areas([area], new=new, known=not new)
        return 201, (put[0] if new else put)

    return [
        _Route("POST", "Session", lambda asked: (201, store.add_session(asked.body(_SESSION))), 400),
        _Route("DELETE", "Session/{id}", lambda asked: store.delete_session(asked.session("id"))),
        _Route("POST", "Area", lambda asked: put_area(asked, new=True), 400),
        _Route("PUT", "Area", lambda asked: put_area(asked, new=False), 400),
        _Route("POST", "Areas", lambda asked: (201, store.put_areas(asked.body(_AREAS), new=True, known=False)), 400),
        _Route("PUT", "Areas", put_areas, 400),
        _Route("POST", "AreaState", lambda asked: (201, store.add_states([asked.body(_STATE)])[0])),
        _Route("POST", "AreaStates", lambda asked: (201, store.add_states(asked.body(_STATES))), 400),
        _Route(
            "POST", "CurrentApplicationState", lambda asked: (201, store.set_application(asked.body(_APPLICATION))), 400
        ),
        _Route("POST", "Decision", lambda asked: (201, store.add_decisions([asked.body(_DECISION)])[0])),
        _Route("POST", "Decisions", lambda asked: (201, store.add_decisions(asked.body(_DECISIONS), unknown=409)), 400),
        _Route("DELETE", "Session/{sessionId}/Decisions", delete_decisions, 400),
        _Route("DELETE", "Session/{sessionId}/AllDecisions", delete_all),
        _Route("POST", "Configuration", set_settings, 400),
        _Route("DELETE", "Configuration", delete_settings),
        _Route("PATCH", "Configuration/Plugin", set_plugin),
        _Route("POST", "NameValueStore", lambda asked: (201, store.add_values([asked.body(_VALUE)])[0]), 400),
        _Route("POST", "NameValueStores", lambda asked: (201, store.add_values(asked.body(_VALUES))), 400),
        _Route("POST", "RunStart", lambda asked: store.start_run(asked.body(_AREA).sessionId)),
        _Route("PATCH", "RunStop", lambda asked: store.stop_run(asked.body(_STOP))),
    ]


def _last(found: list[_T], what: str) -> _T:
    if not found:
        raise Refused(404, f"there is no such {what}")
    return found[-1]


def create_app(store: DecisionStore | None = None, *, longest_wait_s: float = 300.0) -> FastAPI:
    """The service as an ASGI application.

    Args:
        store: What it knows; a fresh one where None is given.
        longest_wait_s: How long `TimedDecision` waits at most, whatever is asked.
    """
    store = store or DecisionStore()
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for route in [*_read_routes(store, longest_wait_s), *_write_routes(store)]:
        app.add_api_route(f"/api/v1/{route.path}", _endpoint(route), methods=[route.method])
    result = _Route("POST", "AlgorithmResult", lambda asked: (201, store.add_result(asked.body(_RESULT))), 400)
    app.add_api_route("/testing/AlgorithmResult", _endpoint(result), methods=["POST"])
    return app


def _endpoint(route: _Route) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await request.body()
        if len(body) > _MOST_BYTES:
            return _problem(413, "the body is too large")
        try:
            answered = route.handle(Asked(request, body))
            if isinstance(answered, Awaitable):
                answered = await answered
        except Refused as refused:
            return _problem(refused.status, refused.detail)
        except (ValueError, RecursionError) as error:
            return _problem(route.bad, str(error))
        status, value = answered if isinstance(answered, tuple) else (200, answered)
        return Response(status_code=status) if value is None else JSONResponse(_plain(value), status)

    return answer


def _plain(value: object) -> object:
    """As JSON, with what is unknown left out: not all of the service's fields may be null."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"title": "refused", "status": status, "detail": detail[:1000]}, status)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A decision service like Smart EPU's, in memory, for tests.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1", help="there are no users: keep it on this computer")
    given = parser.parse_args()
    uvicorn.run(create_app(), host=given.host, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()


__all__ = ["VERSION", "create_app", "main"]
