"""Words that all parts of the vocabulary use."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of the vocabulary: never changed, nothing unknown, no infinity or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Tier(StrEnum):
    """How far a driver goes: it sees what the microscope does, may propose, or commands it."""

    OBSERVE = "observe"
    ADVISE = "advise"
    COMMAND = "command"


class Capability(StrEnum):
    """One part of a microscope that a driver may offer; each has its protocol in `instruments.microscope`."""

    STAGE = "stage"
    AUTOLOADER = "autoloader"
    OPTICS = "optics"
    IMAGE_SHIFT = "image-shift"
    CAMERA = "camera"
    FOCUS = "focus"
    APERTURES = "apertures"
    ENERGY_FILTER = "energy-filter"
    VACUUM = "vacuum"
    MAINTENANCE = "maintenance"
    OBSERVATION = "observation"
    ADVICE = "advice"


class Fault(StrEnum):
    """What may go wrong at a microscope, as far as the way on depends on it."""

    STAGE_JAM = "stage-jam"
    AUTOLOADER = "autoloader"
    CONNECTION_LOST = "connection-lost"
    CAMERA_TIMEOUT = "camera-timeout"
    TIMEOUT = "timeout"
    VACUUM = "vacuum"
    DEWAR_FILLING = "dewar-filling"
    USER_STOP = "user-stop"
    LIMIT = "limit"
    OTHER = "other"


__all__ = [
    "Capability",
    "Fault",
    "Frozen",
    "Tier",
]
