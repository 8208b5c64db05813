"""Replies of SerialEM's Python socket, from bytes and to bytes."""

import struct
from dataclasses import dataclass

from structloop.core.errors import ProtocolError
from structloop.instruments.serialem.wire_frames import (
    IMAGE_HEADER,
    MAX_FRAME,
    MAX_VALUES,
    OK_TO_RUN_REPLY,
    Value,
    frame,
    ints,
    packed_array,
    unpacked_texts,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a command."""

    values: tuple[Value, ...] = ()
    error: int = 0
    return_value: int = 0


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What precedes the pixels of an image.

    Attributes:
        row_bytes: From one row to the next; more than the pixels take where rows are padded.
        size: All bytes that follow.
        chunks: How many pieces they come in.
    """

    mode: int
    row_bytes: int
    width: int
    height: int
    size: int
    chunks: int

    @property
    def chunk_bytes(self) -> int:
        """Bytes of each chunk but the last."""
        return -(-self.size // max(self.chunks, 1))


def encode_refusal(refusal: int) -> bytes:
    """A negative return value."""
    return frame([refusal])


def encode_reply(reply: Reply) -> bytes:
    """The reply to a command."""
    if len(reply.values) > MAX_VALUES:
        raise ProtocolError(f"a reply carries at most {MAX_VALUES} values, not {len(reply.values)}")
    flags = [int(isinstance(value, str)) for value in reply.values]
    numbers = [0.0 if isinstance(value, str) else float(value) for value in reply.values]
    texts = [value.encode("utf-8", "replace") for value in reply.values if isinstance(value, str)]
    array = packed_array(flags, numbers, texts)
    return frame([reply.return_value, len(reply.values) - 1, reply.error, len(array) // 4], array=array)


def encode_ok_to_run(ok: bool) -> bytes:
    """The answer whether commands may be sent."""
    return frame([0], [ok])


def encode_image_header(header: ImageHeader) -> bytes:
    """The reply to a request for an image; one with `size` 0 says that there is none."""
    sizes = (header.width, header.height, header.size, header.chunks)
    return frame([0, header.mode, header.row_bytes, *sizes])


def check_total(total: int) -> int:
    """The length of a frame, when it can be one.

    Raises:
        ProtocolError: It cannot.
    """
    if not 8 <= total <= MAX_FRAME:
        raise ProtocolError(
            f"the other side announced a reply of {total} bytes, which none has (8 to {MAX_FRAME}); "
            "is this the port of SerialEM's Python socket?"
        )
    return total


def refusal_of(body: bytes) -> int | None:
    """The negative return value of a reply that is one (its frame without the first word)."""
    value: int = ints(body[:4])[0]
    return value if value < 0 else None


def decode_reply(body: bytes) -> Reply:
    """The reply to a command, from its frame without the first word.

    Raises:
        ProtocolError: It is not one.
    """
    words = ints(body)
    if len(words) < 4:
        raise ProtocolError(f"the reply to a command has {4 + len(body)} bytes, too few")
    return_value, highest, error, length = words[:4]
    if length < 0 or len(body) != 16 + 4 * length:
        raise ProtocolError(
            f"the reply to a command has {4 + len(body)} bytes and announces an array of {length} words"
        )
    count = highest + 1
    if not 0 <= count <= MAX_VALUES or 12 * count > 4 * length:
        raise ProtocolError(f"the reply to a command announces {count} values in {4 * length} bytes")
    flags = words[4 : 4 + count]
    numbers = struct.unpack_from(f"<{count}d", body, 16 + 4 * count)
    texts = iter(unpacked_texts(body[16 + 12 * count :], sum(flag != 0 for flag in flags), "the reply to a command"))
    values = tuple(next(texts) if flag else number for flag, number in zip(flags, numbers, strict=True))
    return Reply(values, error, return_value)


def decode_ok_to_run(body: bytes) -> bool:
    """The answer whether commands may be sent."""
    if len(body) != OK_TO_RUN_REPLY - 4:
        raise ProtocolError(f"the answer whether commands may be sent has {4 + len(body)} bytes, not {OK_TO_RUN_REPLY}")
    return ints(body)[1] != 0


def decode_image_header(body: bytes) -> ImageHeader:
    """What precedes an image. Only its length is checked: without an image most of it is undefined."""
    if len(body) != IMAGE_HEADER - 4:
        raise ProtocolError(f"the header of an image has {4 + len(body)} bytes, not {IMAGE_HEADER}")
    return ImageHeader(*ints(body)[1:])


def decode_acknowledgement(body: bytes) -> int:
    """The return value of a reply that has nothing else."""
    if len(body) != 4:
        raise ProtocolError(f"an acknowledgement has {4 + len(body)} bytes, not 8")
    return ints(body)[0]


__all__ = [
    "ImageHeader",
    "Reply",
    "check_total",
    "decode_acknowledgement",
    "decode_image_header",
    "decode_ok_to_run",
    "decode_reply",
    "encode_image_header",
    "encode_ok_to_run",
    "encode_refusal",
    "encode_reply",
    "refusal_of",
]
