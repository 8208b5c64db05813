import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import InstrumentTimeoutError
from structloop.instruments.clock import Clock, VirtualClock, WallClock


@pytest.mark.parametrize("clock", [VirtualClock(), WallClock()])
def test_both_are_clocks_whose_time_is_utc_and_never_goes_back(clock: Clock) -> None:
    async def scenario() -> None:
        assert isinstance(clock, Clock)
        offset = clock.now().utcoffset()
        assert offset is not None
        assert offset.total_seconds() == 0
        before = clock.elapsed_s()
        await clock.sleep(0.0)
        await clock.sleep(-5.0)
        assert clock.elapsed_s() >= before

    asyncio.run(scenario())


@given(st.lists(st.floats(0, 1e5), max_size=20))
def test_virtual_time_is_the_sum_of_what_was_slept(naps: list[float]) -> None:
    async def scenario() -> float:
        clock = VirtualClock()
        for nap in naps:
            await clock.sleep(nap)
        return clock.elapsed_s()

    assert asyncio.run(scenario()) == pytest.approx(sum(naps))


@pytest.mark.parametrize("clock", [VirtualClock(), WallClock()])
def test_waiting_for_ever_ends_at_the_time_limit(clock: Clock) -> None:
    async def scenario() -> None:
        began = clock.elapsed_s()
        with pytest.raises(InstrumentTimeoutError, match=r"waiting took longer than 0\.05 s"):
            async with clock.timeout(0.05, "waiting"):
                await clock.sleep(math.inf)
        assert clock.elapsed_s() - began >= 0.049

    asyncio.run(scenario())


@pytest.mark.parametrize(("outer", "inner", "message"), [(5.0, 9.0, "outer"), (9.0, 5.0, "inner")])
def test_of_two_limits_the_nearer_one_ends_the_wait(outer: float, inner: float, message: str) -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        with pytest.raises(InstrumentTimeoutError, match=message):
            async with clock.timeout(outer, "outer"), clock.timeout(inner, "inner"):
                await clock.sleep(100.0)
        assert clock.elapsed_s() == 5.0
        await clock.sleep(100.0)
        assert clock.elapsed_s() == 105.0, "a limit that is over limits nothing"

    asyncio.run(scenario())


def test_a_limit_holds_in_tasks_begun_under_it_and_not_in_others() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        other = asyncio.create_task(clock.sleep(1.0))
        with pytest.raises(InstrumentTimeoutError):
            async with clock.timeout(10.0, "it"):
                await asyncio.create_task(clock.sleep(60.0))
        await other

    asyncio.run(scenario())


def test_what_ends_in_time_or_fails_by_itself_is_not_a_time_limit() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        async with clock.timeout(10.0, "it"):
            await clock.sleep(10.0)
        with pytest.raises(KeyError):
            async with clock.timeout(10.0, "it"):
                raise KeyError("something else")

    asyncio.run(scenario())
