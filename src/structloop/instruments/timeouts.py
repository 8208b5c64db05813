"""How long each kind of action may take, on the session's clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    AlignTo,
    MicroscopeDescription,
    ShiftImage,
    WaitDrift,
    WaitReady,
)

DEFAULT_TIMEOUTS_S: Mapping[str, float] = MappingProxyType(
    {
        "load-grid": 1800.0,
        "unload-grid": 1200.0,
        "set-valves": 60.0,
        "set-beam": 30.0,
        "wait-ready": 60.0,
        "apply-preset": 120.0,
        "move-stage": 120.0,
        "tilt-stage": 180.0,
        "shift-image": 60.0,
        "set-defocus": 60.0,
        "autofocus": 300.0,
        "find-eucentric-height": 600.0,
        "wait-drift": 60.0,
        "acquire": 180.0,
        "acquire-montage": 240.0,
        "align-to": 300.0,
        "set-aperture": 120.0,
        "set-energy-filter": 60.0,
        "align-zero-loss": 300.0,
        "maintain": 7200.0,
    }
)
"""Seconds by kind of action, for each image of a montage.

What the action itself asks to wait for (exposure, settling, its own timeout) comes on top.
"""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that things may take.

    Attributes:
        by_kind: By kind of action, over `DEFAULT_TIMEOUTS_S`.
        connect_s, state_s, abort_s: For reaching the microscope, for a look at it, for stopping what goes on.
        pixels_s: For the pixels of one image, of the world's time: they are read outside of the session's clock.
    """

    by_kind: Mapping[str, float] = field(default_factory=dict)
    connect_s: float = 60.0
    state_s: float = 30.0
    abort_s: float = 30.0
    pixels_s: float = 300.0

    def __post_init__(self) -> None:
        for kind, seconds in self.by_kind.items():
            if kind not in DEFAULT_TIMEOUTS_S or not seconds > 0:
                known = ", ".join(DEFAULT_TIMEOUTS_S)
                raise ValueError(f"timeout of {seconds} s for '{kind}': give more than 0 s, for one of {known}")
        for name in ("connect_s", "state_s", "abort_s", "pixels_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"timeout {name} of {getattr(self, name)} s: give more than 0 s")

    def of(self, action: Action, microscope: MicroscopeDescription) -> float:
        """Seconds for an action, or for each image of a montage."""
        seconds = self.by_kind.get(action.kind, DEFAULT_TIMEOUTS_S[action.kind])
        match action:
            case WaitReady() | WaitDrift():
                seconds += action.timeout_s
            case ShiftImage():
                seconds += action.settle_s
            case Acquire() | AcquireMontage():
                preset = microscope.preset(action.preset)
                seconds += 3 * preset.exposure_s if preset is not None else 0.0
            case AlignTo():
                seconds += 3 * max((preset.exposure_s for preset in microscope.presets), default=0.0)
            case _:
                pass
        return seconds


__all__ = ["DEFAULT_TIMEOUTS_S", "Timeouts"]
