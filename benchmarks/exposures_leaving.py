"""Leaving a square: sequential rules and one of a fixed number, on squares of simulated sessions.

A square's exposures come in patches that share part of their quality, as in `simulation/hole_sessions.py`: log CTF
resolution varies by patch and by hole with the shares of variance that were published for a real session, and of those
beyond the limit 30 % show no rings at all. Squares are drawn at the edge of what is worth staying (half of their
exposures are fine, the hardest case for an error) and poor (15 %). Rules see the same squares. What the sequential rule
on margins must know of a session, its spreads, it learns from five other squares of it. The fixed rule is the smallest
number of exposures, and of fine ones among them, by which these very squares are told apart with 5 % of either error.
"""

import math
from functools import cache, partial

import numpy as np
from exposures_results import Result, Row, Settings, Unit, table
from numpy.typing import NDArray
from scipy import special

from structloop.micrographs.judging import LeavingRule, Margin, MarginRule, fixed_rule_exposures, spreads
from structloop.simulation.hole_sessions import LOG_RESOLUTION_SD, VARIANCE_SHARES

WORTH, POOR, BARREN = 0.5, 0.15, 0.02
MOST = 120
PER_PATCH = (1, 2, 4, 8)
LEARNED_FROM = 5
Array64 = NDArray[np.float64]


def square(draw: np.random.Generator, fine: float, per_patch: int, heavy: bool, most: int = MOST) -> list[Margin]:
    """The exposures of a square of which such a share is fine, patch after patch."""
    hole, patch = (LOG_RESOLUTION_SD * math.sqrt(VARIANCE_SHARES[name]) for name in ("hole", "patch"))
    count = -(-most // per_patch)
    own = draw.standard_t(4, (count, per_patch)) / math.sqrt(2) if heavy else draw.normal(0, 1, (count, per_patch))
    level = _heavy_level(fine) if heavy else float(special.ndtri(fine)) * math.hypot(hole, patch)
    values = own * hole + draw.normal(0, patch, (count, 1)) - level
    lost = (values > 0) & (draw.random(values.shape) < 0.3)
    return [
        Margin(None if lost[row, column] else float(values[row, column]), f"patch {row}")
        for row in range(count)
        for column in range(per_patch)
    ][:most]


@cache
def _heavy_level(fine: float) -> float:
    """Quantile of margins with heavy tails around 0."""
    draw = np.random.default_rng(0)
    hole, patch = (LOG_RESOLUTION_SD * math.sqrt(VARIANCE_SHARES[name]) for name in ("hole", "patch"))
    some = draw.standard_t(4, 200_000) / math.sqrt(2) * hole + draw.normal(0, patch, 200_000)
    return float(np.quantile(some, fine))


def left(seed: int, per_patch: int, heavy: bool, squares: int) -> Result:
    """Both rules on squares worth staying, poor and barren."""
    draw = np.random.default_rng([seed, per_patch, int(heavy)])
    binary = LeavingRule(worth=WORTH, poor=POOR)
    made = {fine: [square(draw, fine, per_patch, heavy) for _ in range(squares)] for fine in (WORTH, POOR, BARREN)}
    result: Result = {"per_patch": per_patch, "heavy": heavy, "squares": squares, "of_margins": {}, "of_shares": {}}
    for fine, places in made.items():
        by_margin, by_share = [], []
        for place in places:
            others = [
                square(draw, share, max(per_patch, 2), heavy, most=30) for share in draw.uniform(0.1, 0.7, LEARNED_FROM)
            ]
            known = spreads(others)
            assert known is not None
            by_margin.append(MarginRule(*known, worth=WORTH, poor=POOR).after(place))
            by_share.append(binary.after([float(each.beyond is None or each.beyond > 0) for each in place]))
        for name, found in (("of_margins", by_margin), ("of_shares", by_share)):
            counts = [each.exposures for each in found]
            gone = float(np.mean([each.leave for each in found]))
            result[name][str(fine)] = {"left": gone, "mean": np.mean(counts), "median": np.median(counts)}
    counts = [np.cumsum([_fine(place) for place in made[fine]], axis=1) for fine in (WORTH, POOR)]
    return {**result, "fixed": _fixed(*counts)}


def _fine(place: list[Margin]) -> list[bool]:
    return [each.beyond is not None and each.beyond <= 0 for each in place]


def _fixed(worth: Array64, poor: Array64) -> int | None:
    for count in range(1, MOST + 1):
        for most in range(count):
            if (worth[:, count - 1] <= most).mean() > 0.05:
                break
            if (poor[:, count - 1] <= most).mean() >= 0.95:
                return count
    return None


def units(given: Settings) -> list[Unit]:
    """Exposures alone in their patches, and together."""
    squares = 100 if given.quick else 500
    return [
        Unit(f"leaving/{seed}/{per}/{heavy}/{squares}", partial(left, seed, per, heavy, squares))
        for seed in given.seeds
        for per, heavy in [*((per, False) for per in PER_PATCH), (1, True), (4, True)]
    ]


def _means(results: dict[str, Result], per: int, heavy: bool) -> dict[str, float]:
    some = [row for row in results.values() if row["per_patch"] == per and row["heavy"] == heavy]
    found: dict[str, float] = {"fixed": float(np.mean([row["fixed"] or MOST for row in some]))}
    for name in ("of_margins", "of_shares"):
        for fine in (WORTH, POOR, BARREN):
            for what in ("left", "mean", "median"):
                found[f"{name} {fine} {what}"] = float(np.mean([row[name][str(fine)][what] for row in some]))
    return found


def rows(results: dict[str, Result]) -> list[Row]:
    """Of the table."""
    found = _means(results, 1, heavy=False)
    wrong = max(_means(results, per, heavy=False)[f"of_margins {WORTH} left"] for per in PER_PATCH)
    mean, median = (found[f"of_margins {POOR} {what}"] for what in ("mean", "median"))
    said = (
        f"wrong {wrong:.1%} at most; a poor square after {mean:.1f} exposures (median {median:.0f}), a barren one "
        f"after {found[f'of_margins {BARREN} mean']:.1f}; fixed rule {found['fixed']:.0f}"
    )
    fixed = fixed_rule_exposures(LeavingRule(worth=WORTH, poor=POOR))
    fine = wrong <= 0.05 and mean <= found["fixed"] / 3
    what = '"leave this square", simulated sessions'
    return [Row(what, f"wrong 5 %, a third of a fixed rule's {fixed}", "", said, "-", fine)]


def details(results: dict[str, Result]) -> str:
    """By how many exposures share a patch."""
    lines = []
    for per, heavy in [*((per, False) for per in PER_PATCH), (1, True), (4, True)]:
        found = _means(results, per, heavy)
        cells = [f"{per}{', heavy tails' if heavy else ''}", f"{found['fixed']:.0f}"]
        for name in ("of_margins", "of_shares"):
            cells.append(f"{found[f'{name} {WORTH} left']:.1%}")
            cells += [f"{found[f'{name} {f} mean']:.1f} ({found[f'{name} {f} median']:.0f})" for f in (POOR, BARREN)]
        lines.append(cells)
    head = ["exposures in a patch", "fixed rule", "margins: wrong", "poor left after", "barren left after"]
    return table([*head, "fine or not: wrong", "poor left after", "barren left after"], lines)
