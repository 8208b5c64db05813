"""JSON over HTTP to a service that may be away, busy or another version: limits, safe repetition, clear errors."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from structloop.core.errors import (
    InstrumentConnectionError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    ProtocolError,
)

_T = TypeVar("_T")
_BUSY = frozenset({502, 503, 504})
_MOST_BYTES = 64 * 1024 * 1024
_EXCERPT = 300
_NO_CONTENT = 204


class ServiceWire:
    """Sends requests and reads answers.

    Args:
        timeout_s: Of one request.
        attempts: How often a request is sent at most. What only reads or deletes is sent again when the service is away
            or busy; anything else only where it certainly did not arrive.
        pause_s: Before the second attempt; doubled before each further one.
        transport: Instead of the network, for tests.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        attempts: int,
        pause_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._attempts = max(1, attempts)
        self._pause_s = pause_s
        self._client = httpx.AsyncClient(timeout=timeout_s, transport=transport, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections; a second time does nothing."""
        await self._client.aclose()

    async def send(
        self, method: str, url: str, *, body: object = None, query: Mapping[str, Any] | None = None, wait_s: float = 0.0
    ) -> "Answer":
        """The answer of the service, which is a success.

        Args:
            wait_s: How long the service may take on top of the usual, for long polling.

        Raises:
            InstrumentConnectionError, InstrumentTimeoutError, InstrumentFaultError: it cannot be reached, does not
                answer, or refuses; `may_have_happened` says whether it may have done what was asked.
        """
        what, may_repeat = f"{method} {url}", method in {"GET", "DELETE"}
        limit_s = self._timeout_s + wait_s
        pause_s = self._pause_s
        for attempt in range(1, self._attempts + 1):
            is_last = attempt == self._attempts
            try:
                request = self._client.build_request(method, url, json=body, params=query or None, timeout=limit_s)
                answer = await self._receive(request, what)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                # It certainly did not arrive.
                if is_last:
                    raise InstrumentConnectionError(
                        f"{url} cannot be reached ({error or type(error).__name__}); check its address and that it runs"
                    ) from error
            except httpx.TimeoutException as error:
                if is_last or not may_repeat:
                    raise InstrumentTimeoutError(
                        f"{what} was not answered within {limit_s:g} s",
                        may_have_happened=not may_repeat,
                    ) from error
            except httpx.HTTPError as error:
                if is_last or not may_repeat:
                    raise InstrumentConnectionError(
                        f"{what}: the connection was lost ({error or type(error).__name__})",
                        may_have_happened=not may_repeat,
                    ) from error
            else:
                if 200 <= answer.status < 300:
                    return answer
                if is_last or not may_repeat or answer.status not in _BUSY:
                    raise InstrumentFaultError(
                        f"{what} was refused: {answer.status} {_problem(answer)}",
                        may_have_happened=answer.status >= 500 and not may_repeat,
                    )
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")

    async def _receive(self, request: httpx.Request, what: str) -> "Answer":
        response = await self._client.send(request, stream=True)
        content = bytearray()
        try:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    raise ProtocolError(f"{what} answered with more than {_MOST_BYTES // 2**20} MiB")
        finally:
            await response.aclose()
        return Answer(f"{request.method} {request.url}", response.status_code, bytes(content))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered.

    Attributes:
        what: The request, for messages.
        status: HTTP's.
    """

    what: str
    status: int
    content: bytes

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", "replace")


def read_answer(answer: Answer, shape: TypeAdapter[_T]) -> _T:
    """What an answer says, checked; an answer without content (204) is None.

    Raises:
        ProtocolError: it is not of that shape.
    """
    value: object = None
    if answer.status != _NO_CONTENT:
        try:
            value = json.loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"{answer.what} answered with something that is no JSON: {_excerpt(answer)}") from error
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ProtocolError(
            f"{answer.what} answered in another form than its description says, at {where}: {first['msg']}"
        ) from error


def _problem(answer: Answer) -> str:
    """What the service says is wrong (a problem document), else the beginning of what it sent."""
    try:
        problem = json.loads(answer.content)
    except (ValueError, RecursionError):
        return _excerpt(answer)
    if not isinstance(problem, dict):
        return _excerpt(answer)
    said = [str(problem[name]) for name in ("title", "detail") if problem.get(name)]
    return ": ".join(said)[:_EXCERPT] or _excerpt(answer)


def _excerpt(answer: Answer) -> str:
    return repr(answer.text[:_EXCERPT])


__all__ = ["Answer", "ServiceWire", "read_answer"]
