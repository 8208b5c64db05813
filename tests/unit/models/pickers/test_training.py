"""Training: the same for a seed, resumable wherever it stops, within its time, honest about what it was given."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from structloop.core.errors import ParticlesError, TrainingStoppedError
from structloop.models.pickers.protocol import LabelledMicrograph
from structloop.models.pickers.training import TrainedPicker, TrainingProgress, TrainingSettings, train_picker
from structloop.models.pickers.training_plan import folds_of, half_mask, steps_within
from structloop.models.runtime import Runtime
from support.pickers import DIAMETER_PX, labelled_discs, random_picker

TINY = TrainingSettings(steps=4, patches=2, patch_px=64, folds=2, threads=1)
RUNTIME = Runtime("torch", "fp32", threads=1)


def train(
    labelled: list[LabelledMicrograph], settings: TrainingSettings = TINY, folder: Path | None = None, **more: object
) -> TrainedPicker:
    return train_picker(
        labelled,
        name="trained",
        start_from=random_picker(),
        settings=settings,
        diameter_px=DIAMETER_PX,
        checkpoint_folder=folder,
        runtime=RUNTIME,
        **more,  # type: ignore[arg-type]  # the tests' own
    )


def same(one: TrainedPicker, other: TrainedPicker) -> bool:
    return all(torch.equal(one.state[name], other.state[name]) for name in one.state)


def test_one_seed_gives_one_picker_and_another_seed_another(tmp_path: Path) -> None:
    labelled = [labelled_discs(1), labelled_discs(2)]
    first, again = train(labelled), train(labelled)
    assert same(first, again)
    assert first.card == again.card
    assert not same(first, train(labelled, replace(TINY, seed=1)))
    assert first.card.diameter_px == DIAMETER_PX
    assert first.card.base is not None
    assert first.card.base.startswith("test-picker ")


@pytest.mark.parametrize("stop_at", [1, 4, 6])
def test_a_stopped_training_goes_on_and_ends_the_same(stop_at: int, tmp_path: Path) -> None:
    labelled = [labelled_discs(1), labelled_discs(2)]
    whole = train(labelled)
    told: list[TrainingProgress] = []
    with pytest.raises(TrainingStoppedError):
        train(labelled, folder=tmp_path, on_progress=told.append, should_stop=lambda: len(told) >= stop_at)
    rest: list[TrainingProgress] = []
    assert same(train(labelled, folder=tmp_path, on_progress=rest.append), whole)
    assert rest[0].done == stop_at + 1
    assert rest[-1].done == rest[-1].total


def test_other_labels_do_not_go_on_from_the_state_of_these(tmp_path: Path) -> None:
    train([labelled_discs(1), labelled_discs(2)], folder=tmp_path)
    told: list[TrainingProgress] = []
    other = train([labelled_discs(1), labelled_discs(3)], folder=tmp_path, on_progress=told.append)
    assert told[0].done == 1
    assert same(other, train([labelled_discs(1), labelled_discs(3)]))


def test_one_micrograph_is_judged_half_by_half() -> None:
    trained = train([labelled_discs(1)])
    assert len(trained.judged) == 2
    assert sum(each.marked for each in trained.judged) < len(labelled_discs(1).xy_px) + 1
    left, right = (half_mask((40, 60), half, 13.0) for half in (0, 1))
    assert not (left & right).any()
    assert (~left & ~right).sum() == 40 * 14


def test_the_time_decides_the_steps_and_a_number_of_steps_overrides_it() -> None:
    long, short = (steps_within(TrainingSettings(time_limit_s=limit), 0.5, 3) for limit in (200.0, 60.0))
    assert long[0] > short[0]
    assert (long[0] + 3 * long[1]) * 0.5 <= 200
    assert steps_within(TINY, 0.5, 2)[0] == 4


def test_a_training_keeps_to_its_time() -> None:
    begun = time.monotonic()
    train([labelled_discs(1), labelled_discs(2)], replace(TINY, steps=None, time_limit_s=8.0))
    assert time.monotonic() - begun < 25


def test_every_micrograph_is_left_out_once() -> None:
    folds = folds_of(7, TrainingSettings(folds=3))
    assert sorted(index for fold in folds for index in fold.left_out) == list(range(7))
    assert len(folds) == 3
    assert len(folds_of(2, TrainingSettings(folds=3))) == 2


def test_few_labels_are_told_from_complete_ones() -> None:
    some = train([labelled_discs(1, complete=False, kept=0.3), labelled_discs(2, complete=False, kept=0.3)])
    assert not any(each.complete for each in some.judged)
    assert any("Few particles" in each for each in some.card.limitations)


def test_nothing_to_learn_from_is_said() -> None:
    good = labelled_discs(1)
    with pytest.raises(ParticlesError, match="no labelled micrograph"):
        train([])
    with pytest.raises(ParticlesError, match="no marked particle lies"):
        train([replace(good, xy_px=np.zeros((0, 2)))])
    with pytest.raises(ParticlesError, match="no marked particle lies"):
        train([replace(good, xy_px=np.array([[5000.0, 20.0]]))])
    masked = replace(good.micrograph, mask=np.ones_like(good.micrograph.mask))
    with pytest.raises(ParticlesError, match="outside of its masks"):
        train([replace(good, micrograph=masked)])


@pytest.mark.parametrize("change", [{"time_limit_s": 0.0}, {"steps": 0}, {"patch_px": 50}, {"folds": 1}])
def test_impossible_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ParticlesError):
        replace(TINY, **change)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.slow
def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from support.pickers import labelled_discs, random_picker\n"
        "from structloop.models.pickers import fitting\n"
        "from structloop.models.pickers.training import TrainingSettings, train_picker\n"
        "from structloop.models.runtime import Runtime\n"
        "fitting._SAVED_EVERY_S = 0.0\n"
        "settings = TrainingSettings(steps=20, patches=2, patch_px=64, folds=2, threads=1)\n"
        "train_picker([labelled_discs(1), labelled_discs(2)], name='trained', start_from=random_picker(),\n"
        "    settings=settings, checkpoint_folder=Path(sys.argv[1]), runtime=Runtime('torch', 'fp32', threads=1),\n"
        "    on_progress=lambda told: print(told.done, flush=True))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, script, tmp_path / "state"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 12:
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    told: list[TrainingProgress] = []
    labelled, settings = [labelled_discs(1), labelled_discs(2)], replace(TINY, steps=20)
    resumed = train(labelled, settings, tmp_path / "state", on_progress=told.append)
    assert told[0].done >= 12
    assert same(resumed, train(labelled, settings))
