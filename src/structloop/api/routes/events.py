"""What happens while one looks: server-sent events."""

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Header, Request, Response
from sse_starlette import EventSourceResponse

from structloop.api.errors import problems
from structloop.api.live import EVENT_SCHEMA, EventBroadcast

router = APIRouter(tags=["events"])


@router.get(
    "/events",
    operation_id="stream_events",
    summary="What happens, live",
    response_class=Response,
    responses={
        200: {
            "description": "Events `job` (JobView), `plates` (PlatesChanged), `exposures` (ExposuresChanged) and "
            "`resync` (Resync), each as JSON.",
            "content": {"text/event-stream": {"schema": EVENT_SCHEMA}},
        },
        **problems(HTTPStatus.UNPROCESSABLE_ENTITY),
    },
)
async def stream_events(
    request: Request,
    last_event_id: Annotated[str | None, Header(max_length=100, description="Where to go on from.")] = None,
) -> EventSourceResponse:
    """Progress of jobs, changes of plates and exposures; goes on after `Last-Event-ID`, or says `resync` when it
    cannot.
    """
    broadcast = cast(EventBroadcast, request.app.state.events)
    return EventSourceResponse(broadcast.listen(last_event_id), ping=15)
