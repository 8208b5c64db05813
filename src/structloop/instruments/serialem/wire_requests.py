"""Requests to SerialEM's Python socket, from bytes and to bytes."""

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

from structloop.core.errors import ProtocolError
from structloop.instruments.serialem.wire_frames import (
    MAX_FRAME,
    MAX_ITEMS,
    Function,
    Item,
    Refusal,
    frame,
    ints,
    packed_array,
    unpacked_texts,
)


@dataclass(frozen=True, slots=True)
class Command:
    """A request to run a command.

    Attributes:
        code: Its place in SerialEM's list of commands.
        items: Its arguments, without the empty one at index 0.
    """

    code: int
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class GetImage:
    """A request for the image in a buffer (0 is A), or in one of the buffers of Fourier transforms."""

    buffer: int
    fft: bool = False


@dataclass(frozen=True, slots=True)
class PutImage:
    """A request to take over an image whose pixels follow, `size` bytes of them."""

    mode: int
    width: int
    height: int
    size: int
    to_buffer: int
    base_buffer: int
    more_binning: int = 1
    capture: int = -1
    chunks: int = 1


@dataclass(frozen=True, slots=True)
class OkToRun:
    """The question whether commands may be sent."""


Request: TypeAlias = Command | GetImage | PutImage | OkToRun


class RefusedError(Exception):
    """A request that is answered with a negative return value alone."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def encode_request(request: Request) -> bytes:
    """The frame of a request."""
    match request:
        case OkToRun():
            return frame([Function.OK_TO_RUN])
        case GetImage(buffer, fft):
            return frame([Function.GET_BUFFER_IMAGE, buffer, int(fft)])
        case PutImage():
            longs = (request.mode, request.width, request.height, request.size, request.to_buffer)
            more = (request.base_buffer, request.more_binning, request.capture, request.chunks)
            return frame([Function.PUT_IMAGE, *longs, *more])
        case Command(code, items):
            if len(items) >= MAX_ITEMS:
                raise ProtocolError(f"a command takes at most {MAX_ITEMS - 1} arguments, not {len(items)}")
            array = bytes(4)
            if items:
                every = (Item(), *items)
                array = packed_array(
                    [0] * len(every), [item.number for item in every], [item.text.encode() for item in every]
                )
            encoded = frame([Function.REGULAR_COMMAND, code, len(items), len(array) // 4], array=array)
            if len(encoded) > MAX_FRAME:
                raise ProtocolError(
                    f"the arguments take {len(encoded)} bytes, more than {MAX_FRAME}; shorten the texts"
                )
            return encoded


def encode_handshake() -> bytes:
    """What a client sends before each chunk of an image after the first."""
    return frame([Function.CHUNK_HANDSHAKE])


_REQUEST_LONGS: Final = {
    Function.REGULAR_COMMAND: 3,
    Function.OK_TO_RUN: 0,
    Function.GET_BUFFER_IMAGE: 2,
    Function.PUT_IMAGE: 9,
}


def decode_request(body: bytes) -> Request:
    """A request from its frame without the first word.

    Raises:
        RefusedError: What SerialEM would answer with a negative number.
    """
    if len(body) < 4:
        raise RefusedError(Refusal.TOO_SHORT)
    words = ints(body)
    try:
        function = Function(words[0])
        expected = _REQUEST_LONGS[function]
    except (ValueError, KeyError):
        raise RefusedError(Refusal.UNKNOWN_FUNCTION) from None
    if len(words) < 1 + expected:
        raise RefusedError(Refusal.TOO_SHORT)
    if function is Function.REGULAR_COMMAND:
        code, last, length = words[1:4]
        if len(body) != 4 * (4 + length):
            raise RefusedError(Refusal.WRONG_LENGTH)
        return Command(code, _decode_items(last, body[16:]))
    if len(body) != 4 * (1 + expected):
        raise RefusedError(Refusal.WRONG_LENGTH)
    if function is Function.GET_BUFFER_IMAGE:
        return GetImage(words[1], words[2] != 0)
    if function is Function.PUT_IMAGE:
        return PutImage(*words[1:10])
    return OkToRun()


def _decode_items(last: int, array: bytes) -> tuple[Item, ...]:
    if last == 0:
        return ()
    count = last + 1
    if not 0 < count <= MAX_ITEMS or len(array) < 12 * count:
        raise RefusedError(Refusal.WRONG_LENGTH)
    numbers = struct.unpack_from(f"<{count}d", array, 4 * count)
    try:
        texts = unpacked_texts(array[12 * count :], count, "a command")
    except ProtocolError:
        raise RefusedError(Refusal.WRONG_LENGTH) from None
    return tuple(Item(number, text) for number, text in zip(numbers[1:], texts[1:], strict=True))


__all__ = [
    "Command",
    "GetImage",
    "OkToRun",
    "PutImage",
    "RefusedError",
    "Request",
    "decode_request",
    "encode_handshake",
    "encode_request",
]
