"""A cassette made up, looked at, and written: sessions in one folder, their truth in another."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from structloop.core.errors import SessionFolderError, SimulationError
from structloop.grids.acquisitions.simulating.epu_tree import write_epu_tree
from structloop.grids.acquisitions.simulating.serialem_files import write_serialem_files
from structloop.grids.acquisitions.simulating.taking import OnProgress, SimulatedOrder, TakenGrid, take_grids
from structloop.grids.acquisitions.simulating.truth_files import write_truth


def _write_epu(grid: TakenGrid, folder: Path) -> dict[str, str]:
    return write_epu_tree(grid, folder).files


LAYOUTS: dict[str, Callable[[TakenGrid, Path], dict[str, str]]] = {
    "epu": _write_epu,
    "serialem": write_serialem_files,
}
"""How sessions are written: what each returns is the file of each exposure by its image's id."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was made.

    Attributes:
        sessions: Folder of the sessions; `truth` of what is true of them.
    """

    sessions: Path
    truth: Path
    grids: int
    squares: int
    holes: int
    exposures: int


async def simulate_sessions(
    order: SimulatedOrder, folder: Path, layout: str, on_progress: OnProgress = lambda done, total, what: None
) -> Written:
    """Makes a cassette up and writes it below a folder that is empty or not there yet.

    Raises:
        SimulationError: a number is out of range, or there is no such kind of grid or layout.
        SessionFolderError: the folder holds something already, or cannot be written.
    """
    if layout not in LAYOUTS:
        raise SimulationError(f"there is no layout '{layout}'; there are {', '.join(LAYOUTS)}")
    sessions, truth = folder / "sessions", folder / "truth"
    taken: list[TakenGrid] = []
    files: dict[str, str] = {}
    try:
        if folder.exists() and any(folder.iterdir()):
            raise SessionFolderError(f"{folder} is not empty; name a folder that is not there yet")
        async for grid in take_grids(order, on_progress):
            # Written at once: images are rendered now, one grid after the other.
            files |= LAYOUTS[layout](grid, sessions)
            taken.append(grid)
        write_truth(order, taken, files, truth)
    except OSError as error:
        raise SessionFolderError(f"{folder} cannot be written: {error.strerror or error}") from error
    squares = [square for grid in taken for square in grid.taken.values()]
    holes = [hole for square in squares for hole in square.taken.values()]
    exposures = sum(len(hole.exposures) for hole in holes)
    return Written(sessions, truth, len(taken), len(squares), len(holes), exposures)


__all__ = ["LAYOUTS", "Written", "simulate_sessions"]
