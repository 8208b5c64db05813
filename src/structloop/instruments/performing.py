"""From an action to the call of the microscope's part that does it."""

from collections.abc import Iterable
from typing import TypeVar

from structloop.core.errors import NotCapableError
from structloop.instruments.answers import aligned_told, drifting_told, focused_told, image_told, position_told
from structloop.instruments.microscope import Microscope, TakenImage
from structloop.schema.acquisition import (
    CAPABILITY_OF,
    Acquire,
    AcquireMontage,
    Action,
    Aligned,
    AlignTo,
    AlignZeroLoss,
    ApplyPreset,
    Autofocus,
    Done,
    Drifting,
    FindEucentricHeight,
    Focused,
    LoadGrid,
    Maintain,
    MoveStage,
    SetAperture,
    SetBeam,
    SetDefocus,
    SetEnergyFilter,
    SetValves,
    ShiftImage,
    StageMoved,
    TiltStage,
    UnloadGrid,
    WaitDrift,
    WaitReady,
)

Part = TypeVar("Part")


def lacking(microscope: Microscope, actions: Iterable[Action | type[Action] | str]) -> list[str]:
    """What of these actions (or kinds of action) a connected microscope cannot do, each with the reason."""
    description, capabilities = microscope.description, microscope.parts.capabilities()
    reasons: list[str] = []
    for action in actions:
        kind = action if isinstance(action, str) else _kind(action)
        if kind not in CAPABILITY_OF:
            reasons.append(f"'{kind}' is no kind of action")
        elif kind not in description.operations or CAPABILITY_OF[kind] not in capabilities:
            reasons.append(f"it has no {kind}")
        elif isinstance(action, Acquire | AcquireMontage | ApplyPreset) and description.preset(action.preset) is None:
            known = ", ".join(preset.name for preset in description.presets) or "none"
            reasons.append(f"it has no preset '{action.preset}' (presets: {known})")
        elif isinstance(action, Maintain) and action.task not in description.maintenance_tasks:
            known = ", ".join(description.maintenance_tasks) or "none"
            reasons.append(f"it has no maintenance task '{action.task}' (tasks: {known})")
    return list(dict.fromkeys(reasons))


def _kind(action: Action | type[Action]) -> str:
    return str(action.model_fields["kind"].default) if isinstance(action, type) else action.kind


def have(part: Part | None, kind: str) -> Part:
    """The part, which must be there.

    Raises:
        NotCapableError: it is not.
    """
    if part is None:
        raise NotCapableError(f"the microscope declares {kind} but offers no part that does it; its driver is faulty")
    return part


async def perform(
    microscope: Microscope, action: Action, template: TakenImage | None = None
) -> Done | StageMoved | Focused | Drifting | Aligned | TakenImage:
    """Do an action, once; a montage is not done here, because it comes image by image.

    Args:
        template: What `AlignTo` aligns to.

    Raises:
        InstrumentFaultError: what the driver answers cannot be.
    """
    parts, kind, told = microscope.parts, action.kind, microscope.description
    match action:
        case MoveStage():
            stage = have(parts.stage, kind)
            position = await stage.move(x_um=action.x_um, y_um=action.y_um, z_um=action.z_um, relative=action.relative)
            return StageMoved(position=position_told(position, told, action, may_have_happened=True))
        case TiltStage():
            position = await have(parts.stage, kind).tilt(action.tilt_deg)
            return StageMoved(position=position_told(position, told, action, may_have_happened=True))
        case Acquire():
            image = await have(parts.camera, kind).acquire(action.preset, save_frames=action.save_frames)
            return image_told(image, action, told)
        case AlignTo():
            return aligned_told(await have(parts.camera, kind).align_to(have(template, kind)), action, told)
        case Autofocus():
            return focused_told(await have(parts.focus, kind).autofocus(action.target_um), action, told)
        case FindEucentricHeight():
            return focused_told(await have(parts.focus, kind).eucentric_height(action.method), action, told)
        case WaitDrift():
            rate, timeout_s = action.rate_angstrom_per_s, action.timeout_s
            return drifting_told(await have(parts.focus, kind).wait_drift(rate, timeout_s), action, told)
        case _:
            await _set(microscope, action)
            return Done()


async def _set(microscope: Microscope, action: Action) -> None:
    parts, kind = microscope.parts, action.kind
    match action:
        case LoadGrid():
            await have(parts.autoloader, kind).load(action.slot)
        case UnloadGrid():
            await have(parts.autoloader, kind).unload()
        case SetValves():
            await have(parts.vacuum, kind).set_valves(action.open)
        case WaitReady():
            await have(parts.vacuum, kind).wait_ready(action.timeout_s)
        case SetBeam():
            await have(parts.optics, kind).set_beam(action.on)
        case ApplyPreset():
            await have(parts.optics, kind).apply_preset(action.preset)
        case ShiftImage():
            await have(parts.image_shift, kind).shift(action.dx_um, action.dy_um, action.settle_s)
        case SetDefocus():
            await have(parts.focus, kind).set_defocus(action.defocus_um)
        case SetAperture():
            await have(parts.apertures, kind).set_aperture(action.aperture, action.size_um)
        case SetEnergyFilter():
            await have(parts.energy_filter, kind).set_slit(action.slit_width_ev)
        case AlignZeroLoss():
            await have(parts.energy_filter, kind).align_zero_loss()
        case Maintain():
            await have(parts.maintenance, kind).maintain(action.task)
        case _:
            raise NotCapableError(f"{kind} is not done in one call")


__all__ = ["have", "lacking", "perform"]
