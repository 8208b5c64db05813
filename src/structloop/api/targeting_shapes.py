"""Shapes of requests and answers about replayed sessions."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from structloop.api.shapes import Request
from structloop.crystals.views import View

HoleName = Annotated[str, Field(min_length=1, max_length=200)]
Minutes = Annotated[float, Field(gt=0, le=10_000)]


class RecordedSessionView(View):
    """A recorded session."""

    id: str
    name: str
    added_at: datetime
    holes: int
    patches: int
    squares: int
    tiles: int
    features: list[str]
    """Columns that a policy may be shown."""
    simulated: bool


class SquarePlaceView(View):
    """Where a square is drawn, in cells."""

    square: str
    atlas_tile: str
    x: float
    y: float
    width: float
    height: float


class HolesView(View):
    """A session's holes as columns, and where to draw them: x and y in cells, y down."""

    session: RecordedSessionView
    hole_id: list[str]
    atlas_tile: list[str]
    square: list[str]
    patch: list[str]
    x: list[float]
    y: list[float]
    outcome_angstrom: list[float]
    squares: list[SquarePlaceView]


class OverrideRequest(Request):
    """What the operator did, after so many exposures (the one at the start not counted)."""

    after: Annotated[int, Field(ge=0, le=100_000)]
    action: Literal["forbid", "allow", "force", "prioritise"]
    hole_ids: Annotated[list[HoleName], Field(min_length=1, max_length=100_000)]
    weight: Annotated[float, Field(ge=0, le=1000)] = 1.0
    """For `prioritise`: how many times a good exposure of these holes counts."""


class ReplayRequest(Request):
    """How to replay a session."""

    policy: Literal["adaptive", "winstay", "sweep", "random", "greedy", "screening"] = "adaptive"
    features: Annotated[list[HoleName], Field(max_length=100)] = Field(default_factory=list)
    """Columns that the policy may see."""
    move_minutes: tuple[Minutes, Minutes, Minutes, Minutes] = (1.0, 2.0, 6.0, 8.0)
    """Same patch, same square, same atlas tile, elsewhere."""
    budget_minutes: Minutes = 240.0
    threshold_angstrom: Annotated[float, Field(gt=0, le=100)] = 6.0
    start: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Row of the hole where the session starts."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    overrides: Annotated[list[OverrideRequest], Field(max_length=1000)] = Field(default_factory=list)


class ChoiceView(View):
    """One row of the table behind a decision, best first."""

    hole: int
    """Row of the hole in the session."""
    hole_id: str
    patch: str
    square: str
    atlas_tile: str
    move: str
    chance: float
    good: float
    exposures: int
    minutes: float
    good_per_minute: float


class StepView(View):
    """One exposure: which, how it turned out, and why it was taken."""

    hole: int
    good: bool
    minutes: float
    """From the start of the session to the end of this exposure."""
    reason: str
    table: list[ChoiceView]


class ReplayView(View):
    """A session as it went."""

    steps: list[StepView]
    chances: str
    """Expected chance of every hole before each step, in per cent: bytes in base64, row by row; empty for policies that
    expect nothing."""
    good: int
    """Good exposures, the start hole not counted."""
    possible: int
    """The most that was possible without overrides."""
