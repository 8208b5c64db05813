"""A disk that really fills up during a training: nothing is lost, and with space again it ends as it would have.

The home folder lies on a small file system of its own, database and temporary files included.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from structloop.core.errors import StructloopError
from structloop.jobs.training import bench_of
from structloop.jobs.workspace import open_workspace
from structloop.loop.promotion.bench import Bench
from structloop.loop.promotion.candidates import Method, TrainingOrder, train_candidate
from structloop.loop.promotion.roles import promote, record_version, standing
from structloop.loop.promotion.training_runs import list_runs
from structloop.loop.training import feature_cache
from structloop.models.classifiers import fast_head
from structloop.models.registry import ModelRegistry
from structloop.models.training import lora_network, lora_state
from structloop.models.training.lora_settings import LoraSettings
from support.loop_datasets import TASK, store_dataset
from support.tiny_dinov2 import write_tiny_base
from support.tiny_models import TINY, add_tiny_model

SIZE = "64m"


class SmallDisk:
    """A file system in memory that can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """No byte can be written any more."""
        free = os.statvfs(self.folder)
        with self._ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, free.f_bavail * free.f_frsize)

    def free(self) -> None:
        """There is space again."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        (folder / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def bench_in(home: Path, images: Path) -> Iterator[Bench]:
    """A home with a data set, and the model `tiny` in production."""
    card = add_tiny_model(home, images / "scratch")
    with open_workspace(home, threads=1, runtime="torch", precision="fp32") as workspace:
        bench = bench_of(workspace)
        store_dataset(bench.database, bench.kept, images, per_plate=4)
        version = record_version(bench.database, card)
        promote(bench.database, TASK, version, who="Ada", evidence={}, replaces=None)
        yield bench


def filled_before(function: Callable[..., object], disk: SmallDisk) -> Callable[..., object]:
    """The function, before whose first call the disk is full."""
    calls: list[int] = []

    def call(*arguments: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            disk.fill()
        return function(*arguments, **named)

    return call


STAGES = {
    "fast-head": (
        (feature_cache.FeatureCache, "_keep"),
        (fast_head, "write_fast_head"),
        (ModelRegistry, "add"),
    ),
    "lora": (
        (lora_state.Checkpoints, "save"),
        (lora_network, "write_adapted_network"),
        (ModelRegistry, "add"),
    ),
}
"""What is written when the disk is full: what was computed on the way, the weights, and the model among the others."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("method", ["fast-head", "lora"])
def test_a_full_disk_loses_nothing_and_changes_nothing(
    method: Method, disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_tiny_base(tmp_path / "base")
    recipe = LoraSettings(rank=2, batch=16, images_at_once=8, epochs=1, checkpoint_steps=1, threads=1)
    order = TrainingOrder(TASK, method=method, start=str(base) if method == "lora" else TINY, recipe=recipe)
    with bench_in(tmp_path / "roomy", tmp_path / "roomy-images") as bench:
        expected = train_candidate(bench, order).card.files
    with bench_in(disk.folder / "home", tmp_path / "images") as bench:
        production, models = standing(bench.database, TASK).production, bench.registry.names()
        for owner, name in STAGES[method]:
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, filled_before(getattr(owner, name), disk))
                with pytest.raises(StructloopError, match="free some space"):
                    train_candidate(bench, order)
            assert standing(bench.database, TASK).production == production
            assert bench.registry.names() == models
            bench.registry.verify(TINY)
            disk.free()
        made = train_candidate(bench, order)
        assert [run.state for run in list_runs(bench.database)] == ["finished"]
        assert {each.path: each.sha256 for each in made.card.files} == {each.path: each.sha256 for each in expected}
