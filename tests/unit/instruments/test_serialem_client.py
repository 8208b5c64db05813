"""The client against servers that answer well, badly, late, in pieces, or not at all."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structloop.core.errors import (
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    NotCapableError,
    ProtocolError,
    StoppedByUserError,
)
from structloop.instruments.serialem import wire
from structloop.instruments.serialem.client import ScriptExitedError, SerialEMClient
from structloop.instruments.serialem.images import Mode, encode_pixels

Handler = Callable[["Line"], Awaitable[None]]


class Line:
    """The server's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> wire.Request:
        body = await self.body()
        return wire.decode_request(body)

    async def body(self) -> bytes:
        total = wire.ints(await self.reader.readexactly(4))[0]
        return await self.reader.readexactly(total - 4)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def grant(self, ok: bool = True) -> None:
        assert await self.request() == wire.OkToRun()
        await self.send(wire.encode_ok_to_run(ok))

    async def reply(self, *values: wire.Value, error: int = 0) -> wire.Request:
        request = await self.request()
        await self.send(wire.encode_reply(wire.Reply(values, error)))
        return request


def run(
    scenario: Callable[[SerialEMClient], Coroutine[Any, Any, Any]],
    *connections: Handler,
    timeout_s: float = 5.0,
    **options: Any,
) -> Any:
    """Run a scenario against a server that treats each connection in turn as told; more are refused."""

    async def main() -> Any:
        waiting = list(connections)
        failures: list[BaseException] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                assert waiting, "a connection more than expected"
                await waiting.pop(0)(Line(reader, writer))
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass
            except BaseException as error:  # noqa: BLE001  # told to the test below
                failures.append(error)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = SerialEMClient("127.0.0.1", port, timeout_s=timeout_s, **options)
        try:
            async with asyncio.timeout(20):
                return await scenario(client)
        finally:
            client.abandon()
            server.close()
            if failures:
                raise failures[0]

    return asyncio.run(main())


def fails_with(
    error: type[InstrumentError],
    scenario: Callable[[SerialEMClient], Coroutine[Any, Any, Any]],
    *handlers: Handler,
    **options: Any,
) -> InstrumentError:
    with pytest.raises(error) as raised:
        run(scenario, *handlers, **options)
    return raised.value


async def record(client: SerialEMClient) -> Any:
    return await client.call("Record")


async def stage(client: SerialEMClient) -> Any:
    return await client.call("ReportStageXYZ")


async def silent(line: Line) -> None:
    while await line.reader.read(4096):
        pass


# --- Commands --------------------------------------------------------------------------------------------------------


def test_a_reply_in_single_bytes_is_put_together() -> None:
    async def serve(line: Line) -> None:
        await line.grant()
        await line.request()
        for byte in wire.encode_reply(wire.Reply((1.0, 2.0, 3.0))):
            await line.send(bytes([byte]))
        await silent(line)

    assert run(stage, serve) == (1.0, 2.0, 3.0)


def test_control_is_asked_for_once_and_the_bytes_are_those_of_the_reference() -> None:
    seen: list[bytes] = []

    async def serve(line: Line) -> None:
        seen.append(await line.body())
        await line.send(wire.encode_ok_to_run(True))
        for _ in range(2):
            seen.append(await line.body())
            await line.send(wire.encode_reply(wire.Reply()))
        await silent(line)

    async def scenario(client: SerialEMClient) -> None:
        await client.call("LoadCartridge", 3)
        await client.call("View")

    run(scenario, serve)
    assert [len(body) for body in seen] == [4, 48, 20]
    assert seen[2] == bytes.fromhex("01000000 45000000 00000000 01000000 00000000")


def test_what_serialem_says_went_wrong_is_told() -> None:
    async def serve(line: Line) -> None:
        await line.grant()
        await line.reply("The stage is busy", error=1)
        await line.reply(error=1)
        assert await line.reply(1.0) == wire.Command(293)
        await silent(line)

    async def scenario(client: SerialEMClient) -> Any:
        with pytest.raises(InstrumentFaultError, match="MoveStageTo: The stage is busy"):
            await client.call("MoveStageTo", 1.0, 2.0)
        with pytest.raises(InstrumentFaultError, match="gave no reason"):
            await client.call("TiltTo", 1.0)
        return await client.call("ReportStageXYZ")

    assert run(scenario, serve) == (1.0,)


def test_unknown_commands_and_wrong_arguments_are_not_sent() -> None:
    async def scenario(client: SerialEMClient) -> None:
        with pytest.raises(NotCapableError, match="FlyToTheMoon"):
            await client.call("FlyToTheMoon")
        with pytest.raises(TypeError, match="argument 1 of TiltTo"):
            await client.call("TiltTo", "far")

    run(scenario)


def test_stop_during_a_command_is_told_and_control_is_asked_for_again() -> None:
    async def serve(line: Line) -> None:
        await line.grant()
        await line.reply(error=wire.STOP_WORD)
        await line.grant()
        await line.reply(7.0)
        await silent(line)

    async def scenario(client: SerialEMClient) -> Any:
        with pytest.raises(StoppedByUserError) as stopped:
            await client.call("Record")
        assert stopped.value.may_have_happened
        return await client.call("ReportTickTime")

    assert run(scenario, serve) == (7.0,)


def test_stop_before_a_command_closes_and_the_next_call_connects_again() -> None:
    async def first(line: Line) -> None:
        await line.grant()
        await line.request()
        await line.send(wire.encode_refusal(-10))
        await silent(line)

    async def second(line: Line) -> None:
        await line.grant()
        await line.reply(7.0)
        await silent(line)

    async def scenario(client: SerialEMClient) -> Any:
        with pytest.raises(StoppedByUserError) as stopped:
            await client.call("Record")
        assert not stopped.value.may_have_happened
        return await client.call("ReportTickTime")

    assert run(scenario, first, second) == (7.0,)


@pytest.mark.parametrize("word", [wire.EXIT_WORD, wire.EXIT_QUIETLY_WORD])
def test_exit_ends_control(word: int) -> None:
    async def serve(line: Line) -> None:
        await line.grant()
        await line.reply(error=word)
        await line.grant()
        await line.reply(7.0)
        await silent(line)

    async def scenario(client: SerialEMClient) -> Any:
        if word == wire.EXIT_WORD:
            with pytest.raises(ScriptExitedError):
                await client.call("Exit")
        else:
            assert await client.call("Exit", 1.0) == ()
        return await client.call("ReportTickTime")

    assert run(scenario, serve) == (7.0,)


def test_a_busy_serialem_is_told() -> None:
    async def serve(line: Line) -> None:
        await line.grant(ok=False)
        await silent(line)

    assert "busy" in str(fails_with(InstrumentConnectionError, stage, serve))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (-1, InstrumentFaultError),
        (-4, InstrumentFaultError),
        (-5, InstrumentFaultError),
        (-6, InstrumentFaultError),
        (-9, InstrumentConnectionError),
        (-10, StoppedByUserError),
    ],
)
def test_refusals_come_alone_and_nothing_was_done(code: int, error: type[InstrumentError]) -> None:
    assert not fails_with(error, record, refusing(code)).may_have_happened


@pytest.mark.parametrize("code", [-2, -3, -7, -8, -77])
def test_refusals_that_may_come_after_the_deed_say_so(code: int) -> None:
    async def load(client: SerialEMClient) -> Any:
        return await client.call("LoadCartridge", 1)

    for deed in (record, load):
        assert fails_with(InstrumentFaultError, deed, refusing(code)).may_have_happened
    assert not fails_with(InstrumentFaultError, stage, refusing(code)).may_have_happened
    assert not fails_with(InstrumentFaultError, buffer_c, refusing(code)).may_have_happened


def refusing(code: int) -> Handler:
    async def serve(line: Line) -> None:
        await line.grant()
        await line.request()
        await line.send(wire.encode_refusal(code))
        await silent(line)

    return serve


@pytest.mark.parametrize("word", [wire.EXIT_WORD, wire.EXIT_QUIETLY_WORD])
def test_an_exit_during_a_deed_says_that_it_may_have_happened(word: int) -> None:
    async def serve(line: Line) -> None:
        await line.grant()
        await line.reply(error=word)
        await silent(line)

    async def leave(client: SerialEMClient) -> Any:
        return await client.call("Exit")

    assert fails_with(ScriptExitedError, record, serve).may_have_happened
    if word == wire.EXIT_WORD:
        assert not fails_with(ScriptExitedError, leave, serve).may_have_happened


def test_nothing_listening_is_told_with_the_remedy() -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(InstrumentConnectionError, match="Python socket") as raised:
            await SerialEMClient("127.0.0.1", port).call("Record")
        assert not raised.value.may_have_happened

    asyncio.run(scenario())


# --- Connections that are lost ---------------------------------------------------------------------------------------


async def dies_after_the_request(line: Line) -> None:
    await line.grant()
    await line.request()


async def dies_within_the_reply(line: Line) -> None:
    await line.grant()
    await line.request()
    await line.send(wire.encode_reply(wire.Reply((1.0, "abc")))[:21])


@pytest.mark.parametrize("dying", [dies_after_the_request, dies_within_the_reply])
@pytest.mark.parametrize("name", ["Record", "V", "Montage", "MoveStage", "AutoFocus", "LoadCartridge"])
def test_what_changes_something_is_never_sent_twice(dying: Handler, name: str) -> None:
    arguments = {"MoveStage": (1.0, 1.0), "LoadCartridge": (1,)}.get(name, ())

    async def scenario(client: SerialEMClient) -> None:
        await client.call(name, *arguments)

    assert fails_with(InstrumentConnectionError, scenario, dying).may_have_happened


@pytest.mark.parametrize("dying", [dies_after_the_request, dies_within_the_reply])
def test_what_only_reads_is_asked_again(dying: Handler) -> None:
    async def second(line: Line) -> None:
        # A server that has not noticed the loss answers no: control is still on, and it is ours.
        await line.grant(ok=False)
        await line.reply(1.0, 2.0, 3.0)
        await silent(line)

    assert run(stage, dying, second) == (1.0, 2.0, 3.0)


def test_reading_is_given_up_after_the_second_loss() -> None:
    error = fails_with(InstrumentConnectionError, stage, dies_after_the_request, dies_after_the_request)
    assert not error.may_have_happened


def test_a_connection_that_was_closed_in_the_meantime_is_opened_again_before_anything_is_sent() -> None:
    closed = asyncio.Event()

    async def first(line: Line) -> None:
        await line.grant()
        await line.reply(1.0)
        line.writer.close()
        await line.writer.wait_closed()
        closed.set()

    async def second(line: Line) -> None:
        await line.grant()
        assert await line.reply() == wire.Command(75)
        await silent(line)

    async def scenario(client: SerialEMClient) -> None:
        await client.call("ReportTickTime")
        await closed.wait()
        await asyncio.sleep(0.01)
        assert await client.call("Record") == ()

    run(scenario, first, second)


@pytest.mark.parametrize("when", ["at once", "after control", "within a reply"])
def test_a_silent_server_is_left_after_the_time_limit(when: str) -> None:
    async def serve(line: Line) -> None:
        if when != "at once":
            await line.grant()
            await line.request()
        if when == "within a reply":
            await line.send(b"\x30\0\0\0\0\0")
        await silent(line)

    async def scenario(client: SerialEMClient) -> None:
        await client.call("Record", timeout_s=0.1)

    error = fails_with(InstrumentTimeoutError, scenario, serve)
    assert error.may_have_happened is (when != "at once")


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    async def first(line: Line) -> None:
        await line.grant()
        await line.request()
        await asyncio.sleep(0.15)
        await line.send(wire.encode_reply(wire.Reply((666.0,))))
        await silent(line)

    async def second(line: Line) -> None:
        await line.grant(ok=False)
        await line.reply(1.0)
        await silent(line)

    async def scenario(client: SerialEMClient) -> Any:
        with pytest.raises(InstrumentTimeoutError):
            await client.call("Record", timeout_s=0.05)
        return await client.call("ReportTickTime")

    assert run(scenario, first, second) == (1.0,)


def test_cancelling_a_call_closes_the_connection() -> None:
    async def second(line: Line) -> None:
        await line.grant(ok=False)
        await line.reply(1.0)
        await silent(line)

    async def first(line: Line) -> None:
        await line.grant()
        await silent(line)

    async def scenario(client: SerialEMClient) -> Any:
        calling = asyncio.create_task(client.call("Record"))
        await asyncio.sleep(0.05)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        return await client.call("ReportTickTime")

    assert run(scenario, first, second) == (1.0,)


def test_calls_wait_for_one_another() -> None:
    async def serve(line: Line) -> None:
        await line.grant()
        for value in (1.0, 2.0, 3.0):
            await line.reply(value)
        await silent(line)

    async def scenario(client: SerialEMClient) -> list[tuple[wire.Value, ...]]:
        return await asyncio.gather(*(client.call("ReportTickTime") for _ in range(3)))

    assert run(scenario, serve) == [(1.0,), (2.0,), (3.0,)]


@pytest.mark.parametrize("extra", [wire.encode_reply(wire.Reply((666.0,))), b"x", bytes(500)])
@pytest.mark.parametrize("at_once", [True, False])
def test_bytes_beyond_an_answer_are_not_taken_for_the_next_one(extra: bytes, at_once: bool) -> None:
    sent = asyncio.Event()

    async def first(line: Line) -> None:
        await line.grant()
        await line.request()
        answer = wire.encode_reply(wire.Reply((1.0,)))
        await (line.send(answer + extra) if at_once else line.send(answer, extra))
        sent.set()
        assert await line.reader.read(1) == b"", "nothing more is sent there"

    async def second(line: Line) -> None:
        await line.grant(ok=False)
        assert await line.reply(2.0) == wire.Command(75)
        await line.reply(3.0)
        await silent(line)

    async def scenario(client: SerialEMClient) -> list[Any]:
        answers = [await client.call("ReportTickTime")]
        await sent.wait()
        await asyncio.sleep(0.01)
        return [*answers, await client.call("Record"), await client.call("ReportTickTime")]

    assert run(scenario, first, second) == [(1.0,), (2.0,), (3.0,)]


def test_bytes_beyond_the_answer_about_control_are_refused_the_second_time() -> None:
    async def serve(line: Line) -> None:
        await line.request()
        await line.send(wire.encode_ok_to_run(True) + wire.encode_reply(wire.Reply((666.0,))))
        assert await line.reader.read(1) == b"", "no command is sent there"

    assert not fails_with(ProtocolError, record, serve, serve).may_have_happened


# --- Images ----------------------------------------------------------------------------------------------------------


def send_image(pixels: np.ndarray[Any, Any], *, pad: int = 0, chunks: int = 1, with_header: bool = False) -> Handler:
    mode, data = encode_pixels(pixels)
    rows = np.frombuffer(data, np.uint8).reshape(pixels.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, pad)), constant_values=0xEE)
    data = padded.tobytes()
    header = wire.ImageHeader(mode, padded.shape[1], pixels.shape[1], pixels.shape[0], len(data), chunks)

    async def serve(line: Line) -> None:
        await line.grant()
        assert await line.request() == wire.GetImage(2)
        first, *others = [data[i : i + header.chunk_bytes] for i in range(0, len(data), header.chunk_bytes)]
        encoded = wire.encode_image_header(header)
        await (line.send(encoded + first) if with_header else line.send(encoded, first))
        for chunk in others:
            assert await line.body() == wire.encode_handshake()[4:]
            await line.send(chunk)
        await silent(line)

    return serve


async def buffer_c(client: SerialEMClient) -> np.ndarray[Any, Any]:
    return (await client.image("C")).array()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "uint16", "rgb"])
@pytest.mark.parametrize(("pad", "chunks", "with_header"), [(0, 1, False), (3, 1, True), (5, 4, False), (0, 7, True)])
def test_images_come_whole(dtype: str, pad: int, chunks: int, with_header: bool) -> None:
    shape = (5, 7, 3) if dtype == "rgb" else (5, 7)
    pixels = (np.arange(np.prod(shape)).reshape(shape) * 37 - 20).astype("uint8" if dtype == "rgb" else dtype)
    got = run(buffer_c, send_image(pixels, pad=pad, chunks=chunks, with_header=with_header))
    assert got.dtype == pixels.dtype
    np.testing.assert_array_equal(got, pixels)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9), st.integers(1, 50))
def test_images_of_any_shape_and_chunks_come_whole(height: int, width: int, pad: int, chunks: int) -> None:
    pixels = np.arange(height * width, dtype="uint16").reshape(height, width)
    chunks = min(chunks, height * (2 * width + pad))
    np.testing.assert_array_equal(run(buffer_c, send_image(pixels, pad=pad, chunks=chunks)), pixels)


def header_alone(*fields: int) -> Handler:
    async def serve(line: Line) -> None:
        await line.grant()
        await line.request()
        await line.send(wire.encode_image_header(wire.ImageHeader(*fields)))
        await silent(line)

    return serve


def test_an_empty_buffer_is_told() -> None:
    assert "no image" in str(fails_with(InstrumentFaultError, buffer_c, header_alone(77, -5, 1, 1, 0, -9)))


@pytest.mark.parametrize(
    "fields",
    [
        (3, 8, 4, 4, 32, 1),
        (6, 7, 4, 4, 28, 1),
        (6, 8, 4, 4, 33, 1),
        (6, 8, 4, 4, 23, 1),
        (6, 8, 0, 4, 32, 1),
        (6, 8, 4, -4, 32, 1),
        (6, 8, 4, 4, 32, 0),
        (6, 8, 4, 4, 32, -1),
        (6, 8, 4, 4, 32, 33),
        (6, 8, 4, 4, -32, 1),
        (0, 2**31 - 1, 1, 1, 2**31 - 1, 1),
        (0, 40_000, 40_000, 40_000, 1_600_000_000, 1),
    ],
)
def test_impossible_images_are_errors(fields: tuple[int, ...]) -> None:
    fails_with(ProtocolError, buffer_c, header_alone(*fields))


def test_an_image_that_stops_half_way_is_asked_for_again() -> None:
    pixels = np.arange(12, dtype="uint16").reshape(3, 4)

    async def half(line: Line) -> None:
        await line.grant()
        await line.request()
        await line.send(wire.encode_image_header(wire.ImageHeader(6, 8, 4, 3, 24, 1)), bytes(11))

    np.testing.assert_array_equal(run(buffer_c, half, send_image(pixels)), pixels)


@pytest.mark.parametrize("name", ["", "U", "a", "IF", "AA", "ABC"])
def test_buffers_that_do_not_exist_are_not_asked_for(name: str) -> None:
    async def scenario(client: SerialEMClient) -> None:
        with pytest.raises(ValueError, match="not a buffer"):
            await client.image(name)

    run(scenario)


def test_an_image_is_put_into_a_buffer_without_handshakes() -> None:
    seen: list[bytes] = []
    pixels = np.arange(6, dtype="int16").reshape(2, 3)

    async def serve(line: Line) -> None:
        await line.grant()
        assert await line.request() == wire.PutImage(Mode.INT16, 3, 2, 12, 1, 0, 2, -1, 1)
        await line.send(wire.encode_refusal(0))
        seen.append(await line.reader.readexactly(12))
        await line.reply(7.0)
        await silent(line)

    async def scenario(client: SerialEMClient) -> Any:
        await client.put_image(pixels, "B", base_buffer="A", more_binning=2)
        return await client.call("ReportTickTime")

    assert run(scenario, serve) == (7.0,)
    assert seen == [struct.pack("<6h", *range(6))]


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 2)), np.zeros(4, "uint8"), np.zeros((0, 4), "uint8"), np.zeros((2, 2, 4), "uint8")]
)
def test_images_that_serialem_has_no_type_for_are_not_sent(pixels: np.ndarray[Any, Any]) -> None:
    async def scenario(client: SerialEMClient) -> None:
        with pytest.raises(ValueError, match=r"image|pixels"):
            await client.put_image(pixels, "B")

    run(scenario)


def test_positive_return_values_are_errors() -> None:
    async def image(line: Line) -> None:
        await line.grant()
        await line.request()
        await line.send(wire.frame([7, 0, 2, 2, 2, 4, 1]) + b"abcd")
        await silent(line)

    async def control(line: Line) -> None:
        await line.request()
        await line.send(wire.frame([5, 1]))
        await silent(line)

    assert "with 7" in str(fails_with(InstrumentFaultError, buffer_c, image))
    error = fails_with(InstrumentConnectionError, record, control)
    assert "with 5" in str(error)
    assert not error.may_have_happened


# --- Hostile servers -------------------------------------------------------------------------------------------------

rubbish = st.one_of(
    st.binary(max_size=120),
    st.binary(max_size=60).map(lambda body: struct.pack("<i", 4 + len(body)) + body),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9).map(lambda longs: wire.frame(longs)),
    st.just(struct.pack("<i", 2**31 - 1) + bytes(50)),
    st.just(struct.pack("<ii", 1 << 20, 0)),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(rubbish, max_size=4), st.booleans(), st.booleans(), st.sampled_from(["Record", "ReportStageXYZ", "image"])
)
def test_rubbish_ends_in_an_error_of_ours_or_in_values(sent: list[bytes], grant: bool, stays: bool, asks: str) -> None:
    async def serve(line: Line) -> None:
        if grant:
            await line.grant()
        await line.send(*sent)
        if stays:
            await silent(line)

    async def scenario(client: SerialEMClient) -> None:
        with suppress(InstrumentError):
            await (client.image("A", timeout_s=0.03) if asks == "image" else client.call(asks, timeout_s=0.03))

    run(scenario, serve, serve, connect_timeout_s=1.0)
