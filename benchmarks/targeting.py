"""How well the targeting policies do on a recorded session, in good conditions and bad ones.

    python benchmarks/targeting.py HOLES.csv --starts 50
    python benchmarks/targeting.py --made-up 8 --starts 10      # made-up sessions with the published variance shares
    python benchmarks/targeting.py HOLES.csv --held-out         # one atlas tile at a time, priors fitted to the others
    python benchmarks/targeting.py --speed                      # milliseconds per decision and update over 20,000 holes

Each line is a condition and a policy: the mean share of the exact oracle at each budget, in per cent, with its 95 %
interval over starts. The floors are those the project set itself.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from structloop.grids.targeting import HoleTable, Policy, Prior, Replay, Share, Step, make_policy, read_holes
from structloop.grids.targeting.adaptive import KNOWN_CLIP, known_priors
from structloop.grids.targeting.holes import FloatArray
from structloop.grids.targeting.travel import Move
from structloop.simulation.hole_sessions import simulate_session

KNOWN = "predicted_ctf_resolution_A"
PROTOCOL_A, PROTOCOL_B = (2.0, 5.0, 10.0, 20.0), (1.0, 2.0, 6.0, 8.0)
BUDGETS = (120.0, 240.0, 360.0, 480.0)


@dataclass(frozen=True)
class Session:
    """A recorded or made-up session: holes, their outcomes, and a good prediction of them."""

    name: str
    holes: HoleTable
    outcome: FloatArray
    predicted: FloatArray
    priors: tuple[Prior, ...] | None = None


@dataclass(frozen=True)
class Condition:
    """What policies are shown and told, and what goes wrong."""

    name: str
    features: Callable[[Session], dict[str, FloatArray]]
    moves: tuple[float, float, float, float] = PROTOCOL_B
    told: tuple[float, float, float, float] | None = None
    forbid: float = 0.0
    bad_tile: bool = False
    drift: float = 0.0
    floors: tuple[float, ...] = field(default=())


class Drifting(Replay):
    """A microscope that grows slower: every move takes `slowness` times as long."""

    slowness = 1.0

    def minutes_between(self, here: int, there: int) -> tuple[Move, float]:
        move, minutes = super().minutes_between(here, there)
        return move, minutes * self.slowness


def weak_feature(session: Session, flipped: bool = False) -> FloatArray:
    """A feature of AUC about .72, in units of its own and the wrong way round; or flipped in half of the squares."""
    good = session.outcome <= 6
    values = np.random.default_rng(5).normal(size=len(good)) + 0.82 * good
    if flipped:
        squares = sorted(set(session.holes.square))
        sign = np.random.default_rng(6).permutation(np.arange(len(squares)) % 2) * 2 - 1
        values = values * np.array([sign[squares.index(name)] for name in session.holes.square])
    return 5 - 37 * values


def noise(session: Session) -> FloatArray:
    return np.random.default_rng(7).normal(size=len(session.holes))


def permuted_within_patches(session: Session) -> FloatArray:
    rng = np.random.default_rng(8)
    values = session.predicted.copy()
    patches = np.array([f"{s}/{p}" for s, p in zip(session.holes.square, session.holes.patch, strict=True)])
    for patch in np.unique(patches):
        rows = np.flatnonzero(patches == patch)
        values[rows] = values[rng.permutation(rows)]
    return values


def with_missing(session: Session) -> FloatArray:
    values = session.predicted.copy()
    values[np.random.default_rng(9).random(len(values)) < 0.2] = np.nan
    return values


def good_feature(session: Session) -> dict[str, FloatArray]:
    return {KNOWN: session.predicted}


def no_feature(session: Session) -> dict[str, FloatArray]:
    return {}


def weak(session: Session) -> dict[str, FloatArray]:
    return {"x": weak_feature(session)}


def pure_noise(session: Session) -> dict[str, FloatArray]:
    return {"x": noise(session)}


def flipped(session: Session) -> dict[str, FloatArray]:
    return {"x": weak_feature(session, flipped=True)}


def permuted(session: Session) -> dict[str, FloatArray]:
    return {KNOWN: permuted_within_patches(session)}


def missing(session: Session) -> dict[str, FloatArray]:
    return {KNOWN: with_missing(session)}


CONDITIONS = (
    Condition("good feature", good_feature, floors=(92, 89, 89, 88)),
    Condition("weak feature, sign unknown", weak, floors=(66, 68, 67, 65)),
    Condition("no feature", no_feature, floors=(50, 48, 46, 44)),
    Condition("misleading: noise", pure_noise),
    Condition("misleading: flipped in half of the squares", flipped),
    Condition("good feature, protocol A", good_feature, moves=PROTOCOL_A, floors=(87, 86, 83, 84)),
    Condition("good feature permuted within patches", permuted),
    Condition("good feature, told 10/10/10/10", good_feature, told=(10.0, 10.0, 10.0, 10.0)),
    Condition("good feature, 20 % missing", missing),
    Condition("good feature, 40 % forbidden midway", good_feature, forbid=0.4),
    Condition("good feature, one tile all bad", good_feature, bad_tile=True),
    Condition("good feature, moves slow down threefold", good_feature, drift=2.0),
)


def play(job: tuple[Session, Condition, str, float, int, int]) -> tuple[int, int]:
    """One session: good exposures and the oracle's."""
    session, condition, policy_name, budget, start, seed = job
    outcome = session.outcome.copy()
    tiles = np.array(session.holes.atlas_tile)
    if condition.bad_tile:
        outcome[tiles == max(set(tiles), key=lambda tile: float((session.outcome[tiles == tile] <= 6).sum()))] = 20.0
    table = HoleTable.from_columns(
        {name: values for name, values in session.holes.columns().items() if name not in session.holes.features}
        | {name: list(values) for name, values in condition.features(session).items()}
    )
    replay = Drifting(table, outcome, condition.moves)
    learns = policy_name == "adaptive" and KNOWN in table.features
    policy = make_policy(
        policy_name,
        table,
        condition.told or condition.moves,
        budget,
        seed,
        priors=session.priors if learns else None,
    )
    forbidden = np.random.default_rng(seed).random(len(table)) < condition.forbid
    done = False

    def on_step(one: Policy, step: Step) -> None:
        nonlocal done
        replay.slowness = 1 + condition.drift * step.minutes / budget
        if condition.forbid and not done and step.minutes >= budget / 2:
            done = True
            exposed = set(one.exposed)
            one.forbid(h for h, out in zip(table.hole_id, forbidden, strict=True) if out and h not in exposed)

    steps = replay.run(policy, start, budget, on_step)
    # Where all moves slow down together, the oracle has as many minutes of the usual kind as fit into the budget.
    usual = budget * np.log1p(condition.drift) / condition.drift if condition.drift else budget
    return sum(step.good for step in steps[1:]), replay.oracle(start, float(usual))


def measure(
    sessions: list[Session], condition: Condition, policy: str, budgets: tuple[float, ...], starts: int
) -> list[Share]:
    out = []
    with Pool(os.cpu_count()) as pool:
        for budget in budgets:
            jobs = []
            for number, session in enumerate(sessions):
                rows = np.random.default_rng(number).choice(len(session.holes), min(starts, len(session.holes)), False)
                jobs += [(session, condition, policy, budget, int(row), i) for i, row in enumerate(rows)]
            pairs = np.array(pool.map(play, jobs, chunksize=1))
            out.append(Share(policy, budget, pairs[:, 0], pairs[:, 1]))
    return out


def row(condition: str, policy: str, shares: list[Share], floors: tuple[float, ...]) -> str:
    cells = []
    for share in shares:
        low, high = share.interval()
        cells.append(f"{100 * share.share:.1f} ({100 * low:.0f}-{100 * high:.0f})")
    floor = " / ".join(f"{value:g}" for value in floors) or "-"
    return f"| {condition} | {policy} | " + " | ".join(cells) + f" | {floor} |"


def recorded(path: Path) -> Session:
    table, columns = read_holes(path)
    return Session(path.stem, table.select_features([]), columns["ctf_max_resolution_A"], columns[KNOWN])


def held_out(session: Session) -> list[Session]:
    """One session per atlas tile, whose prior was fitted to the other tiles only."""
    tiles = np.array(session.holes.atlas_tile)
    out = []
    for tile in sorted(set(tiles)):
        inside = tiles == tile
        x = -np.clip(np.log(session.predicted[~inside] / 6), *KNOWN_CLIP)[:, None]
        fit = LogisticRegression(C=1e6).fit(x, session.outcome[~inside] <= 6)
        print(f"prior without tile {tile}: level {fit.intercept_[0]:.2f}, slope {fit.coef_[0, 0]:.2f}")
        rows = np.flatnonzero(inside)
        out.append(
            Session(
                f"{session.name}/{tile}",
                session.holes.take(rows),
                session.outcome[rows],
                session.predicted[rows],
                known_priors(level=float(fit.intercept_[0]), slope=float(fit.coef_[0, 0])),
            )
        )
    return out


def made_up(seed: int) -> Session:
    """A made-up session with the published shares of variance."""
    made = simulate_session(seed)
    table = HoleTable.from_columns(made.columns())
    outcome, predicted = np.array(made.measured_angstrom), np.array(made.predicted_angstrom)
    return Session(f"made-up {seed}", table.select_features([]), outcome, predicted)


def speed() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    patch = np.arange(n) // 20
    columns = {
        "hole_id": [f"h{i}" for i in range(n)],
        "atlas_tile": [f"t{i}" for i in patch // 100],
        "square": [f"s{i}" for i in patch // 20],
        "patch": [f"p{i}" for i in patch],
        "x_px": list(rng.normal(0, 400, n)),
        "y_px": list(rng.normal(0, 400, n)),
        "x": list(rng.normal(0, 1, n)),
        "y": list(rng.normal(0, 1, n)),
    }
    begin = time.perf_counter()
    policy = make_policy("adaptive", HoleTable.from_columns(columns), PROTOCOL_B, 1e6, 0)
    made = time.perf_counter() - begin
    policy.observe("h0", 4.0, minutes_taken=0.0)
    decide, update = [], []
    for _ in range(500):
        begin = time.perf_counter()
        hole = policy.next_hole()
        decide.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        policy.observe(hole or "", float(rng.choice([4.0, 12.0])))
        update.append(time.perf_counter() - begin)
    print(f"20,000 holes, two features: made in {made:.2f} s")
    for name, seconds in (("decision", decide), ("update", update)):
        median, high = 1e3 * np.median(seconds), 1e3 * np.quantile(seconds, 0.95)
        print(f"{name}: median {median:.1f} ms, 95th percentile {high:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("holes", type=Path, nargs="?", help="CSV of a recorded session")
    parser.add_argument("--starts", type=int, default=50, help="starts per session")
    parser.add_argument("--made-up", type=int, default=0, metavar="N", help="so many made-up sessions instead")
    parser.add_argument("--held-out", action="store_true", help="one atlas tile at a time")
    parser.add_argument("--budgets", type=float, nargs="+", default=list(BUDGETS), help="minutes (default: all four)")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these conditions")
    parser.add_argument("--speed", action="store_true", help="time decisions and updates")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}")
    if arguments.speed:
        speed()
        return
    budgets = tuple(arguments.budgets)
    if arguments.made_up:
        sessions = [made_up(seed) for seed in range(arguments.made_up)]
    elif arguments.holes is None:
        parser.error("give a CSV of holes, --made-up N or --speed")
    else:
        sessions = [recorded(arguments.holes)]
    if arguments.held_out:
        sessions = [part for session in sessions for part in held_out(session)]
    print(f"{len(sessions)} session(s), {sum(len(s.holes) for s in sessions)} holes, {arguments.starts} starts each\n")
    print("| condition | policy | " + " | ".join(f"{budget:g} min" for budget in budgets) + " | floor |")
    print("|---|---|" + "---|" * (len(budgets) + 1))
    run = partial(measure, sessions, budgets=budgets, starts=arguments.starts)
    for condition in CONDITIONS:
        if not arguments.only or condition.name in arguments.only:
            print(row(condition.name, "adaptive", run(condition, "adaptive"), condition.floors), flush=True)
            if not condition.features(sessions[0]) or "misleading" in condition.name:
                print(row(condition.name, "winstay", run(condition, "winstay"), ()), flush=True)


if __name__ == "__main__":
    main()
