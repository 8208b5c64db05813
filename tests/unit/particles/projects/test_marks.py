"""What people mark: the last word counts, and everything can be undone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from structloop.core.errors import LabelsError, NotFoundError, ParticleProjectError
from structloop.particles.projects import marks as marking
from structloop.particles.projects.marks import Box, Marks
from structloop.particles.projects.picked import StoredPicks, record_picks
from structloop.particles.projects.projects import (
    ProjectFacts,
    create_project,
    micrograph_views,
    project_view,
)
from structloop.particles.projects.scanning import scan_project
from structloop.store import Database
from structloop.store.tables import Micrograph, ModelVersion

WHO = "someone"
PICKS = StoredPicks(np.array([[100.0, 100], [200, 100], [300, 100]]), np.array([0.9, 0.5, 0.2]))


@pytest.fixture
def micrograph(database: Database, tmp_path: Path) -> int:
    folder = tmp_path / "micrographs"
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (300, 400), np.uint8)
    Image.fromarray(pixels).save(folder / "first.png")
    project = create_project(database, ProjectFacts("made up", folder, diameter_px=20.0))
    scan_project(database, project)
    return micrograph_views(database, project, 0.5)[0].id


def _pick(database: Database, micrograph: int) -> None:
    with database.session() as session:
        version = ModelVersion(name="particles-general", version="1", card={})
        session.add(version)
        session.flush()
        number = version.id
        mark = session.get_one(Micrograph, micrograph).fingerprint
    record_picks(database, micrograph, number, diameter_px=20.0, fingerprint=mark, picks=PICKS)


def _shown(marks: Marks) -> set[tuple[float, float]]:
    return {(float(x), float(y)) for x, y in marks.particles}


def test_a_click_adds_once(database: Database, micrograph: int) -> None:
    marking.add_particle(database, micrograph, 50, 60, annotator=WHO)
    marks = marking.add_particle(database, micrograph, 52, 61, annotator=WHO)
    assert _shown(marks) == {(50, 60)}


def test_undo_and_redo_go_back_and_forth_over_all_that_was_done(database: Database, micrograph: int) -> None:
    _pick(database, micrograph)
    steps: list[Callable[[], Marks]] = [
        lambda: marking.add_particle(database, micrograph, 50, 60, annotator=WHO),
        lambda: marking.erase_at(database, micrograph, 101, 99, annotator=WHO),
        lambda: marking.erase_box(database, micrograph, Box(40, 50, 310, 110), annotator=WHO),
        lambda: marking.finish(database, micrograph, threshold=None, annotator=WHO),
    ]
    seen = [_state(marking.undo(database, micrograph, annotator=WHO))]
    seen += [_state(step()) for step in steps]
    assert len(set(seen)) == len(seen)
    back = [_state(marking.undo(database, micrograph, annotator=WHO)) for _ in steps]
    assert back == seen[-2::-1]
    assert [_state(marking.redo(database, micrograph, annotator=WHO)) for _ in steps] == seen[1:]
    assert [_state(marking.undo(database, micrograph, annotator=WHO)) for _ in steps] == seen[-2::-1]


def _state(marks: Marks) -> tuple[object, ...]:
    return (frozenset(_shown(marks)), frozenset(map(tuple, marks.others.tolist())), marks.finished)


def test_after_something_new_there_is_nothing_to_redo(database: Database, micrograph: int) -> None:
    marking.add_particle(database, micrograph, 50, 60, annotator=WHO)
    assert marking.undo(database, micrograph, annotator=WHO).can_redo
    marks = marking.add_particle(database, micrograph, 150, 60, annotator=WHO)
    assert not marks.can_redo
    assert _shown(marking.redo(database, micrograph, annotator=WHO)) == {(150, 60)}


def test_erasing_a_pick_keeps_the_pick_and_hides_it(database: Database, micrograph: int) -> None:
    _pick(database, micrograph)
    marks = marking.erase_at(database, micrograph, 104, 100, annotator=WHO)
    assert marks.others.tolist() == [[100, 100]]
    assert marking.picks_left(PICKS, marks, 20.0).xy_px.tolist() == [[200, 100], [300, 100]]
    # Whoever marks the place again has the last word.
    marks = marking.add_particle(database, micrograph, 101, 100, annotator=WHO)
    assert len(marks.others) == 0
    assert _shown(marks) == {(101, 100)}


def test_a_click_far_from_everything_erases_nothing(database: Database, micrograph: int) -> None:
    _pick(database, micrograph)
    marks = marking.erase_at(database, micrograph, 150, 100, annotator=WHO)
    assert not marks.can_undo


def test_a_box_leaves_picks_below_the_threshold(database: Database, micrograph: int) -> None:
    _pick(database, micrograph)
    marks = marking.erase_box(database, micrograph, Box(0, 0, 399, 299), threshold=0.4, annotator=WHO)
    assert marks.others.tolist() == [[100, 100], [200, 100]]


def test_finishing_confirms_what_is_shown(database: Database, micrograph: int) -> None:
    _pick(database, micrograph)
    marking.erase_at(database, micrograph, 200, 100, annotator=WHO)
    marks = marking.finish(database, micrograph, threshold=0.4, annotator=WHO)
    assert marks.finished
    assert _shown(marks) == {(100, 100)}
    marks = marking.reopen(database, micrograph, annotator=WHO)
    assert not marks.finished
    assert _shown(marks) == {(100, 100)}
    view = project_view(database, 1)
    assert (view.labelled, view.marked_particles, view.picked, view.micrographs) == (1, 1, 1, 1)


def test_places_outside_are_refused_with_the_size(database: Database, micrograph: int) -> None:
    with pytest.raises(LabelsError, match="400 x 300"):
        marking.add_particle(database, micrograph, 400.0, 10, annotator=WHO)
    with pytest.raises(NotFoundError, match="no micrograph 99"):
        marking.undo(database, 99, annotator=WHO)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clicks=st.lists(st.tuples(st.sampled_from("aeu"), st.integers(0, 5), st.integers(0, 4)), max_size=12))
def test_as_many_undos_as_actions_leave_nothing(
    database: Database, micrograph: int, clicks: list[tuple[str, int, int]]
) -> None:
    while marking.undo(database, micrograph, annotator=WHO).can_undo:
        pass
    for what, column, row in clicks:
        place = (column * 30.0 + 10, row * 30.0 + 10)
        if what == "a":
            marking.add_particle(database, micrograph, *place, annotator=WHO)
        elif what == "e":
            marking.erase_at(database, micrograph, *place, annotator=WHO)
        else:
            marking.undo(database, micrograph, annotator=WHO)
    for _ in clicks:
        marks = marking.undo(database, micrograph, annotator=WHO)
    if clicks:
        assert _state(marks) == (frozenset(), frozenset(), False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"diameter_px": 0.0}, "diameter_px is 0"),
        ({"diameter_px": float("nan")}, "diameter_px is nan"),
        ({"name": "  "}, "name"),
        ({"folder": Path("/no/such/folder")}, "/no/such/folder"),
        ({"pattern": "../*.mrc"}, "must stay below"),
        ({"pixel_size_angstrom": -1.0}, "pixel_size_angstrom"),
    ],
)
def test_a_project_that_cannot_be_is_refused(
    database: Database, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    facts = {"name": "p", "folder": tmp_path, "diameter_px": 10.0} | change
    with pytest.raises(ParticleProjectError, match=message):
        create_project(database, ProjectFacts(**facts))  # type: ignore[arg-type]


def test_a_name_is_taken_once(database: Database, tmp_path: Path) -> None:
    create_project(database, ProjectFacts("p", tmp_path, 10.0))
    with pytest.raises(ParticleProjectError, match="already"):
        create_project(database, ProjectFacts("p", tmp_path, 10.0))


def test_scanning_again_finds_new_changed_and_gone_files(database: Database, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (80, 80), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "broken.mrc").write_bytes(b"")
    project = create_project(database, ProjectFacts("p", tmp_path, 10.0))
    assert scan_project(database, project) == {"found": 3, "new": 3, "changed": 0, "problems": 1, "gone": 0}
    assert scan_project(database, project)["new"] == 0
    (tmp_path / "a.png").unlink()
    Image.fromarray(pixels[:70]).save(tmp_path / "b.png")
    again = scan_project(database, project)
    assert (again["changed"], again["gone"]) == (1, 1)
    problems = {view.name: view.problem for view in micrograph_views(database, project, 0.5)}
    assert problems["b.png"] is None
    assert "not there any more" in str(problems["a.png"])
    assert "empty" in str(problems["broken.mrc"])


def test_links_that_lead_out_of_the_folder_are_passed_over(database: Database, tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    Image.fromarray(np.zeros((80, 80), np.uint8)).save(outside / "secret.png")
    (inside / "link.png").symlink_to(outside / "secret.png")
    project = create_project(database, ProjectFacts("p", inside, 10.0))
    assert scan_project(database, project)["found"] == 0
