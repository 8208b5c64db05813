"""What is sent to a decision service like Smart EPU's. Nothing is required, as in its public description.

What is left out has the value that the service's own language gives it: the first of its words, an empty id.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from structloop.instruments.epu.decision_shapes import (
    INT32,
    AcquisitionState,
    AlgorithmName,
    AreaType,
    DecisionType,
    EngineState,
    PluginType,
)

NOBODY = UUID(int=0)
Int32 = Annotated[int, Field(ge=-INT32 - 1, le=INT32)]


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SessionIn(_In):
    """A session to register."""

    sessionId: UUID | None = None  # noqa: N815  # the service's names, here and below
    sessionName: str | None = None  # noqa: N815
    athenaId: str | None = None  # noqa: N815
    gridType: str = "HoleyCarbon"  # noqa: N815


class AreaIn(_In):
    """An area to register or to change."""

    id: Int32 = 0
    sessionId: UUID = NOBODY  # noqa: N815
    areaType: AreaType = AreaType.GRID_SQUARE  # noqa: N815
    parentId: Int32 | None = None  # noqa: N815


class AreaStateIn(_In):
    """A change of an area's state."""

    sessionId: UUID = NOBODY  # noqa: N815
    areaId: Int32 = 0  # noqa: N815
    state: AcquisitionState = AcquisitionState.UNKNOWN


class StateIn(_In):
    """What EPU does now."""

    state: EngineState = EngineState.UNKNOWN
    sessionId: UUID | None = None  # noqa: N815
    areaId: Int32 | None = None  # noqa: N815
    details: str | None = None


class DecisionIn(_In):
    """A decision."""

    id: UUID = NOBODY
    sessionId: UUID = NOBODY  # noqa: N815
    areaId: Int32 = 0  # noqa: N815
    decisionType: DecisionType = DecisionType.INCLUDE  # noqa: N815
    pluginType: PluginType = PluginType.DEFAULT  # noqa: N815
    decisionValue: str | None = None  # noqa: N815
    decidedBy: str | None = None  # noqa: N815
    details: str | None = None


class ValueIn(_In):
    """A named text."""

    sessionId: UUID = NOBODY  # noqa: N815
    areaId: Int32 | None = None  # noqa: N815
    name: str | None = None
    value: str | None = None
    setBy: str | None = None  # noqa: N815


class ResultIn(_In):
    """A result of the processing, which the real service gets on ways of its own."""

    sessionId: UUID  # noqa: N815
    areaId: Int32  # noqa: N815
    name: AlgorithmName
    result: dict[str, object]


class RunStopIn(_In):
    """The end of a run."""

    sessionId: UUID = NOBODY  # noqa: N815
    runNumber: Int32 = 0  # noqa: N815
    reason: str | None = None


class PluginSetting(BaseModel):
    """Whether the vendor's plug-in or another one decides."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pluginName: str | None = None  # noqa: N815
    customPluginSelection: bool = False  # noqa: N815
    timestamp: datetime | None = None


class Settings(BaseModel):
    """The service's configuration."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID = NOBODY
    smartPluginConfigurations: tuple[PluginSetting, ...] | None = None  # noqa: N815
    timestamp: datetime | None = None


__all__ = [
    "NOBODY",
    "AreaIn",
    "AreaStateIn",
    "DecisionIn",
    "PluginSetting",
    "ResultIn",
    "RunStopIn",
    "SessionIn",
    "Settings",
    "StateIn",
    "ValueIn",
]
