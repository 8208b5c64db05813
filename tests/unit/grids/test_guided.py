import pytest

from structloop.grids.targeting import HoleTable, Replay, TargetingError, replay_of
from structloop.grids.targeting.guided import Override, guided_replay
from structloop.grids.targeting.layout import lay_out
from structloop.simulation.hole_sessions import simulate_session


@pytest.fixture(scope="module")
def replay() -> Replay:
    made = simulate_session(1, tiles=3)
    table = HoleTable.from_columns(made.columns())
    return replay_of(table, table.features, ["predicted_ctf_resolution_A"], (1, 2, 6, 8))


def test_every_step_has_its_reason_and_expectation(replay: Replay) -> None:
    seen = guided_replay(replay, "adaptive", 0, 60)
    assert len(seen.steps) == len(seen.reasons) == len(seen.chances)
    assert seen.chances.shape == (len(seen.steps), len(replay.holes))
    for step, reason in list(zip(seen.steps, seen.reasons, strict=True))[1:]:
        assert reason.table[0].hole_id == step.hole_id
    assert 0 < seen.good <= seen.possible


def test_overrides_act_from_their_moment_on_and_never_before(replay: Replay) -> None:
    plain = guided_replay(replay, "adaptive", 0, 60)
    unwanted = plain.steps[10].hole_id
    wanted = next(name for name in reversed(replay.holes.hole_id) if name not in {s.hole_id for s in plain.steps})
    changed = guided_replay(
        replay,
        "adaptive",
        0,
        60,
        overrides=[Override(4, "forbid", (unwanted,)), Override(6, "force", (wanted,))],
    )
    assert [s.hole_id for s in changed.steps[:5]] == [s.hole_id for s in plain.steps[:5]]
    assert unwanted not in {step.hole_id for step in changed.steps}
    assert changed.steps[7].hole_id == wanted
    assert "operator asked" in changed.reasons[7].sentence


def test_the_past_cannot_be_overridden(replay: Replay) -> None:
    plain = guided_replay(replay, "adaptive", 0, 40)
    changed = guided_replay(replay, "adaptive", 0, 40, overrides=[Override(8, "force", (plain.steps[3].hole_id,))])
    assert changed.steps == plain.steps


def test_simple_policies_expect_nothing(replay: Replay) -> None:
    assert guided_replay(replay, "sweep", 0, 30).chances.shape == (0, len(replay.holes))


def test_mistakes_are_named(replay: Replay) -> None:
    with pytest.raises(TargetingError, match="no hole 'nowhere'"):
        guided_replay(replay, "adaptive", 0, 30, overrides=[Override(0, "forbid", ("nowhere",))])
    with pytest.raises(TargetingError, match="no hole in row"):
        guided_replay(replay, "adaptive", 10**6, 30)
    with pytest.raises(TargetingError, match="before the session"):
        Override(-1, "forbid", ())


def test_the_layout_keeps_patches_apart(replay: Replay) -> None:
    layout = lay_out(replay.holes, replay.groups)
    boxes = []
    for patch in range(len(replay.groups.patch_names)):
        rows = replay.groups.patch == patch
        boxes.append((layout.x[rows].min(), layout.x[rows].max(), layout.y[rows].min(), layout.y[rows].max()))
    for number, (left, right, top, bottom) in enumerate(boxes):
        for other_left, other_right, other_top, other_bottom in boxes[:number]:
            assert right < other_left or other_right < left or bottom < other_top or other_bottom < top
