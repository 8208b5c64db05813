"""A client of EPU's decision service (Smart EPU): reads what EPU registers there, posts decisions for it to poll."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from pydantic import TypeAdapter

from structloop.core.errors import NotCapableError
from structloop.instruments.epu.decision_shapes import (
    AlgorithmName,
    AlgorithmResult,
    ApplicationState,
    Area,
    AreaState,
    AreaType,
    Decision,
    DecisionRecord,
    DecisionType,
    NameValue,
    PluginType,
    Run,
    ServiceSession,
)
from structloop.instruments.epu.service_wire import ServiceWire, read_answer

_T = TypeVar("_T")

_SESSION: TypeAdapter[ServiceSession] = TypeAdapter(ServiceSession)
_SESSIONS: TypeAdapter[tuple[ServiceSession, ...]] = TypeAdapter(tuple[ServiceSession, ...])
_AREA: TypeAdapter[Area] = TypeAdapter(Area)
_AREAS: TypeAdapter[tuple[Area, ...]] = TypeAdapter(tuple[Area, ...])
_AREA_STATE: TypeAdapter[AreaState] = TypeAdapter(AreaState)
_AREA_STATES: TypeAdapter[tuple[AreaState, ...]] = TypeAdapter(tuple[AreaState, ...])
_RESULT: TypeAdapter[AlgorithmResult] = TypeAdapter(AlgorithmResult)
_RESULTS: TypeAdapter[tuple[AlgorithmResult, ...] | None] = TypeAdapter(tuple[AlgorithmResult, ...] | None)
_MAYBE_RESULT: TypeAdapter[AlgorithmResult | None] = TypeAdapter(AlgorithmResult | None)
_APPLICATION_STATE: TypeAdapter[ApplicationState] = TypeAdapter(ApplicationState)
_RUNS: TypeAdapter[tuple[Run, ...]] = TypeAdapter(tuple[Run, ...])
_NAME_VALUES: TypeAdapter[tuple[NameValue, ...]] = TypeAdapter(tuple[NameValue, ...])
_DECISION: TypeAdapter[DecisionRecord] = TypeAdapter(DecisionRecord)
_DECISIONS: TypeAdapter[tuple[DecisionRecord, ...]] = TypeAdapter(tuple[DecisionRecord, ...])
_MAYBE_DECISION: TypeAdapter[DecisionRecord | None] = TypeAdapter(DecisionRecord | None)


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """What is posted, or would be."""

    method: str
    url: str
    body: object

    def __str__(self) -> str:
        return f"{self.method} {self.url}\n{json.dumps(self.body, indent=2)}"


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted decision: what was sent, and what the service made of it (None in a dry run)."""

    request: PlannedRequest
    records: tuple[DecisionRecord, ...] | None


class DecisionClient:
    """A plug-in's side of the decision service. Enter it with `async with`.

    Requests that only read, and withdrawals, are sent again when the service is away or busy. A decision is sent again
    only where it certainly did not arrive; else the error says that it may have.

    Args:
        base_url: Of the service, such as `http://127.0.0.1:8080`; `/api/v1/...` is added.
        decided_by: Who decides, for EPU's log.
        timeout_s: Of one request; polling for a decision adds what it waits.
        attempts: How often a request is sent at most.
        pause_s: Before the second attempt; doubled before each further one.
        dry_run: Post nothing; `post` returns what would be posted.
        transport: Instead of the network, for tests.

    Raises:
        NotCapableError: the address is none of a web service.
    """

    def __init__(
        self,
        base_url: str,
        *,
        decided_by: str = "structloop",
        timeout_s: float = 10.0,
        attempts: int = 3,
        pause_s: float = 0.2,
        dry_run: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise NotCapableError(f"'{base_url}' is no address of a decision service: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise NotCapableError(f"'{base_url}' is no address of a decision service; write http://host:port")
        self.base_url = base_url.rstrip("/")
        self.decided_by = decided_by
        self.dry_run = dry_run
        self._wire = ServiceWire(timeout_s=timeout_s, attempts=attempts, pause_s=pause_s, transport=transport)

    async def __aenter__(self) -> "DecisionClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a second time does nothing."""
        await self._wire.close()

    # --- Reading -----------------------------------------------------------------------------------------------------

    async def version(self) -> str:
        """The service's version."""
        return (await self._wire.send("GET", self._url("Version"))).text.strip().strip('"')

    async def sessions(self) -> tuple[ServiceSession, ...]:
        """All sessions that EPU registered."""
        return await self._get("Sessions", _SESSIONS)

    async def session_named(self, name: str) -> ServiceSession:
        """The session of that name, as `EpuSession.dm` has it."""
        return await self._get("Session", _SESSION, sessionName=name)

    async def areas(
        self, session: UUID, *, area_type: AreaType | None = None, parent: int | None = None
    ) -> tuple[Area, ...]:
        """The areas of a session, of a type, or within another one."""
        path = f"Session/{session}/Areas"
        return await self._get(path, _AREAS, areaType=area_type, parentAreaId=parent)

    async def area(self, session: UUID, area: int) -> Area:
        """One area."""
        return await self._get(f"Session/{session}/Area/{area}", _AREA)

    async def area_states(
        self, session: UUID, *, area_type: AreaType | None = None, parent: int | None = None
    ) -> tuple[AreaState, ...]:
        """All changes of state of the areas of a session."""
        path = f"Session/{session}/AreaStates"
        return await self._get(path, _AREA_STATES, areaType=area_type, parentAreaId=parent)

    async def latest_area_state(self, session: UUID, area: int) -> AreaState:
        """How far an area is."""
        return await self._get(f"Session/{session}/Area/{area}/LatestAreaState", _AREA_STATE)

    async def algorithm_result(self, session: UUID, area: int, name: AlgorithmName) -> AlgorithmResult:
        """What the vendor's processing found of an area."""
        return await self._get(f"Session/{session}/AlgorithmResult", _RESULT, areaId=area, name=name)

    async def algorithm_results(self, session: UUID, parent: int, name: AlgorithmName) -> tuple[AlgorithmResult, ...]:
        """What the vendor's processing found of the areas within another one; empty where there is nothing yet."""
        path = f"Session/{session}/AlgorithmResults"
        found = await self._get(path, _RESULTS, parentAreaId=parent, name=name)
        return found or ()

    async def latest_algorithm_result(self, session: UUID, parent: int, name: AlgorithmName) -> AlgorithmResult | None:
        """The latest of `algorithm_results`, if any."""
        path = f"Session/{session}/LatestAlgorithmResult"
        return await self._get(path, _MAYBE_RESULT, parentAreaId=parent, name=name)

    async def application_state(self) -> ApplicationState:
        """What EPU does now, as far as it told."""
        return await self._get("CurrentApplicationState", _APPLICATION_STATE)

    async def runs(self, session: UUID) -> tuple[Run, ...]:
        """The runs of a session."""
        return await self._get(f"Session/{session}/Runs", _RUNS)

    async def name_values(
        self, session: UUID, *, area: int | None = None, name: str | None = None
    ) -> tuple[NameValue, ...]:
        """The named texts of a session or an area."""
        path = f"NameValueStore/{session}/Values"
        return await self._get(path, _NAME_VALUES, areaId=area, name=name)

    async def decisions(
        self,
        session: UUID,
        areas: Iterable[int],
        *,
        decision_type: DecisionType | None = None,
        plugin: PluginType | None = None,
    ) -> tuple[DecisionRecord, ...]:
        """All decisions on areas."""
        path = f"Session/{session}/Decisions"
        return await self._get(path, _DECISIONS, areaIds=list(areas), decisionType=decision_type, pluginType=plugin)

    async def latest_decision(
        self, session: UUID, area: int, decision_type: DecisionType, *, plugin: PluginType | None = None
    ) -> DecisionRecord | None:
        """The most recent decision on an area, if any."""
        path = f"Session/{session}/LatestDecision"
        return await self._get(path, _MAYBE_DECISION, areaId=area, decisionType=decision_type, pluginType=plugin)

    async def wait_for_decision(
        self,
        session: UUID,
        area: int,
        decision_type: DecisionType,
        *,
        timeout_s: int,
        plugin: PluginType | None = None,
    ) -> DecisionRecord | None:
        """The most recent decision on an area, waited for as EPU does (`TimedDecision`); None where none came."""
        return await self._get(
            f"Session/{session}/TimedDecision",
            _MAYBE_DECISION,
            wait_s=timeout_s,
            areaId=area,
            decisionType=decision_type,
            timeout=timeout_s,
            pluginType=plugin,
        )

    # --- Deciding ----------------------------------------------------------------------------------------------------

    def plan(self, session: UUID, *decisions: Decision, plugin: PluginType = PluginType.CUSTOM) -> PlannedRequest:
        """What `post` sends: one decision as such, several as a list."""
        bodies = [
            {
                "id": str(uuid4()),
                "sessionId": str(session),
                "areaId": decision.area,
                "decisionType": decision.decision.value,
                "pluginType": plugin.value,
                "decisionValue": decision.value(),
                "decidedBy": self.decided_by,
                "details": decision.details,
            }
            for decision in decisions
        ]
        if not bodies:
            raise NotCapableError("there is no decision to post; give at least one")
        single = len(bodies) == 1
        return PlannedRequest("POST", self._url("Decision" if single else "Decisions"), bodies[0] if single else bodies)

    async def post(self, session: UUID, *decisions: Decision, plugin: PluginType = PluginType.CUSTOM) -> Posted:
        """Post decisions for EPU to find; in a dry run, only say what would be posted.

        Raises:
            InstrumentFaultError: the service refused; the message says why (an unknown session or area, mostly).
            InstrumentConnectionError, InstrumentTimeoutError: it could not be reached or did not answer;
                `may_have_happened` says whether the decisions may have arrived.
            ProtocolError: its answer is not what its description says.
        """
        request = self.plan(session, *decisions, plugin=plugin)
        if self.dry_run:
            return Posted(request, None)
        answer = await self._wire.send("POST", request.url, body=request.body)
        if len(decisions) == 1:
            return Posted(request, (read_answer(answer, _DECISION),))
        return Posted(request, read_answer(answer, _DECISIONS))

    async def withdraw(self, session: UUID, area: int, decision_type: DecisionType | None = None) -> PlannedRequest:
        """Delete the decisions on an area, of one type or all; in a dry run, only say what would be sent."""
        query = {"areaId": area} | ({} if decision_type is None else {"decisionType": decision_type.value})
        url = str(httpx.URL(self._url(f"Session/{session}/Decisions"), params=query))
        if not self.dry_run:
            await self._wire.send("DELETE", url)
        return PlannedRequest("DELETE", url, None)

    # --- The wire ----------------------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return f"{self.base_url}/api/v1/{path}"

    async def _get(self, path: str, shape: TypeAdapter[_T], *, wait_s: float = 0.0, **query: Any) -> _T:
        given = {name: value for name, value in query.items() if value is not None}
        return read_answer(await self._wire.send("GET", self._url(path), query=given, wait_s=wait_s), shape)


__all__ = ["DecisionClient", "PlannedRequest", "Posted"]
