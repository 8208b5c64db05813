"""What a SerialEM says of its microscope: its presets, how far it reaches, what it can do."""

from structloop.core.errors import InstrumentFaultError, NotCapableError
from structloop.instruments.serialem.places import FALLBACKS, Place
from structloop.instruments.serialem.session import Session
from structloop.schema.acquisition import CAPABILITY_OF, Capability, MicroscopeDescription, Preset, Tier

TASKS = {
    "fill-dewars": "Re",
    "flash-gun": "FF",
    "dark-reference": "Da",
    "inventory": "In",
    "buffer-cycle": "Bu",
}
"""Maintenance tasks, and what SerialEM's LongOperation calls them."""


async def read_presets(session: Session) -> None:
    """Visit every place once, and note what SerialEM says there; then go back to where it was.

    Nothing is exposed. Presets whose place SerialEM lacks are left out, unless the operator named it.

    Raises:
        NotCapableError: SerialEM lacks a place that the operator named, or has none at all.
    """
    low_dose, area = await session.area()
    seen: dict[Place, Preset] = {}
    refused: list[str] = []
    for name, place in list(session.places.items()):
        for candidate in [place, *([FALLBACKS[name]] if name in FALLBACKS and not place.needed else [])]:
            try:
                known = seen.get(candidate) or await _visit(session, candidate)
            except InstrumentFaultError as error:
                refused.append(f"{name}: {error}")
                if candidate.needed:
                    raise NotCapableError(
                        f"SerialEM has no '{candidate.state or candidate.letter}' for {name}: {error}"
                    ) from error
                continue
            seen[candidate] = known
            session.places[name] = candidate
            session.presets[name] = known.model_copy(update={"name": name})
            break
    if not session.presets:
        raise NotCapableError(
            "SerialEM has neither low-dose areas nor imaging states that could be presets: " + "; ".join(refused)
        )
    if low_dose and area:
        await session.go_to(Place(area))
    elif not low_dose and session.low_dose:
        await session.run("SetLowDoseMode", 0)
        session.low_dose = False
    session.preset = None


async def _visit(session: Session, place: Place) -> Preset:
    if place.state:
        found = await session.client.call("ImagingStateProperties", place.state)
        if found and found[0]:
            raise InstrumentFaultError(f"there is no imaging state '{place.state}'")
    await session.go_to(place)
    letter = place.letter
    magnification = await session.number("ReportMag")
    pixel_nm = await session.number("ReportCurrentPixelSize", letter)
    width, height = (await session.numbers("ReportCameraSetArea", letter, least=2))[:2]
    exposure_s = await session.number("ReportExposure", letter)
    if min(magnification, pixel_nm, width, height, exposure_s) <= 0:
        raise InstrumentFaultError(
            f"the parameter set {letter} has a magnification of {magnification:g}, pixels of {pixel_nm:g} nm, "
            f"{width:g} x {height:g} of them and an exposure of {exposure_s:g} s; set it up in SerialEM"
        )
    fractions = await session.asked("ReportDoseFracParams", letter, least=6)
    frames = max(1, round(exposure_s / fractions[5])) if fractions and fractions[0] and fractions[5] > 0 else 1
    defocus = 0.0
    if letter in "VS" and not place.state:
        offset = await session.asked("ReportLDDefocusOffset", letter)
        defocus = -offset[0] if offset else 0.0
    elif letter in "RP" and not place.state:
        target = await session.asked("ReportTargetDefocus")
        defocus = -target[0] if target else 0.0
    return Preset(
        name=place.state or letter,
        magnification=magnification,
        pixel_size_angstrom=pixel_nm * 10,
        width_px=int(width),
        height_px=int(height),
        exposure_s=exposure_s,
        defocus_um=defocus,
        frames=frames,
    )


async def capabilities(session: Session) -> frozenset[Capability]:
    """What this microscope has, as far as SerialEM tells without moving anything."""
    has = set(CAPABILITY_OF.values())
    probes = {
        Capability.AUTOLOADER: ("ReportSlotStatus", (1,)),
        Capability.APERTURES: ("ReportApertureSize", (1,)),
        Capability.ENERGY_FILTER: ("ReportEnergyFilter", ()),
    }
    for capability, (name, arguments) in probes.items():
        if await session.asked(name, *arguments) is None:
            has.discard(capability)
    return frozenset(has)


async def describe(session: Session, has: frozenset[Capability]) -> MicroscopeDescription:
    """The description, once the presets are read."""
    largest = await session.asked("ReportMaxImageShift", 0)
    return MicroscopeDescription(
        name=f"SerialEM at {session.client.where}",
        driver="serialem",
        tier=Tier.COMMAND,
        operations=frozenset(kind for kind, capability in CAPABILITY_OF.items() if capability in has),
        presets=tuple(session.presets.values()),
        largest_image_shift_um=largest[0] if largest and largest[0] > 0 else None,
        maintenance_tasks=tuple(TASKS),
    )


__all__ = ["TASKS", "capabilities", "describe", "read_presets"]
