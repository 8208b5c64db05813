"""From a data set to a candidate, its evidence, and production by person or by policy."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from structloop.core.errors import (
    DatasetError,
    ModelExistsError,
    ModelFormatError,
    NotFoundError,
    TrainingError,
    TrainingStoppedError,
)
from structloop.jobs.training import bench_of
from structloop.jobs.workspace import open_workspace
from structloop.loop.datasets.versions import load_split
from structloop.loop.promotion.bench import Bench, compare_on
from structloop.loop.promotion.candidates import POLICY, TrainingOrder, train_candidate
from structloop.loop.promotion.roles import promote, standing
from structloop.loop.promotion.training_runs import get_run, list_runs
from structloop.loop.tasks import REVIEW_TASKS
from structloop.models.training.lora_settings import LoraSettings
from structloop.store import Database
from support.loop_datasets import TASK, store_dataset
from support.tiny_dinov2 import write_tiny_base
from support.tiny_models import TINY, add_tiny_model

ORDER = TrainingOrder(TASK, start=TINY)


@pytest.fixture
def bench(home: Path, tmp_path: Path, database: Database) -> Iterator[Bench]:
    add_tiny_model(home, tmp_path / "scratch")
    settings = {"threads": 1, "runtime": "torch", "precision": "fp32", "default_model": TINY}
    with open_workspace(home, **settings, database_url=database.url) as workspace:
        made = replace(bench_of(workspace), database=database)
        store_dataset(database, made.kept, tmp_path / "images")
        yield made


def test_a_training_ends_with_a_candidate_and_its_lineage(bench: Bench) -> None:
    told: list[str] = []
    made = train_candidate(bench, ORDER, on_progress=lambda _done, _total, message: told.append(message))
    run = get_run(bench.database, made.run.id)
    assert (run.state, run.model) == ("finished", f"{made.card.name}@{made.card.version}")
    assert run.name == f"crystals-visible-fast-head-{run.id}"
    assert run.dataset_version_id == 1
    assert run.course["folds"] >= 2
    assert made.card.training.name == TASK
    assert made.card.training.version.startswith("1 (")
    assert {metric.name for metric in made.card.metrics} >= {"recall at the alarm threshold", "AUC"}
    now = standing(bench.database, TASK)
    assert now.production is None, "a person promotes, unless policy says otherwise"
    assert [event.model for event in now.candidates] == [run.model]
    evidence = now.candidates[0].evidence
    assert evidence["verdict"]["current"] is None
    assert evidence["comparison"]["candidate"]["items"] == 60
    beside = evidence["comparison"]["current"]["model"]["name"]
    assert beside == bench.registry.default_name, "the default model stands beside the first"
    assert "computing features" in told
    assert "fitting the head" in told


def test_policy_promotes_what_passes_and_the_next_is_compared_with_it(bench: Bench) -> None:
    first = train_candidate(bench, replace(ORDER, promotes_by_gate=True))
    assert first.verdict is not None
    now = standing(bench.database, TASK)
    assert (first.promoted is not None) == first.verdict.passed == (now.production is not None)
    if now.production is None:
        promote(bench.database, TASK, first.version_id, who="Ada", evidence={}, replaces=None)
    else:
        assert now.production.who == POLICY
    second = train_candidate(bench, TrainingOrder(TASK, seed=1))
    assert second.run.start == first.card.name, "what is in production is where the next begins"
    assert second.verdict is not None
    assert second.verdict.current == f"{first.card.name}@{first.card.version}"
    assert "only the candidate is right on" in str(second.verdict.to_json())


def test_two_models_are_compared_on_the_frozen_test_set(bench: Bench) -> None:
    made = train_candidate(bench, ORDER)
    task = REVIEW_TASKS.get(TASK)
    split = load_split(bench.database, bench.kept, 1, task)
    found = compare_on(bench, task, split.test, TINY, made.card.name)
    assert len(found.candidate.items) == 60
    assert found.candidate.by_tag["detail"][0].name == "needles"
    assert found.differences.groups == 4


def test_what_is_asked_for_again_goes_on_and_what_failed_says_why(bench: Bench, tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base")
    recipe = LoraSettings(rank=2, batch=16, images_at_once=8, checkpoint_steps=1, threads=1)
    order = TrainingOrder(TASK, method="lora", start=str(base), recipe=recipe)
    steps: list[int] = []

    def told(done: int, _total: int | None, message: str) -> None:
        if message.startswith("epoch"):
            steps.append(done)

    with pytest.raises(TrainingStoppedError):
        train_candidate(bench, order, on_progress=told, should_stop=lambda: len(steps) == 1)
    (run,) = list_runs(bench.database)
    assert (run.state, steps) == ("stopped", [1])
    assert run.course["progress"]["step"] == 1
    (tmp_path / "base" / "model.safetensors").rename(tmp_path / "away")
    with pytest.raises(ModelFormatError, match="missing"):
        train_candidate(bench, order)
    (run,) = list_runs(bench.database)
    assert run.state == "failed"
    assert "model.safetensors" in str(run.problem)


def test_what_cannot_be_trained_is_refused_at_the_beginning(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ModelExistsError, match="another name"):
        train_candidate(bench, replace(ORDER, name=TINY))
    with pytest.raises(NotFoundError):
        train_candidate(bench, replace(ORDER, task="crystals/uv"))
    other = store_dataset(bench.database, bench.kept, tmp_path / "uv", number=2, task="crystals/uv")
    with pytest.raises(DatasetError, match="another task"):
        train_candidate(bench, replace(ORDER, dataset=str(other.id)))
    with pytest.raises(TrainingError, match="family 'compact'"):
        train_candidate(bench, replace(ORDER, method="lora"))
    assert [run.state for run in list_runs(bench.database)] == ["failed", "failed"]
