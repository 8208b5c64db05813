"""What goes over the wire between EPU, its decision service (Smart EPU) and plug-ins such as this one.

EPU registers sessions and areas, tells the states of areas, and polls for decisions; the vendor's processing adds
algorithm results; a plug-in reads all of that and posts decisions. Field names are the service's; what it sends that is
not named here is left aside, because its versions differ.

The service's description gives the form of a decision's value for two kinds only (`include`, `foilHoleSelection`); the
other values follow the same style, and `documented` is false there: try them against your version first, or send the
text that it wants as `RawDecision`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

INT32 = 2**31 - 1


class _Spelled(StrEnum):
    """The service writes its words in more than one case."""

    @classmethod
    def _missing_(cls, value: object) -> "_Spelled | None":
        return next((word for word in cls if isinstance(value, str) and word.value.lower() == value.lower()), None)


class DecisionType(_Spelled):
    """What is decided."""

    INCLUDE = "include"
    FOCUS = "focus"
    STAGE_WAITING_TIME = "stageWaitingTime"
    ACQUISITION_ORDER = "acquisitionOrder"
    FOIL_HOLE_SELECTION = "foilHoleSelection"
    GRID_SQUARE_SELECTION = "gridSquareSelection"
    ICE_THICKNESS = "iceThicknessFoilHolePrediction"
    FOIL_HOLE_FINDING = "automaticFoilHoleFinding"


class PluginType(_Spelled):
    """Who decides: the vendor's plug-in, another's, or none."""

    DEFAULT = "default"
    CUSTOM = "custom"
    DUMMY = "dummy"


class AreaType(_Spelled):
    """What an area is."""

    GRID_SQUARE = "gridsquare"
    FOIL_HOLE = "foilhole"
    ATLAS = "atlas"
    PARTICLE = "particle"


class AcquisitionState(_Spelled):
    """How far an area is."""

    UNKNOWN = "unknown"
    IGNORE = "ignore"
    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    SKIPPED = "skipped"


class AlgorithmName(_Spelled):
    """What the vendor's processing computes."""

    MOTION_CORRECTION = "motioncorrection"
    CTF = "ctf"
    GRID_SQUARE = "gridsquare"
    MICROGRAPH = "micrograph"
    ATLAS = "atlas"


class EngineState(_Spelled):
    """What EPU does."""

    UNKNOWN = "unknown"
    IDLE = "idle"
    RUNNING = "running"


def _time_or_none(value: object) -> object:
    """Times of which the service's versions have several forms; one that is no ISO time is left out."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


Moment: TypeAlias = Annotated[datetime | None, BeforeValidator(_time_or_none)]
AreaId: TypeAlias = Annotated[int, Field(ge=-INT32 - 1, le=INT32)]


class _Received(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ServiceSession(_Received):
    """A session of EPU, as registered with the service."""

    sessionId: UUID  # noqa: N815  # the service's names, here and below
    sessionName: str | None = None  # noqa: N815
    athenaId: str | None = None  # noqa: N815
    timestamp: Moment = None
    gridType: str | None = None  # noqa: N815


class Area(_Received):
    """An atlas, a square, a hole or an exposure's place; `parentId` is the area that it lies in."""

    id: AreaId
    sessionId: UUID  # noqa: N815
    areaType: AreaType | None = None  # noqa: N815
    parentId: AreaId | None = None  # noqa: N815


class AreaState(_Received):
    """A change of an area's state."""

    id: AreaId
    sessionId: UUID  # noqa: N815
    areaId: AreaId  # noqa: N815
    state: AcquisitionState
    timestamp: Moment = None


class AlgorithmResult(_Received):
    """What the vendor's processing found of an area; what is in `result` differs by algorithm."""

    sessionId: UUID  # noqa: N815
    areaId: AreaId  # noqa: N815
    name: str | None = None
    result: dict[str, object] | None = None
    timestamp: Moment = None


class ApplicationState(_Received):
    """What EPU does now."""

    id: UUID | None = None
    state: EngineState = EngineState.UNKNOWN
    sessionId: UUID | None = None  # noqa: N815
    areaId: AreaId | None = None  # noqa: N815
    details: str | None = None
    timestamp: Moment = None


class Run(_Received):
    """One run of an acquisition."""

    sessionId: UUID  # noqa: N815
    runNumber: int  # noqa: N815
    startTime: Moment = None  # noqa: N815
    stopTime: Moment = None  # noqa: N815
    stopReason: str | None = None  # noqa: N815


class NameValue(_Received):
    """A named text of a session or an area."""

    id: int
    sessionId: UUID  # noqa: N815
    areaId: AreaId | None = None  # noqa: N815
    name: str | None = None
    value: str | None = None
    timestamp: Moment = None
    setBy: str | None = None  # noqa: N815


class DecisionRecord(_Received):
    """A decision, as the service keeps it."""

    id: UUID | None = None
    sessionId: UUID  # noqa: N815
    areaId: AreaId  # noqa: N815
    decisionType: DecisionType  # noqa: N815
    pluginType: PluginType = PluginType.DEFAULT  # noqa: N815
    decisionValue: str | None = None  # noqa: N815
    decidedBy: str | None = None  # noqa: N815
    details: str | None = None
    timestamp: Moment = None


# --- Decisions -------------------------------------------------------------------------------------------------------


class _Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    documented: ClassVar[bool] = False

    area: AreaId
    details: str | None = None


class Include(_Decision):
    """Whether an area is acquired at all."""

    documented: ClassVar[bool] = True
    decision: Literal[DecisionType.INCLUDE] = DecisionType.INCLUDE
    include: bool

    def value(self) -> str:
        """As the service takes it."""
        return _word(self.include)


class Focus(_Decision):
    """Whether EPU focuses at an area before it acquires there."""

    decision: Literal[DecisionType.FOCUS] = DecisionType.FOCUS
    focus: bool

    def value(self) -> str:
        """As the service takes it."""
        return _word(self.focus)


class StageWaitingTime(_Decision):
    """How long EPU waits at an area for the stage to come to rest."""

    decision: Literal[DecisionType.STAGE_WAITING_TIME] = DecisionType.STAGE_WAITING_TIME
    seconds: float = Field(ge=0, le=3600)

    def value(self) -> str:
        """As the service takes it."""
        return f"{self.seconds:g}"


class AcquisitionOrder(_Decision):
    """In which order the areas within this one are acquired, all of them."""

    decision: Literal[DecisionType.ACQUISITION_ORDER] = DecisionType.ACQUISITION_ORDER
    order: tuple[AreaId, ...] = Field(min_length=1)

    def value(self) -> str:
        """As the service takes it."""
        return json.dumps(self.order, separators=(",", ":"))


class FoilHoleSelection(_Decision):
    """Which holes of a square are acquired."""

    documented: ClassVar[bool] = True
    decision: Literal[DecisionType.FOIL_HOLE_SELECTION] = DecisionType.FOIL_HOLE_SELECTION
    selected: Mapping[AreaId, bool] = Field(min_length=1)

    def value(self) -> str:
        """As the service takes it."""
        return _list({area: _word(selected) for area, selected in self.selected.items()})


class GridSquareSelection(_Decision):
    """Which squares of an atlas are acquired."""

    decision: Literal[DecisionType.GRID_SQUARE_SELECTION] = DecisionType.GRID_SQUARE_SELECTION
    selected: Mapping[AreaId, bool] = Field(min_length=1)

    def value(self) -> str:
        """As the service takes it."""
        return _list({area: _word(selected) for area, selected in self.selected.items()})


class IceThicknessPrediction(_Decision):
    """How thick the ice of the holes of a square is, in the unit that the service's configuration has."""

    decision: Literal[DecisionType.ICE_THICKNESS] = DecisionType.ICE_THICKNESS
    thickness: Mapping[AreaId, Annotated[float, Field(ge=0)]] = Field(min_length=1)

    def value(self) -> str:
        """As the service takes it."""
        return _list({area: f"{thickness:g}" for area, thickness in self.thickness.items()})


class FoundFoilHole(BaseModel):
    """A hole in the readout of a square's image."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    x_px: float
    y_px: float
    diameter_px: float = Field(gt=0)


class AutomaticFoilHoleFinding(_Decision):
    """Where the holes of a square are."""

    decision: Literal[DecisionType.FOIL_HOLE_FINDING] = DecisionType.FOIL_HOLE_FINDING
    holes: tuple[FoundFoilHole, ...]

    def value(self) -> str:
        """As the service takes it."""
        holes = [{"x": hole.x_px, "y": hole.y_px, "diameter": hole.diameter_px} for hole in self.holes]
        return json.dumps(holes, separators=(",", ":"))


class RawDecision(_Decision):
    """A decision whose value is written by you, for versions of the service that want another form."""

    decision: DecisionType
    text: str

    def value(self) -> str:
        """As it was given."""
        return self.text


Decision: TypeAlias = (
    Include
    | Focus
    | StageWaitingTime
    | AcquisitionOrder
    | FoilHoleSelection
    | GridSquareSelection
    | IceThicknessPrediction
    | AutomaticFoilHoleFinding
    | RawDecision
)
"""Everything that can be advised."""

DECISIONS: dict[DecisionType, type[_Decision]] = {
    DecisionType.INCLUDE: Include,
    DecisionType.FOCUS: Focus,
    DecisionType.STAGE_WAITING_TIME: StageWaitingTime,
    DecisionType.ACQUISITION_ORDER: AcquisitionOrder,
    DecisionType.FOIL_HOLE_SELECTION: FoilHoleSelection,
    DecisionType.GRID_SQUARE_SELECTION: GridSquareSelection,
    DecisionType.ICE_THICKNESS: IceThicknessPrediction,
    DecisionType.FOIL_HOLE_FINDING: AutomaticFoilHoleFinding,
}
"""The form of each decision."""


def _word(yes: bool) -> str:
    return "true" if yes else "false"


def _list(results: Mapping[int, str]) -> str:
    return json.dumps([{"areaId": area, "result": result} for area, result in results.items()], separators=(",", ":"))


__all__ = [
    "DECISIONS",
    "INT32",
    "AcquisitionOrder",
    "AcquisitionState",
    "AlgorithmName",
    "AlgorithmResult",
    "ApplicationState",
    "Area",
    "AreaState",
    "AreaType",
    "AutomaticFoilHoleFinding",
    "Decision",
    "DecisionRecord",
    "DecisionType",
    "EngineState",
    "Focus",
    "FoilHoleSelection",
    "FoundFoilHole",
    "GridSquareSelection",
    "IceThicknessPrediction",
    "Include",
    "NameValue",
    "PluginType",
    "RawDecision",
    "Run",
    "ServiceSession",
    "StageWaitingTime",
]
