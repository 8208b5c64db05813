"""Running the server: one process for the web and for the jobs of the workspace."""

import errno
import socket
import threading
from collections.abc import Callable

import uvicorn

from structloop.api.app import create_app
from structloop.api.security import check_address
from structloop.core.errors import AddressInUseError, SettingsError
from structloop.jobs import Worker, Workspace

_GRACE_S = 3
_STARTING_S = 60.0


def serve(workspace: Workspace, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serves a workspace until the process is asked to end (Ctrl-C, SIGTERM), and runs its jobs meanwhile.

    Where another process runs the jobs of this home already, its jobs are left to it until it ends.

    Args:
        workspace: What to serve; its settings say where.
        on_ready: Called with the address once the server answers, from another thread.

    Raises:
        AddressRefusedError: the address could be reached from other machines.
        AddressInUseError: another program listens on the port.
        SettingsError: the address cannot be listened on.
    """
    host = check_address(workspace.settings.host)
    listening = _listen(host, workspace.settings.port)
    try:
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            create_app(workspace),
            log_level=workspace.settings.log_level,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = uvicorn.Server(config)
        address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        ended = threading.Event()
        watcher = threading.Thread(target=_tell_when_ready, args=(server, ended, address, on_ready), daemon=True)
        watcher.start()
        try:
            with Worker(workspace, patient=True):
                server.run(sockets=[listening])
        finally:
            ended.set()
            watcher.join()
    finally:
        listening.close()


def _tell_when_ready(
    server: uvicorn.Server, ended: threading.Event, address: str, on_ready: Callable[[str], None] | None
) -> None:
    waited = 0.0
    while not server.started and waited < _STARTING_S:
        if ended.wait(0.05):
            return
        waited += 0.05
    if on_ready is not None and server.started:
        on_ready(address)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    # After a restart the port may still be waiting for old connections to end; that is no other program.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(
                f"port {port} of {host} is taken by another program, perhaps by another structloop; "
                f"choose another with --port, or 0 for any free one"
            ) from error
        raise SettingsError(
            f"settings 'host' and 'port': {host}:{port} cannot be listened on ({error.strerror or error}); "
            "use 127.0.0.1 and a port from 1024"
        ) from error
    return listening


__all__ = ["serve"]
