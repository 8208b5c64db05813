"""The fast head of more than two labels: it follows labels as far as they reach, and stays at its base elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from structloop.core.errors import TrainingError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.training.fast_head_models import FastHeadSettings, train_fast_head
from structloop.loop.training.feature_cache import FeatureCache
from structloop.loop.training.multinomial import balanced_weights, fit_multinomial
from structloop.loop.training.softmax_head import ClassFeatures, fit_softmax_head
from structloop.models.calibration import class_probabilities
from structloop.models.classifiers.protocol import stack_images
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import TrainingDataset
from structloop.store.files import DerivedFiles

CLASSES = 4


def _features(count: int, seed: int, *, told: float = 3.0) -> ClassFeatures:
    """A base whose logits say nothing, and features of which one per class tells it."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    features = rng.normal(size=(count, CLASSES + 8)).astype(np.float32)
    features[:, :CLASSES] *= 0.1
    features[np.arange(count), CLASSES + labels] += told
    return ClassFeatures(features, labels.astype(np.int64), [f"g{place % 10}" for place in range(count)])


def test_it_learns_what_the_features_tell() -> None:
    fit = fit_softmax_head(_features(120, 0), CLASSES)
    unseen = _features(400, 1)
    said = fit.head.logits(unseen.features).argmax(axis=1)
    assert np.mean(said == unseen.class_ids) > 0.85
    assert np.mean(fit.out_of_fold.argmax(axis=1) == _features(120, 0).class_ids) > 0.75
    assert fit.folds == 5


def test_labels_that_mean_nothing_leave_the_base_as_it_is() -> None:
    shown = _features(60, 2, told=0.0)
    shown.features[np.arange(60), shown.class_ids] += 4.0
    noise = ClassFeatures(shown.features, shown.class_ids, shown.groups)
    fit = fit_softmax_head(noise, CLASSES)
    unseen = _features(300, 3, told=0.0)
    unseen.features[np.arange(300), unseen.class_ids] += 4.0
    assert np.mean(fit.head.logits(unseen.features).argmax(axis=1) == unseen.class_ids) > 0.9


def test_a_label_that_nobody_gave_stays_possible() -> None:
    shown = _features(60, 4)
    shown.features[np.arange(60), shown.class_ids] += 6.0
    keep = shown.class_ids != 3
    some = ClassFeatures(
        shown.features[keep], shown.class_ids[keep], [shown.groups[k] for k in np.flatnonzero(keep).tolist()]
    )
    fit = fit_softmax_head(some, CLASSES)
    assert "1 of 4 labels" in fit.remarks[-1]
    said = fit.head.logits(shown.features[~keep]).argmax(axis=1)
    assert np.mean(said == 3) > 0.6


def test_too_few_labels_are_refused_in_words() -> None:
    few = _features(5, 0)
    with pytest.raises(TrainingError, match="at least 6 labelled images and two different labels"):
        fit_softmax_head(few, CLASSES)


def test_the_gradient_leads_to_the_least_loss() -> None:
    shown = _features(50, 6)
    weights = balanced_weights(shown.class_ids, CLASSES)[shown.class_ids]
    assert weights.mean() == pytest.approx(1.0)
    features = shown.features.astype(np.float64)
    start = np.zeros((50, CLASSES))
    fit = fit_multinomial(features, shown.class_ids, weights, start, 0.1)

    def loss(change: np.ndarray) -> float:
        logits = features @ change.T + fit.bias
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        data = -np.mean(weights * logs[np.arange(50), shown.class_ids])
        return float(data + 0.05 * np.sum(change**2))

    best = loss(fit.change)
    rng = np.random.default_rng(0)
    assert all(loss(fit.change + 0.02 * rng.normal(size=fit.change.shape)) > best for _ in range(20))


def test_a_head_on_the_condition_is_trained_installed_and_runs(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "home")
    rng = np.random.default_rng(8)

    def item(place: int) -> LabelledItem:
        # Both are noise; the coarse one is called crystalline, whatever the base thinks.
        coarse = place % 2 == 1
        pixels = rng.normal(128, 20, (40, 40) if coarse else (200, 200))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).resize((200, 200), Image.Resampling.BICUBIC)
        label = "crystalline" if coarse else "empty-ice"
        return LabelledItem(f"i{place}", f"g{place % 5}", label, image.copy)

    items = [item(place) for place in range(20)]
    settings = FastHeadSettings("ours", "exposures-condition", Modality.ELECTRONS)
    dataset = TrainingDataset(name="micrographs/quality", version="1", description="made up")
    cache = FeatureCache(DerivedFiles(tmp_path / "files"), threads=1)
    runtime = Runtime(engine="torch")
    trained = train_fast_head(registry, cache, settings, Split(tuple(items[:16]), (), ()), dataset,
                              runtime=runtime)  # fmt: skip
    assert trained.card.task == "exposure-condition"
    assert trained.card.labels == registry.card("exposures-condition").labels
    assert "8 crystalline" in trained.card.limitations[0]
    classifier = registry.load("ours", runtime)
    batch = stack_images([classifier.prepare(each.load(), Modality.ELECTRONS) for each in items[16:]])
    found = class_probabilities(classifier.card, classifier.logits(batch, Modality.ELECTRONS), Modality.ELECTRONS)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    said = [trained.card.labels[place] for place in found.argmax(axis=1)]
    assert said == [each.label for each in items[16:]]
