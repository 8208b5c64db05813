"""Calls to a SerialEM server, told as JSON lines: `python -m structloop.testing.serialem_client`.

In, one line each: `{"call": "ReportStageXYZ", "args": []}`. Out, one line each: `{"returned": ...}`, which is null,
a number, a text or a list of those, or an image (`shape`, `itemsize`, `format`, `pixels_hex`); or
`{"raised": {"type": ..., "message": ...}}`. Beside SerialEM's commands there are `bufferImage` and `PutImageInBuffer`,
as in SerialEM's own module, and its local calls: `ConnectToSEM` (port and address, where they are others),
`ScriptIsInitialized` (ask no more whether commands may be sent), `ReturnAllValuesAsTuples` (1 or 0: a single number is
a list, too), `ReportNumModuleFuncs` (length of SerialEM's list of commands, as far as it is known here),
`SetBufferImageTimeout` (seconds). The server is at `PY_SERIALEM_IP` and `PY_SERIALEM_PORT`, 127.0.0.1 and 48888 unless
set.
"""

import argparse
import asyncio
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, TextIO

import numpy as np

from structloop.core.errors import InstrumentError, SettingsError
from structloop.instruments.serialem.client import DEFAULT_PORT, SerialEMClient
from structloop.instruments.serialem.commands import commands
from structloop.instruments.serialem.images import FORMATS, ITEM_BYTES, BufferImage, Mode
from structloop.instruments.serialem.wire import Value

_PUT_ARGUMENTS = "image, buffer[, width, height, base buffer, binning, kind of image]"
LOCAL = (
    "ConnectToSEM",
    "PutImageInBuffer",
    "ReportNumModuleFuncs",
    "ReturnAllValuesAsTuples",
    "ScriptIsInitialized",
    "SetBufferImageTimeout",
    "bufferImage",
)
"""What may be called beside SerialEM's commands."""


@dataclass(slots=True)
class Ways:
    """What local calls have set.

    Attributes:
        always_lists: Whether a single number is told as a list, too.
        image_timeout_s: Longest time for `bufferImage`; that of other calls where it was not set.
    """

    always_lists: bool = False
    image_timeout_s: float | None = None


def main(arguments: Sequence[str] | None = None, lines: BinaryIO | None = None, answers: TextIO | None = None) -> int:
    """Answer each line of standard input on standard output, until it ends."""
    parser = argparse.ArgumentParser(prog="python -m structloop.testing.serialem_client", description=__doc__)
    parser.add_argument("--timeout", type=float, default=30.0, help="longest time of a call, in seconds (default 30)")
    timeout_s: float = parser.parse_args(arguments).timeout
    out = answers or sys.stdout
    try:
        host, port = server_of(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command's own message
        return 2
    with asyncio.Runner() as runner:
        client = SerialEMClient(host, port, timeout_s=timeout_s, connect_timeout_s=min(10.0, timeout_s))
        try:
            ways = Ways()
            for line in lines or sys.stdin.buffer:
                out.write(json.dumps(runner.run(answer(client, line, ways))) + "\n")
                out.flush()
        except (BrokenPipeError, KeyboardInterrupt):
            sys.stdout = None  # Nobody reads any more; without it there is nothing left to flush at exit.
        finally:
            runner.run(client.close())
    return 0


def server_of(environment: "os._Environ[str] | dict[str, str]") -> tuple[str, int]:
    """Host and port that the environment names.

    Raises:
        SettingsError: PY_SERIALEM_PORT is no port.
    """
    text = environment.get("PY_SERIALEM_PORT", str(DEFAULT_PORT))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise SettingsError(f"PY_SERIALEM_PORT is '{text}'; it must be a port, 1 to 65535")
    return environment.get("PY_SERIALEM_IP", "127.0.0.1"), int(text)


async def answer(client: SerialEMClient, line: bytes, ways: Ways) -> dict[str, object]:
    """The answer to one line."""
    try:
        name, arguments = _call_of(line)
        return {"returned": await _returned(client, name, arguments, ways)}
    except (InstrumentError, ValueError, TypeError, OSError, RecursionError) as error:
        return {"raised": {"type": type(error).__name__, "message": str(error)}}


def _call_of(line: bytes) -> tuple[str, list[object]]:
    try:
        asked = json.loads(line.decode().strip())
    except ValueError as error:
        raise ValueError(f"the line is not JSON: {error}") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("call"), str):
        raise TypeError('a line must be an object such as {"call": "ReportStageXYZ", "args": []}')
    arguments = asked.get("args", [])
    if not isinstance(arguments, list):
        raise TypeError("'args' must be a list")
    return asked["call"], arguments


async def _returned(client: SerialEMClient, name: str, arguments: list[object], ways: Ways) -> object:
    if name == "bufferImage":
        if len(arguments) != 1 or not isinstance(arguments[0], str):
            raise TypeError("bufferImage takes one text, the buffer")
        return image_to_json(await client.image(arguments[0], timeout_s=ways.image_timeout_s))
    if name == "PutImageInBuffer":
        await _put_image(client, arguments)
        return None
    if name in LOCAL:
        return await _local(client, name, arguments, ways)
    returned = await client.call(name, *arguments)
    values = [_number(value) for value in returned]
    if len(values) == 1 and (isinstance(returned[0], str) or not ways.always_lists):
        return values[0]
    return values or None


async def _local(client: SerialEMClient, name: str, arguments: list[object], ways: Ways) -> object:
    """Calls that send no command."""
    match name, arguments:
        case "ConnectToSEM", []:
            await client.connect()
        case "ConnectToSEM", [int(port)] if 0 < port < 65536 and not isinstance(port, bool):
            await _connect(client, client.host, port)
        case "ConnectToSEM", [int(port), str(host)] if 0 < port < 65536 and not isinstance(port, bool):
            await _connect(client, host, port)
        case "ScriptIsInitialized", []:
            client.assume_control()
        case "ReturnAllValuesAsTuples", [int(on)]:
            ways.always_lists = bool(on)
        case "ReportNumModuleFuncs", []:
            return max(spec.code for spec in commands().values()) + 1
        case "SetBufferImageTimeout", [int() | float() as seconds] if math.isfinite(seconds) and seconds > 0:
            ways.image_timeout_s = float(seconds)
        case _:
            raise TypeError(f"{name} does not take {arguments!r:.80}")
    return None


async def _connect(client: SerialEMClient, host: str, port: int) -> None:
    await client.close()
    client.host, client.port = host, port
    await client.connect()


def _number(value: Value) -> Value:
    # JSON has no word for these.
    return value if isinstance(value, str) or math.isfinite(value) else str(value)


async def _put_image(client: SerialEMClient, arguments: list[object]) -> None:
    """As SerialEM's own module has it; width and height are those of the image, whatever is told."""
    if not 2 <= len(arguments) <= 7:
        raise TypeError(f"PutImageInBuffer takes {_PUT_ARGUMENTS}")
    left_out: list[object] = [0, 0, None, 1, -1]
    image, buffer, _, _, base, more_binning, capture = arguments + left_out[len(arguments) - 2 :]
    numbers = (more_binning, capture)
    if not isinstance(buffer, str) or not isinstance(base, str | None):
        raise TypeError(f"PutImageInBuffer takes {_PUT_ARGUMENTS}; a buffer must be a text")
    if not all(isinstance(number, int) and -(2**31) <= number < 2**31 for number in numbers):
        raise TypeError(f"PutImageInBuffer takes {_PUT_ARGUMENTS}; the last two must be integers")
    assert isinstance(more_binning, int)
    assert isinstance(capture, int)
    pixels = image_from_json(image)
    await client.put_image(pixels, buffer, base_buffer=base, more_binning=more_binning, capture=capture)


def image_to_json(image: BufferImage) -> dict[str, object]:
    """An image as JSON has it; rows without padding."""
    return {
        "shape": [image.height, image.width],
        "itemsize": image.item_bytes,
        "format": image.format,
        "pixels_hex": image.array().tobytes().hex(),
    }


def image_from_json(image: object) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]]":
    """The pixels `(y, x)` or `(y, x, 3)` of an image that JSON tells.

    Raises:
        TypeError: It is no such object.
        ValueError: Its parts do not fit together.
    """
    if not isinstance(image, dict):
        raise TypeError("an image must be an object with shape, format and pixels_hex")
    shape, format_, hexadecimal = image.get("shape"), image.get("format"), image.get("pixels_hex")
    if not isinstance(hexadecimal, str) or not isinstance(shape, list) or len(shape) != 2:
        raise TypeError("an image must have a shape [height, width] and pixels_hex")
    if not all(isinstance(length, int) and 0 < length < 2**20 for length in shape):
        raise ValueError(f"an image cannot have the shape {shape}")
    mode = next((mode for mode, known in FORMATS.items() if known == format_), None)
    if mode is None:
        raise ValueError(f"an image must have the format {', '.join(FORMATS.values())}, not {format_!r}")
    data = bytes.fromhex(hexadecimal)
    if len(data) != shape[0] * shape[1] * ITEM_BYTES[mode]:
        raise ValueError(f"pixels_hex tells {len(data)} bytes, which do not fill {shape} of {format_}")
    if mode is Mode.RGB:
        return np.frombuffer(data, np.uint8).reshape(*shape, 3)
    return np.frombuffer(data, np.dtype(format_).newbyteorder("<")).reshape(shape)


if __name__ == "__main__":
    raise SystemExit(main())
