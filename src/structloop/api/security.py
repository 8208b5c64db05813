"""What keeps other sites out of a server on this machine: the Host and Origin headers, and the content policy.

Any page in the user's browser can send requests to 127.0.0.1. A page whose own name is made to point there (DNS
rebinding) sends its own name as Host; a page of another site that writes sends its own Origin. Both are refused. See
OWASP, "Cross-Site Request Forgery Prevention" (verifying the origin) and the Fetch standard's Origin header.
"""

import ipaddress
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from structloop.api.errors import OriginRefusedError, make_problem, problem_of, problem_response
from structloop.core.errors import AddressRefusedError

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def check_address(host: str) -> str:
    """`host` if it names this machine alone.

    Raises:
        AddressRefusedError: others could reach the server there, and there are no users yet to tell them apart.
    """
    name = host.strip("[]")
    if not _is_local(name):
        raise AddressRefusedError(
            f"setting 'host': {host} can be reached from other machines, and without users anybody could read and "
            "change everything; use 127.0.0.1, and an SSH tunnel to reach it from elsewhere "
            "(ssh -L 8765:127.0.0.1:8765 this-machine)"
        )
    return name


def _is_local(name: str) -> bool:
    """Whether a host's name or address (without brackets) is this machine's own: what may be listened on and called.

    An address cannot be made to point elsewhere as a name can, so any loopback address will do.
    """
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """Refuses requests that were not meant for this server, and sets the headers that bind the browser.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        refusal = _refusal(scope["method"], headers)
        if refusal is None:
            await self.app(scope, receive, send_with_headers)
        else:
            await refusal(scope, receive, send_with_headers)


def _refusal(method: str, headers: Headers) -> ASGIApp | None:
    host = headers.get("host", "")
    if not _is_local(_host_name(host)):
        problem = make_problem(
            HTTPStatus.MISDIRECTED_REQUEST,
            "wrong-host",
            "the request names a host that this server does not serve",
            "use http://127.0.0.1 with the server's port",
        )
        return problem_response(problem)
    if method in _READING:
        return None
    origin = headers.get("origin")
    # A browser names the origin of every write; a script on this machine sends none.
    foreign_origin = origin is not None and _place(origin) != host.lower()
    foreign_site = headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
    if foreign_origin or foreign_site:
        return problem_response(
            problem_of(OriginRefusedError("a page of another site may not write here; use the server's own interface"))
        )
    return None


def _place(origin: str) -> str | None:
    """Host and port of an origin; None where it is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def install_security(app: FastAPI) -> None:
    """Puts `LocalOnly` in front of `app`."""
    app.add_middleware(LocalOnly)


__all__ = ["CONTENT_POLICY", "LocalOnly", "check_address", "install_security"]
