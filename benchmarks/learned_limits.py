"""What limits learned from marked exposures are worth, on simulated sessions with operators whose limits are hidden.

    python benchmarks/learned_limits.py --sessions 200

In each session exposures are drawn (motion, defocus, ice, resolution, density, correlated as thick ice and drift make
them), and an operator who has two to four limits tighter than the defaults, each excluding 5 to 35 % of exposures,
marks some at random, with a slip in twenty. Agreement is that of the verdict on 1,000 other exposures of the session
with what the operator wants; balanced agreement is the mean over exposures wanted and not wanted. A penalised logistic
regression on the logarithms of the indicators learns from the same marks.
"""

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from structloop.core.errors import TrainingError
from structloop.loop.training.logistic import Standardiser, class_weights, fit_logistic
from structloop.micrographs.judging import Indicators, Limits, MarkedExposure, judge, learn_limits

MARKS = (0, 3, 5, 10, 20, 40, 80)
SLIP = 0.05
OTHERS = 1000
_CHOICES = (
    ("most_total_motion_angstrom", "total_motion_angstrom", None),
    ("most_early_motion_angstrom", "early_motion_angstrom", None),
    ("defocus_um", "defocus_um", 0),
    ("defocus_um", "defocus_um", 1),
    ("most_astigmatism_um", "astigmatism_um", None),
    ("most_ctf_resolution_angstrom", "ctf_resolution_angstrom", None),
    ("ice_nm", "ice_nm", 0),
    ("ice_nm", "ice_nm", 1),
    ("particles_per_um2", "particles_per_um2", 0),
    ("particles_per_um2", "particles_per_um2", 1),
)


def session_of(rng: np.random.Generator, count: int) -> list[Indicators]:
    """Exposures of one session."""
    ice = np.exp(rng.normal(np.log(rng.uniform(25, 60)), rng.uniform(0.2, 0.5), count))
    motion = np.exp(rng.normal(np.log(rng.uniform(6, 20)), rng.uniform(0.3, 0.6), count))
    early = motion * rng.beta(4, 7, count)
    target = rng.uniform(0.8, 1.5)
    defocus = np.maximum(rng.uniform(target, target + rng.uniform(0.4, 1.5), count) + rng.normal(0, 0.15, count), 0.1)
    astigmatism = rng.gamma(2, rng.uniform(0.01, 0.04), count)
    resolution = np.exp(
        np.log(rng.uniform(3.2, 4.2))
        + 0.25 * np.log(ice / 40)
        + 0.1 * np.log(motion / 10)
        + rng.gamma(1.5, 0.08, count)
    )
    confidence = rng.beta(30, 1, count)
    density = np.exp(rng.normal(np.log(rng.uniform(200, 3000)), 0.6, count))
    counted = rng.random() < 0.6
    crystalline, film = rng.random(count) < 0.04, rng.random(count) < 0.03
    return [
        Indicators(
            total_motion_angstrom=float(motion[n]),
            early_motion_angstrom=float(early[n]),
            defocus_um=float(defocus[n]),
            astigmatism_um=float(astigmatism[n]),
            ctf_resolution_angstrom=float(resolution[n]),
            ctf_confidence=float(confidence[n]),
            ice_nm=float(ice[n]),
            crystalline_ice=bool(crystalline[n]),
            film_poses=bool(film[n]),
            particles_per_um2=float(density[n]) if counted else None,
        )
        for n in range(count)
    ]


def hidden_limits(rng: np.random.Generator, seen: Sequence[Indicators]) -> Limits:
    """An operator's limits: some tighter than the defaults."""
    changed: dict[str, Any] = {}
    there = [each for each in _CHOICES if getattr(seen[0], each[1]) is not None]
    for place in rng.choice(len(there), size=int(rng.integers(2, 5)), replace=False):
        name, indicator, side = there[int(place)]
        values = [getattr(each, indicator) for each in seen]
        share = rng.uniform(0.05, 0.35)
        low = side == 0
        limit = float(np.quantile(values, share if low else 1 - share))
        if side is None:
            changed[name] = limit
        else:
            pair = list(changed.get(name, getattr(Limits(), name)))
            pair[side] = limit
            changed[name] = tuple(pair)
    return replace(Limits(), **changed)


def black_box(
    marked: Sequence[Indicators], good: NDArray[np.bool_], others: Sequence[Indicators]
) -> NDArray[np.bool_] | None:
    """What a penalised logistic regression calls good; None where it cannot be fitted."""
    try:
        weights = class_weights(np.where(good, 0, 1))
    except TrainingError:
        return None
    rows, unseen = _table(marked), _table(others)
    scale = Standardiser.fitted(rows)
    # Priors as they are, not balanced: what is asked for is agreement.
    fitted = fit_logistic(scale(rows), good, np.ones(len(weights[np.where(good, 0, 1)])), np.zeros(len(good)), 0.05)
    return np.asarray(scale(unseen) @ fitted.change + fitted.bias > 0)


def _table(seen: Sequence[Indicators]) -> NDArray[np.float32]:
    return np.array(
        [
            [
                0.0 if value is None else float(value) if isinstance(value, bool) else np.log(value)
                for value in (getattr(each, entry.name) for entry in fields(each))
            ]
            for each in seen
        ],
        dtype=np.float32,
    )


def agreement(said: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> tuple[float, float]:
    """Share of equal verdicts, and its mean over wanted and unwanted exposures."""
    same = said == wanted
    return float(same.mean()), float((same[wanted].mean() + same[~wanted].mean()) / 2)


def verdicts(seen: Sequence[Indicators], limits: Limits) -> NDArray[np.bool_]:
    """Which exposures are fine by limits."""
    return np.array([judge(each, limits).problematic < 0.5 for each in seen], dtype=np.bool_)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    false_moves: dict[int, list[float]] = {}
    for number in range(asked.sessions):
        rng = np.random.default_rng([asked.seed, number])
        seen = session_of(rng, OTHERS + MARKS[-1])
        others, pool = seen[:OTHERS], seen[OTHERS:]
        hidden = hidden_limits(rng, seen)
        wanted = verdicts(others, hidden)
        slips = rng.random(len(pool)) < SLIP
        good = verdicts(pool, hidden) ^ slips
        for count in MARKS:
            marked = [MarkedExposure(each, bool(is_good)) for each, is_good in zip(pool[:count], good, strict=False)]
            learned = learn_limits(marked)
            result = agreement(verdicts(others, learned.limits), wanted)
            found.setdefault(("limits", count), []).append(result)
            free = [each for each in learned.moved if _held(hidden, each.name) == each.before]
            false_moves.setdefault(count, []).append(len(free))
            said = black_box(pool[:count], good[:count], others) if count else None
            other = agreement(said, wanted) if said is not None else agreement(verdicts(others, Limits()), wanted)
            found.setdefault(("logistic", count), []).append(other)
    print(f"{asked.sessions} sessions, seed {asked.seed}; per cent, mean and 95 % interval over sessions.\n")
    print("| marks | agreement | balanced | worse than defaults | moved without need | logistic | balanced |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    base = np.array(found["limits", 0])
    for count in MARKS:
        ours, theirs = np.array(found["limits", count]), np.array(found["logistic", count])
        worse = float(np.mean(ours[:, 0] < base[:, 0] - 0.01))
        print(
            f"| {count} | {_shown(ours[:, 0])} | {_shown(ours[:, 1])} | {worse:.0%} of sessions | "
            f"{np.mean(false_moves[count]):.1f} limits | {_shown(theirs[:, 0])} | {_shown(theirs[:, 1])} |"
        )


def _held(limits: Limits, name: str) -> float | None:
    field, _, side = name.partition(".")
    value = getattr(limits, field)
    found = value if not side else value[("low", "high").index(side)]
    return None if found is None else float(found)


def _shown(values: NDArray[np.float64]) -> str:
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return f"{100 * values.mean():.1f} ({100 * (values.mean() - half):.1f} to {100 * (values.mean() + half):.1f})"


if __name__ == "__main__":
    main()
