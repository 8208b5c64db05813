"""The condition of exposures: what the shipped model says of simulated micrographs, and the review task around it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from structloop.exposures.condition import UNKNOWN, ConditionReader, classify, open_condition
from structloop.exposures.review import LABELS, QUALITY, TITLES, find_pictures, item_of
from structloop.imaging.micrograph_pictures import to_picture
from structloop.models.registry import ModelRegistry
from structloop.simulation.micrographs.conditions import CONDITIONS, make_up_condition
from structloop.store import Database
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

SEEDS = range(700_000, 700_004)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ConditionReader:
    return open_condition(ModelRegistry(tmp_path_factory.mktemp("home")))


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{home / 'structloop.db'}")
    yield database
    database.close()


def test_labels_are_those_of_the_simulation_and_of_the_model(reader: ConditionReader) -> None:
    assert LABELS == CONDITIONS == QUALITY.labels
    assert set(TITLES) == set(LABELS)
    found = reader.classify(np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32))
    assert tuple(found.probabilities) == LABELS
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert found.model == reader.model
    assert found.model.startswith("exposures-condition@")


def test_unseen_simulated_micrographs_are_mostly_told(reader: ConditionReader) -> None:
    truth = [condition for condition in ("great", "no-ice", "crystalline", "empty-ice") for _ in SEEDS]
    made = [make_up_condition(seed, condition) for condition in dict.fromkeys(truth) for seed in SEEDS]
    found = reader.classify_many([(each.image, each.pixel_size_angstrom) for each in made])
    likeliest = [max(each.probabilities, key=lambda name: each.probabilities[name]) for each in found]
    assert np.mean([a == b for a, b in zip(likeliest, truth, strict=True)]) > 0.6
    as_people_see_it = reader.classify_pictures([to_picture(each.image, 512) for each in made])
    same = [a.label == b.label for a, b in zip(found, as_people_see_it, strict=True)]
    assert np.mean(same) > 0.8


def test_what_is_not_sure_is_unknown_and_simulation_alone_judges_nothing(reader: ConditionReader) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        found = reader.classify(rng.normal(size=(200, 200)).astype(np.float32) ** rng.integers(1, 4))
        assert (found.label == UNKNOWN) == (found.probability < 0.5)
        assert found.poor is None


def test_the_function_of_the_pipeline_is_the_shipped_model(reader: ConditionReader) -> None:
    picture = make_up_condition(1, "crystalline").image
    assert classify(picture, None) == reader.classify(picture, None)


def test_what_is_no_micrograph_is_refused(reader: ConditionReader) -> None:
    with pytest.raises(ValueError, match="rows and columns"):
        reader.classify(np.zeros((3, 4, 5), np.float32))
    with pytest.raises(ValueError, match="no numbers"):
        reader.classify(np.full((300, 300), np.nan, np.float32))


def test_pictures_are_found_grouped_by_square_and_missing_files_left_out(database: Database, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(results / "a.png")
    with database.session() as session:
        session.add(ProcessingSession(id=1, name="mon", source="/m", results=str(results)))
        session.flush()
        common = {"session_id": 1, "movie": "/m/x", "fingerprint": "0", "state": "done"}
        session.add(ProcessedExposure(id=1, name="a", grid="g1", square="s4", picture_file="a.png", **common))
        session.add(ProcessedExposure(id=2, name="b", grid="g1", square="s4", picture_file="gone.png", **common))
        session.add(ProcessedExposure(id=3, name="c", **common))
    found = find_pictures(database, [item_of(key) for key in (1, 2, 3, 4)])
    assert list(found) == [item_of(1)]
    image = found[item_of(1)]
    assert (image.key, image.group, image.project) == ("mon/a", "mon/g1/s4", "mon")
    assert image.sha256 == hashlib.sha256((results / "a.png").read_bytes()).hexdigest()
    assert QUALITY.load(image).size == (20, 20)
