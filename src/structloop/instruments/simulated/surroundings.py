"""What goes on around the column by itself: dewars, vacuum, the gun, the energy filter."""

import math

from structloop.instruments.simulated.draws import draw
from structloop.instruments.simulated.flaws import Flaws

ZERO_LOSS_EV = 0.9
"""Width of the zero-loss peak, standard deviation."""


def _left(until_s: float, now_s: float) -> float:
    # Whoever waits for as long as is told may arrive a rounding error too early.
    left = until_s - now_s
    return left if left > 1e-3 else 0.0


class Dewars:
    """Nitrogen dewars that are filled every few hours, which shakes everything for some minutes.

    Args:
        seed: Of when and how long.
        flawless: Whether they never need filling.
    """

    def __init__(self, seed: int, flawless: bool = False) -> None:
        rng = draw(seed, "dewars")
        self._next_s = math.inf if flawless else float(rng.uniform(1.5, 3.0)) * 3600
        self._until_s = -math.inf
        self._every_s = float(rng.uniform(3.0, 4.5)) * 3600
        self._lasts_s = float(rng.uniform(420, 660))
        self._flawless = flawless

    def fill(self, now_s: float) -> float:
        """Begin to fill; returns the seconds that it takes."""
        self._until_s = max(now_s + self._lasts_s, self._until_s)
        self._next_s = math.inf if self._flawless else self._until_s + self._every_s
        return self._until_s - now_s

    def ready_in_s(self, now_s: float) -> float:
        """Seconds until they are ready; 0 while nothing is filled."""
        if now_s >= self._next_s:
            begun = self._next_s
            # Whole cycles that nobody looked at.
            cycle = self._lasts_s + self._every_s
            begun += math.floor((now_s - begun) / cycle) * cycle
            self._until_s = begun + self._lasts_s
            self._next_s = self._until_s + self._every_s
        return _left(self._until_s, now_s)


class VacuumSystem:
    """The column valves, and a vacuum that may break for some minutes; the valves then close by themselves."""

    def __init__(self) -> None:
        self.valves_open = False
        self._until_s = -math.inf

    def event(self, now_s: float, lasts_s: float) -> None:
        """The vacuum breaks."""
        self.valves_open = False
        self._until_s = now_s + lasts_s

    def ready_in_s(self, now_s: float) -> float:
        """Seconds until it is good enough to open the valves."""
        return _left(self._until_s, now_s)


class Beam:
    """The gun's current, which falls slowly, and the apertures in its way.

    Args:
        flaws: Of the microscope.
    """

    CONDENSER_UM = 70.0

    def __init__(self, flaws: Flaws) -> None:
        self.on = False
        self.condenser_um: float | None = self.CONDENSER_UM
        self.objective_um: float | None = 100.0
        self._flaws = flaws
        self._flashed_s = 0.0

    def flash(self, now_s: float) -> None:
        """Clean the tip: the current is what it was."""
        self._flashed_s = now_s

    def intensity(self, now_s: float) -> float:
        """Share of the nominal dose rate."""
        age_h = (now_s - self._flashed_s) / 3600
        ripple = 1 + self._flaws.beam_ripple * math.sin(2 * math.pi * now_s / 1900)
        opening = (self.condenser_um or 200.0) / self.CONDENSER_UM
        return math.exp(-self._flaws.beam_loss_per_h * age_h) * ripple * opening**2


class Slit:
    """The energy slit, from whose middle the zero-loss peak wanders away.

    Args:
        flaws: Of the microscope.
        seed: Of what an alignment leaves.
    """

    def __init__(self, flaws: Flaws, seed: int) -> None:
        self.width_ev: float | None = 20.0
        self._flaws = flaws
        self._seed = seed
        self._alignments = 0
        self._aligned_s = 0.0
        self._left_ev = 0.0

    def align(self, now_s: float) -> None:
        """Centre it, but for a small rest."""
        self._alignments += 1
        self._aligned_s = now_s
        if self._flaws.slit_drift_ev_per_h:
            self._left_ev = float(draw(self._seed, "zero-loss", self._alignments).normal(0, 0.2))

    def off_ev(self, now_s: float) -> float:
        """How far the peak lies from the slit's middle."""
        hours = (now_s - self._aligned_s) / 3600
        return self._left_ev + self._flaws.slit_drift_ev_per_h * hours

    def transmission(self, now_s: float) -> float:
        """Share of the zero-loss electrons that pass."""
        if self.width_ev is None:
            return 1.0
        off, half = self.off_ev(now_s), self.width_ev / 2
        scale = ZERO_LOSS_EV * math.sqrt(2)
        return 0.5 * (math.erf((half - off) / scale) + math.erf((half + off) / scale))


__all__ = ["ZERO_LOSS_EV", "Beam", "Dewars", "Slit", "VacuumSystem"]
