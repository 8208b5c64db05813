"""A fake SerialEM on a real socket: `python -m structloop.testing.serialem_server --port N --seed N`.

It speaks the bytes of SerialEM's Python socket, so that this package's driver and SerialEM's own Python module can both
drive it, on a simulated microscope. It holds whatever SerialEM does that breaks naive clients: one client at a time, a
new one replacing the old; external control that is either on or off; header, pause, pixels; STOP; and on demand
connections that die before, within or after a reply.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from structloop.core.errors import InstrumentConnectionError, InstrumentError, StoppedByUserError
from structloop.instruments.serialem import wire
from structloop.instruments.serialem.images import ITEM_BYTES, Mode
from structloop.testing import serialem_handlers
from structloop.testing.serialem_control import Control
from structloop.testing.serialem_options import options
from structloop.testing.serialem_program import ExitRequestedError, FakeSerialEM, Held, error_reply, mode_and_bytes
from structloop.testing.serialem_trouble import Disturbance, Trouble, due, request_name, trouble_of

CHUNK_BYTES: Final = 33_620_000
"""What SerialEM sends of an image before it waits for a handshake."""
MAX_IMAGE_BYTES: Final = 1 << 28
_FORMATS: Final = {Mode.UINT8: "<u1", Mode.INT16: "<i2", Mode.FLOAT32: "<f4", Mode.UINT16: "<u2", Mode.RGB: "<u1"}


class _CutError(Exception):
    """The connection ends here."""


@dataclass(eq=False, slots=True)
class _Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    task: "asyncio.Task[Any]"


class SerialEMServer:
    """Listens for one client at a time.

    Args:
        program: What does the commands.
        host, port: Where; port 0 takes a free one.
        chunk_bytes: How much of an image is sent before a handshake is waited for.
        header_pause_s: Between an image's header and its pixels. SerialEM's own module loses pixels that come at once
            with the header.
        row_alignment: Rows of images are padded to multiples of so many bytes.
        handshake_timeout_s: Clients that take longer lose the connection.
        max_image_bytes: Larger images are not taken over.
    """

    def __init__(
        self,
        program: FakeSerialEM,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        header_pause_s: float = 0.15,
        row_alignment: int = 1,
        handshake_timeout_s: float = 10.0,
        max_image_bytes: int = MAX_IMAGE_BYTES,
    ) -> None:
        self.program = program
        self.host = host
        self.port = port
        self.chunk_bytes = chunk_bytes
        self.header_pause_s = header_pause_s
        self.row_alignment = row_alignment
        self.handshake_timeout_s = handshake_timeout_s
        self.max_image_bytes = max_image_bytes
        self.control = Control()
        self.disturbances: list[Disturbance] = []
        self.requests: list[str] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._client: _Client | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()
        self._work: asyncio.Task[bytes] | None = None

    async def start(self) -> None:
        """Listen; `port` says where then."""
        await self.program.microscope.connect()
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Let go of the client and of the port."""
        if self._server is not None:
            self._server.close()
        if self._work is not None:
            self._work.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        await self.program.microscope.close()

    async def __aenter__(self) -> "SerialEMServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def disturb(self, trouble: Trouble, request: str | None = None, skip: int = 0, times: int = 1) -> None:
        """Plan trouble for a coming request."""
        self.disturbances.append(Disturbance(trouble, request, skip, times))

    def drop(self) -> None:
        """Cut the connection that there is, now."""
        if self._client is not None:
            self._client.writer.transport.abort()

    # --- Connections -------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        # What the old client sent or closed before this one came is looked at first, as SerialEM does.
        for _ in range(3):
            await asyncio.sleep(0)
        old, client = self._client, _Client(reader, writer, task)
        self._client = client
        if old is not None:
            if old.reader.at_eof() or old.reader.exception() is not None:
                self.control.end()
            old.task.cancel()
        try:
            async with self._turn:
                # A microscope that lost its own connection is reached again for whoever comes next.
                await self.program.microscope.connect()
                while self._client is client:
                    await self._answer(client)
        except (asyncio.IncompleteReadError, _CutError, ConnectionError, TimeoutError):
            # A client that went away takes its control with it.
            if self._client is client:
                self.control.end()
        except asyncio.CancelledError:
            task.uncancel()
            writer.transport.abort()
        finally:
            if self._client is client:
                self._client = None
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, client: _Client) -> None:
        total = wire.ints(await client.reader.readexactly(4))[0]
        if not 4 <= total <= wire.MAX_FRAME:
            # Where the next request begins is not known any more.
            await self._send(client, wire.encode_refusal(wire.Refusal.TOO_SHORT if total < 4 else wire.Refusal.TOO_BIG))
            raise _CutError
        body = await client.reader.readexactly(total - 4)
        try:
            request = wire.decode_request(body)
        except wire.RefusedError as refused:
            await self._send(client, wire.encode_refusal(refused.refusal))
            return
        name = request_name(request)
        self.requests.append(name)
        trouble = due(self.disturbances, name)
        if trouble is not None and await self._make(client, trouble):
            return
        await self._do(client, request, trouble)

    async def _do(self, client: _Client, request: wire.Request, trouble: Disturbance | None) -> None:
        if isinstance(request, wire.OkToRun):
            await self._send(client, wire.encode_ok_to_run(self.control.asked()), trouble)
            return
        refusal = self.control.refusal()
        if refusal is not None:
            await self._send(client, wire.encode_refusal(refusal))
            return
        if isinstance(request, wire.Command):
            reply = await self._completed(self._command(request))
            if trouble is not None and trouble.trouble is Trouble.STOP_DURING:
                self.control.end(stopped=True)
                reply = wire.encode_reply(wire.Reply(error=wire.STOP_WORD))
            await self._send(client, reply, trouble)
        elif isinstance(request, wire.GetImage):
            await self._image(client, request, trouble)
        else:
            await self._take_image(client, request, trouble)

    async def _completed(self, command: Coroutine[Any, Any, bytes]) -> bytes:
        """What a command replies; it is completed even where its client goes away or is replaced meanwhile."""
        work = self._work = asyncio.create_task(command)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The client that replaces this one waits for its turn until then.
            await asyncio.wait({work})
            if not work.cancelled():
                work.exception()
            raise

    async def _command(self, request: wire.Command) -> bytes:
        try:
            return wire.encode_reply(await self.program.run(request))
        except StoppedByUserError:
            self.control.end(stopped=True)
            return wire.encode_reply(wire.Reply(error=wire.STOP_WORD))
        except ExitRequestedError as error:
            self.control.end()
            return wire.encode_reply(wire.Reply(error=error.word))
        except InstrumentConnectionError as error:
            raise _CutError from error

    # --- Images ------------------------------------------------------------------------------------------------------

    async def _image(self, client: _Client, request: wire.GetImage, trouble: Disturbance | None) -> None:
        held = (self.program.ffts if request.fft else self.program.buffers).get(request.buffer)
        if held is None:
            await self._send(client, wire.encode_image_header(wire.ImageHeader(0, 0, 0, 0, 0, 0)), trouble)
            return
        pixels = await asyncio.to_thread(held.pixels)
        mode, row_bytes, data = mode_and_bytes(pixels, self.row_alignment)
        chunks = -(-len(data) // self.chunk_bytes)
        header = wire.ImageHeader(mode, row_bytes, pixels.shape[1], pixels.shape[0], len(data), chunks)
        if trouble is not None:
            await self._send(client, wire.encode_image_header(header) + data, trouble)
            return
        await self._send(client, wire.encode_image_header(header))
        await asyncio.sleep(self.header_pause_s)
        for start in range(0, len(data), header.chunk_bytes):
            if start:
                async with asyncio.timeout(self.handshake_timeout_s):
                    if await client.reader.readexactly(8) != wire.encode_handshake():
                        raise _CutError
            await self._send(client, data[start : start + header.chunk_bytes])

    async def _take_image(self, client: _Client, request: wire.PutImage, trouble: Disturbance | None) -> None:
        if not 0 < request.size <= self.max_image_bytes or request.mode not in set(Mode):
            await self._send(client, wire.encode_refusal(wire.Refusal.NO_MEMORY))
            return
        await self._send(client, wire.encode_refusal(0), trouble)
        data = bytearray()
        while len(data) < request.size:
            async with asyncio.timeout(self.handshake_timeout_s):
                piece = await client.reader.read(min(1 << 20, request.size - len(data)))
            if not piece:
                raise _CutError
            data += piece
        mode = Mode(request.mode)
        whole = request.width * request.height * ITEM_BYTES[mode] == len(data) and request.width > 0
        if whole and 0 <= request.to_buffer < 20:
            shape = (request.height, request.width, 3) if mode is Mode.RGB else (request.height, request.width)
            pixels = np.frombuffer(data, _FORMATS[mode]).reshape(shape)
            base = self.program.buffers.get(request.base_buffer)
            self.program.buffers[request.to_buffer] = Held(
                None if base is None else base.taken,
                None if base is None else base.preset,
                "R" if base is None else base.set_letter,
                given=pixels,
                binning=max(request.more_binning, 1) * (1.0 if base is None else base.binning),
            )

    # --- Trouble -----------------------------------------------------------------------------------------------------

    async def _make(self, client: _Client, planned: Disturbance) -> bool:
        """Trouble that comes instead of doing anything; whether that is all there is to do."""
        match planned.trouble:
            case Trouble.DROP_BEFORE:
                raise _CutError
            case Trouble.SILENT_BEFORE:
                await self._stay_silent(client)
            case Trouble.FAIL:
                await self._send(client, wire.encode_reply(error_reply(planned.message)))
            case Trouble.STOP_BEFORE:
                self.control.end()
                await self._send(client, wire.encode_refusal(wire.Refusal.STOP_PENDING))
            case Trouble.BUSY:
                self.control.end()
                await self._send(client, wire.encode_refusal(wire.Refusal.NO_CONTROL))
            case _:
                return False
        return True

    async def _stay_silent(self, client: _Client) -> None:
        while await client.reader.read(1 << 16):
            pass
        raise _CutError

    async def _send(self, client: _Client, data: bytes, planned: Disturbance | None = None) -> None:
        match None if planned is None else planned.trouble:
            case Trouble.DROP_AFTER:
                raise _CutError
            case Trouble.SILENT_AFTER:
                await self._stay_silent(client)
            case Trouble.HALF_REPLY:
                client.writer.write(data[: len(data) // 2])
                await client.writer.drain()
                client.writer.close()
                raise _CutError
            case _:
                client.writer.write(data)
                await client.writer.drain()


@contextmanager
def serving(program: FakeSerialEM, **options: Any) -> Iterator[SerialEMServer]:
    """A server in a thread of its own, for clients that have their own event loop.

    Args:
        program: What does the commands.
        options: See `SerialEMServer`.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake SerialEM", daemon=True)
    thread.start()
    server = SerialEMServer(program, **options)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _main(server: SerialEMServer, slot: int) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(signal_, stop.set)
    await serialem_handlers.prepare(server.program.microscope, slot)
    try:
        await server.start()
    except OSError as error:
        remedy = "is another server there? --port names another one, 0 any that is free"
        print(f"cannot listen on {server.host}:{server.port} ({error.strerror or error}); {remedy}", file=sys.stderr)  # noqa: T201  # a command
        return 1
    print(f"fake SerialEM listening on {server.host}:{server.port}", flush=True)  # noqa: T201  # a command
    await stop.wait()
    await server.close()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until it is interrupted."""
    asked = options(__doc__, CHUNK_BYTES).parse_args(arguments)
    try:
        microscope = serialem_handlers.open_microscope(asked.bench, asked.seed, asked.grids, asked.camera)
        program = FakeSerialEM(microscope, slots_reply=asked.slots_reply)
        sizes = {"chunk_bytes": asked.chunk_bytes, "row_alignment": asked.row_alignment}
        server = SerialEMServer(program, asked.host, asked.port, **sizes)
        server.disturbances += asked.trouble
        return asyncio.run(_main(server, asked.slot))
    except InstrumentError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command's own message
        return 2


if __name__ == "__main__":
    raise SystemExit(main())


__all__ = ["CHUNK_BYTES", "Disturbance", "SerialEMServer", "Trouble", "main", "serving", "trouble_of"]
