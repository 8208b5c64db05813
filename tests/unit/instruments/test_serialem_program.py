"""What the fake SerialEM's commands remember, and what they refuse: no answer is made up."""

import asyncio
import math

import pytest

from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import commands
from structloop.testing.serialem_bench import BenchMicroscope
from structloop.testing.serialem_handlers import prepare
from structloop.testing.serialem_program import FakeSerialEM

Call = tuple[str, *tuple[object, ...]]


def replies(*calls: Call) -> list[wire.Reply]:
    """What calls, one after another, are answered on a new microscope."""

    async def all_of_them() -> list[wire.Reply]:
        program = FakeSerialEM(BenchMicroscope())
        await prepare(program.microscope, 1)
        return [await program.run(wire.Command(commands()[name].code, commands()[name].items(a))) for name, *a in calls]

    return asyncio.run(all_of_them())


def told(*calls: Call) -> list[tuple[wire.Value, ...] | str]:
    """The values of each call, or the message of its error."""
    return [str(reply.values[0]) if reply.error else reply.values for reply in replies(*calls)]


@pytest.mark.parametrize("name", ["Ctfplotter", "AutoCorrPeakVectors", "AlignBetweenMags"])
def test_what_would_have_to_be_measured_is_not_made_up(name: str) -> None:
    sample: dict[str, object] = {"S": "A", "D": 1.0, "I": 1}
    arguments = [sample[letter] for letter in commands()[name].arguments if letter.isupper()]
    assert told(("View",), (name, *arguments))[1] == f"{name} is not simulated"


def test_a_defocus_of_zero_has_no_sign() -> None:
    for reply in replies(("SetDefocus", 0.0), ("ReportDefocus",))[1:]:
        assert reply.values == (0.0,)
        assert math.copysign(1.0, float(reply.values[0])) == 1.0


def test_navigator_files_are_remembered_by_name() -> None:
    answers = told(
        ("ReadNavFile", "a.nav"),
        ("SaveNavigator", "a.nav"),
        ("OpenNavigator",),
        ("AddStagePosAsNavPoint", 1.0, 2.0, 3.0),
        ("ReportIfNavOpen",),
        ("SaveNavigator", "a.nav"),
        ("ReportIfNavOpen",),
        ("ShiftItemsByMicrons", 10.0, 10.0),
        ("CloseNavigator",),
        ("ReportOtherItem", 1),
        ("DoesFileExist", "a.nav"),
        ("ReadNavFile", "a.nav"),
        ("ReportOtherItem", 1),
        ("OpenNavigator", "b.nav"),
    )
    assert answers[0] == "There is no Navigator file a.nav: only those that were saved here can be read"
    assert answers[1] == "The Navigator is not open"
    assert [answers[4], answers[6]] == [(1.0,), (2.0,)]
    assert answers[9] == "There is no Navigator item 1"
    assert answers[10:13] == [(1.0,), (), (1.0, 1.0, 2.0, 3.0, 0.0)]
    assert answers[13] == "There is no Navigator file b.nav: only those that were saved here can be read"


def test_items_that_there_are_not_cannot_be_changed() -> None:
    for name, arguments in [("ChangeItemColor", (1, 2)), ("ChangeItemDraw", (1, 0)), ("ChangeItemLabel", (1, "x"))]:
        assert told((name, *arguments)) == ["There is no Navigator item 1"]


def test_image_files_are_remembered_by_name() -> None:
    answers = told(
        ("OpenOldFile", "a.mrc"),
        ("OpenNewFile", "a.mrc"),
        ("OpenNewFile", "a.mrc"),
        ("CloseFile",),
        ("DoesFileExist", "a.mrc"),
        ("IsImageFileOpen", "a.mrc"),
        ("OpenOldFile", "a.mrc"),
        ("IsImageFileOpen", "a.mrc"),
    )
    assert answers[0] == "There is no image file a.mrc to open"
    assert answers[1:] == [(), "The file a.mrc is open already", (), (1.0,), (0.0,), (), (1.0,)]


def test_frame_parameters_are_told_as_they_were_set() -> None:
    answers = told(
        ("SetDoseFracParams", "R", 2, 1, 1, 3, 1),
        ("SetFrameTime", "R", 0.25),
        ("ReportDoseFracParams", "R"),
        ("KeepCameraSetChanges", "R"),
        ("SetDoseFracParams", "R", 1, 0),
        ("ReportDoseFracParams", "R"),
        ("RestoreCameraSet", "R"),
        ("ReportDoseFracParams", "R"),
        ("SetFrameBaseName", 0, 1, -1, "grid"),
        ("ReportFrameBaseName",),
    )
    assert answers[2] == (2.0, 1.0, 1.0, 3.0, 1.0, 0.25)
    assert answers[5] == (1.0, 0.0, 1.0, 3.0, 1.0, 0.25)
    assert answers[7] == answers[2]
    assert answers[9] == (1.0, "grid", 0.0)


def test_camera_sets_go_back_to_what_they_were() -> None:
    answers = told(
        ("SetExposure", "R", 0.5),
        ("SetExposure", "V", 0.25),
        ("SetDoseFracParams", "R", 1, 1),
        ("RestoreCameraSet", "R"),
        ("ReportExposure", "R"),
        ("ReportExposure", "V"),
        ("Record",),
        ("ReportNumFramesSaved",),
    )
    first = told(("ReportExposure", "R"))
    assert answers[4] == first[0]
    assert answers[5] == (0.25, 0.0)
    assert answers[7] == (0.0,)


def test_cartridges_that_there_are_not_are_not_found() -> None:
    assert told(("FindCartridgeWithID", 2), ("FindCartridgeWithID", 77)) == [(2.0,), (0.0,)]
