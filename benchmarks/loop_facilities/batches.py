"""What a laboratory has in a run: batches of plates with experts' labels, and a frozen test set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loop_facilities.drops import Drops
from structloop.simulation.experts import POSITIVE, Expert, ExpertRates

CYCLES = 3
PLATES = 3
WELLS = 96
TEST_DROPS = 400
SCORERS = 3
_SHARED_HARDNESS = 0.6

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Labelled:
    """Drops as a run has them, all batches one after the other.

    Attributes:
        drop: `(n,)` which of the laboratory's drops it is.
        features: `(n, width)`.
        truth: `(n,)` whether there are crystals.
        is_micro: `(n,)` whether these are microcrystals.
        hardness: `(n,)` how hard the drop is to judge.
        human: `(n,)` what the one expert who scored it called crystal.
        plate: `(n,)` number of the plate.
        cycle: `(n,)` from 0.
        seconds: How long the experts took, all together.
    """

    drop: NDArray[np.intp]
    features: NDArray[np.float32]
    truth: Bools
    is_micro: Bools
    hardness: Floats
    human: Bools
    plate: NDArray[np.int64]
    cycle: NDArray[np.int64]
    seconds: float

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def plates(self) -> list[str]:
        """Names of the plates."""
        return [str(number) for number in self.plate]


@dataclass(frozen=True)
class TestSet:
    """Drops that no training sees.

    Every drop of which there is a picture with crystals is shown with them, so that recall has as many drops to stand
    on as there are; where prevalence matters, drops are weighted to the natural one.
    """

    drop: NDArray[np.intp]
    features: NDArray[np.float32]
    truth: Bools
    prevalence: float

    @property
    def weights(self) -> Floats:
        """`(n,)`, by which the set has its natural prevalence; they sum to one."""
        positives, negatives = int(self.truth.sum()), int((~self.truth).sum())
        return np.where(self.truth, self.prevalence / positives, (1 - self.prevalence) / negatives)


def draw(
    drops: Drops,
    seed: int,
    *,
    prevalence: float,
    rates: ExpertRates,
    plates: int = PLATES,
    test_drops: int = TEST_DROPS,
) -> tuple[Labelled, TestSet]:
    """Deals a laboratory's drops: first the frozen test set, then plates for every cycle.

    Raises:
        ValueError: there are too few drops.
    """
    rng = np.random.default_rng([seed, 909])
    order = rng.permutation(len(drops))
    wanted = CYCLES * plates * WELLS
    if len(order) < test_drops + wanted:
        raise ValueError(f"{len(order)} drops are too few for {test_drops} to test on and {wanted} on plates")
    test, rest = order[:test_drops], order[test_drops:]
    grows = rest[drops.can_grow[rest]]
    # Each drop holds crystals with the probability `prevalence`; those that can are a random part of all.
    crystals = grows[: rng.binomial(wanted, prevalence)]
    others = rest[~np.isin(rest, crystals)][: wanted - len(crystals)]
    chosen = rng.permutation(np.concatenate([crystals, others]))
    truth = np.isin(chosen, crystals)
    features = np.where(truth[:, None], drops.grown[chosen], drops.bare[chosen])
    own = rng.standard_normal(wanted)
    seen = _SHARED_HARDNESS * drops.hardness[chosen] + np.sqrt(1 - _SHARED_HARDNESS**2) * own
    # People's false alarms come from what looks like crystals: spheres of oil, spherulites, coarse particles.
    tempting = drops.lookalike[chosen].astype(np.float64)
    tempting = (tempting - drops.lookalike.mean()) / drops.lookalike.std()
    hardness = np.where(
        truth, np.nan_to_num(seen), _SHARED_HARDNESS * tempting + np.sqrt(1 - _SHARED_HARDNESS**2) * own
    )
    is_micro = truth & drops.is_micro[chosen]
    plate = np.repeat(np.arange(CYCLES * plates), WELLS)
    people = [Expert(rates, seed * 100 + number) for number in range(SCORERS)]
    human, seconds = np.zeros(wanted, np.bool_), 0.0
    for number in range(CYCLES * plates):
        rows = plate == number
        given = people[number % SCORERS].answer(truth[rows], is_micro[rows], hardness[rows])
        human[rows] = given.labels == POSITIVE
        seconds += float(given.seconds.sum())
    grown = drops.can_grow[test]
    held = TestSet(test, np.where(grown[:, None], drops.grown[test], drops.bare[test]), grown, prevalence)
    return Labelled(chosen, features, truth, is_micro, hardness, human, plate, plate // plates, seconds), held
