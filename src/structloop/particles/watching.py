"""A live folder, picked as it fills: files settle first, a stopped watch goes on where it was."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from structloop.core.errors import ParticlesError
from structloop.imaging.micrographs import MICROGRAPH_ENDINGS
from structloop.models.pickers import Picker
from structloop.particles.coordinates import plain_name
from structloop.particles.picking import (
    FoundMicrograph,
    PickedMicrograph,
    PickingOptions,
    PickJournal,
    Prepared,
    calibrated_blind,
    pick_micrographs,
    pick_set,
    save_picture,
    write_picks,
)
from structloop.particles.picking.blind import MICROGRAPHS

_LONGEST_STEP_S = 2.0
COMBINED, JOURNAL = "picks.star", "picks.journal"
"""Names in the folder of results: all picks together, and what has been picked."""


@dataclass(frozen=True)
class Round:
    """What happened since the last time.

    Attributes:
        picked: Name and number of picks of each micrograph.
        failed: Name and reason of those that could not be picked; they are tried again when they change.
        total: Micrographs picked in all.
    """

    picked: tuple[tuple[str, int], ...]
    failed: tuple[tuple[str, str], ...]
    total: int


@dataclass
class _Waiting:
    """Files that were seen, each with its size and time of change, and since when it has had them."""

    seen: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)
    failed: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def settled(self, folder: Path, settle_s: float, known: Callable[[Path], bool]) -> list[Path]:
        ready = []
        now = time.monotonic()
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in MICROGRAPH_ENDINGS or path.name.startswith("."):
                continue
            try:
                status = path.stat()
            except OSError:
                # Acquisition programs rename and move: it was there a moment ago.
                self.seen.pop(path, None)
                continue
            state = (status.st_size, status.st_mtime_ns)
            if known(path) or self.failed.get(path) == state:
                continue
            before = self.seen.get(path)
            if before is None or before[0] != state:
                # A file that has lain there for long need not be waited for.
                age = max(0.0, time.time() - status.st_mtime)
                self.seen[path] = before = (state, now - min(age, settle_s))
            if now - before[1] >= settle_s:
                ready.append(path)
        return ready


def watch_and_pick(
    picker: Picker,
    folder: Path,
    out: Path,
    options: PickingOptions,
    *,
    made_by: dict[str, Any],
    stop: threading.Event,
    settle_s: float = 10.0,
    idle_s: float | None = None,
    pictures: bool = False,
    threshold_of: Callable[[Picker], float] | None = None,
    on_round: Callable[[Round], None] = lambda _round: None,
) -> int:
    """Picks what is in a folder and then what comes, until `stop` is set; returns how many micrographs are picked.

    Below `out` there is `<name>.star` for each micrograph as soon as it is picked, `picks.star` with all of them after
    each round, and the journal that a later watch goes on from.

    Args:
        picker: The model.
        folder: Watched; folders below it are not.
        out: Folder of results; made where missing.
        options: How to pick; picks of at least its threshold are written.
        made_by: What decides the candidates, for the journal.
        stop: Ends the watch after the micrographs under way.
        settle_s: Seconds a file must be unchanged before it is read.
        idle_s: Ends the watch when nothing was picked or waited for in so many seconds; None goes on.
        pictures: Whether a picture of each micrograph is drawn into `out`.
        threshold_of: The threshold of a picker, where it is not that of the options; a picker that no real label went
            into is calibrated on what has come, again and again until that is enough.
        on_round: Called after each round in which something was picked or failed.

    Raises:
        ParticlesError: there is no such folder, or results cannot be written.
        CoordinateFileError: a STAR file cannot be written.
    """
    if not folder.is_dir():
        raise ParticlesError(f"{folder} is no folder; only folders can be watched")
    if out.exists() and out.resolve() == folder.resolve():
        raise ParticlesError(f"the results cannot go into the watched folder {folder}; give another --out")
    step_s = min(_LONGEST_STEP_S, max(0.05, settle_s / 4))
    waiting = _Waiting()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParticlesError(f"{out} cannot be made: {error.strerror or error}") from error
    with PickJournal.open(out / JOURNAL, made_by) as journal:
        current = picker
        fresh: list[tuple[str, int]] = []

        def keep(prepared: Prepared, entry: PickedMicrograph) -> None:
            picks = pick_set([entry], threshold=options.threshold, origin=picker.card.name)
            name = plain_name(entry.micrograph)
            write_picks(picks, out / f"{name}.star", format_name="star", diameter_px=entry.diameter_px)
            if pictures:
                save_picture(prepared, entry, options.threshold, out)
            fresh.append((entry.micrograph, picks.count))

        def known(path: Path) -> bool:
            entry = journal.picked.get(path.as_posix())
            return entry is not None and entry.is_of(path)

        def calibrate(found: list[FoundMicrograph]) -> None:
            nonlocal current, options
            before = [FoundMicrograph(name, Path(name)) for name in journal.picked]
            current = calibrated_blind(picker, before + found, journal, options, least=MICROGRAPHS)
            if threshold_of is not None:
                options = replace(options, threshold=threshold_of(current))

        # What a killed watch had picked and not yet written.
        if journal.picked:
            calibrate([])
            _write_all(picker, journal, out, options.threshold)
        active = time.monotonic()
        while not stop.is_set():
            ready = waiting.settled(folder, settle_s, known)
            if ready:
                found = [FoundMicrograph(path.as_posix(), path) for path in ready]
                calibrate(found)
                result = pick_micrographs(current, found, journal, options, on_picked=keep, should_stop=stop)
                for path in ready:
                    if path.as_posix() in dict(result.failed):
                        waiting.failed[path] = waiting.seen[path][0]
                    waiting.seen.pop(path, None)
                if fresh:
                    _write_all(picker, journal, out, options.threshold)
                on_round(Round(tuple(fresh), tuple(result.failed), len(journal.picked)))
                fresh.clear()
            if ready or waiting.seen:
                active = time.monotonic()
            elif idle_s is not None and time.monotonic() - active >= idle_s:
                break
            stop.wait(step_s)
        return len(journal.picked)


def _write_all(picker: Picker, journal: PickJournal, out: Path, threshold: float) -> None:
    entries = list(journal.picked.values())
    picks = pick_set(entries, threshold=threshold, origin=picker.card.name)
    write_picks(picks, out / COMBINED, format_name="star", diameter_px=entries[0].diameter_px)
    for entry in entries:
        path = out / f"{plain_name(entry.micrograph)}.star"
        if not path.exists():
            one = pick_set([entry], threshold=threshold, origin=picker.card.name)
            write_picks(one, path, format_name="star", diameter_px=entry.diameter_px)


__all__ = ["COMBINED", "JOURNAL", "Round", "watch_and_pick"]
