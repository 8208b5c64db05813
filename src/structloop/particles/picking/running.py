"""Picking micrographs as a stream: some are read while others are picked; memory does not grow with their number."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from structloop.core.errors import ImageError, ParticlesError
from structloop.models.pickers import Picker, ScoreMap
from structloop.models.pickers.candidates import KEPT_PROBABILITY, MOST_PROBABLE, find_candidates
from structloop.particles.classical import ClassicalPicker
from structloop.particles.picking.finding import FoundMicrograph
from structloop.particles.picking.journal import PickedMicrograph
from structloop.particles.picking.preparing import Prepared, Scale, prepare_file

Ready = tuple[Prepared, PickedMicrograph | None, tuple[int, int]]


@dataclass(frozen=True)
class PickingProgress:
    """How far picking is.

    Attributes:
        done, total: Micrographs, failed ones included, those known already not.
        picks: Candidates that are at least `threshold`, of all that was picked now.
        seconds_left: Estimated; None before anything is done.
        current: Name of the last one.
    """

    done: int
    total: int
    picks: int
    seconds_left: float | None
    current: str


@dataclass(frozen=True)
class PickingOptions:
    """How micrographs are picked.

    Attributes:
        scale: Size of the particle.
        contrast: Particles are `dark` or `bright`.
        masking: Whether film, lumps and crystalline ice are left out.
        threads: Readers; each holds one micrograph in memory.
        batch: Micrographs that the network sees at once.
        threshold: Only counted with, for the progress.
    """

    scale: Scale
    contrast: str = "dark"
    masking: bool = True
    threads: int = 2
    batch: int = 4
    threshold: float = 0.5


class PickLedger(Protocol):
    """Where picked micrographs are kept; `PickJournal` is one."""

    @property
    def picked(self) -> Mapping[str, PickedMicrograph]:
        """What was picked before, by name."""
        ...

    def append(self, entry: PickedMicrograph) -> None:
        """Keeps a micrograph."""
        ...


@dataclass
class PickingResult:
    """What a run did.

    Attributes:
        picked: Micrographs picked now.
        known: Micrographs picked before.
        failed: Name and reason of those that could not be picked.
    """

    picked: int = 0
    known: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def pick_micrographs(
    picker: Picker,
    micrographs: Sequence[FoundMicrograph],
    journal: PickLedger,
    options: PickingOptions,
    *,
    on_progress: Callable[[PickingProgress], None] = lambda _progress: None,
    on_picked: Callable[[Prepared, PickedMicrograph], None] = lambda _prepared, _entry: None,
    should_stop: threading.Event | None = None,
) -> PickingResult:
    """Picks every micrograph that is not in the journal yet, and writes each to it before the next.

    A micrograph that cannot be read or picked is listed, and the rest goes on; the same call tries it again.

    Args:
        picker: The model.
        micrographs: What to pick.
        journal: Where it is kept; its picks of unchanged files stand.
        options: How.
        on_progress: Called after each micrograph.
        on_picked: Called with each micrograph while it is in memory, for pictures.
        should_stop: Ends the run after the micrographs under way.

    Raises:
        ParticlesError: the journal cannot be written.
    """
    result = PickingResult()
    todo = []
    for each in micrographs:
        before = journal.picked.get(each.name)
        if before is not None and before.is_of(each.path):
            result.known += 1
        else:
            todo.append(each)
    started, picks = time.monotonic(), 0
    done = 0

    def tell(name: str) -> None:
        spent = time.monotonic() - started
        left = spent / done * (len(todo) - done) if done else None
        on_progress(PickingProgress(done, len(todo), picks, left, name))

    for batch in _batches(_prepared(todo, picker, options, result, should_stop), options.batch):
        failed = [each for each in batch if isinstance(each, FoundMicrograph)]
        ready = [each for each in batch if not isinstance(each, FoundMicrograph)]
        waiting = [each for each in ready if each[1] is None]
        maps = iter(picker.score_maps([prepared.micrograph for prepared, _, _ in waiting]) if waiting else [])
        for prepared, entry, stat in ready:
            picked = entry if entry is not None else candidates(picker, prepared, next(maps), stat)
            journal.append(picked)
            on_picked(prepared, picked)
            result.picked += 1
            picks += int((picked.probability >= options.threshold).sum())
            done += 1
            tell(prepared.found.name)
        for each in failed:
            done += 1
            tell(each.name)
    return result


def candidates(picker: Picker, prepared: Prepared, score_map: ScoreMap, stat: tuple[int, int]) -> PickedMicrograph:
    """The candidates of a micrograph with their probabilities, best first.

    Args:
        picker: Whose calibration counts.
        prepared: The micrograph.
        score_map: What the picker said of it.
        stat: Size in bytes and time of change (ns) of its file.
    """
    xy, probability = find_candidates(picker.card, score_map, prepared.micrograph)
    header = prepared.header
    return PickedMicrograph(
        micrograph=prepared.found.name,
        size_bytes=stat[0],
        modified_ns=stat[1],
        shape_px=(header.height_px, header.width_px),
        pixel_size_angstrom=prepared.pixel_size_angstrom,
        diameter_px=prepared.diameter_px,
        # As the journal keeps them, so that picks are the same whether or not a run was interrupted.
        xy_px=np.asarray(np.round(xy, 2), np.float64),
        probability=np.asarray(np.round(probability, 4), np.float64),
        masked=prepared.mask.shares(),
        remarks=header.remarks,
    )


def _prepared(
    todo: Sequence[FoundMicrograph],
    picker: Picker,
    options: PickingOptions,
    result: PickingResult,
    should_stop: threading.Event | None,
) -> Iterator[Ready | FoundMicrograph]:
    """Micrographs in their order, read ahead by as many as there are readers; one that failed comes as its name."""

    def load(found: FoundMicrograph) -> Ready:
        before = found.path.stat() if found.path.is_file() else None
        prepared = prepare_file(
            found,
            options.scale,
            contrast=options.contrast,
            working_diameter_px=picker.card.working_diameter_px,
            masking=options.masking,
        )
        stat = (before.st_size, before.st_mtime_ns) if before is not None else (0, 0)
        if isinstance(picker, ClassicalPicker):
            # Without a network that has all cores to itself, what scores is spread over the readers.
            score_map = picker.score_maps([prepared.micrograph])[0]
            return prepared, candidates(picker, prepared, score_map, stat), stat
        return prepared, None, stat

    with ThreadPoolExecutor(max_workers=options.threads, thread_name_prefix="reader") as readers:
        ahead: deque[tuple[FoundMicrograph, Future[Ready]]] = deque()
        remaining = iter(todo)

        def fill() -> None:
            while len(ahead) < options.threads + 1 and not (should_stop is not None and should_stop.is_set()):
                found = next(remaining, None)
                if found is None:
                    return
                ahead.append((found, readers.submit(load, found)))

        try:
            fill()
            while ahead:
                found, future = ahead.popleft()
                try:
                    yield future.result()
                except (ImageError, ParticlesError, OSError) as error:
                    result.failed.append((found.name, str(error)))
                    yield found
                fill()
        finally:
            for _, future in ahead:
                future.cancel()


def _batches(stream: Iterable[Ready | FoundMicrograph], size: int) -> Iterator[list[Ready | FoundMicrograph]]:
    batch: list[Ready | FoundMicrograph] = []
    for each in stream:
        batch.append(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


__all__ = [
    "KEPT_PROBABILITY",
    "MOST_PROBABLE",
    "PickLedger",
    "PickingOptions",
    "PickingProgress",
    "PickingResult",
    "candidates",
    "pick_micrographs",
]
