"""What a microscope can do, as small protocols that drivers fulfil part by part.

A driver offers a `Microscope`: a description, and the `Parts` it has. Nothing above this module knows a vendor. All
calls are asynchronous and return once the thing is done; they raise errors of the `InstrumentError` branch and no
others. Whoever calls need not check limits: the runner does, before anything moves.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from structloop.schema.acquisition import (
    Aligned,
    Capability,
    Drifting,
    Focused,
    ImageFacts,
    MicroscopeDescription,
    MicroscopeState,
    Slot,
    StagePosition,
)

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TakenImage:
    """An image that was taken; its pixels are read (or, by a simulated microscope, rendered) when asked for.

    Attributes:
        facts: All that is known of it.
        read: Returns the pixels `(y, x)`, averaged over `binning` x `binning` blocks: `image.read(4)`. The same image
            read twice is the same.
    """

    facts: ImageFacts
    read: Callable[[int], Pixels]

    def pixels(self, binning: int = 1) -> Pixels:
        """The pixels, `(height // binning, width // binning)`."""
        return self.read(binning)


@runtime_checkable
class Stage(Protocol):
    """Moves the specimen."""

    async def position(self) -> StagePosition:
        """Where the stage says it is."""
        ...

    async def move(
        self, *, x_um: float | None = None, y_um: float | None = None, z_um: float | None = None, relative: bool = False
    ) -> StagePosition:
        """Move the axes that are given, and say where the stage is then."""
        ...

    async def tilt(self, tilt_deg: float) -> StagePosition:
        """Tilt to an angle."""
        ...


@runtime_checkable
class Autoloader(Protocol):
    """Changes grids."""

    async def slots(self) -> tuple[Slot, ...]:
        """All slots of the cassette, in order."""
        ...

    async def load(self, slot: int) -> None:
        """Put the grid of a slot onto the stage; one that is there goes back first."""
        ...

    async def unload(self) -> None:
        """Put the grid on the stage back."""
        ...


@runtime_checkable
class Optics(Protocol):
    """Sets magnification and illumination."""

    async def apply_preset(self, preset: str) -> None:
        """Set everything to a named preset of the description."""
        ...

    async def set_beam(self, on: bool) -> None:
        """Let the beam through, or blank it."""
        ...


@runtime_checkable
class ImageShifting(Protocol):
    """Looks beside the stage position without moving it."""

    async def shift(self, dx_um: float, dy_um: float, settle_s: float = 0.0) -> None:
        """Set beam and image shift, on the specimen from the stage position, corrected for coma where possible."""
        ...


@runtime_checkable
class Camera(Protocol):
    """Takes images."""

    async def acquire(self, preset: str, *, save_frames: bool = False) -> TakenImage:
        """Take one image with a preset, which is applied where it is not yet."""
        ...

    def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        """Take overlapping images around the present position, one after the other, `column` and `row` told."""
        ...

    async def align_to(self, template: TakenImage) -> Aligned:
        """Take an image as the template was taken, and set the image shift so that it shows the same place."""
        ...


@runtime_checkable
class Focus(Protocol):
    """Finds focus, height and rest."""

    async def set_defocus(self, defocus_um: float) -> None:
        """Set the defocus, underfocus positive."""
        ...

    async def autofocus(self, target_um: float) -> Focused:
        """Measure the defocus and correct it to the target."""
        ...

    async def eucentric_height(self, method: Literal["rough", "fine"]) -> Focused:
        """Move in z to the height at which tilting does not move the image."""
        ...

    async def wait_drift(self, rate_angstrom_per_s: float, timeout_s: float) -> Drifting:
        """Wait until the specimen drifts more slowly; gives up with InstrumentTimeoutError."""
        ...


@runtime_checkable
class Apertures(Protocol):
    """Changes apertures."""

    async def set_aperture(self, aperture: Literal["condenser", "objective"], size_um: float | None) -> None:
        """Put the aperture of that diameter in, or take it out."""
        ...


@runtime_checkable
class EnergyFilter(Protocol):
    """Sets the energy slit."""

    async def set_slit(self, width_ev: float | None) -> None:
        """Put the slit in, or take it out."""
        ...

    async def align_zero_loss(self) -> None:
        """Centre the slit on the zero-loss peak."""
        ...


@runtime_checkable
class Vacuum(Protocol):
    """Separates column and specimen."""

    async def set_valves(self, open: bool) -> None:  # noqa: A002  # the field's word
        """Open or close the column valves."""
        ...

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until vacuum and dewars are ready; gives up with InstrumentTimeoutError."""
        ...


@runtime_checkable
class Maintenance(Protocol):
    """What a microscope needs from time to time."""

    async def maintain(self, task: str) -> None:
        """Do a task of `description.maintenance_tasks`."""
        ...


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """An image that somebody else took and a driver saw.

    Attributes:
        level: What it shows.
        name, parent: The vendor's own names: of what is shown, and of what that lies in.
        image: The image; None where only its metadata came.
        source: The file its metadata came from.
    """

    level: Literal["atlas", "square", "hole", "exposure", "other"]
    name: str
    parent: str | None
    image: TakenImage | None
    source: Path


@runtime_checkable
class Observation(Protocol):
    """Sees what a microscope does without commanding it."""

    def images(self) -> AsyncIterator[ObservedImage]:
        """What was taken and is being taken, in the order it can be understood; ends when the session ends."""
        ...


@dataclass(frozen=True, slots=True)
class Advised:
    """A proposal to a vendor's own software.

    Attributes:
        decision: The vendor's name of the decision, such as `foilHoleSelection`.
        subject: The vendor's id of what it is about.
        body: The decision itself, JSON.
    """

    decision: str
    subject: str
    body: dict[str, object]


@runtime_checkable
class Advice(Protocol):
    """Proposes to the vendor's software."""

    async def advise(self, advised: Advised) -> None:
        """Post a decision."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts a driver offers; None is what it does not."""

    stage: Stage | None = None
    autoloader: Autoloader | None = None
    optics: Optics | None = None
    image_shift: ImageShifting | None = None
    camera: Camera | None = None
    focus: Focus | None = None
    apertures: Apertures | None = None
    energy_filter: EnergyFilter | None = None
    vacuum: Vacuum | None = None
    maintenance: Maintenance | None = None
    observation: Observation | None = None
    advice: Advice | None = None

    def capabilities(self) -> frozenset[Capability]:
        """The capabilities of the parts that are there."""
        return frozenset(
            Capability(field.name.replace("_", "-")) for field in fields(self) if getattr(self, field.name) is not None
        )


@runtime_checkable
class Microscope(Protocol):
    """A microscope, through one vendor's software. `parts` and `description` hold from `connect` to `close`."""

    @property
    def description(self) -> MicroscopeDescription:
        """What it is and what it can do."""
        ...

    @property
    def parts(self) -> Parts:
        """What it can do it with."""
        ...

    async def connect(self) -> None:
        """Reach the microscope; a second time does nothing."""
        ...

    async def close(self) -> None:
        """Let go of it, leaving it as it is; a second time does nothing."""
        ...

    async def state(self) -> MicroscopeState:
        """One look at it."""
        ...

    async def abort(self) -> None:
        """Stop what is going on as soon as possible. Never raises where nothing is going on."""
        ...


__all__ = [
    "Advice",
    "Advised",
    "Apertures",
    "Autoloader",
    "Camera",
    "EnergyFilter",
    "Focus",
    "ImageShifting",
    "Maintenance",
    "Microscope",
    "Observation",
    "ObservedImage",
    "Optics",
    "Parts",
    "Pixels",
    "Stage",
    "TakenImage",
    "Vacuum",
]
