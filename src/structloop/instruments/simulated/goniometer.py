"""The stage: it reads one thing and is at another, and creeps after every move."""

import math
from dataclasses import dataclass

from structloop.instruments.simulated.draws import draw
from structloop.instruments.simulated.flaws import Flaws
from structloop.schema.acquisition import StagePosition

UM_PER_S = 60.0
DEG_PER_S = 6.0
SETTLE_S = 0.8


@dataclass(frozen=True)
class _Creep:
    """A drift that dies away."""

    since_s: float
    x: float
    y: float
    decay_s: float

    def rate(self, now_s: float) -> tuple[float, float]:
        left = math.exp(-max(now_s - self.since_s, 0) / self.decay_s)
        return self.x * left, self.y * left

    def way(self, from_s: float, to_s: float) -> tuple[float, float]:
        """From one time to a later one."""
        begin = math.exp(-max(from_s - self.since_s, 0) / self.decay_s)
        end = math.exp(-max(to_s - self.since_s, 0) / self.decay_s)
        return self.x * self.decay_s * (begin - end), self.y * self.decay_s * (begin - end)


@dataclass(frozen=True)
class _Move:
    begin_s: float
    end_s: float
    start: StagePosition
    end: StagePosition
    read_start: StagePosition
    read_end: StagePosition


def _between(start: StagePosition, end: StagePosition, share: float) -> StagePosition:
    return StagePosition(
        x_um=start.x_um + share * (end.x_um - start.x_um),
        y_um=start.y_um + share * (end.y_um - start.y_um),
        z_um=start.z_um + share * (end.z_um - start.z_um),
        tilt_deg=start.tilt_deg + share * (end.tilt_deg - start.tilt_deg),
    )


class Goniometer:
    """Where the stage is, was told to go, and says it is. Times are seconds of the microscope's clock.

    The specimen follows the motor with play: it moves only once the motor pushes it, so that it stops short by half the
    play on whichever side it came from. To that comes an error of each move. After a move the specimen creeps on.

    Args:
        flaws: Of the microscope.
        seed: Of the errors of single moves.
    """

    def __init__(self, flaws: Flaws, seed: int) -> None:
        self._flaws = flaws
        self._seed = seed
        self._moves = 0
        at = StagePosition(x_um=0.0, y_um=0.0)
        self._move = _Move(0.0, 0.0, at, at, at, at)
        self._free = [0.0, 0.0, 0.0]
        self._creeps: list[_Creep] = []

    def start(self, target: StagePosition, now_s: float) -> float:
        """Begin to move; returns the seconds that it takes. An earlier move ends where it has come to."""
        flaws = self._flaws
        here, read = self.actual(now_s), self.reading(now_s)
        self._moves += 1
        rng = draw(self._seed, "move", self._moves)
        errors, readings = rng.normal(0, 1, 4), rng.normal(0, flaws.reading_error_um, 3)
        told = (target.x_um, target.y_um, target.z_um)
        was, now, ways = (read.x_um, read.y_um, read.z_um), (here.x_um, here.y_um, here.z_um), [0.0, 0.0, 0.0]
        ends, reads = list(now), list(was)
        for axis in range(3):
            ways[axis] = told[axis] - was[axis]
            if told[axis] == was[axis]:
                continue
            half = flaws.backlash_um[axis] / 2
            self._free[axis] = min(max(self._free[axis], told[axis] - half), told[axis] + half)
            spread = min(flaws.move_error_um + flaws.move_error_share * abs(ways[axis]), 1.0)
            if axis == 2:
                spread *= 0.3
            ends[axis] = self._free[axis] + float(errors[axis]) * spread
            reads[axis] = told[axis] + float(readings[axis])
        turn = target.tilt_deg - read.tilt_deg
        tilt = target.tilt_deg + (float(errors[3]) * flaws.tilt_error_deg if turn else 0.0)
        distance = math.hypot(*ways)
        takes = 0.0
        if distance or turn:
            takes = SETTLE_S + 0.2 + max(distance / UM_PER_S + math.sqrt(distance) * 0.05, abs(turn) / DEG_PER_S)
        self._move = _Move(
            now_s,
            now_s + takes,
            here,
            StagePosition(x_um=ends[0], y_um=ends[1], z_um=ends[2], tilt_deg=tilt if turn else here.tilt_deg),
            read,
            StagePosition(x_um=reads[0], y_um=reads[1], z_um=reads[2], tilt_deg=target.tilt_deg),
        )
        self._creep(ways[0], ways[1], turn, now_s + takes - SETTLE_S)
        return takes

    def _creep(self, x_um: float, y_um: float, turn_deg: float, since_s: float) -> None:
        flaws = self._flaws
        rng = draw(self._seed, "creep", self._moves)
        distance = math.hypot(x_um, y_um)
        rate = flaws.creep_angstrom_per_s * (distance / 10) ** 0.3 if distance else 0.0
        heading = math.atan2(y_um, x_um) + float(rng.normal(0, 0.3))
        if turn_deg:
            swing = flaws.creep_angstrom_per_s * (abs(turn_deg) / 10) ** 0.3
            heading = heading if rate > swing else math.copysign(math.pi / 2, turn_deg)
            rate = max(rate, swing)
        rate *= float(rng.uniform(0.6, 1.4))
        self._creeps = [creep for creep in self._creeps if since_s - creep.since_s < 12 * creep.decay_s]
        if rate:
            way = _Creep(since_s, rate * math.cos(heading), rate * math.sin(heading), flaws.creep_decay_s)
            self._creeps.append(way)

    def warm(self, now_s: float, load: int) -> None:
        """A grid was put in: it drifts until it is as cold as the stage."""
        rng = draw(self._seed, "load-drift", load)
        heading, rate = float(rng.uniform(0, 2 * math.pi)), self._flaws.load_drift_angstrom_per_s
        if rate:
            drift = _Creep(now_s, rate * math.cos(heading), rate * math.sin(heading), self._flaws.load_decay_s)
            self._creeps.append(drift)

    def halt(self, now_s: float) -> None:
        """Stop where the stage is."""
        if now_s < self._move.end_s:
            here, read = self.actual(now_s), self.reading(now_s)
            self._move = _Move(now_s, now_s, here, here, read, read)
            self._free = [here.x_um, here.y_um, here.z_um]

    def arrives_s(self) -> float:
        """When the present move ends, or the last ended."""
        return self._move.end_s

    def _share(self, now_s: float) -> float:
        move = self._move
        if now_s >= move.end_s:
            return 1.0
        return min(max((now_s - move.begin_s) / (move.end_s - move.begin_s), 0.0), 1.0)

    def reading(self, now_s: float) -> StagePosition:
        """What the stage says."""
        if now_s >= self._move.end_s:
            return self._move.read_end
        return _between(self._move.read_start, self._move.read_end, self._share(now_s))

    def actual(self, now_s: float) -> StagePosition:
        """Where it is."""
        move = self._move
        at = move.end if now_s >= move.end_s else _between(move.start, move.end, self._share(now_s))
        x, y = self._flaws.thermal_angstrom_per_s
        since = max(now_s - move.begin_s, 0.0)
        dx, dy = x * since, y * since
        for creep in self._creeps:
            along, across = creep.way(move.begin_s, now_s)
            dx, dy = dx + along, dy + across
        return replace_xy(at, at.x_um + dx * 1e-4, at.y_um + dy * 1e-4)

    def drift_angstrom_per_s(self, now_s: float) -> tuple[float, float]:
        """How fast the specimen moves along x and y while the motor rests."""
        x, y = self._flaws.thermal_angstrom_per_s
        for creep in self._creeps:
            along, across = creep.rate(now_s)
            x, y = x + along, y + across
        return x, y


def replace_xy(position: StagePosition, x_um: float, y_um: float) -> StagePosition:
    """The position with other x and y."""
    return StagePosition(x_um=x_um, y_um=y_um, z_um=position.z_um, tilt_deg=position.tilt_deg)


__all__ = ["DEG_PER_S", "SETTLE_S", "UM_PER_S", "Goniometer", "replace_xy"]
