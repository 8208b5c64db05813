"""SAM2 pickers: the suite of plugin authors, saved and loaded again, trained and resumed, the wrong base refused."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from structloop.core.errors import ModelFormatError, TrainingStoppedError
from structloop.models.pickers.fitting import fit
from structloop.models.pickers.heatmap import WEIGHTS_FILE
from structloop.models.pickers.labels import scene_of
from structloop.models.pickers.protocol import Picker
from structloop.models.pickers.sam2 import Sam2Architecture, Sam2Family, base_of
from structloop.models.pickers.sam2_base import digest_of, read_base
from structloop.models.pickers.training import TrainedPicker, TrainingProgress, TrainingSettings, train_picker
from structloop.models.runtime import Runtime
from structloop.testing.pickers import PickerTests, noise
from support.pickers import DIAMETER_PX, labelled_discs, picker_card, random_picker
from support.sam2 import write_base

TINY = TrainingSettings(steps=4, patches=1, patch_px=32, folds=2, threads=1)
RUNTIME = Runtime("torch", "fp32", threads=1)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "sam2-narrow")


def train(base: Path, folder: Path | None = None, settings: TrainingSettings = TINY, **more: object) -> TrainedPicker:
    return train_picker(
        [labelled_discs(1), labelled_discs(2)],
        name="trained",
        start_from=None,
        architecture=Sam2Architecture(read_base(str(base))),
        settings=settings,
        diameter_px=DIAMETER_PX,
        checkpoint_folder=folder,
        runtime=RUNTIME,
        **more,  # type: ignore[arg-type]  # the tests' own
    )


def same(one: TrainedPicker, other: TrainedPicker) -> bool:
    return all(torch.equal(one.state[name], other.state[name]) for name in one.state)


@dataclass(frozen=True)
class Learnt:
    """A narrow network that has learnt to find discs, the losses on its way, and its base before and after."""

    picker: Picker
    losses: list[float]
    before: str
    after: str


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    base = read_base(str(write_base(tmp_path_factory.mktemp("sam2") / "narrow")))
    architecture = Sam2Architecture(base)
    losses: list[float] = []
    state = fit(
        [scene_of(labelled_discs(seed), None) for seed in range(1, 5)],
        None,
        40,
        TrainingSettings(steps=40, patches=2, patch_px=96, peak=5e-3),
        stream=0,
        architecture=architecture,
        after_step=lambda _done, loss: losses.append(loss),
    )
    card = picker_card(family="sam2", base=base.source, parameters=dict(architecture.parameters))
    encoder = architecture.build().frozen.state_dict()
    return Learnt(architecture.picker(card, state, RUNTIME), losses, base.sha256, digest_of(base.shape, encoder))


class TestSam2Picker(PickerTests):
    @pytest.fixture
    def picker(self, learnt: Learnt) -> Picker:
        return learnt.picker


def test_training_learns_and_leaves_the_base_alone(learnt: Learnt) -> None:
    assert np.mean(learnt.losses[-5:]) < 0.5 * np.mean(learnt.losses[:5])
    assert learnt.after == learnt.before


def test_what_was_saved_is_small_and_gives_the_same_scores_when_loaded(base: Path, tmp_path: Path) -> None:
    trained = train(base)
    assert trained.card.family == "sam2"
    assert trained.card.base == str(base)
    assert trained.card.parameters["base_sha256"] == read_base(str(base)).sha256
    trained.save(tmp_path / "saved")
    assert {name.split(".")[0] for name in load_file(tmp_path / "saved" / WEIGHTS_FILE)} == {"adapters", "head"}
    loaded = Sam2Family().load(tmp_path / "saved", trained.card, RUNTIME)
    seen = [noise((64, 75), 1), noise((96, 64), 2)]
    for one, other in zip(trained.picker(RUNTIME).score_maps(seen), loaded.score_maps(seen), strict=True):
        assert np.array_equal(one.probability, other.probability)
        assert one.offsets_px is not None
        assert other.offsets_px is not None
        assert np.array_equal(one.offsets_px, other.offsets_px)


def test_a_stopped_training_goes_on_and_ends_the_same(base: Path, tmp_path: Path) -> None:
    whole = train(base)
    told: list[TrainingProgress] = []
    with pytest.raises(TrainingStoppedError):
        train(base, tmp_path / "state", on_progress=told.append, should_stop=lambda: len(told) >= 5)
    kept = load_file(next((tmp_path / "state").glob("*/step-*.safetensors")))
    assert not any("frozen" in name for name in kept)
    rest: list[TrainingProgress] = []
    assert same(train(base, tmp_path / "state", on_progress=rest.append), whole)
    assert rest[0].done == 6


def test_a_state_of_another_base_is_not_gone_on_with(base: Path, tmp_path: Path) -> None:
    train(base, tmp_path / "state")
    told: list[TrainingProgress] = []
    train(write_base(tmp_path / "other", seed=1), tmp_path / "state", on_progress=told.append)
    assert told[0].done == 1


def test_a_training_starts_from_another_and_is_guided_by_a_third(base: Path) -> None:
    first = train(base)
    second = train_picker(
        [labelled_discs(3, complete=False, kept=0.5)],
        name="second",
        start_from=first.picker(RUNTIME),
        architecture=first.architecture,
        guide=random_picker(),
        settings=replace(TINY, steps=1, peak=1e-9),
        runtime=RUNTIME,
    )
    for name, tensor in first.state.items():
        torch.testing.assert_close(second.state[name], tensor, rtol=1e-4, atol=1e-4)
    assert second.card.base == str(base)
    assert first.card.version in second.card.origin


def test_the_wrong_base_is_refused_and_a_moved_one_is_found_where_the_card_says(base: Path, tmp_path: Path) -> None:
    trained = train(base, settings=replace(TINY, steps=1))
    trained.save(tmp_path / "saved")
    other = write_base(tmp_path / "other", seed=1)
    with pytest.raises(ModelFormatError, match="another SAM2 encoder"):
        Sam2Family().load(tmp_path / "saved", trained.card.updated(base=str(other)), RUNTIME)
    moved = shutil.move(base, tmp_path / "moved")
    with pytest.raises(ModelFormatError, match="field base of the model's card"):
        Sam2Family().load(tmp_path / "saved", trained.card, RUNTIME)
    repaired = trained.card.updated(base=str(moved))
    assert repaired.version == trained.card.version
    assert Sam2Family().load(tmp_path / "saved", repaired, RUNTIME).card.base == str(moved)
    with pytest.raises(ModelFormatError, match="gives its SAM2 model"):
        base_of(trained.card.updated(base=None))


def test_weights_that_do_not_fit_and_an_engine_that_cannot_are_refused(base: Path, tmp_path: Path) -> None:
    trained = train(base, settings=replace(TINY, steps=1))
    architecture = Sam2Architecture(read_base(str(base)))
    with pytest.raises(ModelFormatError, match="unexpected 'x'"):
        architecture.picker(trained.card, {**trained.state, "x": torch.zeros(1)})
    lacking = dict(trained.state)
    lacking.pop("adapters.0.up.bias")
    with pytest.raises(ModelFormatError, match=r"missing 'adapters.0.up.bias'"):
        architecture.picker(trained.card, lacking)
    (tmp_path / "saved").mkdir()
    save_file(lacking, tmp_path / "saved" / WEIGHTS_FILE)
    with pytest.raises(ModelFormatError, match="torch only"):
        Sam2Family().load(tmp_path / "saved", trained.card, Runtime("openvino"))
    assert architecture.picker(trained.card, trained.state, Runtime("auto")).score_maps([noise((32, 32), 1)])


@pytest.mark.slow
def test_a_killed_training_goes_on(base: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from support.pickers import labelled_discs\n"
        "from structloop.models.pickers import fitting\n"
        "from structloop.models.pickers.sam2 import Sam2Architecture\n"
        "from structloop.models.pickers.sam2_base import digest_of, read_base\n"
        "from structloop.models.pickers.training import TrainingSettings, train_picker\n"
        "from structloop.models.runtime import Runtime\n"
        "fitting._SAVED_EVERY_S = 0.0\n"
        "train_picker([labelled_discs(1), labelled_discs(2)], name='trained', start_from=None,\n"
        "    architecture=Sam2Architecture(read_base(sys.argv[2])), diameter_px=26.0,\n"
        "    settings=TrainingSettings(steps=4, patches=1, patch_px=32, folds=2, threads=1),\n"
        "    checkpoint_folder=Path(sys.argv[1]), runtime=Runtime('torch', 'fp32', threads=1),\n"
        "    on_progress=lambda told: print(told.done, flush=True))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])}
    child = subprocess.Popen(
        [sys.executable, script, tmp_path / "state", base],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 3:
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    told: list[TrainingProgress] = []
    settings = replace(TINY, steps=4)
    resumed = train(base, tmp_path / "state", settings, on_progress=told.append)
    assert told[0].done >= 3
    assert same(resumed, train(base, settings=settings))
