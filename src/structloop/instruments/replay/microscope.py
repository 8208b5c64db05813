"""A recorded session as a microscope that is observed: the same images, in the same order, at a chosen speed."""

from collections.abc import AsyncIterator
from pathlib import Path

from structloop.core.errors import NotCapableError
from structloop.instruments.clock import Clock, WallClock
from structloop.instruments.microscope import ObservedImage, Parts
from structloop.instruments.replay.sessions import RecordedSession, read_recorded
from structloop.schema.acquisition import ImageFacts, MicroscopeDescription, MicroscopeState, Tier

SLOWEST, FASTEST = 1.0, 1000.0


class ReplayMicroscope:
    """Replays a journal, or an EPU session that was watched or copied.

    Args:
        folder: With the journal, or of the EPU session.
        speed: How many times faster than it was, 1 to 1000.
        clock: That the spacing of the images is kept on.

    Raises:
        NotCapableError: the speed is out of range.
    """

    def __init__(self, folder: Path, speed: float = 1.0, clock: Clock | None = None) -> None:
        if not SLOWEST <= speed <= FASTEST:
            raise NotCapableError(f"a replay at {speed:g} times is out of range; give {SLOWEST:g} to {FASTEST:g}")
        self.folder = folder
        self.clock: Clock = clock or WallClock()
        self._speed = speed
        self._session: RecordedSession | None = None
        self._replay: Replay | None = None

    @property
    def description(self) -> MicroscopeDescription:
        """What was recorded, as a microscope that is only observed."""
        session = self._session
        known = session.description if session is not None else None
        name = session.name if session is not None else self.folder.name
        if known is None:
            return MicroscopeDescription(name=name or "replay", driver="replay", tier=Tier.OBSERVE)
        return known.model_copy(update={"driver": "replay", "tier": Tier.OBSERVE})

    @property
    def parts(self) -> Parts:
        """The observation, once connected."""
        return Parts(observation=self._replay)

    async def connect(self) -> None:
        """Read what was recorded.

        Raises:
            InstrumentConnectionError: nothing can be replayed from the folder.
        """
        if self._session is None:
            self._session = await read_recorded(self.folder)
            self._replay = Replay(self._session.images, self._speed, self.clock)

    async def close(self) -> None:
        """Let go; what is being replayed ends."""
        if self._replay is not None:
            self._replay.stop()
        self._session = self._replay = None

    async def state(self) -> MicroscopeState:
        """The microscope as it was when the image that was replayed last was taken."""
        facts = self._replay.latest if self._replay is not None else None
        if facts is None:
            return MicroscopeState(at=self.clock.now())
        return MicroscopeState(
            at=self.clock.now(),
            stage=facts.stage,
            preset=facts.preset,
            image_shift_um=facts.image_shift_um,
            defocus_um=facts.defocus_um,
        )

    async def abort(self) -> None:
        """End what is being replayed."""
        if self._replay is not None:
            self._replay.stop()


class Replay:
    """The images, one after the other; see `Observation`."""

    def __init__(self, images: tuple[ObservedImage, ...], speed: float, clock: Clock) -> None:
        self.latest: ImageFacts | None = None
        self._images = images
        self._speed = speed
        self._clock = clock
        self._runs = 0

    def stop(self) -> None:
        """End the runs that go on."""
        self._runs += 1

    async def images(self) -> AsyncIterator[ObservedImage]:
        """The images as they came: the first at once, the others after the time that lay between, over the speed.

        A journal whose session was interrupted may go back in time there; then the next image comes at once.
        """
        run = self._runs
        began_s = self._clock.elapsed_s()
        due_s = 0.0
        previous = None
        for observed in self._images:
            facts = observed.image.facts if observed.image is not None else None
            if facts is not None:
                if previous is not None:
                    due_s += max(0.0, (facts.taken_at - previous).total_seconds()) / self._speed
                previous = facts.taken_at
                wait_s = began_s + due_s - self._clock.elapsed_s()
                if wait_s > 0:
                    await self._clock.sleep(wait_s)
            if self._runs != run:
                return
            self.latest = facts or self.latest
            yield observed


__all__ = ["FASTEST", "SLOWEST", "Replay", "ReplayMicroscope"]
