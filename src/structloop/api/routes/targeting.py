"""Replaying recorded sessions: what the targeting policy would have done, with the operator's overrides."""

import base64
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Response

from structloop.api.dependencies import SettingsDependency
from structloop.api.errors import problems
from structloop.api.targeting_shapes import (
    ChoiceView,
    HolesView,
    RecordedSessionView,
    ReplayRequest,
    ReplayView,
    SquarePlaceView,
    StepView,
)
from structloop.grids.sessions import RecordedSession, RecordedSessions
from structloop.grids.targeting.guided import Override, guided_replay
from structloop.grids.targeting.holes import Groups
from structloop.grids.targeting.layout import lay_out
from structloop.grids.targeting.replay import OUTCOME_COLUMN, replay_of

router = APIRouter(prefix="/targeting", tags=["targeting"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)
SessionId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="Address of a recorded session.")]


def get_sessions(settings: SettingsDependency) -> RecordedSessions:
    """The recorded sessions of the workspace."""
    return RecordedSessions(settings.home / "sessions")


SessionsDependency = Annotated[RecordedSessions, Depends(get_sessions)]


@router.get("/sessions", operation_id="list_sessions", summary="List recorded sessions")
def list_sessions(sessions: SessionsDependency) -> list[RecordedSessionView]:
    """All recorded sessions, newest first."""
    return [_view(session) for session in sessions.newest_first()]


@router.post("/sessions", operation_id="add_session", summary="Add a recorded session", status_code=HTTPStatus.CREATED)
def add_session(
    sessions: SessionsDependency,
    contents: Annotated[str, Body(media_type="text/csv", description="The CSV file.")],
    name: Annotated[str, Query(min_length=1, max_length=200, description="The file's name.")],
) -> RecordedSessionView:
    """Keeps a CSV of holes with their outcomes; the same contents are kept once."""
    return _view(sessions.add(name, contents.encode()))


@router.post(
    "/sessions/simulated",
    operation_id="add_simulated_session",
    summary="Make up a session",
    status_code=HTTPStatus.CREATED,
)
def add_simulated_session(
    sessions: SessionsDependency, seed: Annotated[int, Query(ge=0, le=2**31 - 1, description="Makes another one.")] = 1
) -> RecordedSessionView:
    """Makes up a session to try the replay with."""
    return _view(sessions.add_simulated(seed))


@router.delete(
    "/sessions/{session_id}",
    operation_id="remove_session",
    summary="Forget a recorded session",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_NOT_FOUND,
)
def remove_session(sessions: SessionsDependency, session_id: SessionId) -> Response:
    """Forgets a recorded session; the file that it came from is not touched."""
    sessions.remove(session_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/sessions/{session_id}", operation_id="get_session", summary="One recorded session", responses=_NOT_FOUND)
def get_session(sessions: SessionsDependency, session_id: SessionId) -> HolesView:
    """A recorded session's holes, and where to draw them."""
    facts = sessions.get(session_id)
    table, columns = sessions.load(session_id)
    layout = lay_out(table, Groups.of(table, seed=0))
    return HolesView(
        session=_view(facts),
        hole_id=list(table.hole_id),
        atlas_tile=list(table.atlas_tile),
        square=list(table.square),
        patch=list(table.patch),
        x=[round(float(value), 3) for value in layout.x],
        y=[round(float(value), 3) for value in layout.y],
        outcome_angstrom=[float(value) for value in columns[OUTCOME_COLUMN]],
        squares=[SquarePlaceView(**vars(place)) for place in layout.squares],
    )


@router.post(
    "/sessions/{session_id}/replay", operation_id="replay_session", summary="Replay a session", responses=_NOT_FOUND
)
def replay_session(sessions: SessionsDependency, session_id: SessionId, request: ReplayRequest) -> ReplayView:
    """Plays the session from its start with the overrides applied at their moments; the same request, the same
    answer.
    """
    table, columns = sessions.load(session_id)
    replay = replay_of(table, columns, request.features, request.move_minutes, request.threshold_angstrom)
    seen = guided_replay(
        replay,
        request.policy,
        request.start,
        request.budget_minutes,
        overrides=[Override(one.after, one.action, tuple(one.hole_ids), one.weight) for one in request.overrides],
        seed=request.seed,
    )
    row = {name: number for number, name in enumerate(table.hole_id)}
    return ReplayView(
        steps=[
            StepView(
                hole=row[step.hole_id],
                good=step.good,
                minutes=round(step.minutes, 3),
                reason=reason.sentence,
                table=[
                    ChoiceView(**{**vars(choice), "hole": row[choice.hole_id], "move": choice.move.words})
                    for choice in reason.table
                ],
            )
            for step, reason in zip(seen.steps, seen.reasons, strict=True)
        ],
        chances=base64.b64encode(seen.chances.tobytes()).decode(),
        good=seen.good,
        possible=seen.possible,
    )


def _view(session: RecordedSession) -> RecordedSessionView:
    return RecordedSessionView(**{**vars(session), "features": list(session.features)})
