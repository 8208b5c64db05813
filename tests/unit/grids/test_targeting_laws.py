"""Laws that every policy obeys, on small made-up sessions."""

import json
import zlib
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.grids.targeting import HoleTable, Policy, Replay, make_policy, restore_policy
from structloop.grids.targeting.holes import FloatArray, Groups
from structloop.grids.targeting.oracle import best_possible

MOVES = (1.0, 2.0, 6.0, 8.0)
LEARNING = ("adaptive", "screening")
EVERY = ("adaptive", "winstay", "sweep", "random", "greedy", "screening")


def make_session(seed: int, n: int = 60, features: int = 1) -> tuple[HoleTable, FloatArray]:
    """A made-up session: holes in patches in squares in tiles, with regional effects; outcomes in angstrom."""
    rng = np.random.default_rng(seed)
    patch = np.sort(rng.integers(0, max(n // 6, 1), n))
    square, tile = patch // 3, patch // 6
    level = rng.normal(0, 1, 20)[tile] + rng.normal(0, 1, 40)[square] + rng.normal(0, 1, 80)[patch]
    outcome = np.where(level + rng.logistic(0, 1, n) > 0, 4.0, 12.0)
    columns: dict[str, list[object]] = {
        "hole_id": [f"h{i}" for i in range(n)],
        "atlas_tile": [f"t{i}" for i in tile],
        "square": [f"s{i}" for i in square],
        "patch": [f"p{i}" for i in patch],
        "x_px": list(rng.normal(0, 500, n)),
        "y_px": list(rng.normal(0, 500, n)),
    }
    for number in range(features):
        columns[f"feature_{number}"] = list((outcome < 6) + rng.normal(0, 1, n))
    return HoleTable.from_columns(columns), outcome


def play(policy: Policy, holes: HoleTable, outcome: FloatArray, steps: int, start: str) -> list[str]:
    known = dict(zip(holes.hole_id, outcome, strict=True))
    policy.observe(start, float(known[start]), minutes_taken=0.0)
    for _ in range(steps):
        hole = policy.next_hole()
        if hole is None:
            break
        policy.observe(hole, float(known[hole]))
    return list(policy.exposed)


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_the_rows_changes_nothing(name: str) -> None:
    holes, outcome = make_session(1)
    order = np.random.default_rng(2).permutation(len(holes))
    first = play(make_policy(name, holes, MOVES, 300, 0), holes, outcome, 40, "h5")
    second = play(make_policy(name, holes.take(order), MOVES, 300, 0), holes.take(order), outcome[order], 40, "h5")
    assert first == second


@pytest.mark.parametrize("name", EVERY)
def test_the_names_of_holes_and_groups_change_nothing(name: str) -> None:
    holes, outcome = make_session(3)
    columns: dict[str, Sequence[object]] = dict(holes.columns())
    new = [f"z{(i * 7919) % 1009:04d}" for i in range(len(holes))]
    columns["hole_id"] = new
    for group in ("atlas_tile", "square", "patch"):
        columns[group] = [f"{group}-{hash_of(str(value))}" for value in columns[group]]
    renamed = HoleTable.from_columns(columns)
    back = dict(zip(new, holes.hole_id, strict=True))
    first = play(make_policy(name, holes, MOVES, 300, 0), holes, outcome, 40, "h5")
    second = play(make_policy(name, renamed, MOVES, 300, 0), renamed, outcome, 40, new[5])
    assert first == [back[hole] for hole in second]


def hash_of(text: str) -> int:
    return zlib.crc32(text.encode())


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 5.0), (1e-3, -2.0), (-1.0, 0.0), (-250.0, 3.0)])
def test_scaling_or_flipping_a_feature_changes_nothing(scale: float, shift: float) -> None:
    holes, outcome = make_session(4)
    columns: dict[str, Sequence[object]] = dict(holes.columns())
    columns["feature_0"] = [scale * value + shift for value in holes.features["feature_0"]]
    scaled = HoleTable.from_columns(columns)
    first = play(make_policy("adaptive", holes, MOVES, 300, 0), holes, outcome, 40, "h5")
    second = play(make_policy("adaptive", scaled, MOVES, 300, 0), scaled, outcome, 40, "h5")
    assert first == second


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), budget=st.floats(0, 120))
def test_budgets_hold_and_no_hole_comes_twice(name: str, seed: int, budget: float) -> None:
    holes, outcome = make_session(seed, n=30)
    replay = Replay(holes, outcome, MOVES)
    steps = replay.run(make_policy(name, holes, MOVES, budget, seed), seed % 30, budget)
    assert len({step.hole_id for step in steps}) == len(steps)
    assert steps[-1].minutes <= budget + 1e-9
    assert sum(step.good for step in steps[1:]) <= replay.oracle(seed % 30, budget)


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_forbidden_hole_is_never_chosen(name: str, seed: int) -> None:
    holes, outcome = make_session(seed, n=30)
    known = dict(zip(holes.hole_id, outcome, strict=True))
    forbidden = {f"h{i}" for i in np.random.default_rng(seed).choice(np.arange(1, 30), 12, replace=False)}
    policy = make_policy(name, holes, MOVES, 500, seed)
    policy.observe("h0", known["h0"], minutes_taken=0.0)
    policy.forbid(forbidden)
    while (hole := policy.next_hole()) is not None:
        assert hole not in forbidden
        policy.observe(hole, known[hole])
    assert len(policy.exposed) == 30 - 12
    policy.allow(forbidden)
    assert policy.next_hole() in forbidden


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("stop", [0, 1, 17])
def test_a_restored_policy_goes_on_identically(name: str, stop: int) -> None:
    holes, outcome = make_session(6, n=80, features=2)
    known = dict(zip(holes.hole_id, outcome, strict=True))
    policy = make_policy(name, holes, MOVES, 400, 3, shift_radius=150.0)
    policy.observe("h9", known["h9"], minutes_taken=0.0)
    policy.forbid(["h3", "h4"])
    policy.prioritise(["h40"], 3.0)
    for _ in range(stop):
        policy.observe(policy.next_hole() or "", known[policy.next_hole() or ""], minutes_taken=1.7)
    again = restore_policy(json.loads(json.dumps(policy.state())))
    for _ in range(30):
        hole = policy.next_hole()
        assert again.next_hole() == hole
        assert again.explain() == policy.explain()
        if hole is None:
            break
        for one in (policy, again):
            one.observe(hole, known[hole], minutes_taken=2.1)


def brute_force(replay: Replay, start: int, budget: float) -> int:
    good = [int(row) for row in np.flatnonzero(replay.good) if row != start]
    best = 0
    for length in range(len(good), 0, -1):
        for route in permutations(good, length):
            here, spent = start, 0.0
            for row in route:
                spent += replay.minutes_between(here, row)[1]
                here = row
            if spent <= budget + 1e-9:
                return length
    return best


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.integers(0, 25))
def test_the_oracle_equals_brute_force(seed: int, budget: int) -> None:
    rng = np.random.default_rng(seed)
    n = 8
    holes = HoleTable.from_columns(
        {
            "hole_id": [f"h{i}" for i in range(n)],
            "atlas_tile": [f"t{i}" for i in np.arange(n) // 4],
            "square": [f"s{i}" for i in np.arange(n) // 3],
            "patch": [f"p{i}" for i in np.arange(n) // 2],
            "x_px": list(range(n)),
            "y_px": list(range(n)),
        }
    )
    outcome = np.where(rng.random(n) < 0.6, 4.0, 12.0)
    replay = Replay(holes, outcome, MOVES)
    start = int(rng.integers(n))
    assert best_possible(Groups.of(holes, 0), replay.good, start, MOVES, budget) == brute_force(replay, start, budget)
