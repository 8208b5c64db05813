import numpy as np
import pytest

from structloop.grids.targeting import HoleTable, Replay
from structloop.simulation.hole_sessions import simulate_session


def test_a_seed_makes_the_same_session_and_another_a_different_one() -> None:
    assert simulate_session(3) == simulate_session(3)
    assert simulate_session(3) != simulate_session(4)


def test_holes_are_good_as_often_as_asked_and_alike_within_a_patch() -> None:
    session = simulate_session(1, good_share=0.35)
    good = np.array(session.measured_angstrom) <= 6.0
    assert good.mean() == pytest.approx(0.35, abs=0.02)
    patches = np.array(session.patch)
    rates = np.array([good[patches == name].mean() for name in np.unique(patches)])
    sizes = np.array([(patches == name).sum() for name in np.unique(patches)])
    by_chance = np.mean(0.35 * 0.65 / sizes)
    assert rates.var() > 2 * by_chance


def test_a_policy_can_play_it() -> None:
    session = simulate_session(2, tiles=3)
    holes = HoleTable.from_columns(session.columns()).select_features([])
    replay = Replay(holes, np.array(session.measured_angstrom), (1, 2, 6, 8))
    assert 0 < replay.oracle(0, 60) <= 60


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="good_share"):
        simulate_session(0, good_share=1.5)
