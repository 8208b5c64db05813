"""From image files to probabilities: images are decoded ahead in threads while the network works on earlier ones.

Only so many images are ahead at a time, so memory does not grow with the plate.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import numpy as np
from PIL import Image

from structloop.core.errors import ImageError
from structloop.models.calibration import crystal_probabilities
from structloop.models.classifiers.protocol import Classifier, ImageBatch, PreparedImage
from structloop.schema.images import Modality

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class ScoredImage(Generic[ItemT]):
    """What came of one item: a calibrated crystal probability, or the error that stood in its way."""

    item: ItemT
    probability: float | None = None
    error: ImageError | None = None


def score_images(
    classifier: Classifier,
    items: Iterable[ItemT],
    open_image: Callable[[ItemT], Image.Image],
    modality: Modality,
    *,
    batch_size: int,
    threads: int | None = None,
) -> Generator[list[ScoredImage[ItemT]], None, None]:
    """Scores items in their order, a batch at a time; an image that cannot be used is reported in its place.

    Args:
        classifier: The model; it must serve `modality`.
        items: What to score; taken as needed.
        open_image: Gives the decoded image of an item; called from several threads.
        modality: How the images were taken.
        batch_size: Images per call of the network.
        threads: Threads that decode; None: one per processor core.

    Yields:
        The outcomes of up to `batch_size` items, in order, none left out.

    Raises:
        UnsupportedModalityError: the model does not serve `modality`.
    """

    def prepare(item: ItemT) -> PreparedImage | ImageError:
        try:
            with open_image(item) as image:
                return classifier.prepare(image, modality)
        except ImageError as error:
            return error

    workers = threads or os.cpu_count() or 1
    waiting: deque[tuple[ItemT, Future[PreparedImage | ImageError]]] = deque()
    source = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="structloop-decode") as pool:
        try:
            while True:
                while len(waiting) < 2 * batch_size + workers:
                    following = next(source, None)
                    if following is None:
                        break
                    waiting.append((following, pool.submit(prepare, following)))
                if not waiting:
                    return
                batch = [waiting.popleft() for _ in range(min(batch_size, len(waiting)))]
                yield _score_batch(classifier, [(item, future.result()) for item, future in batch], modality)
        finally:
            for _, future in waiting:
                future.cancel()


def _score_batch(
    classifier: Classifier, batch: list[tuple[ItemT, PreparedImage | ImageError]], modality: Modality
) -> list[ScoredImage[ItemT]]:
    usable = [prepared for _, prepared in batch if not isinstance(prepared, ImageError)]
    probabilities: Iterator[float] = iter(())
    if usable:
        logits = classifier.logits(cast(ImageBatch, np.stack(usable)), modality)
        probabilities = iter(crystal_probabilities(classifier.card, logits, modality).tolist())
    return [_outcome(classifier, item, prepared, probabilities) for item, prepared in batch]


def _outcome(
    classifier: Classifier, item: ItemT, prepared: PreparedImage | ImageError, probabilities: Iterator[float]
) -> ScoredImage[ItemT]:
    if isinstance(prepared, ImageError):
        return ScoredImage(item, error=prepared)
    probability = next(probabilities)
    if not math.isfinite(probability):
        return ScoredImage(item, error=ImageError(f"model '{classifier.card.name}' gives no number for this image"))
    return ScoredImage(item, probability=probability)


__all__ = ["ScoredImage", "score_images"]
