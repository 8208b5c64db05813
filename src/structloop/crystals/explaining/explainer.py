"""Both halves of "why this score" on the models, labels and files of a workspace."""

import threading
from collections.abc import Callable

from structloop.crystals.explaining.examples import MOST_NEW, NearestExamples, Tell, nearest_examples
from structloop.crystals.explaining.kept_maps import KeptMaps
from structloop.crystals.explaining.occlusion import CELLS, OcclusionMap
from structloop.crystals.explaining.subjects import Subject
from structloop.loop.promotion.bench import Bench
from structloop.loop.training.fast_head_models import open_base
from structloop.loop.training.feature_cache import FeatureCache
from structloop.models.classifiers.features import FeatureExtractor
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

_EXTRACTORS_KEPT = 2


class Explainer:
    """Explains scores. Safe to use from several threads; a network is opened once and kept.

    Args:
        bench: Models, labels and files.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.maps = KeptMaps(bench.derived, batch_size=bench.batch_size, threads=bench.threads)
        self._cache = FeatureCache(bench.derived, threads=bench.threads)
        self._extractors: dict[tuple[str, str, Modality], FeatureExtractor] = {}
        self._lock = threading.Lock()

    def occlusion(
        self,
        subject: Subject,
        card: ModelCard,
        *,
        cells: int = CELLS,
        on_progress: Tell | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> OcclusionMap:
        """The occlusion map of an image, made where it is not kept; see `KeptMaps.make`.

        Raises:
            ImageError, ModelError, JobCanceledError, StoreUnavailableError: see `KeptMaps.make`.
        """
        found = self.maps.find(subject, card, cells=cells)
        if found is not None:
            return found
        if on_progress is not None:
            on_progress(0, None, f"opening {card.name}")
        classifier = self._bench.classifiers.load(card.name)
        return self.maps.make(subject, classifier, cells=cells, on_progress=on_progress, should_stop=should_stop)

    def nearest(
        self,
        subject: Subject,
        card: ModelCard,
        *,
        count: int = 6,
        most_new: int = MOST_NEW,
        on_progress: Tell | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> NearestExamples:
        """The images most alike to one; see `nearest_examples`.

        Raises:
            ImageError, ModelError, JobCanceledError, NotFoundError: see `nearest_examples`.
        """
        return nearest_examples(
            self._bench.database,
            self._bench.kept,
            self._cache,
            subject,
            card,
            lambda: self._extractor(card, subject.modality),
            count=count,
            most_new=most_new,
            on_progress=on_progress,
            should_stop=should_stop,
        )

    def _extractor(self, card: ModelCard, modality: Modality) -> FeatureExtractor:
        key = (card.name, card.version, modality)
        with self._lock:
            if key not in self._extractors:
                bench = self._bench
                opened = open_base(bench.registry, card.name, modality, bench.runtime).extractor
                # Networks are large; those of the last models asked about are enough.
                while len(self._extractors) >= _EXTRACTORS_KEPT:
                    self._extractors.pop(next(iter(self._extractors)))
                self._extractors[key] = opened
            return self._extractors[key]


__all__ = ["Explainer"]
