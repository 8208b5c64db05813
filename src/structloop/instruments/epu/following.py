"""Following a live session: files are read once they have settled, and told of once they can be understood."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from watchfiles import Change, awatch

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.epu.assembling import assemble
from structloop.instruments.epu.contents import Contents, Damaged
from structloop.instruments.epu.names import FileName
from structloop.instruments.epu.placing import PlacedImage, Placing
from structloop.instruments.epu.scanning import SeenFile, look_at, scan
from structloop.instruments.epu.sessions import groups, read_seen
from structloop.schema.grids import AcquisitionRecord

# File systems on which the system tells nothing of what other computers write.
_SHARES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "lustre", "gpfs", "beegfs", "afs", "ceph"}
)
_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """What a look at a live session brought.

    Attributes:
        images: Images that can be told of now, each after what it lies in.
        changed: Paths of the files that were read, or read again, or are gone.
        final: The following has ended; what is left was told as orphans.
    """

    images: tuple[PlacedImage, ...]
    changed: tuple[str, ...]
    final: bool = False


class SessionFollower:
    """What is known of a live session so far. Not for several threads at once.

    Args:
        root: The session's folder, or one that holds it and its atlas.
        settle_s: A file is read once it has kept its size and time for so long.
        patience_s: How long an image waits for its missing files and for what it lies in.
    """

    def __init__(self, root: Path, *, settle_s: float = 2.0, patience_s: float = 120.0) -> None:
        self._root = root
        self._settle_s = settle_s
        self._patience_s = patience_s
        self._waiting: dict[str, tuple[SeenFile, float]] = {}
        self._read: dict[str, SeenFile] = {}
        self._files: dict[str, tuple[FileName, Contents]] = {}
        self._placing = Placing()

    def look(
        self, now_s: float, changed: Iterable[str] | None = None, *, wall_s: float | None = None, final: bool = False
    ) -> SessionUpdate:
        """Takes notice of files, reads those that have settled, and tells what that brings.

        Args:
            now_s: Time on a clock that never goes back.
            changed: Paths, relative to the root, of files or folders to look at; None looks through everything.
            wall_s: The time of day in seconds since 1970: files that are older than `settle_s` have settled when they
                are first seen. None takes none as settled then.
            final: Nothing more will come: everything is read as it is.
        """
        gone = self._notice(now_s, changed, wall_s)
        changed_now = [*gone]
        for path, (seen, since_s) in list(self._waiting.items()):
            now = look_at(self._root, path)
            if now is None:
                del self._waiting[path]
            elif now != seen and not final:
                self._waiting[path] = (now, now_s)
            elif final or now_s - since_s >= self._settle_s:
                del self._waiting[path]
                self._take(now, now_s)
                changed_now.append(path)
        images = self._placing.ready(now_s, patience_s=self._patience_s, final=final)
        return SessionUpdate(tuple(images), tuple(sorted(changed_now)), final)

    def records(self) -> tuple[AcquisitionRecord, ...]:
        """All sessions there, as `read_sessions` would give them for the files read so far."""
        return tuple(assemble(self._root, group) for group in groups(self._files)) if self._files else ()

    @property
    def unsettled(self) -> int:
        """How many files are waited for."""
        return len(self._waiting)

    def _notice(self, now_s: float, changed: Iterable[str] | None, wall_s: float | None) -> list[str]:
        seen_files = list(scan(self._root)) if changed is None else list(self._look_at_all(changed))
        for seen in seen_files:
            if self._read.get(seen.path) == seen:
                continue
            age_s = 0.0 if wall_s is None else wall_s - seen.modified_ns / 1e9
            waiting = self._waiting.get(seen.path)
            if waiting is None:
                self._waiting[seen.path] = (seen, now_s - max(0.0, age_s))
            elif waiting[0] != seen:
                self._waiting[seen.path] = (seen, now_s)
        if changed is not None:
            return []
        there = {seen.path for seen in seen_files}
        gone = [path for path in self._read if path not in there]
        for path in gone:
            del self._read[path], self._files[path]
        return gone

    def _look_at_all(self, changed: Iterable[str]) -> Iterable[SeenFile]:
        for path in changed:
            if (self._root / path).is_dir() and not (self._root / path).is_symlink():
                # Files may lie in a new folder before the system tells of changes inside it.
                yield from scan(self._root, path)
            else:
                seen = look_at(self._root, path)
                if seen is not None:
                    yield seen

    def _take(self, seen: SeenFile, now_s: float) -> None:
        name, contents = read_seen(self._root, seen)
        # What was whole once and is damaged now is being written again: the old still holds until that is done.
        old = self._files.get(seen.path)
        self._read[seen.path] = seen
        if isinstance(contents, Damaged) and old is not None and not isinstance(old[1], Damaged):
            return
        self._files[seen.path] = (name, contents)
        self._placing.put(name, contents, now_s)


async def follow_session(
    path: Path,
    *,
    stop: asyncio.Event | None = None,
    settle_s: float = 2.0,
    patience_s: float = 120.0,
    poll: bool | None = None,
    look_again_s: float = 60.0,
    quiet_s: float | None = None,
    follower: SessionFollower | None = None,
) -> AsyncIterator[SessionUpdate]:
    """Updates of a live session, as they come; the first one tells all that is there already.

    Args:
        stop: Ends the following within a second; the last update is `final`.
        poll: Look through the folders again and again instead of listening to the system, as network shares need. None
            finds out what the folder lies on.
        look_again_s: How often everything is looked through where the system is listened to; where not, every
            `settle_s`.
        quiet_s: The session has ended once nothing changed for so long; None goes on until `stop`.
        follower: One of your own, to ask it for records between updates; its times count then.

    Raises:
        AcquisitionFileError: there is no such folder.
    """
    if not path.is_dir():
        raise AcquisitionFileError(f"{path} is no folder; name the one with EpuSession.dm in it")
    stop = stop or asyncio.Event()
    follower = follower or SessionFollower(path, settle_s=settle_s, patience_s=patience_s)
    polling = is_share(path) if poll is None else poll
    step_s = min(1.0, max(0.05, settle_s / 4))
    looked_s = last_change_s = time.monotonic()
    is_first = True
    rest_s = settle_s if polling else look_again_s
    async for changed in _changes(path, stop, step_s, polling=polling):
        now_s = time.monotonic()
        everything = is_first or now_s - looked_s > rest_s
        update = await asyncio.to_thread(follower.look, now_s, None if everything else changed, wall_s=time.time())
        if everything:
            looked_s = time.monotonic()
            # A slow share is not kept busy with nothing but this.
            rest_s = max(rest_s, 5 * (looked_s - now_s))
        if update.changed or follower.unsettled:
            last_change_s = now_s
        if update.changed or update.images or is_first:
            yield update
        is_first = False
        if quiet_s is not None and now_s - last_change_s > quiet_s:
            break
    yield await asyncio.to_thread(follower.look, time.monotonic(), None, final=True)


async def _changes(path: Path, stop: asyncio.Event, step_s: float, *, polling: bool) -> AsyncIterator[list[str]]:
    """Changed paths, relative to the folder, at least every step; nothing but the rhythm where that is polled."""
    if polling:
        while not stop.is_set():
            yield []
            try:
                await asyncio.wait_for(stop.wait(), step_s)
            except TimeoutError:
                continue
        return
    step_ms = int(step_s * 1000)
    root = path.resolve()
    async for changes in awatch(
        root,
        watch_filter=None,
        debounce=step_ms,
        step=min(50, step_ms),
        rust_timeout=step_ms,
        yield_on_timeout=True,
        stop_event=stop,
        recursive=True,
    ):
        yield [Path(name).relative_to(root).as_posix() for kind, name in changes if kind is not Change.deleted]


def is_share(path: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether a folder lies on a network file system, as far as the system says (Linux)."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    kinds = {}
    for line in lines:
        parts = line.split()
        if len(parts) >= 3:
            kinds[Path(parts[1].replace("\\040", " "))] = parts[2]
    full = path.resolve()
    nearest = next((kinds[parent] for parent in (full, *full.parents) if parent in kinds), "")
    return nearest in _SHARES


__all__ = ["SessionFollower", "SessionUpdate", "follow_session", "is_share"]
