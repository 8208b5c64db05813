"""Is one method better than another? Paired per micrograph, as the published few-shot study does.

Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945) of the differences, its p-values corrected for the number of
tests by Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995), and the matched-pairs rank-biserial correlation (Kerby,
Comprehensive Psychology 3, 2014) as the size of the effect: 1 where the first is better everywhere, -1 where the
second is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, rankdata, wilcoxon

METRICS = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of two methods over the micrographs that both were judged on.

    Attributes:
        first, second: Names of the methods.
        metric: `precision`, `recall` or `f1`.
        micrographs: How many have the metric for both.
        mean_difference, median_difference: First minus second.
        p_value: Two-sided, of Wilcoxon's test; 1 where the two never differ.
        corrected_p_value: The same after Benjamini's and Hochberg's correction over all tests of the report.
        effect: Rank-biserial correlation, -1 to 1; 0 where the two never differ.
    """

    first: str
    second: str
    metric: str
    micrographs: int
    mean_difference: float
    median_difference: float
    p_value: float
    corrected_p_value: float
    effect: float

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def compare_methods(values: Mapping[str, Mapping[str, Sequence[float | None]]]) -> tuple[Comparison, ...]:
    """Every pair of methods in every metric.

    Args:
        values: By method, by metric: one value per micrograph, in the same order for all; None where there is none.

    Returns:
        The comparisons; none for a pair that has no micrograph in common.
    """
    rows = []
    for first, second in combinations(values, 2):
        for metric in METRICS:
            paired = zip(values[first][metric], values[second][metric], strict=True)
            both = [(one, other) for one, other in paired if one is not None and other is not None]
            if both:
                # Counts of particles make fractions that are equal but for their last digit.
                differences = np.round(np.array([one - other for one, other in both]), 12)
                rows.append((first, second, metric, differences))
    if not rows:
        return ()
    p_values = [signed_rank_p_value(differences) for *_, differences in rows]
    corrected = false_discovery_control(p_values, method="bh")
    return tuple(
        Comparison(
            first,
            second,
            metric,
            len(differences),
            float(differences.mean()),
            float(np.median(differences)),
            p_value,
            float(after),
            rank_biserial(differences),
        )
        for (first, second, metric, differences), p_value, after in zip(rows, p_values, corrected, strict=True)
    )


def signed_rank_p_value(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of Wilcoxon's test; differences of nothing are left out, as he does.

    It is exact up to 25 differences, ties included; above, it is what SciPy makes of so many.
    """
    kept = differences[differences != 0]
    if not len(kept):
        return 1.0
    if len(kept) > _EXACT:
        return float(wilcoxon(kept).pvalue)
    return _exact_p_value(kept)


# All sums of ranks of so many are counted in a table of their possible values.
_EXACT = 25


def _exact_p_value(differences: NDArray[np.float64]) -> float:
    # Ranks of ties are halves; doubled, all are whole numbers, and their sums can be counted.
    ranks = np.rint(2 * rankdata(np.abs(differences))).astype(int)
    ways = np.zeros(int(ranks.sum()) + 1)
    ways[0] = 1
    for rank in ranks:
        ways[rank:] = ways[rank:] + ways[:-rank]
    observed = int(ranks[differences > 0].sum())
    farther = min(observed, int(ranks.sum()) - observed)
    return float(min(1.0, 2 * ways[: farther + 1].sum() / ways.sum()))


def rank_biserial(differences: NDArray[np.float64]) -> float:
    """Matched-pairs rank-biserial correlation: ranks in favour minus ranks against, of all ranks."""
    kept = differences[differences != 0]
    if not len(kept):
        return 0.0
    ranks = rankdata(np.abs(kept))
    return float((ranks[kept > 0].sum() - ranks[kept < 0].sum()) / ranks.sum())


def smallest_p_value(micrographs: int) -> float:
    """The smallest two-sided p-value that so many micrographs can give: with five, 0.0625."""
    return min(1.0, 2.0 ** (1 - micrographs))


__all__ = ["METRICS", "Comparison", "compare_methods", "rank_biserial", "signed_rank_p_value", "smallest_p_value"]
