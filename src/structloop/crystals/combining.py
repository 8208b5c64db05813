"""From the calibrated probabilities of the modalities to one per experiment. Pure arithmetic, no database.

Missing is `NaN` here and never a number: a drop with only a visible image keeps that image's probability under every
rule, and a probability of exactly 0.0 is a statement like any other. What the rules mean:

- `max`: as likely as the more convinced of the two (the rule of AXIS, and the default).
- `mean`: their average.
- `product`: both must agree; it lowers what only one of them sees.
- `noisy-or`: 1 - (1 - v)(1 - u), right if the two missed crystals independently; it raises what both half-see.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structloop.schema.crystals import CombinationRule


def combine_probabilities(visible: ArrayLike, uv: ArrayLike, rule: CombinationRule) -> NDArray[np.float64]:
    """One crystal probability per experiment.

    Args:
        visible: Calibrated probabilities of the visible images, `(n,)`, 0 to 1, `NaN` where there is none.
        uv: The same for UV, `(n,)`.
        rule: How two become one.

    Returns:
        `(n,)`, 0 to 1; `NaN` where both are missing.

    Raises:
        ValueError: the arrays differ in shape, or a value lies outside 0 to 1.
    """
    first = np.asarray(visible, dtype=np.float64)
    second = np.asarray(uv, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"visible {first.shape} and UV {second.shape} probabilities differ in shape")
    for name, values in (("visible", first), ("UV", second)):
        if np.any((values < 0) | (values > 1)):
            raise ValueError(f"a {name} probability lies outside 0 to 1")
    match rule:
        case CombinationRule.MAX:
            both = np.maximum(first, second)
        case CombinationRule.MEAN:
            both = (first + second) / 2
        case CombinationRule.PRODUCT:
            both = first * second
        case CombinationRule.NOISY_OR:
            # Written as a sum, because 1 - (1 - v)(1 - u) loses small values to rounding.
            both = np.minimum(first + second * (1 - first), 1.0)
    return np.where(np.isnan(first), second, np.where(np.isnan(second), first, both))


__all__ = ["combine_probabilities"]
