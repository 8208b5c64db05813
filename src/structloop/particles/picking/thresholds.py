"""Which probability picks must have: said outright, or the least one that is expected to give a precision."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ParticlesError
from structloop.schema.models import ExpectedAt, PickerCard


def threshold_for(
    card: PickerCard,
    *,
    threshold: float | None,
    expected_precision: float | None,
    found: Iterable[NDArray[np.float64]] = (),
) -> float:
    """The threshold of what a person asks for; the card's own where nobody asks.

    Args:
        card: Of the model.
        threshold: Said outright.
        expected_precision: The least one is taken whose expected precision reaches it: by the card's curve, which was
            measured on micrographs left out; without a curve, by the probabilities found, whose mean it then is.
        found: Probabilities of the candidates, per micrograph; asked for only where the card has no curve.

    Raises:
        ParticlesError: both are given, a value is no share, or no threshold reaches the precision.
    """
    if threshold is not None and expected_precision is not None:
        raise ParticlesError("give --threshold or --expected-precision, not both")
    for name, value in (("--threshold", threshold), ("--expected-precision", expected_precision)):
        if value is not None and not 0 <= value <= 1:
            raise ParticlesError(f"{name} is {value:g}; give a number from 0 to 1")
    if threshold is not None:
        return threshold
    if expected_precision is None:
        return card.threshold
    if card.expected:
        reaching = [each.threshold for each in card.expected if each.precision >= expected_precision]
        if not reaching:
            best = max(each.precision for each in card.expected)
            raise ParticlesError(
                f"model '{card.name}' is not expected to reach a precision of {expected_precision:g} at any threshold "
                f"(at best {best:.2f}); ask for less, or label more micrographs"
            )
        return min(reaching)
    every = np.sort(np.concatenate([np.zeros(0), *found]))[::-1]
    means = np.cumsum(every) / np.arange(1, len(every) + 1)
    enough = np.flatnonzero(means >= expected_precision)
    if not len(enough):
        raise ParticlesError(
            f"no pick is surer than {expected_precision:g}; ask for a lower --expected-precision"
            if len(every)
            else "nothing was picked, so no threshold gives an expected precision"
        )
    return float(every[enough[-1]])


def expected_at(card: PickerCard, threshold: float) -> ExpectedAt | None:
    """Expected precision and recall at a threshold, from the nearest one measured; None where none was."""
    if not card.expected:
        return None
    return min(card.expected, key=lambda each: abs(each.threshold - threshold))


__all__ = ["expected_at", "threshold_for"]
