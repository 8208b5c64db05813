"""Labels are suspected by models that have not learnt from them, however well the one in production has learnt them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from structloop.core.errors import StoreUnavailableError
from structloop.crystals.annotations import annotate
from structloop.crystals.curation import fill_queue, next_views
from structloop.crystals.curation.held_out import held_out_drops
from structloop.jobs.curation import fill_drops
from structloop.jobs.training import bench_of
from structloop.jobs.workspace import Workspace, open_workspace
from structloop.loop.promotion.roles import promote, record_version
from structloop.schema.loop import CurationReason
from structloop.store.tables import DropImageFile, ExperimentScore
from support.labelled_items import blob_image
from support.stored_plates import store_plate
from support.tiny_models import TINY, add_tiny_model

PLATES, ROWS, COLUMNS = 3, 4, 6


@pytest.fixture
def workspace(home: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with a tiny model in production, in which every third drop of three plates holds a crystal."""
    card = add_tiny_model(home, tmp_path / "scratch")
    with open_workspace(home, threads=1, runtime="torch", precision="fp32") as workspace:
        version = record_version(workspace.database, card)
        for task in ("crystals/visible", "crystals/uv"):
            promote(workspace.database, task, version, who="Ada", evidence={}, replaces=None)
        for number in range(PLATES):
            store_plate(
                workspace.database, tmp_path / "images", f"P{number}", rows=ROWS, columns=COLUMNS, drops=(1,),
                inspections=1,
            )  # fmt: skip
        with workspace.database.session() as session:
            for image in session.scalars(select(DropImageFile)):
                path = Path(image.path)
                blob_image(image.id, crystal=is_crystal(image.drop_id)).save(path)
                data = path.read_bytes()
                image.sha256, image.size_bytes = hashlib.sha256(data).hexdigest(), len(data)
        yield workspace


def is_crystal(drop_id: int) -> bool:
    return drop_id % 3 == 0


def label_all(workspace: Workspace, wrong: set[int]) -> None:
    """People label every drop, some wrongly, and the model in production knows their labels by heart."""
    database = workspace.database
    for drop_id in range(1, PLATES * ROWS * COLUMNS + 1):
        says = is_crystal(drop_id) != (drop_id in wrong)
        annotate(
            database, drop_id, inspection=1, scheme="axis", label="crystal" if says else "other", annotator="ada",
            score_visible=False,
        )  # fmt: skip
        with database.session() as session:
            session.execute(
                update(ExperimentScore)
                .where(ExperimentScore.drop_id == drop_id)
                .values(crystal_probability=0.95 if says else 0.05)
            )


def suspects(workspace: Workspace) -> set[int]:
    page = next_views(workspace.database, "bob", limit=50, reason=CurationReason.LABEL_ERROR)
    return {item.drop_id for item in page.items}


def test_errors_that_production_has_learnt_are_found_all_the_same(workspace: Workspace) -> None:
    wrong = {3, 10, 27, 40, 51, 64}
    label_all(workspace, wrong)
    held = held_out_drops(bench_of(workspace))
    assert len(held) == PLATES * ROWS * COLUMNS
    assert all(0 <= value <= 1 for value in held.values())
    assert fill_queue(workspace.database, size=1).found["label-error"] == 0, "the scores say what people say"
    report, _ = fill_drops(workspace, size=50, project_share=1.0, answers_needed=2)
    assert (report.labelled, report.held_out) == (72, 71), "what waits for curators is not asked about again"
    found = suspects(workspace)
    assert len(found & wrong) >= 4
    assert len(found) <= 15


def test_few_labels_and_unknown_features_leave_labels_to_the_scores(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert held_out_drops(bench_of(workspace)) == {}
    label_all(workspace, set())
    assert held_out_drops(bench_of(workspace), seconds=0.0) == {}, "no time to compute features, and none are kept"
    assert held_out_drops(bench_of(workspace), [1]) == {}, "one plate cannot be cut into folds"
    assert len(held_out_drops(bench_of(workspace), [1, 2])) == 2 * ROWS * COLUMNS

    def full(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr("structloop.loop.training.feature_cache.FeatureCache._kept", lambda *_: None)
    monkeypatch.setattr("structloop.store.files.DerivedFiles.get_or_make", full)
    with pytest.raises(StoreUnavailableError):
        held_out_drops(bench_of(workspace))
    assert bench_of(workspace).registry.names().count(TINY) == 1
