"""Progress bars of the commands on particles, on standard error; plain lines where that is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from structloop.cli.progress import progress_bar

if TYPE_CHECKING:
    from structloop.models.pickers.training import TrainingProgress
    from structloop.particles.picking import PickingProgress


@contextmanager
def picking_bar(quiet: bool) -> Iterator[Callable[["PickingProgress"], None]]:
    """For `pick_micrographs`."""
    with progress_bar("Picking", quiet) as tell:
        yield lambda now: tell(now.done, now.total, now.seconds_left, f"{now.picks} picks")


@contextmanager
def training_bar(quiet: bool) -> Iterator[Callable[["TrainingProgress"], None]]:
    """For `train_picker`."""
    with progress_bar("Training", quiet) as tell:
        yield lambda now: tell(now.done, now.total, now.seconds_left, f"{now.stage}, loss {now.loss:.3f}")


@contextmanager
def reading_bar(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """For micrographs that are read before a training."""
    with progress_bar("Reading", quiet) as tell:
        yield lambda done, total: tell(done, total, None, "")


__all__ = ["picking_bar", "reading_bar", "training_bar"]
