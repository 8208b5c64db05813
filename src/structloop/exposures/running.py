"""The loop that processes: some movies at once, results entered as they come, until nothing is left."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from structloop.core.errors import NoSpaceError, StoreUnavailableError, StructloopError
from structloop.exposures.finding import FoundMovie
from structloop.exposures.processing import Processing, unexpected
from structloop.exposures.records import ExposureRecord, Standing
from structloop.exposures.throughput import Rates, Throughput
from structloop.exposures.watching import Feed

_BEAT_S = 5.0
_TABLES_S = 60.0
_LONGEST_LOOK_S = 2.0
_TICK_S = 0.2
_FULL_WAIT_S = 5.0
_TOLD_AGAIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Event:
    """A movie that came through, or something that people should know.

    Attributes:
        record: Of the movie; None for words alone.
        known: Whether it was found in the journal rather than worked out now.
        text: What people should know; empty for a movie.
    """

    record: ExposureRecord | None = None
    known: bool = False
    text: str = ""


@dataclass
class RunResult:
    """What a run did.

    Attributes:
        processed: Movies processed now, failed ones included.
        known: Movies that were done before.
        failed: Names and reasons of those that failed, now or before.
        left: Movies that wait.
        seconds: How long it took.
        stopped: Whether it was stopped before all were through.
    """

    processed: int = 0
    known: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    left: int = 0
    seconds: float = 0.0
    stopped: bool = False


@dataclass
class _State:
    """What a run knows while it lasts."""

    waiting: dict[str, FoundMovie] = field(default_factory=dict)
    running: dict[Future[ExposureRecord], FoundMovie] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    counted: set[tuple[str, int, int]] = field(default_factory=set)
    looked: float = -1e9
    look_took: float = 0.0
    beaten: float = -1e9
    written: float = 0.0
    full_until: float = -1e9
    behind_told: float = -1e9
    active: float = 0.0


def run(
    processing: Processing,
    feed: Feed,
    *,
    workers: int,
    stop: threading.Event,
    idle_s: float | None = None,
    on_event: Callable[[Event], None] = lambda _event: None,
    on_rates: Callable[[Rates], None] = lambda _rates: None,
) -> RunResult:
    """Processes what a feed gives, until it ends or `stop` is set; movies under way are ended first.

    Where the disk is full, a feed that goes on is waited with until there is space; one that has ended is given up.

    Args:
        processing: The session.
        feed: Where movies come from.
        workers: So many movies at once.
        stop: Ends the run.
        idle_s: Ends it when nothing was processed or waited for in so many seconds; None goes on.
        on_event: Told of every movie, and what people should know.
        on_rates: Told now and then how it goes.

    Raises:
        NoSpaceError: the disk is full, and no more movies will come.
        ExposureError: the folder of results cannot be written.
        StoreUnavailableError: the database cannot be used at the end.
    """
    return _Run(processing, feed, workers, stop, idle_s, on_event, on_rates).go()


class _Run:
    def __init__(
        self,
        processing: Processing,
        feed: Feed,
        workers: int,
        stop: threading.Event,
        idle_s: float | None,
        on_event: Callable[[Event], None],
        on_rates: Callable[[Rates], None],
    ) -> None:
        self._processing, self._feed, self._workers = processing, feed, workers
        self._stop, self._idle_s, self._tell, self._on_rates = stop, idle_s, on_event, on_rates
        now = time.monotonic()
        self._began = now
        self._now = _State(written=now, active=now)
        self._rates = Throughput(now)
        self._result = RunResult()

    def go(self) -> RunResult:
        try:
            self._process()
        except StructloopError:
            self._processing.give_up(len(self._now.waiting))
            raise
        self._result.seconds = time.monotonic() - self._began
        self._result.left = len(self._now.waiting) + self._feed.settling
        self._result.stopped = self._stop.is_set()
        self._processing.end("stopped" if self._result.stopped else "finished", self._result.left)
        return self._result

    def _process(self) -> None:
        now = self._now
        with ThreadPoolExecutor(self._workers, "exposure") as pool:
            while True:
                self._look()
                while (
                    len(now.running) < self._workers
                    and now.waiting
                    and not self._stop.is_set()
                    and time.monotonic() >= now.full_until
                ):
                    movie = now.waiting.pop(next(iter(now.waiting)))
                    now.running[pool.submit(self._processing.work, movie)] = movie
                if not now.running and (self._stop.is_set() or self._nothing_left()):
                    break
                self._collect()
                self._keep_up()

    def _nothing_left(self) -> bool:
        if self._now.waiting:
            return False
        if self._feed.ended:
            return True
        idle = time.monotonic() - self._now.active
        return self._idle_s is not None and not self._feed.settling and idle >= self._idle_s

    def _look(self) -> None:
        """Takes in what has come; looking takes no more than a tenth of the time."""
        now, clock = self._now, time.monotonic()
        first = now.looked < 0
        if self._stop.is_set() or (not first and (self._feed.ended or clock - now.looked < now.look_took)):
            return
        under_way = {movie.name for movie in now.running.values()}
        waiting: dict[str, FoundMovie] = {}
        for movie in sorted(self._feed.look(), key=lambda each: each.stamp[1]):
            if movie.name in under_way:
                continue
            clash = self._clash(movie, waiting)
            if clash is not None:
                if clash not in now.told:
                    now.told.add(clash)
                    self._result.failed[str(movie.path)] = clash
                    self._tell(Event(text=clash))
                continue
            record = self._processing.known(movie, check_files=first)
            if record is None:
                waiting[movie.name] = movie
                self._count(movie, first)
            elif first:
                self._result.known += 1
                self._note(record, known=True)
        now.waiting = waiting
        now.looked = time.monotonic()
        now.look_took = min(max(10 * (now.looked - clock), _TICK_S), 10 * _LONGEST_LOOK_S)

    def _clash(self, movie: FoundMovie, waiting: dict[str, FoundMovie]) -> str | None:
        same = [each for each in (waiting.get(movie.name),) if each is not None and each.path != movie.path]
        if same:
            return f"{movie.path} and {same[0].path} would have the same results; process them into different folders"
        return self._processing.clash(movie)

    def _count(self, movie: FoundMovie, first: bool) -> None:
        seen = (movie.name, *movie.stamp)
        if seen not in self._now.counted:
            self._now.counted.add(seen)
            if not first:
                self._rates.came(time.monotonic())

    def _collect(self) -> None:
        """Enters what was worked out, or waits a moment for it."""
        now = self._now
        if not now.running:
            self._stop.wait(_TICK_S)
            return
        done, _ = wait(now.running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        for future in done:
            movie = now.running.pop(future)
            error = future.exception()
            try:
                if isinstance(error, NoSpaceError):
                    raise error
                record = future.result() if error is None else self._unexpected(movie, error)
                self._processing.keep(movie, record)
            except NoSpaceError as full:
                self._no_space(movie, full)
                continue
            self._rates.done(time.monotonic())
            self._result.processed += 1
            self._note(record, known=False)
            now.active = time.monotonic()

    def _unexpected(self, movie: FoundMovie, error: BaseException) -> ExposureRecord:
        if not isinstance(error, Exception):
            raise error
        return self._processing.failed(movie, unexpected(movie, error), again=True)

    def _note(self, record: ExposureRecord, *, known: bool) -> None:
        if record.state == "failed":
            self._result.failed[record.name] = record.reason or ""
        else:
            self._result.failed.pop(record.name, None)
        self._tell(Event(record, known))

    def _once(self, text: str) -> None:
        """Tells it, where nothing that begins so was told before."""
        beginning = text.partition(":")[0]
        if beginning not in self._now.told:
            self._now.told.add(beginning)
            self._tell(Event(text=text))

    def _no_space(self, movie: FoundMovie, error: NoSpaceError) -> None:
        """The movie waits again; nothing is begun for a while."""
        now = self._now
        if self._feed.ended:
            raise error
        now.waiting = {movie.name: movie, **now.waiting}
        if now.full_until < time.monotonic() - _FULL_WAIT_S:
            self._tell(Event(text=f"{error}; waiting for space"))
        now.full_until = time.monotonic() + _FULL_WAIT_S

    def _keep_up(self) -> None:
        """Now and then: says in the store that this process lives, how it goes, and writes the tables."""
        now, clock = self._now, time.monotonic()
        if now.waiting or now.running or self._feed.settling:
            now.active = clock
        if clock - now.beaten >= _BEAT_S:
            now.beaten = clock
            waiting = len(now.waiting) + len(now.running) + self._feed.settling
            rates = self._rates.rates(clock, waiting)
            self._processing.stand(
                Standing(waiting, rates.arriving_per_hour, rates.done_per_hour, rates.behind),
            )
            self._on_rates(rates)
            if rates.behind is not None and clock - now.behind_told > _TOLD_AGAIN_S:
                now.behind_told = clock
                self._tell(Event(text=rates.behind))
            for remark in self._processing.remarks():
                self._once(remark)
        idle = not now.waiting and not now.running
        if not self._feed.ended and (idle or clock - now.written >= _TABLES_S):
            now.written = clock
            try:
                self._processing.write_tables()
            except (NoSpaceError, StoreUnavailableError) as error:
                self._once(str(error))


__all__ = ["Event", "RunResult", "run"]
