"""What the fake SerialEM's commands do; importing this registers all of them."""

from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.microscope import Microscope
from structloop.instruments.simulated.driver import SimulatedDriver
from structloop.testing import (
    serialem_beam_commands,
    serialem_buffer_commands,
    serialem_camera_commands,
    serialem_column_commands,
    serialem_lens_commands,
    serialem_low_dose_commands,
    serialem_navigator_commands,
    serialem_stage_commands,
    serialem_text_commands,
)
from structloop.testing.serialem_bench import BenchMicroscope
from structloop.testing.serialem_program import ALIASES, NOTHING_TO_DO, handled

REGISTERED = (
    serialem_beam_commands,
    serialem_buffer_commands,
    serialem_camera_commands,
    serialem_column_commands,
    serialem_lens_commands,
    serialem_low_dose_commands,
    serialem_navigator_commands,
    serialem_stage_commands,
    serialem_text_commands,
)


def open_microscope(bench: bool, seed: int, grids: int, camera: int) -> Microscope:
    """What the fake SerialEM commands: the simulated microscope, or a plain one with test patterns."""
    if bench:
        return BenchMicroscope()
    options = {"seed": str(seed), "grids": str(grids), "camera": str(camera), "measure": "model"}
    return SimulatedDriver().open(ScopeAddress("simulated", options=options))


async def prepare(microscope: Microscope, slot: int) -> None:
    """Leave it as an operator would who starts a session: a grid on the stage, valves open, beam on."""
    await microscope.connect()
    parts = microscope.parts
    if slot and parts.autoloader is not None:
        await parts.autoloader.load(slot)
    if parts.vacuum is not None:
        await parts.vacuum.set_valves(True)
    if parts.optics is not None:
        await parts.optics.set_beam(True)


def behaviour(name: str) -> str:
    """What the fake SerialEM does with a command: `done`, `accepted` without effect, or `error`."""
    if ALIASES.get(name, name) in handled():
        return "done"
    return "accepted" if name in NOTHING_TO_DO else "error"


__all__ = ["REGISTERED", "behaviour", "open_microscope", "prepare"]
