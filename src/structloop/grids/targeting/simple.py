"""The policies to compare with: what an operator or an ordinary script does."""

import numpy as np

from structloop.grids.targeting.holes import KNOWN_FEATURE, IntArray
from structloop.grids.targeting.policy import Policy


class Sweep(Policy):
    """Finishes the patch, then the square, then the tile."""

    name = "sweep"

    def _choose(self, rows: IntArray) -> int | None:
        if len(rows) == 0:
            return None
        groups = self._groups
        # Nearest first; groups in a fixed order of their own that no name decides.
        order = np.lexsort((groups.tie[rows], self._moves_to(rows)))
        return int(rows[order[0]])


class Random(Policy):
    """Any hole, each as likely as the next."""

    name = "random"

    def _choose(self, rows: IntArray) -> int | None:
        if len(rows) == 0:
            return None
        # One shuffle for the session, over an order of the holes that no name decides.
        place = np.random.default_rng(self.seed).permutation(len(self._holes))[self._groups.tie[rows]]
        return int(rows[np.argmin(place)])


class Greedy(Policy):
    """The hole with the best `predicted_ctf_resolution_A`, or the first feature, whatever the way there costs."""

    name = "greedy"

    def _choose(self, rows: IntArray) -> int | None:
        if len(rows) == 0:
            return None
        features = self._holes.features
        if not features:
            return int(rows[np.argmin(self._groups.tie[rows])])
        name = KNOWN_FEATURE if KNOWN_FEATURE in features else next(iter(features))
        values = features[name][rows] * (1 if name == KNOWN_FEATURE else -1)
        values = np.where(np.isnan(values), np.inf, values)
        return int(rows[np.lexsort((self._groups.tie[rows], values))[0]])


class WinStay(Policy):
    """Stays in a patch until three exposures in a row were bad, then goes to the nearest other patch."""

    name = "winstay"
    patience = 3

    def _streak(self) -> int:
        """Bad exposures in a row at the end of the history, within the current patch."""
        streak = 0
        for row, reward, _ in reversed(self._history):
            if reward >= 0.5 or self._groups.patch[row] != self._groups.patch[self._history[-1][0]]:
                break
            streak += 1
        return streak

    def _choose(self, rows: IntArray) -> int | None:
        if len(rows) == 0:
            return None
        groups = self._groups
        moves = self._moves_to(rows)
        if self._here is not None and self._streak() >= self.patience:
            away = groups.patch[rows] != groups.patch[self._here]
            if away.any():
                rows, moves = rows[away], moves[away]
        return int(rows[np.lexsort((groups.tie[rows], moves))[0]])


__all__ = ["Greedy", "Random", "Sweep", "WinStay"]
