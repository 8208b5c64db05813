"""Why a score: the map points where the score comes from, the nearest are the nearest, and limits are told."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import (
    ImageChangedError,
    ImageTruncatedError,
    JobCanceledError,
    ModelNotFoundError,
    NotFoundError,
    UnsupportedModalityError,
)
from structloop.crystals.annotations import annotate
from structloop.crystals.explaining import (
    KeptMaps,
    OcclusionMap,
    chosen_model,
    drop_subject,
    file_subject,
    in_words,
    nearest_examples,
    occlusion_map,
    scale_of,
    stored_subject,
    strongest,
)
from structloop.crystals.explaining.occlusion import OcclusionPass
from structloop.imaging.overlays import ABOVE, BELOW, diverging_overlay
from structloop.loop.evaluation.nearest import cosine_distances, nearest
from structloop.loop.promotion.lineage import said_of
from structloop.loop.promotion.roles import record_version
from structloop.loop.promotion.training_runs import begin_run, end_run
from structloop.loop.training.feature_cache import FeatureCache
from structloop.models.classifiers.protocol import PreparedImage
from structloop.schema.images import Modality
from structloop.store import Database, DerivedFiles, KeptFiles
from support.classifiers import BrightnessModels, brightness_card
from support.explaining import AGAINST, FOR, SIZE, TwoPlaces, two_spots
from support.loop_datasets import TASK, store_dataset
from support.stored_plates import store_plate


def place_of(values: NDArray[np.float64], index: np.intp) -> tuple[float, float]:
    row, column = np.unravel_index(index, values.shape)
    return float((column + 0.5) / values.shape[1]), float((row + 0.5) / values.shape[0])


def test_the_map_points_where_the_score_comes_from() -> None:
    classifier = TwoPlaces()
    found = occlusion_map(classifier, two_spots(), Modality.VISIBLE, batch_size=16, threads=1)
    values = found.at(120)
    assert values.shape == (90, 120)
    assert place_of(values, np.argmax(values)) == pytest.approx(FOR, abs=0.09)
    assert place_of(values, np.argmin(values)) == pytest.approx(AGAINST, abs=0.12)
    corner = np.abs(values[:20, :20]).max()
    assert corner < 0.02 * values.max(), "where nothing matters, hiding changes nothing"
    lowers, raises = strongest(found)
    assert lowers is not None
    assert raises is not None
    assert lowers.change > 0.1 > 0 > raises.change
    told = in_words(found)
    assert "the part at the top right lowers the probability from 50% to" in told
    assert "the part at the bottom left raises" in told
    # Twelve by nine small places, six by four large ones, and the whole image, in full batches.
    assert sum(classifier.batches) == 1 + 12 * 9 + 6 * 4
    assert len(classifier.batches) == math.ceil(sum(classifier.batches) / 16)


def test_colour_images_and_odd_sizes_do_as_well() -> None:
    for size, mode in (((37, 120), "RGBA"), ((200, 33), "RGB"), ((32, 32), "P")):
        found = occlusion_map(TwoPlaces(), Image.new(mode, size), Modality.UV, cells=5, threads=1)
        assert (found.width_px, found.height_px) == size
        assert max(found.at(64).shape) == 64
    with pytest.raises(ValueError, match="from 2 to 48"):
        occlusion_map(TwoPlaces(), two_spots(), Modality.VISIBLE, cells=1)


def test_a_change_that_is_everywhere_the_same_stays_so_on_the_map() -> None:
    even = OcclusionMap(0.5, (OcclusionPass(np.full((3, 5), 0.25)), OcclusionPass(np.full((2, 3), 0.25))), 500, 300)
    np.testing.assert_allclose(even.at(77), 0.25)
    flat = OcclusionMap(0.9, (OcclusionPass(np.full((2, 2), 0.001)),), 10, 10)
    assert in_words(flat).startswith("No single part decides")
    assert scale_of(flat) == 0.02, "noise is not shown as if it mattered"
    assert strongest(flat)[1] is None


def test_the_overlay_has_two_colours_and_lets_through_what_is_small() -> None:
    values = np.array([[0.4, 0.01], [-0.4, -0.2]])
    pixels = np.asarray(diverging_overlay(values, 0.4, (2, 2)))
    assert tuple(pixels[0, 0, :3]) == ABOVE
    assert tuple(pixels[1, 0, :3]) == BELOW
    assert pixels[0, 1, 3] == 0
    assert 0 < pixels[1, 1, 3] < pixels[1, 0, 3] == pixels[0, 0, 3]
    with pytest.raises(ValueError, match="above 0"):
        diverging_overlay(values, 0.0, (2, 2))


def test_a_map_is_made_once_per_image_and_version_and_again_when_damaged(tmp_path: Path) -> None:
    two_spots(tmp_path / "drop.png")
    subject = file_subject(tmp_path / "drop.png", Modality.VISIBLE)
    maps, classifier = KeptMaps(DerivedFiles(tmp_path / "derived"), threads=1), TwoPlaces()
    first = maps.make(subject, classifier, cells=4)
    calls = len(classifier.batches)
    again = maps.make(subject, classifier, cells=4)
    assert len(classifier.batches) == calls
    np.testing.assert_array_equal(first.at(), again.at())
    (kept,) = (tmp_path / "derived").rglob("*.json")
    kept.write_text('{"probability": 0.5', encoding="utf-8")
    assert maps.find(subject, classifier.card, cells=4) is None
    np.testing.assert_array_equal(maps.make(subject, classifier, cells=4).at(), first.at())
    assert maps.find(subject, brightness_card(weights="1"), cells=4) is None
    assert maps.find(replace(subject, modality=Modality.UV), classifier.card, cells=4) is None
    with Image.open(maps.overlay(subject, classifier.card, first, cells=4)) as overlay:
        assert overlay.mode == "RGBA"
        assert overlay.width / overlay.height == pytest.approx(SIZE[0] / SIZE[1], rel=0.01)


def test_an_image_that_is_damaged_or_another_by_now_says_so(tmp_path: Path) -> None:
    path = tmp_path / "drop.png"
    two_spots(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    maps = KeptMaps(DerivedFiles(tmp_path / "derived"), threads=1)
    with pytest.raises(ImageTruncatedError, match=r"drop\.png is cut off.*copy it again"):
        maps.make(file_subject(path, Modality.VISIBLE), TwoPlaces())
    subject = file_subject(path, Modality.VISIBLE)
    path.write_bytes(whole)
    with pytest.raises(ImageChangedError, match="has changed since"):
        maps.make(subject, TwoPlaces())
    assert not (tmp_path / "derived").exists()


def test_a_map_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    two_spots(tmp_path / "drop.png")
    subject = file_subject(tmp_path / "drop.png", Modality.VISIBLE)
    told: list[int] = []
    with pytest.raises(JobCanceledError):
        KeptMaps(DerivedFiles(tmp_path / "derived"), batch_size=4, threads=1).make(
            subject,
            TwoPlaces(),
            on_progress=lambda done, _total, _message: told.append(done),
            should_stop=lambda: len(told) > 1,
        )
    assert told == [4, 8]
    assert not (tmp_path / "derived").exists()


def test_distances_are_of_angles_and_leave_the_answer_out() -> None:
    one = np.array([9.0, 1.0, 0.0], dtype=np.float32)
    many = np.array([[0, 0, 5], [0, 3, 0], [9, -1, 0], [1, 1, 1], [5, 0, 0]], dtype=np.float32)
    expected = [1.0, 0.0, 2.0, 1 - 1 / math.sqrt(2), 1.0]
    np.testing.assert_allclose(cosine_distances(one, many), expected, atol=1e-12)
    assert [place for place, _ in nearest(one, many, 3)] == [1, 3, 0]
    with pytest.raises(ValueError, match="cannot be compared"):
        cosine_distances(one, many[:, :2])


class Corners:
    """Features of which all that counts is where in the picture it is bright: left or right, top or bottom."""

    key, width = "corners", 5

    def prepare(self, image: Image.Image) -> PreparedImage:
        return np.asarray(image.convert("L").resize((2, 2), Image.Resampling.BOX), dtype=np.uint8)[None]

    def features(self, prepared: list[PreparedImage]) -> NDArray[np.float32]:
        return np.stack([np.concatenate([[0.0], each.ravel() - 100.0]) for each in prepared]).astype(np.float32)


def test_the_nearest_training_images_come_with_who_settled_them(database: Database, tmp_path: Path) -> None:
    kept, cache = KeptFiles(tmp_path / "kept"), FeatureCache(DerivedFiles(tmp_path / "derived"), threads=1)
    dataset = store_dataset(database, kept, tmp_path / "images", per_plate=3)
    card = brightness_card()
    card = card.updated(family="compact")
    run = begin_run(
        database, task=TASK, method="fast-head", dataset_version_id=dataset.id, start="x", name="y", seed=0, settings={}
    )
    end_run(database, run.id, "finished", model_version_id=record_version(database, card))
    trained = sorted((tmp_path / "images").glob("item-10*.png"))
    subject = file_subject(trained[2], Modality.VISIBLE)
    found = nearest_examples(database, kept, cache, subject, card, Corners, count=4)  # type: ignore[arg-type]
    assert (found.origin, found.compared, found.total) == ("training", 12, 12)
    assert f"learnt from {TASK}#1" in found.note
    assert found.examples[0].is_itself
    assert found.examples[0].row.path == str(trained[2])
    assert found.examples[0].distance == pytest.approx(0, abs=1e-6)
    # The same, by hand, from the files.
    extractor = Corners()
    table = extractor.features([extractor.prepare(Image.open(path)) for path in trained[:12]])
    expected = [str(trained[place]) for place, _ in nearest(table[2], table, 4)]
    assert [each.row.path for each in found.examples] == expected
    few = nearest_examples(
        database, kept, FeatureCache(DerivedFiles(tmp_path / "other"), threads=1), subject, card, Corners, most_new=5  # type: ignore[arg-type]
    )  # fmt: skip
    assert few.compared in (5, 6)
    assert "of 12 images were compared" in few.note


def test_a_model_from_elsewhere_is_shown_beside_what_people_here_labelled(database: Database, tmp_path: Path) -> None:
    kept, cache = KeptFiles(tmp_path / "kept"), FeatureCache(DerivedFiles(tmp_path / "derived"), threads=1)
    plate = store_plate(
        database, tmp_path, rows=1, columns=3, drops=(1,), inspections=1, probabilities={("A01", 1, 1): 0.9},
        structured=True,
    )  # fmt: skip
    drops = plate.drops
    subject = drop_subject(database, drops["A01", 1])
    assert (subject.modality, subject.image_id) == (Modality.VISIBLE, plate.images["A01", 1, 1, "visible"])
    card = brightness_card().updated(family="compact")
    none = nearest_examples(database, kept, cache, subject, card, Corners)  # type: ignore[arg-type]
    assert none.origin == "none"
    assert "nothing to compare with" in none.note
    for well, label in (("A01", "crystal"), ("A02", "other"), ("A03", "crystal")):
        annotate(
            database, drops[well, 1], inspection=1, scheme="axis", annotator="ada", score_visible=False, label=label
        )
    found = nearest_examples(database, kept, cache, subject, card, Corners)  # type: ignore[arg-type]
    assert found.origin == "facility"
    assert "has not learnt from them" in found.note
    assert {each.row.key for each in found.examples} == {"PLATE1/A02/1/1/visible", "PLATE1/A03/1/1/visible"}
    said = said_of(database, [each.row for each in found.examples])
    assert [(each.name, each.answer) for each in said["PLATE1/A02/1/1/visible"]] == [("ada", "other")]
    featureless = nearest_examples(
        database, kept, cache, subject, card.updated(family="axis"), Corners, count=1  # type: ignore[arg-type]
    )  # fmt: skip
    assert len(featureless.examples) == 1


def test_the_model_is_the_one_whose_score_is_shown(database: Database, tmp_path: Path) -> None:
    plate = store_plate(
        database, tmp_path, rows=1, columns=1, drops=(1,), inspections=2, probabilities={("A01", 1, 1): 0.8}
    )
    models = BrightnessModels.of(brightness_card("tester", (Modality.VISIBLE,)), brightness_card())
    subject = stored_subject(database, plate.images["A01", 1, 1, "visible"])
    with pytest.raises(ModelNotFoundError, match="made by tester@0123456789ab, of which there is another version"):
        chosen_model(database, models, subject)
    assert chosen_model(database, models, subject, name="tester").name == "tester"
    with pytest.raises(ModelNotFoundError, match="'gone' is not here any more"):
        chosen_model(database, models, subject, name="gone")
    uv = drop_subject(database, plate.drops["A01", 1], modality=Modality.UV)
    with pytest.raises(UnsupportedModalityError, match="does not score uv"):
        chosen_model(database, models, uv, name="tester")
    assert chosen_model(database, models, file_subject(Path(subject.path), Modality.VISIBLE)).name == "tester"
    with pytest.raises(NotFoundError, match="no image at inspection 7"):
        drop_subject(database, plate.drops["A01", 1], inspection=7)
    with pytest.raises(NotFoundError, match="no shg image"):
        drop_subject(database, plate.drops["A01", 1], modality=Modality.SHG)
