"""What a decision service like Smart EPU's knows, in memory, and the rules by which it takes and gives it."""

import asyncio
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

from structloop.instruments.epu.decision_shapes import (
    AlgorithmName,
    AlgorithmResult,
    ApplicationState,
    Area,
    AreaState,
    AreaType,
    DecisionRecord,
    DecisionType,
    EngineState,
    NameValue,
    PluginType,
    Run,
    ServiceSession,
)
from structloop.testing.epu_decision_bodies import (
    NOBODY,
    AreaIn,
    AreaStateIn,
    DecisionIn,
    ResultIn,
    RunStopIn,
    SessionIn,
    Settings,
    StateIn,
    ValueIn,
)

_K = TypeVar("_K")
_V = TypeVar("_V")


class Refused(Exception):  # noqa: N818  # it is an answer, not a failure
    """An answer other than success.

    Args:
        status: HTTP's.
        detail: What is wrong.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class _SessionData:
    def __init__(self, session: ServiceSession) -> None:
        self.session = session
        self.areas: dict[int, Area] = {}
        self.states: list[AreaState] = []
        self.decisions: list[DecisionRecord] = []
        self.results: list[AlgorithmResult] = []
        self.values: list[NameValue] = []
        self.runs: list[Run] = []
        self.application: list[ApplicationState] = []


class DecisionStore:
    """All that the service knows. One event loop only."""

    def __init__(self) -> None:
        self._sessions: dict[UUID, _SessionData] = {}
        self._last_id = 0
        self._decided = asyncio.Event()
        self.application = ApplicationState(id=uuid4(), state=EngineState.UNKNOWN, timestamp=_now())
        self.settings: Settings | None = None

    # --- Sessions and areas ------------------------------------------------------------------------------------------

    def sessions(self) -> list[ServiceSession]:
        """All sessions."""
        return [data.session for data in self._sessions.values()]

    def data(self, session: UUID) -> _SessionData:
        """A session and all that belongs to it."""
        return _known(self._sessions, session, "session")

    def add_session(self, given: SessionIn) -> ServiceSession:
        """Registers a session."""
        if not given.sessionName:
            raise Refused(400, "a session needs a name")
        if given.sessionId in self._sessions:
            raise Refused(409, f"session {given.sessionId} is registered already")
        session = ServiceSession(
            sessionId=given.sessionId if given.sessionId not in {None, NOBODY} else uuid4(),
            sessionName=given.sessionName,
            athenaId=given.athenaId,
            gridType=given.gridType,
            timestamp=_now(),
        )
        self._sessions[session.sessionId] = _SessionData(session)
        return session

    def delete_session(self, session: UUID) -> ServiceSession:
        """Forgets a session."""
        data = self.data(session)
        del self._sessions[session]
        return data.session

    def area(self, session: UUID, area: int) -> Area:
        """An area of a session."""
        return _known(self.data(session).areas, area, "area")

    def areas(self, session: UUID, area_type: AreaType | None, parent: int | None) -> list[Area]:
        """The areas of a session, of a type or within another one where that is asked."""
        return [
            area
            for area in self.data(session).areas.values()
            if (area_type is None or area.areaType is area_type) and (parent is None or area.parentId == parent)
        ]

    def put_areas(self, given: list[AreaIn] | None, *, new: bool, known: bool) -> list[Area]:
        """Registers or changes areas, all of them or none.

        Args:
            new, known: Whether areas may be that were not registered, and such that were.
        """
        if not given:
            raise Refused(400, "there is no area; send at least one")
        coming = {(item.sessionId, item.id) for item in given}
        for item in given:
            areas = self.data(item.sessionId).areas
            if item.id in areas and not known:
                raise Refused(409, f"area {item.id} is registered already")
            if item.id not in areas and not new:
                raise Refused(404, f"area {item.id} is not registered")
            if (
                item.parentId is not None
                and item.parentId not in areas
                and (item.sessionId, item.parentId) not in coming
            ):
                raise Refused(404, f"area {item.parentId} is not registered, and cannot be the parent of {item.id}")
        put = [Area(**item.model_dump()) for item in given]
        for area in put:
            self.data(area.sessionId).areas[area.id] = area
        return put

    # --- States ------------------------------------------------------------------------------------------------------

    def add_states(self, given: list[AreaStateIn] | None) -> list[AreaState]:
        """Notes changes of state, all of them or none."""
        if not given:
            raise Refused(400, "there is no state; send at least one")
        for item in given:
            self.area(item.sessionId, item.areaId)
        states = [AreaState(id=self._next_id(), timestamp=_now(), **item.model_dump()) for item in given]
        for state in states:
            self.data(state.sessionId).states.append(state)
        return states

    def set_application(self, given: StateIn) -> ApplicationState:
        """Notes what EPU does."""
        self.application = ApplicationState(id=uuid4(), timestamp=_now(), **given.model_dump())
        if given.sessionId in self._sessions:
            self._sessions[given.sessionId].application.append(self.application)
        return self.application

    def start_run(self, session: UUID) -> Run:
        """Notes that a run began."""
        runs = self.data(session).runs
        runs.append(Run(sessionId=session, runNumber=len(runs) + 1, startTime=_now()))
        return runs[-1]

    def stop_run(self, given: RunStopIn) -> Run:
        """Notes that a run ended."""
        runs = self.data(given.sessionId).runs
        if not 1 <= given.runNumber <= len(runs):
            raise Refused(404, f"there is no run {given.runNumber}")
        stopped = runs[given.runNumber - 1].model_copy(update={"stopTime": _now(), "stopReason": given.reason})
        runs[given.runNumber - 1] = stopped
        return stopped

    # --- Decisions ---------------------------------------------------------------------------------------------------

    def add_decisions(self, given: list[DecisionIn] | None, *, unknown: int = 404) -> list[DecisionRecord]:
        """Takes decisions, all of them or none, and wakes who waits for one.

        Args:
            unknown: The answer where a session or area is not registered.
        """
        if not given:
            raise Refused(400, "there is no decision; send at least one")
        try:
            for item in given:
                self.area(item.sessionId, item.areaId)
        except Refused as refused:
            raise Refused(unknown, refused.detail) from refused
        taken = [
            DecisionRecord(**(item.model_dump() | {"id": uuid4() if item.id == NOBODY else item.id}), timestamp=_now())
            for item in given
        ]
        for decision in taken:
            self.data(decision.sessionId).decisions.append(decision)
        self._decided.set()
        self._decided = asyncio.Event()
        return taken

    def decisions(
        self, session: UUID, areas: list[int] | None, kind: DecisionType | None, plugin: PluginType | None
    ) -> list[DecisionRecord]:
        """Decisions, oldest first."""
        return [
            decision
            for decision in self.data(session).decisions
            if (areas is None or decision.areaId in areas)
            and (kind is None or decision.decisionType is kind)
            and (plugin is None or decision.pluginType is plugin)
        ]

    def decision(self, session: UUID, decision: UUID) -> DecisionRecord:
        """A decision by its id."""
        found = [item for item in self.data(session).decisions if item.id == decision]
        if not found:
            raise Refused(404, f"there is no decision {decision}")
        return found[-1]

    async def wait_for_decision(
        self, session: UUID, area: int, kind: DecisionType | None, plugin: PluginType | None, wait_s: float
    ) -> DecisionRecord | None:
        """The most recent decision on an area, waited for where there is none yet."""
        self.area(session, area)
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            decided = self._decided
            found = self.decisions(session, [area], kind, plugin)
            left_s = deadline - asyncio.get_running_loop().time()
            if found or left_s <= 0:
                return found[-1] if found else None
            try:
                await asyncio.wait_for(decided.wait(), left_s)
            except TimeoutError:
                continue

    def delete_decisions(self, session: UUID, area: int | None, kind: DecisionType | None) -> None:
        """Forgets the decisions on an area, or (None) on all."""
        data = self.data(session)
        if area is not None:
            self.area(session, area)
        data.decisions = [
            item
            for item in data.decisions
            if (area is not None and item.areaId != area) or (kind is not None and item.decisionType is not kind)
        ]

    # --- Results and texts -------------------------------------------------------------------------------------------

    def add_result(self, given: ResultIn) -> AlgorithmResult:
        """Adds a result of the processing, as the real service gets it from elsewhere."""
        self.area(given.sessionId, given.areaId)
        result = AlgorithmResult(
            sessionId=given.sessionId, areaId=given.areaId, name=given.name, result=given.result, timestamp=_now()
        )
        self.data(given.sessionId).results.append(result)
        return result

    def results(
        self, session: UUID, name: AlgorithmName | None, *, area: int | None = None, parent: int | None = None
    ) -> list[AlgorithmResult]:
        """Results of an area, or of those within another one; oldest first."""
        data = self.data(session)
        for asked in (area, parent):
            if asked is not None:
                self.area(session, asked)
        return [
            item
            for item in data.results
            if (name is None or item.name == name)
            and (area is None or item.areaId == area)
            and (parent is None or data.areas[item.areaId].parentId == parent)
        ]

    def add_values(self, given: list[ValueIn] | None) -> list[NameValue]:
        """Takes named texts, all of them or none."""
        if not given or any(not item.name for item in given):
            raise Refused(400, "there is no text, or one without a name")
        for item in given:
            self.data(item.sessionId)
            if item.areaId is not None:
                self.area(item.sessionId, item.areaId)
        values = [NameValue(id=self._next_id(), timestamp=_now(), **item.model_dump()) for item in given]
        for value in values:
            self.data(value.sessionId).values.append(value)
        return values

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _known(things: dict[_K, _V], key: _K, what: str) -> _V:
    try:
        return things[key]
    except KeyError:
        raise Refused(404, f"{what} {key} is not registered") from None


def _now() -> datetime:
    return datetime.now(UTC)


__all__ = ["DecisionStore", "Refused"]
