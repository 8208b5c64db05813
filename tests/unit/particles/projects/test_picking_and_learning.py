"""Picking and learning in a project: nothing twice, failures listed, and what was learned picks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from structloop.core.errors import ParticleProjectError
from structloop.models.pickers import Picker
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.registry import ModelRegistry
from structloop.particles.classical import default_picker
from structloop.particles.coordinates import read_coordinates
from structloop.particles.picking import BlindPicker
from structloop.particles.projects import marks as marking
from structloop.particles.projects.expecting import expected_view
from structloop.particles.projects.exporting import NamesAs, export_project
from structloop.particles.projects.learning import train_project
from structloop.particles.projects.picked import current_picks
from structloop.particles.projects.picking import pick_project
from structloop.particles.projects.projects import (
    ProjectFacts,
    change_project,
    create_project,
    micrograph_views,
    project_view,
)
from structloop.particles.projects.suggestions import suggestions
from structloop.schema.models import IdentityCalibration
from structloop.store import Database
from support.discs import DIAMETER_PX, write_discs

# From the general network: a few steps are enough, and what it knew stays.
QUICK = TrainingSettings(steps=4, patches=2, patch_px=96, folds=2, threads=1)


class Shelf:
    """The picker without a network under every name, and those that were trained meanwhile."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    def load(self, name: str) -> Picker:
        """That picker."""
        return self._registry.load_picker(name) if name in self._registry.names() else default_picker("log")


def _project(database: Database, name: str, folder: Path) -> int:
    project = create_project(database, ProjectFacts(name, folder, DIAMETER_PX))
    change_project(database, project, model="log")
    return project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "micrographs"
    made.mkdir()
    return made


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(ModelRegistry(tmp_path / "home", shipped=tmp_path / "none"))


def test_a_project_is_picked_once_and_again_only_where_something_changed(
    database: Database, folder: Path, shelf: Shelf
) -> None:
    truth = write_discs(folder / "a.png", 1)
    write_discs(folder / "b.png", 2)
    (folder / "empty.mrc").write_bytes(b"")
    Image.fromarray(np.full((540, 640), 7, np.uint8)).save(folder / "flat.png")
    project = _project(database, "discs", folder)
    told: list[tuple[int, int | None]] = []
    result = pick_project(database, shelf, project, on_progress=lambda done, total, _: told.append((done, total)))
    assert (result["picked"], result["failed"]) == (2, 1)
    assert "flat.png" in result["failures"][0]
    assert told[-1] == (3, 3)
    views = {view.name: view for view in micrograph_views(database, project, 0.0)}
    assert "empty" in str(views["empty.mrc"].problem)
    assert "all pixels" in str(views["flat.png"].problem)
    with database.reading() as session:
        picks = current_picks(session, views["a.png"].id)
    best = picks.xy_px[: len(truth)]
    found = np.min(np.linalg.norm(truth[:, None] - best[None], axis=2), axis=1) < 0.3 * DIAMETER_PX
    assert found.mean() > 0.8

    again = pick_project(database, shelf, project)
    assert (again["picked"], again["known"]) == (0, 2)
    write_discs(folder / "b.png", 3)
    write_discs(folder / "c.png", 4)
    assert pick_project(database, shelf, project)["picked"] == 2
    view = project_view(database, project)
    assert (view.picked, view.problems) == (3, 2)
    change_project(database, project, diameter_px=DIAMETER_PX + 2)
    assert project_view(database, project).picked == 0
    assert pick_project(database, shelf, project)["picked"] == 3


def test_a_model_without_real_labels_is_judged_by_the_project_s_own_micrographs(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path / "home", shipped=tmp_path / "none")
    blind = default_picker("log")
    card = blind.card.updated(name="particles-general", parameters={}, calibration=IdentityCalibration())

    class Blind:
        def load(self, name: str) -> Picker:
            return BlindPicker(blind, card, 0)

    for number in range(2):
        write_discs(folder / f"m{number}.png", number)
    project = create_project(database, ProjectFacts("discs", folder, DIAMETER_PX))
    assert pick_project(database, Blind(), project)["picked"] == 2
    version = project_view(database, project).model_version
    assert version != card.version
    seen = expected_view(database, registry, project)
    assert seen.version == version
    assert seen.points
    assert "Nobody labelled" in seen.limitations[0]
    assert pick_project(database, Blind(), project)["picked"] == 0
    write_discs(folder / "m2.png", 2)
    assert pick_project(database, Blind(), project)["picked"] == 3  # Three tell more than two: all are picked anew.
    assert project_view(database, project).model_version != version


def test_stopping_keeps_what_was_picked(database: Database, folder: Path, shelf: Shelf) -> None:
    for number in range(12):
        write_discs(folder / f"m{number}.png", number)
    project = _project(database, "discs", folder)
    result = pick_project(database, shelf, project, should_stop=lambda: True)
    assert result["stopped"]
    assert 0 < result["picked"] < 12
    assert pick_project(database, shelf, project)["picked"] == 12 - result["picked"]


def test_what_is_learned_becomes_the_model_and_goes_to_other_programs(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path / "home")
    shelf = Shelf(registry)
    truth = {name: write_discs(folder / f"{name}.png", seed) for seed, name in enumerate(("a", "b", "c"))}
    project = _project(database, "Discs, big", folder)
    pick_project(database, shelf, project)

    def learn() -> dict[str, object]:
        return train_project(database, registry, shelf, project, folder=tmp_path / "training", settings=QUICK)

    with pytest.raises(ParticleProjectError, match="nothing to learn from"):
        learn()
    views = {view.name: view.id for view in micrograph_views(database, project, 0.5)}
    suggested = suggestions(database, project, 2)
    assert len({one.micrograph_id for one in suggested}) == 2
    for name in ("a", "b"):
        for x, y in truth[name]:
            marking.add_particle(database, views[f"{name}.png"], float(x), float(y), annotator="someone")
        marking.finish(database, views[f"{name}.png"], threshold=None, annotator="someone")
    assert [one.micrograph_id for one in suggestions(database, project, 5)] == [views["c.png"]]
    learned = learn()
    assert (learned["labelled"], learned["picked"]) == (2, 3)
    view = project_view(database, project)
    assert (view.model, view.model_version) == ("discs-big-1", learned["version"])

    made = export_project(database, project, format="star", threshold=0.5, names=NamesAs.FILE)
    star = tmp_path / made.name
    star.write_bytes(made.data)
    read = {each.micrograph: each.xy_px for each in read_coordinates(star)}
    assert np.allclose(np.sort(read["a.png"], axis=0), np.sort(truth["a"], axis=0), atol=0.01)
    found = np.min(np.linalg.norm(truth["c"][:, None] - read["c.png"][None], axis=2), axis=1) < 0.3 * DIAMETER_PX
    assert found.mean() > 0.8
    zipped = export_project(database, project, format="box", threshold=0.5)
    assert zipped.name.endswith(".zip")
    with pytest.raises(ParticleProjectError, match="no format"):
        export_project(database, project, format="bmp", threshold=0.5)


def test_nothing_to_export_says_so(database: Database, folder: Path) -> None:
    write_discs(folder / "a.png", 1)
    project = _project(database, "discs", folder)
    with pytest.raises(ParticleProjectError, match="nothing to export"):
        export_project(database, project, format="star", threshold=0.5)
