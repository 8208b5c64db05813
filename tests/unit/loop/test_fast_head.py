"""Fast heads: what is learnt from labels, from folds and from the base, and that the result is a model like any."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.special import expit

from structloop.core.errors import ImageMissingError, ModelFormatError, TrainingError, UnsupportedModalityError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.training.fast_head import LabelledFeatures, fit_fast_head
from structloop.loop.training.fast_head_models import FastHeadSettings, TrainedFastHead, open_base, train_fast_head
from structloop.loop.training.feature_cache import FeatureCache
from structloop.loop.training.groups import carve_validation, group_folds
from structloop.loop.training.logistic import Standardiser, class_weights, fit_logistic
from structloop.models.calibration import crystal_probabilities, log_odds
from structloop.models.classifiers.fast_head import LinearHead, average_heads
from structloop.models.classifiers.protocol import Classifier, stack_images
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import TrainingDataset
from structloop.store.files import DerivedFiles
from structloop.testing.classifiers import ClassifierTests
from support.labelled_items import labelled_items
from support.tiny_models import TINY, add_tiny_model

RUNTIME = Runtime("torch", "fp32", threads=1)
DATASET = TrainingDataset(name="blobs", version="1", description="squares on noise", images=60, synthetic=True)


def made_up(count: int, width: int, seed: int) -> LabelledFeatures:
    random = np.random.default_rng(seed)
    features = random.standard_normal((count, width)).astype(np.float32)
    truth = random.random(count) < expit(3 * features[:, 1] - 1)
    return LabelledFeatures(features, truth, [f"plate {index % 8}" for index in range(count)])


def trained(home: Path, name: str = "head", split: Split | None = None) -> tuple[ModelRegistry, TrainedFastHead]:
    registry = ModelRegistry(home)
    if TINY not in registry.names():
        add_tiny_model(home, home / "scratch")
    split = split or Split(labelled_items(60, ["a", "b", "c", "d"]), labelled_items(30, ["v", "w"], start=500), ())
    asked = FastHeadSettings(name, TINY, Modality.VISIBLE)
    cache = FeatureCache(DerivedFiles(home / "derived"), threads=1)
    return registry, train_fast_head(registry, cache, asked, split, DATASET, runtime=RUNTIME)


def test_the_fit_is_the_least_of_its_loss() -> None:
    data = made_up(200, 6, 1)
    weights = class_weights(data.is_positive.astype(np.int64))[data.is_positive.astype(np.int64)]
    start = np.linspace(-1, 1, 200)
    features = Standardiser.fitted(data.features)(data.features)
    found = fit_logistic(features, data.is_positive, weights, start, 0.1)
    residual = weights * (expit(start + features @ found.change + found.bias) - data.is_positive) / 200
    np.testing.assert_allclose(features.T @ residual + 0.1 * found.change, 0, atol=1e-5)
    assert residual.sum() == pytest.approx(0, abs=1e-5)


def test_class_weights_go_by_class_id_whatever_comes_first() -> None:
    first_other = class_weights([1, 1, 1, 0])
    assert first_other.tolist() == class_weights([0, 1, 1, 1]).tolist() == [2.0, pytest.approx(2 / 3)]
    with pytest.raises(TrainingError, match="class 1 has no labelled image"):
        class_weights([0, 0])


@given(
    groups=st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=60).filter(lambda each: len(set(each)) >= 3),
    seed=st.integers(0, 5),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_folds_never_cut_a_group_and_none_is_empty(groups: list[str], seed: int, data: st.DataObject) -> None:
    truth = data.draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups)))
    count = data.draw(st.integers(2, len(set(groups))))
    folds = group_folds(groups, truth, count, seed=seed)
    assert len({(group, int(fold)) for group, fold in zip(groups, folds, strict=True)}) == len(set(groups))
    assert set(folds.tolist()) == set(range(count))


def test_carved_validation_has_both_classes_on_both_sides() -> None:
    truth = np.array([True, False] * 20)
    groups = [f"plate {index // 4}" for index in range(40)]
    inside = carve_validation(groups, truth, share=0.2, seed=0)
    assert {group for group, each in zip(groups, inside, strict=True) if each}.isdisjoint(
        group for group, each in zip(groups, inside, strict=True) if not each
    )
    assert 0 < truth[inside].sum() < inside.sum() < 20
    with pytest.raises(TrainingError, match="at least two groups"):
        carve_validation(["a"] * 40, truth, share=0.2, seed=0)


def test_a_head_learns_what_its_base_does_not_know() -> None:
    fit, unseen = fit_fast_head(made_up(600, 5, 2)), made_up(400, 5, 3)
    said = fit.head.log_odds(unseen.features)
    assert np.corrcoef(said, unseen.features[:, 1])[0, 1] > 0.9
    assert fit.folds == 5


def test_few_labels_that_say_nothing_new_leave_the_base_as_it_is() -> None:
    random = np.random.default_rng(4)
    features = random.standard_normal((40, 50)).astype(np.float32)
    features[:, 0] *= 3
    truth = random.random(40) < expit(features[:, 0])
    fit = fit_fast_head(LabelledFeatures(features, truth, [str(index % 4) for index in range(40)]))
    unseen = random.standard_normal((200, 50)).astype(np.float32)
    assert np.corrcoef(fit.head.log_odds(unseen), unseen[:, 0])[0, 1] > 0.9


def test_weights_do_not_depend_on_validation_and_its_few_items_join_calibration_and_threshold() -> None:
    train = made_up(200, 5, 5)
    lone = fit_fast_head(train)
    held = fit_fast_head(train, made_up(100, 5, 6))
    assert held.strength == lone.strength
    np.testing.assert_array_equal(held.head.weights, lone.head.weights)
    assert "100 validation items" in held.calibration.note
    assert "validation" not in lone.calibration.note
    # A handful of validation items, all of one class, is as good as any: it moves the threshold a little.
    few = made_up(4, 5, 6)
    some = fit_fast_head(train, LabelledFeatures(few.features, np.zeros(4, dtype=np.bool_), few.groups))
    assert some.alarm_threshold == pytest.approx(lone.alarm_threshold, abs=0.05)
    none = fit_fast_head(train, LabelledFeatures(few.features[:0], few.is_positive[:0], []))
    assert (none.alarm_threshold, none.calibration) == (lone.alarm_threshold, lone.calibration)


def test_what_cannot_be_learnt_is_refused() -> None:
    features = np.zeros((6, 3), dtype=np.float32)
    with pytest.raises(TrainingError, match="class 1 has no labelled image"):
        fit_fast_head(LabelledFeatures(features, np.ones(6, dtype=np.bool_), ["a"] * 6))
    lone = np.array([True, False, False, False, False, False])
    with pytest.raises(TrainingError, match="two labelled images of each class"):
        fit_fast_head(LabelledFeatures(features, lone, list("abcdef")))
    features[2, 1] = np.nan
    with pytest.raises(TrainingError, match="no numbers"):
        fit_fast_head(LabelledFeatures(features, np.array([True, False] * 3), list("abcdef")))


def test_items_of_one_group_are_learnt_from_and_the_card_says_so() -> None:
    train = made_up(100, 5, 7)
    fit = fit_fast_head(LabelledFeatures(train.features, train.is_positive, ["plate"] * 100))
    assert any("cut groups" in remark for remark in fit.remarks)


def test_a_fast_head_is_a_model_like_any(home: Path) -> None:
    registry, made = trained(home)
    card = registry.card("head")
    assert (card, card.family, card.modalities) == (made.card, "fast-head", (Modality.VISIBLE,))
    assert card.parameters["base"] == f"{TINY}@{registry.card(TINY).version}"
    registry.export("head", home / "head.zip")
    other = ModelRegistry(home / "elsewhere")
    other.import_(home / "head.zip")
    items = labelled_items(8, ["z"], start=900)
    classifier = other.load("head", RUNTIME)
    batch = stack_images([classifier.prepare(item.load(), Modality.VISIBLE) for item in items])
    found = classifier.logits(batch, Modality.VISIBLE)
    base = open_base(registry, TINY, Modality.VISIBLE, RUNTIME)
    features = base.extractor.features([base.extractor.prepare(item.load()) for item in items])
    assert isinstance(made.fit.head, LinearHead)
    np.testing.assert_allclose(
        log_odds(found.astype(np.float64), 0), made.fit.head.log_odds(features), rtol=1e-4, atol=1e-3
    )
    assert crystal_probabilities(card, found, Modality.VISIBLE).shape == (8,)


def test_both_engines_give_the_same(home: Path) -> None:
    registry, _ = trained(home)
    items = labelled_items(6, ["z"], start=900)
    found = []
    for engine in (RUNTIME, Runtime("openvino", threads=1)):
        classifier = registry.load("head", engine)
        batch = stack_images([classifier.prepare(item.load(), Modality.VISIBLE) for item in items])
        found.append(classifier.logits(batch, Modality.VISIBLE))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-3)


def test_features_are_computed_once_and_damaged_ones_again(home: Path) -> None:
    add_tiny_model(home, home / "scratch")
    base = open_base(ModelRegistry(home), TINY, Modality.UV, RUNTIME)
    read: list[str] = []

    def watched(item: LabelledItem) -> LabelledItem:
        def load() -> Image.Image:
            read.append(item.key)
            return item.load()

        return LabelledItem(item.key, item.group, item.label, load, sha256=f"{int(item.key[5:]):064x}")

    items = [watched(item) for item in labelled_items(5, ["a"])]
    cache = FeatureCache(DerivedFiles(home / "derived"), threads=1)
    first = cache.features(base.extractor, items)
    again = cache.features(base.extractor, items)
    assert len(read) == 5
    np.testing.assert_array_equal(first.features, again.features)
    next((home / "derived").rglob("*.npy")).write_bytes(b"")
    np.testing.assert_allclose(cache.features(base.extractor, items).features, first.features, rtol=1e-4, atol=1e-5)
    assert len(read) == 6


def test_images_that_cannot_be_read_are_left_out_and_told(home: Path) -> None:
    def missing() -> Image.Image:
        raise ImageMissingError("gone.png is not there")

    gone = LabelledItem("gone", "a", "other", missing)
    items = labelled_items(60, ["a", "b", "c", "d"])
    _, made = trained(home, split=Split((gone, *items), (), ()))
    assert made.unreadable == {"gone": "gone.png is not there"}


def test_a_head_on_a_head_sits_on_the_base(home: Path) -> None:
    registry, made = trained(home)
    base = open_base(registry, "head", Modality.VISIBLE, RUNTIME)
    assert base.card.name == TINY
    with pytest.raises(UnsupportedModalityError):
        open_base(registry, TINY, Modality.SHG, RUNTIME)
    (registry.folder("head") / "base" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelFormatError, match="damaged"):
        registry.load("head", RUNTIME)
    assert made.card.name == "head"


def test_labels_that_the_base_does_not_know_are_refused(home: Path) -> None:
    strange = LabelledItem("one", "a", "spherulite", labelled_items(1, ["a"])[0].load)
    with pytest.raises(TrainingError, match="'one' is labelled 'spherulite'"):
        trained(home, split=Split((strange,), (), ()))


def test_averaging_heads_averages_what_they_say() -> None:
    random = np.random.default_rng(0)
    heads = [LinearHead(random.standard_normal(4), random.standard_normal(4), float(index)) for index in range(3)]
    features = random.standard_normal((7, 4)).astype(np.float32)
    expected = np.average([head.log_odds(features) for head in heads], axis=0, weights=[1, 2, 5])
    np.testing.assert_allclose(average_heads(heads, [1, 2, 5]).log_odds(features), expected)
    with pytest.raises(ModelFormatError, match="different bases"):
        average_heads([heads[0], LinearHead(np.zeros(5), np.zeros(5), 0.0)], [1, 1])
    with pytest.raises(ValueError, match="cannot be averaged"):
        average_heads(heads, [0, 0, 0])


class TestConformance(ClassifierTests):
    """A fast head does all that a classifier must."""

    tolerance = 2e-2

    @pytest.fixture
    def classifier(self, home: Path) -> Classifier:
        return trained(home)[0].load("head", RUNTIME)


@pytest.mark.parametrize(("plates", "remedy"), [(1, "label items of another"), (4, "look through the labels")])
def test_labels_that_teach_nothing_are_refused_with_what_to_do(plates: int, remedy: str) -> None:
    truth = np.arange(24) % 2 == 0
    # The base says the opposite of the labels, and the penalty holds the head to it.
    features = np.where(truth, -3.0, 3.0).astype(np.float32)[:, None]
    data = LabelledFeatures(features, truth, [f"plate {index % plates}" for index in range(24)])
    with pytest.raises(TrainingError, match=remedy):
        fit_fast_head(data, strengths=[1e6])
