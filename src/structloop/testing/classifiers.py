"""What every classifier of drop images must do. Authors of a family subclass `ClassifierTests` in their own tests.

class TestMyFamily(ClassifierTests):
    @pytest.fixture
    def classifier(self) -> Classifier:
        return MyFamily().load(folder, card, Runtime(precision="fp32"))
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from structloop.core.errors import UnsupportedModalityError
from structloop.models.calibration import crystal_probabilities
from structloop.models.classifiers.protocol import Classifier, stack_images
from structloop.schema.images import Modality

_SIZES = ((640, 480), (1280, 1024), (300, 900), (97, 101), (1, 1))


class ClassifierTests:
    """Subclass it and give a fixture `classifier`. Differences are judged against `tolerance` (in logits)."""

    tolerance = 1e-3

    @pytest.fixture
    def classifier(self) -> Classifier:
        """The classifier under test."""
        raise NotImplementedError("a subclass of ClassifierTests gives the fixture `classifier`")

    def test_it_fulfils_the_protocol_and_its_card_names_its_files(self, classifier: Classifier) -> None:
        """The object is a `Classifier`, and its card lists safetensors."""
        assert isinstance(classifier, Classifier)
        assert any(file.path.endswith(".safetensors") for file in classifier.card.files)

    def test_every_image_becomes_the_same_shape_and_type(self, classifier: Classifier) -> None:
        """Whatever its size and mode, an image is prepared to `(c, h, w)` of one type."""
        for modality in classifier.card.modalities:
            kinds = set()
            for size in _SIZES:
                for mode in ("RGB", "L", "RGBA", "P"):
                    prepared = classifier.prepare(_image(1, size).convert(mode), modality)
                    kinds.add((prepared.shape, prepared.dtype.name))
            assert len(kinds) == 1
            shape, kind = kinds.pop()
            assert len(shape) == 3
            assert kind in {"uint8", "float32"}

    def test_preparing_leaves_the_image_alone_and_gives_the_same_from_many_threads(
        self, classifier: Classifier
    ) -> None:
        """`prepare` is a pure function and safe to call side by side."""
        image = _image(2)
        before = image.tobytes()
        modality = classifier.card.modalities[0]
        expected = classifier.prepare(image, modality)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: classifier.prepare(_image(2), modality), range(8)))
        assert image.tobytes() == before
        assert all(np.array_equal(each, expected) for each in found)

    def test_an_image_scores_the_same_alone_and_in_any_batch(self, classifier: Classifier) -> None:
        """The logits of an image do not depend on the images beside it, nor on their order."""
        for modality in classifier.card.modalities:
            batch = stack_images([classifier.prepare(_image(seed), modality) for seed in range(5)])
            together = classifier.logits(batch, modality)
            assert together.shape == (5, len(classifier.card.labels))
            assert together.dtype == np.float32
            assert np.isfinite(together).all()
            alone = np.concatenate([classifier.logits(batch[index : index + 1], modality) for index in range(5)])
            reverse = classifier.logits(batch[::-1].copy(), modality)[::-1]
            np.testing.assert_allclose(alone, together, atol=self.tolerance)
            np.testing.assert_allclose(reverse, together, atol=self.tolerance)

    def test_an_empty_batch_gives_an_empty_result(self, classifier: Classifier) -> None:
        """No image, no score, no error."""
        modality = classifier.card.modalities[0]
        batch = stack_images([classifier.prepare(_image(3), modality)])
        assert classifier.logits(batch[:0], modality).shape == (0, len(classifier.card.labels))

    def test_probabilities_are_probabilities(self, classifier: Classifier) -> None:
        """Calibrated probabilities lie in 0 to 1, one per image."""
        for modality in classifier.card.modalities:
            batch = stack_images([classifier.prepare(_image(seed), modality) for seed in range(3)])
            found = crystal_probabilities(classifier.card, classifier.logits(batch, modality), modality)
            assert found.shape == (3,)
            assert ((found >= 0) & (found <= 1)).all()

    def test_a_modality_that_it_does_not_serve_is_refused(self, classifier: Classifier) -> None:
        """Scoring an image of another kind would give a number without a meaning."""
        foreign = [each for each in Modality if not classifier.card.serves(each)]
        for modality in foreign:
            with pytest.raises(UnsupportedModalityError):
                classifier.prepare(_image(4), modality)


def _image(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


__all__ = ["ClassifierTests"]
