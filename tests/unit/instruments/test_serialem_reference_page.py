"""The reference page of SerialEM's commands says what the driver sends and what the fake SerialEM answers."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import pytest

from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.microscope import Microscope
from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import commands
from structloop.instruments.serialem.driver import SerialEMDriver
from structloop.testing.serialem_bench import BenchMicroscope
from structloop.testing.serialem_handlers import prepare
from structloop.testing.serialem_program import FakeSerialEM
from structloop.testing.serialem_server import serving

PAGE: Final = (Path(__file__).parents[3] / "docs" / "reference" / "serialem-commands.md").read_text(encoding="utf-8")
NAMED: Final = re.compile(r"`([A-Z]\w+)`")
SHOTS: Final = ("view", "focus", "trial", "record", "preview", "search")


def rows() -> dict[tuple[str, str], set[str]]:
    """The commands that each row of the table per capability names."""
    table = PAGE.partition("## Per capability")[2].partition("\n## ")[0]
    found: dict[tuple[str, str], set[str]] = {}
    capability = ""
    for line in table.splitlines()[4:]:
        if line.startswith("|"):
            first, operation, named = (cell.strip() for cell in line.strip("|").split("|"))
            capability = first or capability
            found[capability, operation] = {name for name in NAMED.findall(named) if len(name) > 2}
    return found


TABLE: Final = rows()
POSITION: Final = TABLE["stage", "position"]
GO_THERE: Final = TABLE["optics", "presets"]
CHECKED: Final = TABLE["(before an exposure)", ""]
SHOWN: Final = TABLE["camera", "what it shows"]
SHOT: Final = TABLE["camera", "image"]

Doing = Callable[[Microscope], Coroutine[Any, Any, Any]]


async def montage(scope: Microscope) -> None:
    assert scope.parts.camera is not None
    async for _ in scope.parts.camera.montage("search", 2, 1):
        pass


async def align(scope: Microscope) -> None:
    assert scope.parts.camera is not None
    await scope.parts.camera.align_to(await scope.parts.camera.acquire("view"))


def on(part: str, call: str, *given: object, **named: object) -> Doing:
    """A call of a part of the microscope."""

    def doing(scope: Microscope) -> Coroutine[Any, Any, Any]:
        made: Coroutine[Any, Any, Any] = getattr(getattr(scope.parts, part), call)(*given, **named)
        return made

    return doing


MAINTENANCE: Final = ("maintenance", "`fill-dewars`, `flash-gun`, `dark-reference`, `inventory`, `buffer-cycle`")
DONE: Final[dict[tuple[str, str], tuple[set[str], list[Doing]]]] = {
    ("stage", "position"): (set(), [on("stage", "position")]),
    ("stage", "move"): (POSITION, [on("stage", "move", x_um=5), on("stage", "move", x_um=5, relative=True)]),
    ("stage", "tilt"): (POSITION, [on("stage", "tilt", 5.0)]),
    ("autoloader", "slots"): (set(), [on("autoloader", "slots")]),
    ("autoloader", "load"): (set(), [on("autoloader", "load", 2)]),
    ("autoloader", "unload"): ({"LoadCartridge"}, [on("autoloader", "load", 2), on("autoloader", "unload")]),
    ("optics", "presets"): (
        set(),
        [on("optics", "apply_preset", name) for name in ("record", "atlas", "view")],
    ),
    ("optics", "beam"): (set(), [on("optics", "set_beam", True)]),
    ("image shift", "shift"): (set(), [on("image_shift", "shift", 1.0, 1.0, 0.1)]),
    ("camera", "image"): (CHECKED | GO_THERE | SHOWN | POSITION, [on("camera", "acquire", name) for name in SHOTS]),
    ("camera", "what it shows"): (CHECKED | GO_THERE | SHOT | POSITION, [on("camera", "acquire", "view")]),
    ("camera", "movie"): (
        CHECKED | GO_THERE | SHOT | SHOWN | POSITION,
        [on("camera", "acquire", "record", save_frames=True)],
    ),
    ("camera", "montage"): (CHECKED | GO_THERE | SHOWN | POSITION, [montage]),
    ("camera", "align"): (CHECKED | GO_THERE | SHOT | SHOWN | POSITION, [align]),
    ("focus", "defocus"): (set(), [on("focus", "set_defocus", 1.0)]),
    ("focus", "autofocus"): (CHECKED, [on("focus", "autofocus", 1.0)]),
    ("focus", "height"): (CHECKED | POSITION, [on("focus", "eucentric_height", "fine")]),
    ("focus", "drift"): (CHECKED, [on("focus", "wait_drift", 1.0, 10.0)]),
    ("apertures", "set"): (set(), [on("apertures", "set_aperture", "objective", 50)]),
    ("energy filter", "slit"): (set(), [on("energy_filter", "set_slit", width) for width in (10.0, None)]),
    ("energy filter", "zero loss"): (set(), [on("energy_filter", "align_zero_loss")]),
    ("vacuum", "valves"): (set(), [on("vacuum", "set_valves", True)]),
    MAINTENANCE: (set(), [on("maintenance", "maintain", "fill-dewars")]),
    ("(state)", ""): (POSITION | GO_THERE, [on("optics", "apply_preset", "record"), lambda scope: scope.state()]),
}
"""What is done for each row of the table: commands that other rows name and that may be sent, too, and the calls."""
WITHOUT_A_CALL: Final = {
    ("vacuum", "ready"),
    ("(description)", "presets"),
    ("(description)", "limits, and what there is"),
    ("(control)", "no message boxes"),
    ("(before an exposure)", ""),
}


def sent(*doing: Doing, bad_vacuum: bool = False) -> tuple[set[str], set[str]]:
    """The commands that connecting sends, and those that something done sends."""
    bench = BenchMicroscope()
    program = FakeSerialEM(bench)

    async def main(port: int) -> tuple[set[str], set[str]]:
        scope = SerialEMDriver().open(ScopeAddress("serialem", "127.0.0.1", port))
        await scope.connect()
        at_first = len(program.ran)
        bench.vacuum_ready = not bad_vacuum
        for each in doing:
            await each(scope)
        await scope.close()
        return set(program.ran[:at_first]), set(program.ran[at_first:])

    with serving(program, header_pause_s=0.0) as server:
        return asyncio.run(main(server.port))


def test_the_table_has_the_rows_that_are_tested() -> None:
    assert set(TABLE) == set(DONE) | WITHOUT_A_CALL


@pytest.mark.parametrize("row", DONE, ids=" ".join)
def test_the_table_says_what_is_sent(row: tuple[str, str]) -> None:
    others, doing = DONE[row]
    _, ran = sent(*doing)
    assert TABLE[row] <= ran
    assert ran - others - TABLE[row] == set()


def test_the_table_says_what_connecting_sends() -> None:
    described = {name for row in TABLE if row[0] in ("(description)", "(control)") for name in TABLE[row]}
    ran, _ = sent()
    assert described <= ran
    assert ran - described - GO_THERE == set()


def test_the_table_says_how_readiness_is_waited_for() -> None:
    async def wait(scope: Microscope) -> None:
        assert scope.parts.vacuum is not None
        with pytest.raises(TimeoutError):
            await scope.parts.vacuum.wait_ready(30.0)

    _, ran = sent(wait, bad_vacuum=True)
    assert ran == TABLE["vacuum", "ready"]


def test_every_command_that_is_named_is_known() -> None:
    named = {name for names in TABLE.values() for name in names}
    assert named - set(commands()) == set()


def test_the_fake_answers_as_the_list_says() -> None:
    listed = dict(re.findall(r"^\| \d+ \| `(\w+)` \|.*\| (done|accepted|error) \|$", PAGE, flags=re.MULTILINE))
    sample: dict[str, object] = {"S": "A", "D": 1.0, "I": 1}
    assert set(listed) == set(commands())

    async def answers() -> dict[str, wire.Reply]:
        program = FakeSerialEM(BenchMicroscope())
        await prepare(program.microscope, 1)
        await program.run(wire.Command(commands()["Record"].code))
        found = {}
        for name in sorted(set(commands()) - {"Exit"}):
            spec = commands()[name]
            arguments = [sample[letter] for letter in spec.arguments[: spec.required]]
            found[name] = await program.run(wire.Command(spec.code, spec.items(arguments)))
        return found

    for name, reply in asyncio.run(answers()).items():
        refused = bool(reply.error) and reply.values == (f"{name} is not simulated",)
        assert refused == (listed[name] == "error"), name
        if listed[name] == "accepted":
            assert (reply.error, reply.values) == (0, ()), name
