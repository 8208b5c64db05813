"""A SerialEM without SerialEM: what its commands do, on any microscope that this package can drive.

Nothing here knows of sockets; `structloop.testing.serialem_server` puts one in front. No file is ever read or written:
what a client opens or saves is remembered by name.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import InstrumentError, StoppedByUserError
from structloop.instruments.clock import Clock, WallClock
from structloop.instruments.microscope import Microscope, TakenImage
from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import CommandSpec, commands_by_code
from structloop.instruments.serialem.images import BUFFERS, Mode
from structloop.schema.acquisition import MicroscopeState, Preset, StagePosition

Argument: TypeAlias = str | float | int | None
Returned: TypeAlias = Sequence[wire.Value] | wire.Value | bool | None

AREAS: Final = "VFTRS"
"""Low-dose areas in SerialEM's order."""
SETS: Final = "VFTRPS"
"""Camera parameter sets in SerialEM's order."""
PRESETS_OF: Final = {
    "V": ("view", "hole"),
    "F": ("focus", "trial"),
    "T": ("trial", "focus"),
    "R": ("record", "exposure"),
    "P": ("preview", "record"),
    "S": ("search", "square"),
}
"""Names that the microscope's presets may have, for each of SerialEM's parameter sets."""
ALIASES: Final = {
    "V": "View",
    "F": "Focus",
    "T": "Trial",
    "R": "Record",
    "M": "Montage",
    "G": "AutoFocus",
    "S": "Save",
}

NOTHING_TO_DO: Final = frozenset(
    {
        *("AddBufToStackWindow", "AddToAutodoc", "AdjustBeamTiltforIS", "AllowFileOverwrite", "AlreadyInLowDoseArea"),
        *("AutoCenterBeam", "ClearAlignment", "ClearStatusLine"),
        *("CloseLogOpenNew", "EarlyReturnNextShot", "EndTry", "EnterString", "ErrorsToLog"),
        *("NavAcqAtEndUseParams", "NextFEGFlashHighTemp", "NoMessageBoxOnError", "OKBox", "ProgramTimeStamps"),
        *("RelaxStage", "SaveLog", "SaveLogOpenNew", "SaveSettings", "SetFrameNameFormat", "SetMontPanelParams"),
        *("SetMontageParams", "SetNavAcqAtEndParams", "SetNewFileType", "SetNextLogOutputStyle", "StartTry"),
        *("StopBackgroundStage", "StopBackgroundTilt", "SuppressReports", "WriteAutodoc", "WriteComForTSAlign"),
    }
)
"""Commands that succeed and change nothing that can be asked for; what else has no handler is an error."""


class CommandError(Exception):
    """A command that ends in an error, told with its message."""


class ExitRequestedError(Exception):
    """Exit was called; the argument says with which word."""

    def __init__(self, word: int) -> None:
        super().__init__(word)
        self.word = word


@dataclass(slots=True)
class Held:
    """An image in a buffer.

    Attributes:
        taken: Where it came from; None for one that a client put there.
        given: The pixels of one that a client put there.
        preset: What it was taken with.
        set_letter: The camera parameter set it was taken with.
        binning: On top of the camera's.
    """

    taken: TakenImage | None
    preset: Preset | None
    set_letter: str = "R"
    given: NDArray[Any] | None = None
    binning: float = 1.0
    _pixels: NDArray[Any] | None = field(default=None, repr=False)

    def pixels(self) -> NDArray[Any]:
        """The pixels, `(y, x)`."""
        if self.given is not None:
            return self.given
        if self._pixels is None:
            assert self.taken is not None
            self._pixels = np.asarray(self.taken.pixels())
        return self._pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        if self.given is not None:
            return self.given.shape[1], self.given.shape[0]
        assert self.taken is not None
        return self.taken.facts.width_px, self.taken.facts.height_px

    @property
    def pixel_nm(self) -> float:
        """Pixel size, nm; 0 where it is not known."""
        return 0.0 if self.taken is None else self.taken.facts.pixel_size_angstrom / 10 * self.binning


@dataclass(slots=True)
class Place:
    """An item of the Navigator."""

    x_um: float
    y_um: float
    z_um: float
    kind: int = 0
    label: str = ""
    note: str = ""
    acquire: bool = False


Handler: TypeAlias = "Callable[[FakeSerialEM, list[Argument]], Awaitable[Returned]]"
_HANDLERS: dict[str, Handler] = {}


def command(*names: str) -> Callable[[Handler], Handler]:
    """Register what does a command, or several."""

    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


def handled() -> frozenset[str]:
    """Commands that have a handler."""
    return frozenset(_HANDLERS)


class FakeSerialEM:
    """What the program knows and does.

    Args:
        microscope: What it commands.
        clock: On which `Delay` waits and `ReportTickTime` counts; the microscope's own where it has one.
        specimen_rotation_deg: Angle from the stage's axes to the specimen's, in which image shifts are told.
        slots_reply: How `ReportSlotStatus` answers, by vendor: 1, 2 or 6 values.
    """

    def __init__(
        self,
        microscope: Microscope,
        clock: Clock | None = None,
        *,
        specimen_rotation_deg: float = 4.0,
        slots_reply: int = 2,
    ) -> None:
        self.microscope = microscope
        self.clock: Clock = clock or getattr(microscope, "clock", None) or WallClock()
        turn = math.radians(specimen_rotation_deg)
        self.to_specimen = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        self.to_is = np.array([[0.8, 0.1], [-0.1, 0.8]])
        self.slots_reply = slots_reply
        self.buffers: dict[int, Held] = {}
        self.ffts: dict[int, Held] = {}
        self.low_dose = True
        self.preset = ""
        self.area = ""
        self.variables: dict[str, str] = {}
        self.settings: dict[str, float | str] = {}
        self.log: list[str] = []
        self.ran: list[str] = []
        self.frames_saved = 0
        self.last_frames: str | None = None
        self.target_defocus = -2.0
        self.autofocus: tuple[float, int] = (0.0, -1)
        self.drift: tuple[float, float] = (0.0, 1.0)
        self.aligned = (0.0, 0.0)
        self.montage = (0, 0)
        self.pieces: list[TakenImage] = []
        self.montage_set = "R"
        self.screen_down = False
        self.files: list[str] = []
        self.known_files: set[str] = set()
        self.places: list[Place] = []
        self.selected = 0
        self.navigator_open = False
        self.navigator_file = ""
        self.navigator_files: dict[str, list[Place]] = {}

    async def run(self, request: wire.Command) -> wire.Reply:
        """Do a command.

        Raises:
            ExitRequestedError: It was Exit.
            StoppedByUserError, InstrumentConnectionError: The microscope raised them.
        """
        spec = commands_by_code().get(request.code)
        if spec is None:
            return error_reply(f"Command code {request.code} is not simulated")
        self.ran.append(spec.name)
        try:
            returned = await self._do(spec, request.items)
        except CommandError as error:
            return error_reply(str(error))
        except (StoppedByUserError, ConnectionError):
            raise
        except InstrumentError as error:
            return error_reply(str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            return error_reply(f"{spec.name} cannot be done with these values: {error}")
        if returned is None:
            return wire.Reply()
        values = [returned] if isinstance(returned, str | float | int) else returned
        # Adding zero makes 0 of -0, which a negated defocus would be.
        return wire.Reply(tuple(value if isinstance(value, str) else float(value) + 0.0 for value in values))

    async def _do(self, spec: CommandSpec, items: tuple[wire.Item, ...]) -> Returned:
        if len(items) < spec.required:
            raise CommandError(f"The command {spec.name} needs at least {spec.required} values, not {len(items)}")
        arguments: list[Argument] = [
            _argument(spec, letter, item) for letter, item in zip(spec.arguments, items, strict=False)
        ]
        arguments += [None] * (len(spec.arguments) - len(arguments))
        handler = _HANDLERS.get(ALIASES.get(spec.name, spec.name))
        if handler is not None:
            return await handler(self, arguments)
        if spec.name in NOTHING_TO_DO:
            return None
        raise CommandError(f"{spec.name} is not simulated")

    # --- What handlers ask -------------------------------------------------------------------------------------------

    async def state(self) -> MicroscopeState:
        """One look at the microscope."""
        return await self.microscope.state()

    async def stage(self) -> StagePosition:
        """Where the stage is."""
        if self.microscope.parts.stage is None:
            raise CommandError("There is no stage")
        return await self.microscope.parts.stage.position()

    def preset_of(self, letter: str) -> Preset:
        """The microscope's preset behind a parameter set; the one in use where the mode is not low dose."""
        description = self.microscope.description
        if not self.low_dose and self.preset:
            found = description.preset(self.preset)
            if found is not None:
                return found
        for name in PRESETS_OF.get(letter, ()):
            found = description.preset(name)
            if found is not None:
                return found
        raise CommandError(f"There are no parameters for {letter}")

    @property
    def states(self) -> list[str]:
        """Imaging states: the presets that are behind no parameter set."""
        behind = set()
        for letter in PRESETS_OF:
            try:
                behind.add(self.preset_of_area(letter).name)
            except CommandError:
                continue
        return [preset.name for preset in self.microscope.description.presets if preset.name not in behind]

    def preset_of_area(self, letter: str) -> Preset:
        """The preset of a low-dose area, whatever the mode."""
        low_dose, self.low_dose = self.low_dose, True
        try:
            return self.preset_of(letter)
        finally:
            self.low_dose = low_dose

    async def apply(self, preset: Preset) -> None:
        """Set the microscope to a preset, where it is not yet."""
        if self.microscope.parts.optics is None:
            raise CommandError("There are no optics to set")
        await self.microscope.parts.optics.apply_preset(preset.name)
        self.preset = preset.name

    def buffer(self, letter: Argument) -> Held:
        """The image in a buffer."""
        held = self.buffers.get(self.index(letter))
        if held is None:
            raise CommandError(f"There is no image in buffer {letter or 'A'}")
        return held

    def index(self, letter: Argument) -> int:
        """Index of a buffer that a command names; A where it names none."""
        text = str(letter or "A")
        index = ord(text[0].upper()) - ord("A")
        if len(text) > 1 or not 0 <= index < BUFFERS:
            raise CommandError(f"{text} is not a buffer: A to {chr(ord('A') + BUFFERS - 1)}")
        return index

    def show(self, held: Held) -> None:
        """Put a new image into A; A to D roll."""
        for index in range(3, 0, -1):
            if index - 1 in self.buffers:
                self.buffers[index] = self.buffers[index - 1]
        self.buffers[0] = held

    async def image_shift(self) -> NDArray[np.float64]:
        """The image shift, um in the specimen's axes."""
        shift = (await self.state()).image_shift_um or (0.0, 0.0)
        turned: NDArray[np.float64] = self.to_specimen @ np.array(shift)
        return turned

    async def set_image_shift(self, specimen_um: NDArray[np.float64], settle_s: float = 0.0) -> int:
        """Set it; 1 and nothing done where that is over the limit, as SerialEM has it."""
        if self.microscope.parts.image_shift is None:
            raise CommandError("There is no image shift")
        limit = self.microscope.description.largest_image_shift_um
        if limit is not None and float(np.hypot(*specimen_um)) > limit:
            return 1
        x, y = self.to_specimen.T @ specimen_um
        await self.microscope.parts.image_shift.shift(float(x), float(y), settle_s)
        return 0


def error_reply(message: str) -> wire.Reply:
    """The reply of a command that failed."""
    return wire.Reply((message.replace("\0", " "),), error=wire.ERROR_WORD)


def _argument(spec: CommandSpec, letter: str, item: wire.Item) -> Argument:
    if letter in "Ss":
        return item.text if letter == "S" or item.text else None
    # An empty text stands for a value that was not given, whatever the number says.
    if not item.given or not item.text:
        if letter.isupper():
            raise CommandError(f"The command {spec.name} needs all its values")
        return None
    if not math.isfinite(item.number):
        raise CommandError(f"{item.number} is no value for {spec.name}")
    return int(item.number) if letter in "Ii" else item.number


def number(value: Argument, default: float = 0.0) -> float:
    """A number that was given, or the default."""
    return default if value is None else float(value)


def mode_and_bytes(pixels: NDArray[Any], row_alignment: int = 1) -> tuple[Mode, int, bytes]:
    """Type, bytes per row and rows of an image on its way out."""
    kinds = {"u1": Mode.UINT8, "i2": Mode.INT16, "u2": Mode.UINT16}
    mode = Mode.RGB if pixels.ndim == 3 else kinds.get(pixels.dtype.str[1:], Mode.FLOAT32)
    little = {Mode.UINT8: "<u1", Mode.INT16: "<i2", Mode.UINT16: "<u2", Mode.FLOAT32: "<f4", Mode.RGB: "<u1"}[mode]
    rows = np.ascontiguousarray(pixels, little).view(np.uint8).reshape(pixels.shape[0], -1)
    row_bytes = -(-rows.shape[1] // row_alignment) * row_alignment
    padded = np.pad(rows, ((0, 0), (0, row_bytes - rows.shape[1])), constant_values=255)
    return mode, row_bytes, padded.tobytes()


__all__ = [
    "ALIASES",
    "AREAS",
    "NOTHING_TO_DO",
    "PRESETS_OF",
    "SETS",
    "Argument",
    "CommandError",
    "ExitRequestedError",
    "FakeSerialEM",
    "Held",
    "Place",
    "Returned",
    "command",
    "error_reply",
    "handled",
    "mode_and_bytes",
    "number",
]
