"""SerialEM's commands as data: code, arguments, what they return (`commands.csv`)."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from structloop.instruments.serialem.wire import (
    NOT_GIVEN,
    NOT_GIVEN_BELOW,
    Item,
    integer_item,
    number_item,
    text_item,
)

KINDS: Final = {"s": "a text", "i": "an integer", "d": "a number"}

EXPOSING: Final = frozenset(
    {
        "View",
        "V",
        "Focus",
        "F",
        "Trial",
        "T",
        "Record",
        "R",
        "Preview",
        "Search",
        "Montage",
        "M",
        "AutoFocus",
        "G",
        "AutoAlign",
        "MultipleRecords",
        "Eucentricity",
        "DriftWaitTask",
        "AlignToTemplate",
        "RealignReloadedGrid",
        "AutoCenterBeam",
        "RefineZLP",
        "CorrectComa",
        "FixAstigmatismByCTF",
        "FixComaByCTF",
        "StartNavAcquireAtEnd",
        "QueueFrameTiltSeries",
        "TestRelaxingStage",
        "Call",
        "CallFunction",
        "RunInShell",
        "UpdateHWDarkRef",
        "LongOperation",
        "ManageDewarsAndPumps",
        "ReadMontagePiece",
        "AlignBetweenMags",
        "FindHoles",
        "Ctfplotter",
        "CenterBeamFromImage",
    }
)
"""Commands that may put dose on the specimen or run long; these are never sent twice."""

READING: Final = frozenset(
    {
        "GetVariable",
        "IsVariableDefined",
        "DoesFileExist",
        "CameraToISMatrix",
        "ISToCameraMatrix",
        "CameraToStageMatrix",
        "StageToCameraMatrix",
        "CameraToSpecimenMatrix",
        "SpecimenToCameraMatrix",
        "ISToSpecimenMatrix",
        "SpecimenToISMatrix",
        "ISToStageMatrix",
        "StageToISMatrix",
        "StageToSpecimenMatrix",
        "SpecimenToStageMatrix",
        "ImageProperties",
        "IsVersionAtLeast",
        "GetWaitTaskDrift",
        "DewarsRemainingTime",
        "AreDewarsFilling",
        "CameraProperties",
        "IsPVPRunning",
        "NavIndexWithLabel",
        "NavIndexWithNote",
        "ImageConditions",
        "IsFEGFlashingAdvised",
        "StageToBufImageMatrix",
        "BufImageToStageMatrix",
        "StagePosToBufImagePos",
        "BufImagePosToStagePos",
        "ImagingStateProperties",
        "IsImageFileOpen",
        "FindCartridgeWithID",
    }
)
"""Commands that change nothing, beside those whose names begin with Report: these may be sent twice."""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command.

    Attributes:
        code: Its 0-based place in SerialEM's append-only list.
        arguments: A letter for each: S, D, I must be given; s, d, i may be left out. Optional ones were added over the
            years, so an older SerialEM may know fewer.
        returns: What it returns, `;` between values.
    """

    code: int
    name: str
    arguments: str
    returns: str
    notes: str

    @property
    def required(self) -> int:
        """How many arguments must be given."""
        return sum(letter.isupper() for letter in self.arguments)

    @property
    def reads_only(self) -> bool:
        """Whether it changes nothing, so that it may be sent again when the answer was lost."""
        return self.name in READING or self.name.startswith("Report")

    @property
    def exposes(self) -> bool:
        """Whether it may put dose on the specimen."""
        return self.name in EXPOSING

    def items(self, arguments: Sequence[object]) -> tuple[Item, ...]:
        """The arguments as they travel, up to the last that was given.

        Arguments left out at the end are not sent. None for an optional number that is followed by others stands for
        "not given" and travels as -1e8 with an empty text, None for an optional text as an empty one. True and
        False are 1 and 0.

        Raises:
            TypeError: An argument is of the wrong type, or their number is wrong.
            ValueError: A number is not finite, an integer takes more than 32 bits, a text has a NUL character.
        """
        if not self.required <= len(arguments) <= len(self.arguments):
            takes = (
                f"{self.required}"
                if self.required == len(self.arguments)
                else f"{self.required} to {len(self.arguments)}"
            )
            raise TypeError(f"{self.name} takes {takes} arguments ({self.arguments or 'none'}), not {len(arguments)}")
        made = [
            self._item(place, letter, argument)
            for place, (letter, argument) in enumerate(zip(self.arguments, arguments, strict=False), 1)
        ]
        while made and arguments[len(made) - 1] is None:
            made.pop()
        # A number below -9e7 counts as not given, and SerialEM's own module ends the arguments there.
        for place, (letter, item) in enumerate(zip(self.arguments, made, strict=False)):
            if letter in "Dd" and arguments[place] is not None and item.number < NOT_GIVEN_BELOW:
                if letter == "D":
                    raise ValueError(f"argument {place + 1} of {self.name} is below {NOT_GIVEN_BELOW:g}: not given")
                return tuple(made[:place])
        return tuple(made)

    def _item(self, place: int, letter: str, argument: object) -> Item:
        kind = letter.lower()
        if argument is None and letter.islower():
            return Item(NOT_GIVEN) if kind != "s" else text_item("")
        if isinstance(argument, bool) and kind != "s":
            argument = int(argument)
        where = f"argument {place} of {self.name}"
        if kind == "s" and isinstance(argument, str):
            if "\0" in argument:
                raise ValueError(f"{where} has a NUL character, which ends texts; leave it out")
            return text_item(argument)
        if kind == "d" and isinstance(argument, int | float):
            try:
                number = float(argument)
            except OverflowError:
                raise ValueError(f"{where} is too large") from None
            if not math.isfinite(number):
                raise ValueError(f"{where} is {argument}; it must be finite")
            return number_item(number)
        if kind == "i" and isinstance(argument, int):
            if not -(2**31) <= argument < 2**31:
                raise ValueError(f"{where} is {argument}, which takes more than 32 bits")
            return integer_item(argument)
        raise TypeError(f"{where} must be {KINDS[kind]}, not {argument!r:.80}")


@cache
def commands() -> dict[str, CommandSpec]:
    """All commands that are known, by name."""
    text = files("structloop.instruments.serialem").joinpath("commands.csv").read_text("utf-8")
    specs = {}
    for row in csv.DictReader(text.splitlines()):
        spec = CommandSpec(
            int(row["code"]), row["name"], row["argument_types"], row["returns"], row["unit_notes"] or ""
        )
        specs[spec.name] = spec
    return specs


@cache
def commands_by_code() -> dict[int, CommandSpec]:
    """All commands that are known, by code."""
    return {spec.code: spec for spec in commands().values()}


__all__ = ["EXPOSING", "READING", "CommandSpec", "commands", "commands_by_code"]
