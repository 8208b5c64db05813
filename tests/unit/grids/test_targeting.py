"""What the targeting policy does for an operator."""

import time
from pathlib import Path

import numpy as np
import pytest

from structloop.grids.targeting import (
    Adaptive,
    HolesError,
    HoleTable,
    Move,
    MoveTimesError,
    Replay,
    ReplayError,
    Reward,
    RewardError,
    Screening,
    TargetingError,
    Term,
    make_policy,
    read_holes,
    replay_of,
    restore_policy,
)
from structloop.grids.targeting.holes import standardise
from structloop.grids.targeting.travel import MoveTimes

MOVES = (1.0, 2.0, 6.0, 8.0)


def table(squares: int = 4, patches: int = 3, holes: int = 8, **features: list[float]) -> HoleTable:
    rng = np.random.default_rng(0)
    n = squares * patches * holes
    patch = np.arange(n) // holes
    square = patch // patches
    columns: dict[str, list[object]] = {
        "hole_id": [f"h{i}" for i in range(n)],
        "atlas_tile": [f"t{i // 2}" for i in square],
        "square": [f"s{i}" for i in square],
        "patch": [f"p{i}" for i in patch],
        "x_px": list(rng.normal(0, 400, n)),
        "y_px": list(rng.normal(0, 400, n)),
    }
    return HoleTable.from_columns(columns | {name: list(values) for name, values in features.items()})


def test_it_leaves_a_bad_square_for_a_good_one_and_stays_there() -> None:
    holes = table()
    outcome = {name: 4.0 if square == "s3" else 12.0 for name, square in zip(holes.hole_id, holes.square, strict=True)}
    policy = make_policy("adaptive", holes, MOVES, 100, 0)
    policy.observe("h0", outcome["h0"], minutes_taken=0.0)
    while (hole := policy.next_hole()) is not None:
        policy.observe(hole, outcome[hole])
    assert sum(outcome[name] == 4.0 for name in policy.exposed) == 24  # all there are
    places = [holes.square[holes.hole_id.index(name)] for name in policy.exposed]
    assert places.index("s3") < 12


def test_overrides_are_respected_at_any_time() -> None:
    holes = table()
    policy = make_policy("adaptive", holes, MOVES, 200, 0)
    policy.observe("h0", 4.0, minutes_taken=0.0)
    policy.force("h90")
    policy.force("h50")
    assert policy.next_hole() == "h90"
    assert policy.explain().sentence == "Expose hole h90 next: the operator asked for it."
    policy.observe("h90", 12.0)
    assert policy.next_hole() == "h50"
    policy.forbid(["h50"])
    assert policy.next_hole() not in ("h50", "h90")
    policy.prioritise([f"h{i}" for i in range(72, 96) if i != 90], 50.0)
    assert int((policy.next_hole() or "h0")[1:]) >= 72


def test_holes_found_later_join() -> None:
    holes = table()
    policy = make_policy("adaptive", holes.take(range(48)), MOVES, 500, 0)
    policy.observe("h0", 12.0, minutes_taken=0.0)
    policy.observe("h1", 12.0)
    policy.add(holes.take(range(48, 96)))
    seen = {policy.next_hole()}
    while (hole := policy.next_hole()) is not None:
        policy.observe(hole, 4.0 if int(hole[1:]) >= 48 else 12.0)
        seen.add(hole)
    assert len(seen) == 94
    with pytest.raises(HolesError, match="twice"):
        policy.add(holes.take([3]))


def test_explain_gives_the_numbers_of_its_table_and_its_best_row_is_chosen() -> None:
    rng = np.random.default_rng(1)
    holes = table(squares=6, quality=list(rng.normal(0, 1, 144)))
    outcome = np.where(rng.random(144) < 0.4, 4.0, 12.0)
    policy = make_policy("adaptive", holes, MOVES, 150, 0)
    policy.observe("h7", outcome[7], minutes_taken=0.0)
    sentences = []
    while (hole := policy.next_hole()) is not None:
        told = policy.explain()
        best = told.table[0]
        assert best.hole_id == hole
        assert best.good_per_minute == max(row.good_per_minute for row in told.table)
        assert best.good_per_minute == pytest.approx(best.good / best.minutes)
        assert f"{best.good_per_minute:.2f} good per minute" in told.sentence
        assert hole in told.sentence
        other = next((r for r in told.table if (r.move == Move.SAME_PATCH) != (best.move == Move.SAME_PATCH)), None)
        if other:
            assert f"{other.good_per_minute:.2f}" in told.sentence
        sentences.append(told.sentence)
        policy.observe(hole, outcome[int(hole[1:])])
    assert any(text.startswith("Stay") for text in sentences)
    assert any(text.startswith("Move to square") for text in sentences)
    assert policy.explain().table == ()


def test_move_times_are_learned() -> None:
    times = MoveTimes((10, 10, 10, 10))
    for _ in range(20):
        times.observe(Move.SAME_PATCH, 1.0)
        times.observe(Move.SAME_SQUARE, 2.0)
    near, square, tile, far = times.minutes
    assert near == pytest.approx(1.0, abs=0.3)
    assert square == pytest.approx(2.0, abs=0.4)
    assert square <= tile <= far < 5  # the others follow: everything is faster than told


@pytest.mark.parametrize("minutes", [(1, 2, 3), (1, 2, 3, 0), (1, 2, 3, float("nan")), (1, -2, 3, 4)])
def test_bad_move_times_are_refused(minutes: tuple[float, ...]) -> None:
    with pytest.raises(MoveTimesError, match="four positive numbers"):
        make_policy("adaptive", table(), minutes, 60, 0)


def test_rewards_can_weigh_several_quantities() -> None:
    reward = Reward(
        {
            "ctf_resolution_angstrom": Term(high=5.0, softness=5.0, weight=2.0),
            "ice_thickness_nm": Term(low=20, high=60, weight=1.0),
        }
    )
    assert reward.of({"ctf_resolution_angstrom": 4.0, "ice_thickness_nm": 30}) == pytest.approx(1.0)
    assert reward.of({"ctf_resolution_angstrom": 7.5, "ice_thickness_nm": 90}) == pytest.approx(1 / 3)
    policy = make_policy("adaptive", table(), MOVES, 60, 0, reward=reward)
    with pytest.raises(RewardError, match="ice_thickness_nm"):
        policy.observe("h0", 4.0)
    assert policy.observe("h0", 4.0, values={"ice_thickness_nm": 30}) == pytest.approx(1.0)


def test_an_exposure_without_a_fit_counts_as_bad() -> None:
    policy = make_policy("adaptive", table(), MOVES, 60, 0)
    assert policy.observe("h0", float("nan"), minutes_taken=0.0) == 0.0


def test_a_shift_group_once_begun_is_finished() -> None:
    holes = table()
    policy = make_policy("adaptive", holes, MOVES, 500, 0, shift_radius=300.0)
    rng = np.random.default_rng(0)
    policy.observe("h0", 4.0, minutes_taken=0.0)
    groups = policy._shift
    assert groups is not None
    order = [0]
    while (hole := policy.next_hole()) is not None:
        policy.observe(hole, float(rng.choice([4.0, 12.0])))
        order.append(int(hole[1:]))
    visited = [int(groups[row]) for row in order]
    runs = [group for number, group in enumerate(visited) if number == 0 or group != visited[number - 1]]
    assert len(runs) == len(set(runs))
    assert 1 < len(set(runs)) < len(order)


def test_screening_visits_every_square_and_ranks_them() -> None:
    holes = table(squares=5, patches=4)
    good = {"s0": 0.1, "s1": 0.9, "s2": 0.1, "s3": 0.1, "s4": 0.1}
    rng = np.random.default_rng(3)
    policy = make_policy("screening", holes, MOVES, 1e6, 0, exposures=25)
    assert isinstance(policy, Screening)
    policy.observe("h0", 12.0, minutes_taken=0.0)
    while (hole := policy.next_hole()) is not None:
        policy.observe(hole, 4.0 if rng.random() < good[holes.square[int(hole[1:])]] else 12.0)
    squares, grids = policy.ranking()
    assert len(policy.exposed) == 26
    assert all(row.exposures >= 2 for row in squares)
    assert squares[0].name == "s1"
    assert all(row.low <= row.good_share <= row.high for row in [*squares, *grids])
    assert grids[0].holes == len(holes)


def test_what_one_session_learned_starts_the_next() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(96) < 0.4
    holes = table(quality=list(rng.normal(0, 1, 96) - 2.5 * truth))
    first = make_policy("adaptive", holes, MOVES, 1e3, 0)
    first.observe("h0", 4.0 if truth[0] else 12.0, minutes_taken=0.0)
    while (hole := first.next_hole()) is not None:
        first.observe(hole, 4.0 if truth[int(hole[1:])] else 12.0)
    assert isinstance(first, Adaptive)
    learned = first.posterior()
    assert learned[0].slopes[0] < -1  # the lower the better, which nobody told it
    second = make_policy("adaptive", holes, MOVES, 1e3, 0, priors=learned)
    assert isinstance(second, Adaptive)
    chances = second.chances()
    best = max(chances, key=lambda name: chances[name])
    assert truth[int(best[1:])]


def test_missing_feature_values_are_allowed() -> None:
    values = [float("nan") if i % 3 == 0 else float(i % 7) for i in range(96)]
    policy = make_policy("adaptive", table(quality=values, empty=[float("nan")] * 96), MOVES, 60, 0)
    policy.observe("h0", 4.0, minutes_taken=0.0)
    assert policy.next_hole() is not None


def test_standardised_ranks_are_exactly_antisymmetric() -> None:
    values = np.random.default_rng(0).normal(size=101)
    assert np.array_equal(standardise(-values), -standardise(values))
    assert np.array_equal(standardise(3 * values + 7), standardise(values))


def test_mistakes_are_named() -> None:
    holes = table()
    policy = make_policy("adaptive", holes, MOVES, 60, 0)
    with pytest.raises(TargetingError, match="no hole 'x9'"):
        policy.observe("x9", 4.0)
    policy.observe("h0", 4.0)
    with pytest.raises(TargetingError, match="exposed already"):
        policy.observe("h0", 4.0)
    with pytest.raises(TargetingError, match="no policy 'clever'; there are adaptive"):
        make_policy("clever", holes, MOVES, 60, 0)
    with pytest.raises(TargetingError, match="lacks"):
        restore_policy({"policy": "adaptive"})
    with pytest.raises(TargetingError, match="budget_minutes"):
        make_policy("adaptive", holes, MOVES, -1, 0)
    with pytest.raises(HolesError, match="lacks patch"):
        HoleTable.from_columns({name: ["1"] for name in ("hole_id", "atlas_tile", "square", "x_px", "y_px")})
    with pytest.raises(TargetingError, match="feature z"):
        policy.add(table(z=[0.0] * 96).take([5]))


def test_a_csv_with_a_bad_number_names_file_column_and_hole(tmp_path: Path) -> None:
    path = tmp_path / "holes.csv"
    path.write_text("hole_id,atlas_tile,square,patch,x_px,y_px\nh1,t,s,p,12,abc\n")
    with pytest.raises(HolesError, match=r"holes\.csv: column y_px of hole 'h1': 'abc'"):
        read_holes(path)
    path.write_text("")
    with pytest.raises(HolesError, match="holds no holes"):
        read_holes(path)


def test_a_policy_is_never_shown_the_outcome() -> None:
    holes = table(ctf_max_resolution_A=[4.0] * 96)
    with pytest.raises(ReplayError, match="cannot be shown"):
        replay_of(holes, holes.features, ["ctf_max_resolution_A"], MOVES)
    seen = table(ctf_max_resolution_A=[4.0] * 96, ctf_fit_confidence=[0.9] * 96)
    with pytest.raises(ReplayError, match="ctf_fit_confidence is measured"):
        replay_of(seen, seen.features, ["ctf_fit_confidence"], MOVES)
    with pytest.raises(ReplayError, match="no column"):
        replay_of(table(), {}, [], MOVES)
    with pytest.raises(MoveTimesError, match="not fall"):
        Replay(holes, np.full(96, 4.0), (2, 1, 3, 4))


def test_a_decision_over_many_holes_is_quick() -> None:
    """Not a benchmark: only that nothing is quadratic in the number of holes."""
    rng = np.random.default_rng(0)
    n = 20_000
    holes = table(squares=50, patches=20, holes=20, quality=list(rng.normal(0, 1, n)))
    policy = make_policy("adaptive", holes, MOVES, 1e5, 0)
    policy.observe("h0", 4.0, minutes_taken=0.0)
    begin = time.perf_counter()
    for _ in range(5):
        policy.observe(policy.next_hole() or "", 4.0)
    assert time.perf_counter() - begin < 5
