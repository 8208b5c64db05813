"""What may go wrong between the fake SerialEM and its client, on demand."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import commands, commands_by_code


class Trouble(StrEnum):
    """What may go wrong with one request."""

    DROP_BEFORE = "drop-before"  # the connection dies, the command is not run
    DROP_AFTER = "drop-after"  # the command is run, the connection dies without a reply
    HALF_REPLY = "half-reply"  # the command is run, half of the reply comes, the connection dies
    SILENT_BEFORE = "silent-before"  # the command is not run and there is no reply
    SILENT_AFTER = "silent-after"  # the command is run and there is no reply
    STOP_BEFORE = "stop-before"  # STOP was pressed before: return value -10
    STOP_DURING = "stop-during"  # STOP is pressed while the command runs; of commands only
    FAIL = "fail"  # an ordinary error, the command is not run; of commands only
    BUSY = "busy"  # external control cannot start: return value -9


OF_COMMANDS: Final = frozenset({Trouble.STOP_DURING, Trouble.FAIL})
"""Trouble that is told in the reply to a command."""
OTHER_REQUESTS: Final = ("OKtoRun", "GetBufferImage", "PutImageInBuffer")


@dataclass(slots=True)
class Disturbance:
    """Trouble that comes at a request.

    Attributes:
        request: A command's name, `OKtoRun`, `GetBufferImage`, `PutImageInBuffer`; None is any.
        skip: How many that fit go well first.
        times: At how many it comes.
        message: Of an ordinary error.
    """

    trouble: Trouble
    request: str | None = None
    skip: int = 0
    times: int = 1
    message: str = "It failed because a test asked for it"

    def __post_init__(self) -> None:
        if self.request in OTHER_REQUESTS and self.trouble in OF_COMMANDS:
            raise ValueError(f"{self.trouble} comes at commands only, not at {self.request}")

    def comes_at(self, name: str) -> bool:
        """Whether it may come at a request of that name."""
        return (
            self.times > 0
            and self.request in (None, name)
            and (self.trouble not in OF_COMMANDS or name not in OTHER_REQUESTS)
        )


def due(planned: Iterable[Disturbance], request: str) -> Disturbance | None:
    """The trouble that comes at a request, of all that is planned; it is counted off."""
    for each in planned:
        if not each.comes_at(request):
            continue
        if each.skip:
            each.skip -= 1
            continue
        each.times -= 1
        return each
    return None


def trouble_of(text: str) -> Disturbance:
    """Trouble as the command line tells it: what, and optionally at which request, after how many, and how often.

    Raises:
        ValueError: It tells none.
    """
    what, *more = text.split(":")
    if len(more) > 3 or what not in set(Trouble):
        raise ValueError(f"'{text}' is not TROUBLE[:REQUEST[:SKIP[:TIMES]]] with one of {', '.join(Trouble)}")
    request = more[0] if more and more[0] else None
    if request is not None and request not in commands() and request not in OTHER_REQUESTS:
        raise ValueError(f"'{request}' is neither a command of SerialEM nor {', '.join(OTHER_REQUESTS)}")
    if not all(count.isascii() and count.isdigit() for count in more[1:]):
        raise ValueError(f"'{text}': how many to skip and how often must be whole numbers")
    skip, times = (int(count) for count in (*more[1:], *("0", "1")[len(more[1:]) :]))
    return Disturbance(Trouble(what), request, skip, times)


def trouble_option(text: str) -> Disturbance:
    """`trouble_of`, as the type of an option."""
    try:
        return trouble_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def request_name(request: wire.Request) -> str:
    """What a request is called in plans of trouble: a command by its own name."""
    match request:
        case wire.OkToRun():
            return "OKtoRun"
        case wire.GetImage():
            return "GetBufferImage"
        case wire.PutImage():
            return "PutImageInBuffer"
        case wire.Command(code):
            spec = commands_by_code().get(code)
            return spec.name if spec else f"command {code}"


__all__ = ["Disturbance", "Trouble", "due", "request_name", "trouble_of", "trouble_option"]
