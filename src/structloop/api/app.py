"""The web application: routes, errors, security and the browser interface put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from structloop import __version__
from structloop.api.errors import install_error_handlers
from structloop.api.explaining import ExplainingDesk
from structloop.api.interface import mount_interface
from structloop.api.live import EventBroadcast
from structloop.api.routes import (
    annotations,
    condition,
    curation,
    datasets,
    drift,
    drops,
    events,
    explaining,
    exposure_files,
    exposure_marks,
    exposures,
    images,
    imports,
    jobs,
    learning,
    micrographs,
    models,
    particles,
    plates,
    system,
    targeting,
)
from structloop.api.security import install_security
from structloop.crystals.explaining import Explainer
from structloop.jobs import JobQueue, Workspace
from structloop.jobs.training import bench_of

PREFIX = "/api/v1"
DESCRIPTION = (
    "Everything that the browser interface does, open to scripts. The server listens on this machine only. Errors are "
    "problem documents (RFC 9457). Times are UTC; probabilities are calibrated crystal probabilities from 0 to 1."
)
_AREAS = (
    system,
    plates,
    drops,
    images,
    explaining,
    annotations,
    curation,
    datasets,
    learning,
    drift,
    models,
    imports,
    jobs,
    events,
    targeting,
    particles,
    micrographs,
    exposures,
    exposure_marks,
    condition,
    exposure_files,
)


def make_routes() -> FastAPI:
    """The application's routes without a workspace: what the OpenAPI file is made from."""
    app = FastAPI(
        title="structloop",
        version=__version__,
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=f"{PREFIX}/openapi.json",
        # The bundled pages load their scripts from other sites, which the content security policy refuses.
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        separate_input_output_schemas=False,
    )
    api = APIRouter(prefix=PREFIX)
    for area in _AREAS:
        api.include_router(area.router)
    app.include_router(api)
    install_error_handlers(app)
    return app


def create_app(workspace: Workspace) -> FastAPI:
    """The application that serves `workspace`: API and browser interface.

    A `Worker` of the same workspace must run beside it (here or in another process) for jobs to be done.
    """
    app = make_routes()
    queue = JobQueue(workspace)
    app.state.workspace = workspace
    app.state.queue = queue
    app.state.events = EventBroadcast(workspace.database, queue)
    app.state.explainer = Explainer(bench_of(workspace))
    app.state.desk = ExplainingDesk()
    install_security(app)
    mount_interface(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    try:
        yield
    finally:
        broadcast: EventBroadcast | None = getattr(app.state, "events", None)
        if broadcast is not None:
            await broadcast.stop()
        desk: ExplainingDesk | None = getattr(app.state, "desk", None)
        if desk is not None:
            await asyncio.to_thread(desk.close)


__all__ = ["PREFIX", "create_app", "make_routes"]
