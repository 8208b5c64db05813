"""Advice to EPU: what is posted, what a dry run shows, what happens when the service is away or says no."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from pydantic import ValidationError

from structloop.core.errors import (
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    NotCapableError,
    ProtocolError,
)
from structloop.instruments.epu import DecisionClient, ServiceAdvice, decision_of
from structloop.instruments.epu.decision_shapes import (
    DECISIONS,
    AcquisitionOrder,
    AlgorithmName,
    AreaType,
    AutomaticFoilHoleFinding,
    Decision,
    DecisionType,
    Focus,
    FoilHoleSelection,
    FoundFoilHole,
    GridSquareSelection,
    IceThicknessPrediction,
    Include,
    PluginType,
    RawDecision,
    StageWaitingTime,
)
from structloop.instruments.microscope import Advice, Advised
from structloop.testing.epu_decision_bodies import AreaIn, AreaStateIn, ResultIn, SessionIn, StateIn
from structloop.testing.epu_decision_server import create_app
from structloop.testing.epu_decision_store import DecisionStore

SESSION = UUID("3fa85f64-5717-4562-b3fc-2c963f66afa6")
ANY = UUID(int=7)


@pytest.fixture
def store() -> DecisionStore:
    """As EPU has registered it: a session with a square (12) of two holes (100, 101), the square started."""
    store = DecisionStore()
    store.add_session(SessionIn(sessionId=SESSION, sessionName="a session"))
    areas = [AreaIn(sessionId=SESSION, id=12, areaType=AreaType.GRID_SQUARE)]
    areas += [AreaIn(sessionId=SESSION, id=hole, areaType=AreaType.FOIL_HOLE, parentId=12) for hole in (100, 101)]
    store.put_areas(areas, new=True, known=False)
    store.add_states([AreaStateIn.model_validate({"sessionId": SESSION, "areaId": 12, "state": "Started"})])
    return store


def talk(store: DecisionStore, use: Callable[[DecisionClient], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    """What `use` gives, with a client of a service that has that store."""

    async def run() -> Any:
        transport = httpx.ASGITransport(create_app(store, longest_wait_s=5))
        async with DecisionClient("http://service", transport=transport, **options) as client:
            return await use(client)

    return asyncio.run(run())


def answering(handler: Callable[[httpx.Request], httpx.Response]) -> dict[str, Any]:
    """Options of a client whose service is a function."""
    return {"transport": httpx.MockTransport(handler), "pause_s": 0.0}


def fail(use: Callable[[DecisionClient], Coroutine[Any, Any, Any]], **options: Any) -> InstrumentError:
    """The error that `use` ends in."""

    async def run() -> None:
        async with DecisionClient("http://service:1", **options) as client:
            await use(client)

    with pytest.raises(InstrumentError) as caught:
        asyncio.run(run())
    return caught.value


def test_what_epu_registered_can_be_read(store: DecisionStore) -> None:
    store.add_result(ResultIn(sessionId=SESSION, areaId=100, name=AlgorithmName.CTF, result={"resolution": 3.4}))

    async def use(client: DecisionClient) -> None:
        assert await client.version()
        [session] = await client.sessions()
        assert (session.sessionId, session.sessionName) == (SESSION, "a session")
        assert (await client.session_named("a session")).sessionId == SESSION
        assert [area.id for area in await client.areas(SESSION)] == [12, 100, 101]
        assert [area.id for area in await client.areas(SESSION, area_type=AreaType.FOIL_HOLE, parent=12)] == [100, 101]
        assert (await client.area(SESSION, 100)).parentId == 12
        assert [state.state for state in await client.area_states(SESSION)] == ["started"]
        assert (await client.latest_area_state(SESSION, 12)).state == "started"
        result = await client.algorithm_result(SESSION, 100, AlgorithmName.CTF)
        assert result.result == {"resolution": 3.4}
        assert len(await client.algorithm_results(SESSION, 12, AlgorithmName.CTF)) == 1
        assert await client.algorithm_results(SESSION, 12, AlgorithmName.MOTION_CORRECTION) == ()
        assert await client.latest_algorithm_result(SESSION, 12, AlgorithmName.ATLAS) is None
        assert (await client.application_state()).state == "unknown"
        assert await client.runs(SESSION) == ()
        assert await client.name_values(SESSION) == ()

    talk(store, use)


VALUES: list[tuple[Decision, object]] = [
    (Include(area=12, include=False), False),
    (Focus(area=12, focus=True), True),
    (StageWaitingTime(area=12, seconds=12.5), 12.5),
    (AcquisitionOrder(area=12, order=(101, 100)), [101, 100]),
    (
        FoilHoleSelection(area=12, selected={100: True, 101: False}),
        [{"areaId": 100, "result": "true"}, {"areaId": 101, "result": "false"}],
    ),
    (GridSquareSelection(area=12, selected={12: True}), [{"areaId": 12, "result": "true"}]),
    (IceThicknessPrediction(area=12, thickness={100: 30.5}), [{"areaId": 100, "result": "30.5"}]),
    (
        AutomaticFoilHoleFinding(area=12, holes=(FoundFoilHole(x_px=1, y_px=2, diameter_px=3),)),
        [{"x": 1, "y": 2, "diameter": 3}],
    ),
    (RawDecision(decision=DecisionType.INCLUDE, area=12, text='"as I like"'), "as I like"),
]


@pytest.mark.parametrize(("decision", "value"), VALUES, ids=lambda item: type(item).__name__)
def test_each_decision_reaches_epu_as_text_that_is_json(
    store: DecisionStore, decision: Decision, value: object
) -> None:
    async def use(client: DecisionClient) -> None:
        posted = await client.post(SESSION, decision)
        found = await client.wait_for_decision(SESSION, 12, decision.decision, timeout_s=0, plugin=PluginType.CUSTOM)
        assert found is not None
        assert posted.records == (found,)
        assert found.decisionValue is not None
        assert json.loads(found.decisionValue) == value
        assert found.decidedBy == "structloop"
        assert await client.latest_decision(SESSION, 12, decision.decision) == found

    talk(store, use)


def test_every_kind_of_decision_has_its_shape() -> None:
    assert set(DECISIONS) == set(DecisionType)
    assert {kind for kind, shape in DECISIONS.items() if shape.documented} == {"include", "foilHoleSelection"}
    assert {type(decision) for decision, _ in VALUES} == {*DECISIONS.values(), RawDecision}


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        (Include, {"area": 2**31, "include": True}),
        (StageWaitingTime, {"area": 1, "seconds": -1}),
        (StageWaitingTime, {"area": 1, "seconds": float("nan")}),
        (AcquisitionOrder, {"area": 1, "order": ()}),
        (FoilHoleSelection, {"area": 1, "selected": {}}),
        (Include, {"area": 1, "include": True, "surprise": 1}),
    ],
)
def test_impossible_decisions_cannot_be_made(shape: type[Any], given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        shape(**given)


def test_several_decisions_go_together_or_not_at_all(store: DecisionStore) -> None:
    async def use(client: DecisionClient) -> None:
        posted = await client.post(SESSION, Include(area=100, include=True), Include(area=101, include=False))
        assert posted.request.url.endswith("/api/v1/Decisions")
        assert posted.records is not None
        assert [record.areaId for record in posted.records] == [100, 101]
        with pytest.raises(InstrumentFaultError, match="409"):
            await client.post(SESSION, Include(area=100, include=False), Include(area=999, include=False))
        assert len(await client.decisions(SESSION, [100, 101, 999])) == 2
        assert len(await client.decisions(SESSION, [101], decision_type=DecisionType.INCLUDE)) == 1
        await client.withdraw(SESSION, 101, DecisionType.INCLUDE)
        assert [record.areaId for record in await client.decisions(SESSION, [100, 101])] == [100]
        with pytest.raises(NotCapableError):
            await client.post(SESSION)

    talk(store, use)


def test_a_dry_run_says_what_would_be_posted_and_posts_nothing(store: DecisionStore) -> None:
    async def use(client: DecisionClient) -> None:
        posted = await client.post(SESSION, FoilHoleSelection(area=12, selected={100: True}, details="thin ice"))
        assert posted.records is None
        assert (posted.request.method, posted.request.url) == ("POST", "http://service/api/v1/Decision")
        body = posted.request.body
        assert isinstance(body, dict)
        assert UUID(str(body.pop("id")))
        assert body == {
            "sessionId": str(SESSION),
            "areaId": 12,
            "decisionType": "foilHoleSelection",
            "pluginType": "custom",
            "decisionValue": '[{"areaId":100,"result":"true"}]',
            "decidedBy": "structloop",
            "details": "thin ice",
        }
        assert '"foilHoleSelection"' in str(posted.request)
        gone = await client.withdraw(SESSION, 12)
        assert gone.url == f"http://service/api/v1/Session/{SESSION}/Decisions?areaId=12"

    talk(store, use, dry_run=True)
    assert store.decisions(SESSION, None, None, None) == []


def test_epu_waits_for_a_decision_and_gets_it_when_it_is_made(store: DecisionStore) -> None:
    async def use(client: DecisionClient) -> None:
        waiting = asyncio.create_task(client.wait_for_decision(SESSION, 12, DecisionType.INCLUDE, timeout_s=5))
        other = asyncio.create_task(client.wait_for_decision(SESSION, 12, DecisionType.FOCUS, timeout_s=0))
        assert await other is None, "nothing came within its time"
        assert not waiting.done()
        await client.post(SESSION, Include(area=100, include=True))
        await client.post(SESSION, Include(area=12, include=False))
        found = await waiting
        assert found is not None
        assert (found.areaId, found.decisionValue) == (12, "false")

    talk(store, use)


def test_unknown_sessions_and_areas_are_refused_with_the_reason(store: DecisionStore) -> None:
    async def use(client: DecisionClient) -> None:
        with pytest.raises(InstrumentFaultError, match="area 999 is not registered"):
            await client.post(SESSION, Include(area=999, include=True))
        with pytest.raises(InstrumentFaultError, match="is not registered"):
            await client.areas(ANY)
        with pytest.raises(InstrumentFaultError, match="404"):
            await client.session_named("another")

    talk(store, use)


def test_reading_is_tried_again_and_posting_is_not() -> None:
    calls: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        raise httpx.ReadTimeout("slow", request=request)

    error = fail(lambda client: client.sessions(), **answering(handler))
    assert isinstance(error, InstrumentTimeoutError)
    assert (calls, error.may_have_happened) == (["GET"] * 3, False)
    calls.clear()
    error = fail(lambda client: client.post(ANY, Include(area=1, include=True)), **answering(handler))
    assert isinstance(error, InstrumentTimeoutError)
    assert (calls, error.may_have_happened) == (["POST"], True)


def test_a_decision_that_certainly_did_not_arrive_is_sent_again() -> None:
    calls: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.content)
        if len(calls) < 3:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(201, content=request.content)

    async def use() -> None:
        async with DecisionClient("http://service", **answering(handler)) as client:
            posted = await client.post(ANY, Include(area=1, include=True))
            assert posted.records is not None

    asyncio.run(use())
    assert len(calls) == 3
    assert len(set(calls)) == 1, "the same decision, by its id"


def test_a_lost_connection_and_a_busy_service_say_so() -> None:
    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("closed", request=request)

    error = fail(lambda client: client.post(ANY, Include(area=1, include=True)), **answering(lost))
    assert isinstance(error, InstrumentConnectionError)
    assert error.may_have_happened
    states = iter([503, 502, 200])
    busy = answering(lambda _: httpx.Response(next(states), json=[]))

    async def use() -> None:
        async with DecisionClient("http://service", **busy) as client:
            assert await client.sessions() == ()

    asyncio.run(use())
    error = fail(
        lambda client: client.post(ANY, Include(area=1, include=True)), **answering(lambda _: httpx.Response(500))
    )
    assert isinstance(error, InstrumentFaultError)
    assert error.may_have_happened


@pytest.mark.parametrize(
    "content", [b"<html>", b"{}", b"[1]", b'[{"sessionId": "x"}]', b"[" * 100_000, b"\xff\xfe", b"null"]
)
def test_answers_in_another_form_are_told(content: bytes) -> None:
    error = fail(lambda client: client.sessions(), **answering(lambda _: httpx.Response(200, content=content)))
    assert isinstance(error, ProtocolError)
    assert "/api/v1/Sessions" in str(error)


def test_fields_and_spellings_of_other_versions_are_taken() -> None:
    record = {
        "sessionId": str(SESSION),
        "areaId": 12,
        "decisionType": "FoilHoleSelection",
        "pluginType": "Default",
        "timestamp": "10/20/2022 14:38",
        "newField": 1,
    }

    async def use() -> None:
        async with DecisionClient("http://service", **answering(lambda _: httpx.Response(200, json=record))) as client:
            found = await client.latest_decision(SESSION, 12, DecisionType.FOIL_HOLE_SELECTION)
            assert found is not None
            assert found.decisionType is DecisionType.FOIL_HOLE_SELECTION
            assert found.timestamp is None

    asyncio.run(use())


@pytest.mark.parametrize("address", ["ftp://service", "service:8080", "http://", "http://[::1"])
def test_addresses_of_something_else_are_refused(address: str) -> None:
    with pytest.raises(NotCapableError, match="decision service"):
        DecisionClient(address)


def test_advice_goes_to_the_session_that_epu_runs(store: DecisionStore) -> None:
    store.add_session(SessionIn(sessionName="another"))
    store.set_application(StateIn(sessionId=SESSION))

    async def use(client: DecisionClient) -> None:
        advice = ServiceAdvice(client)
        assert isinstance(advice, Advice)
        await advice.advise(Advised("foilHoleSelection", "12", {"selected": {"100": True, "101": False}}))
        await advice.advise(Advised("include", "101", {"include": False, "details": "broken"}))
        await advice.advise(Advised("focus", "101", {"text": "maybe"}))
        assert len(advice.posted) == 3

    talk(store, use)
    assert [(item.areaId, item.decisionValue) for item in store.decisions(SESSION, None, None, None)] == [
        (12, '[{"areaId":100,"result":"true"},{"areaId":101,"result":"false"}]'),
        (101, "false"),
        (101, "maybe"),
    ]


def test_advice_needs_to_know_its_session(store: DecisionStore) -> None:
    async def by_name(client: DecisionClient) -> None:
        assert await ServiceAdvice(client, "a session").session() == SESSION
        assert await ServiceAdvice(client, str(SESSION)).session() == SESSION
        assert await ServiceAdvice(client).session() == SESSION, "there is only one"

    async def unknown(client: DecisionClient) -> None:
        with pytest.raises(NotCapableError, match="a session, another"):
            await ServiceAdvice(client).session()

    talk(store, by_name)
    store.add_session(SessionIn(sessionName="another"))
    talk(store, unknown)


@pytest.mark.parametrize(
    ("advised", "says"),
    [
        (Advised("coffee", "1", {}), "include, focus"),
        (Advised("include", "1", {}), "include"),
        (Advised("include", "the square", {"include": True}), "area"),
        (Advised("include", "1", {"include": True, "wish": 1}), "wish"),
    ],
)
def test_advice_that_does_not_fit_is_refused_by_name(advised: Advised, says: str) -> None:
    with pytest.raises(NotCapableError, match=says):
        decision_of(advised)


@pytest.fixture
def served(store: DecisionStore) -> Iterator[str]:
    """The address of a service that has the store, over real TCP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        server = uvicorn.Server(uvicorn.Config(create_app(store), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [probe]})
        thread.start()
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_it_works_over_a_real_connection(served: str, store: DecisionStore) -> None:
    async def use() -> None:
        async with DecisionClient(served) as client:
            assert len(await client.sessions()) == 1
            await client.post(SESSION, Include(area=12, include=True))

    asyncio.run(use())
    assert len(store.decisions(SESSION, [12], None, None)) == 1


def test_nobody_there_is_told_with_the_address() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"

        async def use() -> None:
            async with DecisionClient(address, pause_s=0) as client:
                await client.sessions()

        with pytest.raises(InstrumentConnectionError, match="cannot be reached"):
            asyncio.run(use())
