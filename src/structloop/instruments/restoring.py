"""What brings a microscope back to where a session left it: which steps are needed, and which stand already."""

from structloop.schema.acquisition import (
    Action,
    ApplyPreset,
    LoadGrid,
    MicroscopeState,
    MoveStage,
    SetDefocus,
    SetEnergyFilter,
    ShiftImage,
    TiltStage,
)

# A stage within this of where it was left need not move: its own readings scatter as much.
_STAGE_UM = 0.1
_TILT_DEG = 0.05
_SMALL_UM = 0.001


def already_so(step: Action, state: MicroscopeState) -> bool:
    """Whether a microscope stands as a step would bring it; what it does not know does not count."""
    match step:
        case LoadGrid():
            return state.slot == step.slot
        case ApplyPreset():
            return state.preset == step.preset
        case MoveStage():
            asked = [(getattr(step, axis), axis) for axis in ("x_um", "y_um", "z_um")]
            stage = state.stage
            return stage is not None and all(
                value is None or abs(getattr(stage, axis) - value) <= _STAGE_UM for value, axis in asked
            )
        case TiltStage():
            return state.stage is not None and abs(state.stage.tilt_deg - step.tilt_deg) <= _TILT_DEG
        case SetDefocus():
            return state.defocus_um is not None and abs(state.defocus_um - step.defocus_um) <= _SMALL_UM
        case ShiftImage():
            shift = state.image_shift_um
            return (
                shift is not None
                and abs(shift[0] - step.dx_um) <= _SMALL_UM
                and abs(shift[1] - step.dy_um) <= _SMALL_UM
            )
        case SetEnergyFilter():
            return step.slit_width_ev is not None and state.slit_width_ev == step.slit_width_ev
        case _:
            return False


def needed_before(action: Action, steps: list[Action]) -> list[Action]:
    """Of the steps that restore a state, those that an action does not make pointless."""
    if action.kind in {"load-grid", "unload-grid"}:
        pointless = {"load-grid", "unload-grid", "move-stage", "tilt-stage", "shift-image"}
    elif isinstance(action, MoveStage):
        return [left for step in steps if (left := _without_axes(step, action)) is not None]
    else:
        pointless = {action.kind}
    return [step for step in steps if step.kind not in pointless]


def _without_axes(step: Action, move: MoveStage) -> Action | None:
    if not isinstance(step, MoveStage) or move.relative:
        return step
    left = {axis: None if getattr(move, axis) is not None else getattr(step, axis) for axis in ("x_um", "y_um", "z_um")}
    return MoveStage(**left) if any(value is not None for value in left.values()) else None


__all__ = ["already_so", "needed_before"]
