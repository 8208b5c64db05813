"""Whether pictures of a drop at two inspections look the same, so that one of them is enough to ask about."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from structloop.crystals.curation.candidates import Candidates
from structloop.crystals.review import images_of
from structloop.imaging.fingerprints import distances
from structloop.loop.fingerprints import Fingerprint, image_fingerprints
from structloop.schema.images import Modality
from structloop.store import Database

SERIES_BITS = 20
"""Hashes of pictures of one drop that differ in so few bits are taken for the same without a closer look."""


class LooksTheSame:
    """Whether an experiment looks like one of others of the same drop, in every modality that both have.

    Those of which the model or a person says something else are not the same: a crystal that has grown is small.
    """

    def __init__(self, database: Database, candidates: Candidates) -> None:
        self._database = database
        self._candidates = candidates
        self._known: dict[int, dict[Modality, Fingerprint]] = defaultdict(dict)
        self._asked: set[int] = set()

    def __call__(self, index: int, others: Sequence[int]) -> bool:
        """Whether candidate `index` shows what one of `others` shows, in the images and in what is said of them."""
        alike = [other for other in others if self._said(other) == self._said(index)]
        if not alike:
            return False
        self._look_at([index, *alike])
        own = self._known[index]
        return any(self._same(own, self._known[other]) for other in alike)

    def _said(self, index: int) -> tuple[bool, int]:
        items = self._candidates.items
        return bool(items.probability[index] >= items.threshold[index]), int(items.human[index])

    def _look_at(self, indices: Sequence[int]) -> None:
        new = [index for index in indices if index not in self._asked]
        self._asked.update(new)
        keys = {self._candidates.key(index): index for index in new}
        for modality in (Modality.VISIBLE, Modality.UV) if keys else ():
            images = images_of(self._database, keys, modality)
            hashes = image_fingerprints(self._database, {each.sha256: each.path for each in images.values()})
            for key, image in images.items():
                value = hashes.get(image.sha256)
                if value is not None:
                    self._known[keys[key]][modality] = value

    @staticmethod
    def _same(one: Mapping[Modality, Fingerprint], other: Mapping[Modality, Fingerprint]) -> bool:
        shared = one.keys() & other.keys()
        return bool(shared) and all(
            int(distances(one[modality], other[modality][np.newaxis])[0]) <= SERIES_BITS for modality in shared
        )


__all__ = ["SERIES_BITS", "LooksTheSame"]
