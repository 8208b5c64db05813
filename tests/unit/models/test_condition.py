"""The classifier of the condition: a classifier like any other, whose features do not depend on contrast."""

import numpy as np
import pytest
from PIL import Image

from structloop.models.classifiers.condition import ConditionClassifier, ConditionFamily
from structloop.models.classifiers.condition_features import FEATURE_NAMES, picture_features, ring_excess
from structloop.models.classifiers.features import FeatureExtractor, FeatureFamily
from structloop.models.classifiers.protocol import Classifier, stack_images
from structloop.models.model_folders import read_card, verify_files
from structloop.models.registry import _SHIPPED
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard
from structloop.testing.classifiers import ClassifierTests

FOLDER = _SHIPPED / "exposures-condition"


def _card() -> ModelCard:
    card = read_card(FOLDER)
    assert isinstance(card, ModelCard)
    return card


class TestConditionClassifier(ClassifierTests):
    @pytest.fixture
    def classifier(self) -> Classifier:
        return ConditionFamily().load(FOLDER, _card(), Runtime(engine="torch"))


def _picture(seed: int = 0, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 9, shape).astype(np.float32)


def test_the_shipped_model_is_whole_small_and_says_that_it_saw_no_real_picture() -> None:
    card = _card()
    verify_files(card, FOLDER)
    assert card.task == "exposure-condition"
    assert card.training.synthetic
    assert "simulated micrographs only" in card.limitations[0]
    assert sum(file.size_bytes for file in card.files) < 20_000


def test_features_have_names_and_do_not_depend_on_contrast() -> None:
    picture = _picture()
    found = picture_features(picture)
    assert found.shape == (len(FEATURE_NAMES),)
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    np.testing.assert_allclose(picture_features(3 * picture - 20), found, rtol=1e-3, atol=1e-3)


def test_flat_and_tiny_pictures_have_features_too() -> None:
    for picture in (np.zeros((600, 700), np.float32), np.ones((3, 9), np.float32)):
        assert np.isfinite(picture_features(picture)).all()


def test_spots_are_counted_by_size_and_sign() -> None:
    y, x = np.mgrid[:400, :400]
    spots = np.zeros((400, 400), np.float32)
    for place in np.random.default_rng(2).uniform(20, 380, (30, 2)):
        spots += 60 * np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * 5.0**2))
    plain = _picture(1, (400, 400))
    with_spots, bright, without = (picture_features(plain + each * spots) for each in (-1, 1, 0))
    dark = [FEATURE_NAMES.index(f"spots dark {size}") for size in (5.0, 7.5)]
    skewness = FEATURE_NAMES.index("spots skewness 5.0")
    assert all(with_spots[each] > without[each] + 2 for each in dark)
    assert with_spots[skewness] > 1 > 0 > -1 > bright[skewness]


def test_rings_of_crystalline_ice_are_seen_where_pixels_are_small_enough() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(1100, 1200)).astype(np.float32)
    pixel = 1.0
    frequency = np.hypot(np.fft.fftfreq(1100, pixel)[:, None], np.fft.rfftfreq(1200, pixel)[None, :])
    ring = 1 + 1.5 * np.exp(-(((frequency - 1 / 3.67) / 0.003) ** 2))
    icy = np.fft.irfft2(np.fft.rfft2(noise) * ring, s=noise.shape).astype(np.float32)
    plain, seen = ring_excess(noise, pixel), ring_excess(icy, pixel)
    assert plain is not None
    assert seen is not None
    assert seen > 3 * plain
    assert ring_excess(icy, None) is None
    assert ring_excess(icy, 2.5) is None
    assert ring_excess(icy[:500], pixel) is None


def test_a_head_sees_logits_first_and_then_the_features() -> None:
    family = ConditionFamily()
    assert isinstance(family, FeatureFamily)
    card = _card()
    classifier = family.load(FOLDER, card, Runtime())
    assert isinstance(classifier, ConditionClassifier)
    extractor = FeatureExtractor(family.feature_source(FOLDER, card, Modality.ELECTRONS), Runtime(engine="torch"))
    image = Image.fromarray(np.clip(_picture(), 0, 255).astype(np.uint8))
    prepared = [classifier.prepare(image, Modality.ELECTRONS)]
    found = extractor.features([extractor.prepare(image)])
    assert extractor.starts == len(card.labels)
    assert found.shape == (1, len(card.labels) + len(FEATURE_NAMES))
    logits = classifier.logits(stack_images(prepared), Modality.ELECTRONS)
    np.testing.assert_allclose(found[:, : extractor.starts], logits, atol=1e-4)
