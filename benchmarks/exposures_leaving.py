"""Leaving a square: sequential rules and one of a fixed number, on squares of simulated sessions.

Whole sessions (`simulation/hole_sessions.py`: log CTF resolution varies by tile, square, patch and hole with the shares
of variance that were published for a real one) are gone through square after square, a few exposures of each patch
before the next, as `exposures/leaving.py` sees them: what its rule must know of a session it has from the squares that
were seen before. A square is worth staying if at least half of all its holes are fine, and poor if at most 15 % are.

Then single squares at the very edge: half of their exposures fine (the hardest case for an error), or 15 %. Their
exposures come in patches, too, and of those beyond the limit 30 % show no rings at all. The rule on margins learns from
five other squares. The fixed rule is the smallest number of exposures, and of fine ones among them, by which these very
squares are told apart with 5 % of either error.
"""

import math
from collections import defaultdict
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
from exposures_results import Result, Row, Settings, Unit, table
from numpy.typing import NDArray
from scipy import special

from structloop.exposures.leaving import leave_places
from structloop.micrographs.judging import (
    Leaving,
    LeavingRule,
    Limits,
    Margin,
    MarginRule,
    fixed_rule_exposures,
    spreads,
)
from structloop.simulation.hole_sessions import LOG_RESOLUTION_SD, VARIANCE_SHARES, simulate_session

WORTH, POOR, BARREN = 0.5, 0.15, 0.02
MOST = 120
PER_PATCH = (1, 2, 4, 8)
LEARNED_FROM = 5
LIMIT_ANGSTROM, NO_RINGS_ANGSTROM, MOST_OF_SQUARE = 6.0, 20.0, 60
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
            by_margin.append(MarginRule(*spreads(others), worth=WORTH, poor=POOR).after(place))
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


def gone_through(seed: int, per_patch: int, sessions: int) -> Result:
    """Whole sessions, as the product judges them."""
    limits, squares = Limits(most_ctf_resolution_angstrom=LIMIT_ANGSTROM), []
    for number in range(sessions):
        made = simulate_session(10_000 * seed + number)
        draw = np.random.default_rng([seed, number, per_patch])
        holes: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for name, patch, value in zip(made.square, made.patch, made.measured_angstrom, strict=True):
            holes[name][patch].append(value)
        seen: list[list[SimpleNamespace]] = []
        for patches in holes.values():
            share = float(np.mean([value <= LIMIT_ANGSTROM for each in patches.values() for value in each]))
            visited = _visited(draw, patches, per_patch)
            found, counted = _told([*seen, visited], limits)
            squares.append((share, found.leave, found.exposures, counted.leave, counted.exposures))
            seen.append(visited[: min(found.exposures, 30)])
    return {"sessions": sessions, "per_patch": per_patch, "found": squares}


def _visited(draw: np.random.Generator, patches: dict[str, list[float]], per_patch: int) -> list[SimpleNamespace]:
    """Exposures of a square in the order of a session: some of every patch, then some more."""
    waiting = {name: list(draw.permutation(values)) for name, values in patches.items()}
    visited: list[SimpleNamespace] = []
    while waiting:
        for name in draw.permutation(list(waiting)):
            visited += [_exposure(name, float(value)) for value in waiting[name][:per_patch]]
            del waiting[name][:per_patch]
        waiting = {name: values for name, values in waiting.items() if values}
    return visited[:MOST_OF_SQUARE]


def _exposure(patch: str, resolution: float) -> SimpleNamespace:
    seen = resolution < NO_RINGS_ANGSTROM
    return SimpleNamespace(
        patch=patch,
        problematic=float(resolution > LIMIT_ANGSTROM),
        rings_seen=seen,
        ctf_resolution_angstrom=resolution if seen else None,
    )


def _told(places: list[list[SimpleNamespace]], limits: Limits) -> tuple[Leaving, Leaving]:
    """Of the last place: by margins, and by counting whole exposures."""
    told = leave_places(places, limits, [[each.patch for each in place] for place in places])
    return told[-1], LeavingRule(worth=WORTH, poor=POOR).after(each.problematic for each in places[-1])


def units(given: Settings) -> list[Unit]:
    """Exposures alone in their patches, and together."""
    squares, sessions = (100, 10) if given.quick else (500, 100)
    return [
        Unit(f"leaving/{seed}/sessions/{per}/{sessions}", partial(gone_through, seed, per, sessions))
        for seed in given.seeds
        for per in PER_PATCH
    ] + [
        Unit(f"leaving/{seed}/{per}/{heavy}/{squares}", partial(left, seed, per, heavy, squares))
        for seed in given.seeds
        for per, heavy in [*((per, False) for per in PER_PATCH), (1, True), (4, True)]
    ]


def _means(results: dict[str, Result], per: int, heavy: bool) -> dict[str, float]:
    some = [row for row in _edges(results) if row["per_patch"] == per and row["heavy"] == heavy]
    found: dict[str, float] = {"fixed": float(np.mean([row["fixed"] or MOST for row in some]))}
    for name in ("of_margins", "of_shares"):
        for fine in (WORTH, POOR, BARREN):
            for what in ("left", "mean", "median"):
                found[f"{name} {fine} {what}"] = float(np.mean([row[name][str(fine)][what] for row in some]))
    return found


def _edges(results: dict[str, Result]) -> list[Result]:
    return [row for row in results.values() if "heavy" in row]


def _sessions(results: dict[str, Result], per: int) -> dict[str, float]:
    """Of whole sessions: squares, how many worth staying were left, and after how many exposures poor ones were."""
    rows = [row for row in results.values() if "found" in row and row["per_patch"] == per]
    every = np.array([square for row in rows for square in row["found"]], dtype=np.float64)
    worth, poor = every[every[:, 0] >= WORTH], every[every[:, 0] <= POOR]
    found = {"squares": float(len(every)), "worth": float(len(worth)), "poor": float(len(poor))}
    for name, at in (("margins", 1), ("counted", 3)):
        found[f"{name} wrong"], found[f"{name} left"] = float(worth[:, at].mean()), float(poor[:, at].mean())
        found[f"{name} mean"], found[f"{name} median"] = (
            float(poor[:, at + 1].mean()),
            float(np.median(poor[:, at + 1])),
        )
    return found


def rows(results: dict[str, Result]) -> list[Row]:
    """Of the table."""
    found, edge = _sessions(results, 1), _means(results, 1, heavy=False)
    wrong = max(_sessions(results, per)["margins wrong"] for per in PER_PATCH)
    wrong_at_edge = max(_means(results, per, heavy=False)[f"of_margins {WORTH} left"] for per in PER_PATCH)
    fixed = fixed_rule_exposures(LeavingRule(worth=WORTH, poor=POOR))
    said = (
        f"wrong {wrong:.1%} at most; a poor square after {found['margins mean']:.1f} exposures (median "
        f"{found['margins median']:.0f}); at the very edge, half fine: wrong {wrong_at_edge:.1%} at most, 15 % fine: "
        f"after {edge[f'of_margins {POOR} mean']:.1f} (median {edge[f'of_margins {POOR} median']:.0f}), where a fixed "
        f"rule needs {edge['fixed']:.0f}"
    )
    what = '"leave this square", simulated sessions'
    fine = wrong <= 0.05 and found["margins mean"] <= fixed / 3
    return [Row(what, f"wrong 5 %, a third of a fixed rule's {fixed}", "", said, "-", fine)]


def details(results: dict[str, Result]) -> str:
    """By how many exposures of a patch are taken together."""
    lines = []
    for per in PER_PATCH:
        found = _sessions(results, per)
        cells = [str(per), f"{found['squares']:.0f} ({found['worth']:.0f}, {found['poor']:.0f})"]
        for name in ("margins", "counted"):
            cells += [f"{found[f'{name} wrong']:.1%}", f"{found[f'{name} mean']:.1f} ({found[f'{name} median']:.0f})"]
        lines.append(cells)
    head = ["exposures of a patch at a time", "squares (worth staying, poor)", "margins: wrong", "poor left after"]
    whole = table([*head, "fine or not: wrong", "poor left after"], lines)
    lines = []
    for per, heavy in [*((per, False) for per in PER_PATCH), (1, True), (4, True)]:
        known = _means(results, per, heavy)
        cells = [f"{per}{', heavy tails' if heavy else ''}", f"{known['fixed']:.0f}"]
        for name in ("of_margins", "of_shares"):
            cells.append(f"{known[f'{name} {WORTH} left']:.1%}")
            cells += [f"{known[f'{name} {f} mean']:.1f} ({known[f'{name} {f} median']:.0f})" for f in (POOR, BARREN)]
        lines.append(cells)
    head = ["at the edge: exposures in a patch", "fixed rule", "margins: wrong", "poor left after", "barren left after"]
    edge = table([*head, "fine or not: wrong", "poor left after", "barren left after"], lines)
    return f"Whole sessions, a square after the other\n\n{whole}\n\nSquares at the edge\n\n{edge}"
