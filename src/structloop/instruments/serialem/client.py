"""A client of SerialEM's Python socket in pure Python: commands, and images to and fro."""

import asyncio
from typing import Any, Final

from numpy.typing import NDArray

from structloop.core.errors import (
    InstrumentFaultError,
    NotCapableError,
    StoppedByUserError,
)
from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import CommandSpec, commands
from structloop.instruments.serialem.connection import DEFAULT_PORT, MAX_IMAGE_BYTES, PIECE, SerialEMConnection
from structloop.instruments.serialem.images import BufferImage, buffer_index, encode_pixels, mode_of

_RUN_SCRIPTS: Final = frozenset({"Exit", "Call", "CallFunction"})
"""Commands that may end external control because they were asked to."""


class ScriptExitedError(InstrumentFaultError):
    """SerialEM ended external control because Exit was called."""


class SerialEMClient(SerialEMConnection):
    """One connection to a SerialEM; calls wait for one another.

    It connects at the first call, and again after a connection was lost. A command that may have reached SerialEM is
    never sent a second time, unless it only reads. Where more came than was asked for, it connects anew.

    Args:
        host, port: Of SerialEM's Python socket for external control.
        timeout_s: Longest time for a call that does not say otherwise, connecting included; seconds of the wall clock.
        connect_timeout_s: Longest time for connecting.
        max_image_bytes: Larger images are refused.
        longest_s: Longest time for any call, whatever it says; None where there is none.
        greeting: Commands, without arguments of their own to check, that are sent whenever control is gained.
    """

    _assumes_control = False

    def assume_control(self) -> None:
        """Send what is asked for without asking whether that may be, until control ends.

        For scripts that SerialEM started itself, which have control from the beginning.
        """
        self._assumes_control = True

    async def _gain_control(self) -> None:
        if not self._assumes_control:
            await super()._gain_control()

    def _control_ended(self) -> None:
        self._has_control = self._had_control = self._assumes_control = False

    # --- Commands ----------------------------------------------------------------------------------------------------

    async def call(self, name: str, *arguments: object, timeout_s: float | None = None) -> tuple[wire.Value, ...]:
        """Run a command and return its values, none to six.

        Raises:
            NotCapableError: No such command is known.
            TypeError, ValueError: An argument is wrong; nothing was sent.
            InstrumentFaultError: SerialEM says that it failed, with SerialEM's message.
            StoppedByUserError: STOP was pressed.
            ScriptExitedError: It was Exit.
            InstrumentConnectionError, InstrumentTimeoutError, ProtocolError: The connection or the answer failed;
                `may_have_happened` says whether SerialEM may have run the command.
        """
        spec = commands().get(name)
        if spec is None:
            raise NotCapableError(f"no SerialEM command '{name}' is known; the reference page lists them")
        request = wire.encode_request(wire.Command(spec.code, spec.items(arguments)))

        async def exchange() -> wire.Reply:
            await self._send(request)
            return wire.decode_reply(await self._receive(name, changes=not spec.reads_only))

        reply = await self._ask(exchange, name, timeout_s, reads_only=spec.reads_only)
        return self._values(spec, reply)

    def _values(self, spec: CommandSpec, reply: wire.Reply) -> tuple[wire.Value, ...]:
        message = next((value for value in reply.values[:1] if isinstance(value, str)), "it gave no reason")
        match reply.error:
            case 0 if reply.return_value == 0:
                return reply.values
            case 0:
                raise InstrumentFaultError(
                    f"SerialEM answered {spec.name} with {reply.return_value}", may_have_happened=True
                )
            case wire.STOP_WORD:
                self._control_ended()
                raise StoppedByUserError(f"STOP was pressed in SerialEM during {spec.name}", may_have_happened=True)
            case wire.EXIT_WORD:
                self._control_ended()
                raise ScriptExitedError(
                    f"Exit: SerialEM ended external control, {spec.name}", may_have_happened=spec.name != "Exit"
                )
            case wire.EXIT_QUIETLY_WORD:
                self._control_ended()
                if spec.name in _RUN_SCRIPTS:
                    return ()
                raise ScriptExitedError(f"SerialEM ended external control during {spec.name}", may_have_happened=True)
            case _:
                raise InstrumentFaultError(f"SerialEM, {spec.name}: {message}", may_have_happened=True)

    # --- Images ------------------------------------------------------------------------------------------------------

    async def image(self, buffer: str = "A", *, timeout_s: float | None = None) -> BufferImage:
        """The image in a buffer, A to T, or AF to HF for Fourier transforms.

        Raises:
            ValueError: There is no buffer of that name.
            InstrumentFaultError: The buffer is empty, or SerialEM refused.
            ProtocolError: The header is impossible, or the image larger than `max_image_bytes`.
            InstrumentConnectionError, InstrumentTimeoutError: The connection failed or stopped on the way.
        """
        index, fft = buffer_index(buffer)
        request = wire.encode_request(wire.GetImage(index, fft))

        async def exchange() -> BufferImage | None:
            await self._send(request)
            body = await self._receive(f"the image in {buffer}")
            header = wire.decode_image_header(body)
            if (value := wire.ints(body)[0]) != 0:
                raise InstrumentFaultError(f"SerialEM answered the question for the image in {buffer} with {value}")
            if header.size == 0:
                return None
            mode = mode_of(header, self.max_image_bytes)
            return BufferImage(mode, header.width, header.height, header.row_bytes, await self._pixels(header))

        image = await self._ask(exchange, f"the image in {buffer}", timeout_s, reads_only=True)
        if image is None:
            raise InstrumentFaultError(f"there is no image in SerialEM's buffer {buffer}; take or copy one first")
        return image

    async def _pixels(self, header: wire.ImageHeader) -> bytearray:
        pixels = bytearray()
        for start in range(0, header.size, header.chunk_bytes):
            if start:
                await self._send(wire.encode_handshake())
            end = min(start + header.chunk_bytes, header.size)
            while len(pixels) < end:
                piece = await self._open_link().reader.read(min(PIECE, end - len(pixels)))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", header.size - len(pixels))
                pixels += piece
        return pixels

    async def put_image(
        self,
        pixels: NDArray[Any],
        to_buffer: str = "A",
        *,
        base_buffer: str | None = None,
        more_binning: int = 1,
        capture: int = -1,
        timeout_s: float | None = None,
    ) -> None:
        """Put an image into a buffer.

        Args:
            pixels: `(y, x)` of uint8, int16, uint16 or float32, or `(y, x, 3)` of uint8.
            to_buffer: A to T.
            base_buffer: Whose properties (pixel size, stage position) it takes over; its own place's when left out.
            more_binning: By how much it is binned compared to that.
            capture: SerialEM's kind of image; -1 is a processed one.
            timeout_s: Longest time.

        Raises:
            ValueError: The array or a buffer's name does not fit.
            InstrumentFaultError, InstrumentConnectionError, InstrumentTimeoutError: See `call`.
        """
        mode, data = encode_pixels(pixels)
        places = [buffer_index(name) for name in (to_buffer, base_buffer or to_buffer)]
        if any(fft for _, fft in places):
            raise ValueError(f"an image goes into a buffer A to T, not '{to_buffer}'")
        height, width = pixels.shape[:2]
        chunks = -(-len(data) // 336_200_000)
        sizes = (mode, width, height, len(data))
        header = wire.PutImage(*sizes, places[0][0], places[1][0], more_binning, capture, chunks)

        async def exchange() -> int:
            await self._send(wire.encode_request(header))
            value = wire.decode_acknowledgement(await self._receive(f"the image for {to_buffer}"))
            if value == 0:
                await self._send(data)
            return value

        value = await self._ask(exchange, f"the image for {to_buffer}", timeout_s)
        if value:
            raise InstrumentFaultError(f"SerialEM refused the image for its buffer {to_buffer} with {value}")


__all__ = ["DEFAULT_PORT", "MAX_IMAGE_BYTES", "ScriptExitedError", "SerialEMClient"]
