"""The connection to SerialEM's Python socket: who has control, whose turn it is, and what a failure leaves open."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from structloop.core.errors import (
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    ProtocolError,
    StoppedByUserError,
)
from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import commands

DEFAULT_PORT: Final = 48888
MAX_IMAGE_BYTES: Final = 1 << 30
PIECE: Final = 1 << 20
"""Bytes that are read at once."""
_NOTHING_DONE: Final = frozenset(wire.Refusal) - {wire.Refusal.NO_MEMORY, wire.Refusal.REPLY_TOO_BIG}
"""Refusals that come before a command is run; others may come after it, where its reply could not be made."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Link:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def alive(self) -> bool:
        return not (self.reader.at_eof() or self.writer.is_closing())


class SerialEMConnection:
    """A connection that opens when it is needed, gains control, and carries one exchange at a time.

    Args:
        host, port: Of SerialEM's Python socket for external control.
        timeout_s: Longest time for a call that does not say otherwise, connecting included; seconds of the wall clock.
        connect_timeout_s: Longest time for connecting.
        max_image_bytes: Larger images are refused.
        longest_s: Longest time for any call, whatever it says; None where there is none.
        greeting: Commands, without arguments of their own to check, that are sent whenever control is gained.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        timeout_s: float = 60.0,
        connect_timeout_s: float = 10.0,
        max_image_bytes: int = MAX_IMAGE_BYTES,
        longest_s: float | None = None,
        greeting: Sequence[tuple[str, tuple[object, ...]]] = (),
    ) -> None:
        self.host = host
        self.port = port
        self.timeout_s = timeout_s
        self.connect_timeout_s = connect_timeout_s
        self.max_image_bytes = max_image_bytes
        self.longest_s = longest_s
        specs = [(commands()[name], arguments) for name, arguments in greeting]
        self._greeting = [
            wire.encode_request(wire.Command(spec.code, spec.items(arguments))) for spec, arguments in specs
        ]
        self._link: _Link | None = None
        self._had_control = False
        self._has_control = False
        self._turn = asyncio.Lock()

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._turn.locked()

    @property
    def connected(self) -> bool:
        """Whether a connection is open, as far as is known without asking."""
        return self._link is not None and self._link.alive()

    @property
    def in_control(self) -> bool:
        """Whether control was gained on the connection that is open."""
        return self._has_control and self.connected

    async def connect(self) -> None:
        """Connect and take control, where that has not happened yet.

        Raises:
            InstrumentConnectionError: Nothing listens there, or SerialEM is busy with something else.
            InstrumentTimeoutError: It does not answer.
        """
        async with self._exchange(self.timeout_s, "connecting", sent=lambda: False):
            await self._take_control()

    async def close(self) -> None:
        """Let go of the connection once the call under way has ended; SerialEM then ends external control by itself."""
        async with self._turn:
            link, self._link = self._link, None
            self._has_control = self._had_control = False
            if link is None:
                return
            link.writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(self.connect_timeout_s):
                    await link.writer.wait_closed()

    def abandon(self) -> None:
        """Cut the connection at once; a call under way ends with InstrumentConnectionError."""
        self._drop()

    # --- The exchange ------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        exchange: Callable[[], Coroutine[Any, Any, _T]],
        what: str,
        timeout_s: float | None,
        reads_only: bool = False,
    ) -> _T:
        """Run an exchange under the time limit; once more where it only reads and the connection was lost."""
        sent = False
        limit = self.timeout_s if timeout_s is None else timeout_s
        limit = limit if self.longest_s is None else min(limit, self.longest_s)
        async with self._exchange(limit, what, sent=lambda: sent and not reads_only):
            await self._take_control()
            sent = True
            try:
                return await exchange()
            except (asyncio.IncompleteReadError, ConnectionError):
                if not reads_only:
                    raise
            self._drop()
            await self._take_control()
            return await exchange()

    @asynccontextmanager
    async def _exchange(self, limit_s: float, what: str, sent: Callable[[], bool]) -> AsyncIterator[None]:
        """One turn on the connection: whatever goes wrong closes it and becomes an error of ours."""
        async with self._turn:
            timer = asyncio.timeout(limit_s)
            whole = False
            try:
                async with timer:
                    yield
                whole = True
            except asyncio.IncompleteReadError as error:
                reason = "it closed the connection before its answer was complete"
                raise InstrumentConnectionError(
                    f"SerialEM at {self.where}, {what}: {reason}", may_have_happened=sent()
                ) from error
            except TimeoutError as error:
                if not timer.expired():
                    raise self._lost(what, error, sent()) from error
                raise InstrumentTimeoutError(
                    f"SerialEM at {self.where} did not answer within {limit_s:g} s: {what}", may_have_happened=sent()
                ) from error
            except ProtocolError as error:
                error.may_have_happened = sent()
                raise
            except OSError as error:
                if isinstance(error, InstrumentError):
                    raise
                raise self._lost(what, error, sent()) from error
            finally:
                # An answer that is still on its way would be taken for the next one's.
                if not whole:
                    self._drop()

    def _lost(self, what: str, error: OSError, may_have_happened: bool) -> InstrumentConnectionError:
        return InstrumentConnectionError(
            f"the connection to SerialEM at {self.where} was lost, {what}: {error or type(error).__name__}",
            may_have_happened=may_have_happened,
        )

    async def _take_control(self) -> None:
        """Be connected, in control, and in step: with nothing unread that would be taken for the next answer.

        Raises:
            ProtocolError: What answers sends more than it was asked for, after connecting again, too.
        """
        for _ in range(2):
            if self._link is not None and not await self._in_step():
                self._drop()
            if self._link is None:
                self._link = await self._open()
            if self._has_control:
                return
            await self._gain_control()
            if await self._in_step():
                self._has_control = self._had_control = True
                return
        raise ProtocolError(
            f"SerialEM at {self.where} sends more than it was asked for; is this the port of SerialEM's Python socket?",
            may_have_happened=False,
        )

    async def _in_step(self) -> bool:
        """Whether the connection is open and holds nothing unread."""
        link = self._open_link()
        # A few rounds of the event loop, to learn of what came or was closed in the meantime.
        for _ in range(3):
            await asyncio.sleep(0)
        if not link.alive():
            return False
        try:
            async with asyncio.timeout(0):
                await link.reader.read(1)
        except TimeoutError:
            return True
        except OSError:
            return False
        return False

    async def _gain_control(self) -> None:
        await self._send(wire.encode_request(wire.OkToRun()))
        body = await self._receive("whether commands may be sent")
        ok = wire.decode_ok_to_run(body)
        if (value := wire.ints(body)[0]) != 0:
            raise InstrumentConnectionError(
                f"SerialEM at {self.where} answered the question whether commands may be sent with {value}",
                may_have_happened=False,
            )
        # While the control of a connection of ours that was lost is still on, it answers no, and means us.
        if not ok and not self._had_control:
            raise InstrumentConnectionError(
                f"SerialEM at {self.where} is busy: a script or another client has control. End that and try again",
                may_have_happened=False,
            )
        for request in self._greeting:
            await self._send(request)
            wire.decode_reply(await self._receive("the greeting"))

    async def _open(self) -> _Link:
        timer = asyncio.timeout(self.connect_timeout_s)
        try:
            async with timer:
                link = _Link(*await asyncio.open_connection(self.host, self.port, limit=PIECE))
                link.writer.transport.set_write_buffer_limits(high=0)
                return link
        except TimeoutError as error:
            raise InstrumentConnectionError(
                f"SerialEM at {self.where} does not accept connections", may_have_happened=False
            ) from error
        except OSError as error:
            raise InstrumentConnectionError(
                f"no SerialEM at {self.where} ({error.strerror or error}); is it running, with its Python socket for "
                "external control on, and that port open?",
                may_have_happened=False,
            ) from error

    def _open_link(self) -> _Link:
        if self._link is None:
            raise ConnectionResetError("the connection was closed here")
        return self._link

    async def _send(self, data: bytes) -> None:
        link = self._open_link()
        link.writer.write(data)
        await link.writer.drain()

    async def _receive(self, what: str, changes: bool = False) -> bytes:
        """A reply's frame without its first word.

        Args:
            what: It answers.
            changes: Whether that is a command that changes something.
        """
        reader = self._open_link().reader
        total = wire.check_total(wire.ints(await reader.readexactly(4))[0])
        body = await reader.readexactly(total - 4)
        refusal = wire.refusal_of(body)
        if refusal is None:
            return body
        reason = wire.REFUSED.get(wire.Refusal(refusal), "") if refusal in set(wire.Refusal) else ""
        if refusal == wire.Refusal.STOP_PENDING:
            self._had_control = False
            raise StoppedByUserError(f"STOP was pressed in SerialEM before {what}", may_have_happened=False)
        if refusal == wire.Refusal.NO_CONTROL:
            self._had_control = False
            raise InstrumentConnectionError(
                f"SerialEM at {self.where} refused {what}: {reason}", may_have_happened=False
            )
        raise InstrumentFaultError(
            f"SerialEM at {self.where} refused {what} ({refusal}): {reason or 'unknown reason'}",
            may_have_happened=changes and refusal not in _NOTHING_DONE,
        )

    def _drop(self) -> None:
        if self._link is not None:
            self._link.writer.transport.abort()
        self._link = None
        self._has_control = False


__all__ = ["DEFAULT_PORT", "MAX_IMAGE_BYTES", "PIECE", "SerialEMConnection"]
