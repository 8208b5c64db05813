"""Features of labelled images, computed once per image and base, and kept."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ImageError
from structloop.loop.datasets.items import LabelledItem
from structloop.models.classifiers.features import FeatureExtractor
from structloop.models.classifiers.protocol import PreparedImage
from structloop.store.files import DerivedFiles

KIND = "features"
_SUFFIX = ".npy"
_BATCH = 16

Tell = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class ItemFeatures:
    """Items with their features.

    Attributes:
        items: Those whose image could be read, in the order given.
        features: `(n, width)`.
        unreadable: Those that were left out, by key, with the reason.
    """

    items: tuple[LabelledItem, ...]
    features: NDArray[np.float32]
    unreadable: dict[str, str]


class FeatureCache:
    """Features kept as derived files, by the image's contents and the base's version and modality.

    Args:
        files: Where they are kept; they may be deleted at any time.
        threads: Threads that read and prepare images; None: one per core.
    """

    def __init__(self, files: DerivedFiles, *, threads: int | None = None) -> None:
        self._files = files
        self._threads = threads or os.cpu_count() or 1

    def features(
        self,
        extractor: FeatureExtractor,
        items: Sequence[LabelledItem],
        *,
        on_progress: Tell | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> ItemFeatures:
        """The features of `items`; those not kept yet are computed, which is what takes long.

        Args:
            extractor: The base.
            items: Any number.
            on_progress: Called with images done, images in all, and what is done.
            should_stop: Asked before each batch that must be computed; True leaves out what is not kept yet, as
                unreadable.

        Raises:
            StoreUnavailableError: the folder of derived files cannot be written.
        """
        rows: dict[int, NDArray[np.float32]] = {}
        unreadable: dict[str, str] = {}
        missing: list[tuple[int, str]] = []
        for index, item in enumerate(items):
            kept = self._kept(extractor, item.sha256) if item.sha256 else None
            if kept is None:
                missing.append((index, item.sha256))
            else:
                rows[index] = kept
        if on_progress is not None and missing:
            on_progress(len(rows), len(items), "computing features")
        for batch in self._prepared(extractor, items, missing, should_stop or (lambda: False)):
            usable = [(index, digest, image) for index, digest, image in batch if not isinstance(image, ImageError)]
            found = extractor.features([image for _, _, image in usable])
            for (index, digest, _), row in zip(usable, found, strict=True):
                self._keep(extractor, digest, row)
                rows[index] = row
            unreadable |= {items[index].key: str(image) for index, _, image in batch if isinstance(image, ImageError)}
            if on_progress is not None:
                on_progress(len(rows) + len(unreadable), len(items), "computing features")
        unreadable |= {
            items[index].key: "stopped before it was read"
            for index, _ in missing
            if index not in rows and items[index].key not in unreadable
        }
        order = sorted(rows)
        table = np.stack([rows[index] for index in order]) if order else np.zeros((0, extractor.width), np.float32)
        return ItemFeatures(tuple(items[index] for index in order), table.astype(np.float32), unreadable)

    def known(self, extractor: FeatureExtractor, digests: Sequence[str]) -> list[bool]:
        """Of which images, by the digest of their contents, the features are kept already."""
        return [bool(digest) and self._path(extractor, digest).is_file() for digest in digests]

    def _prepared(
        self,
        extractor: FeatureExtractor,
        items: Sequence[LabelledItem],
        missing: Sequence[tuple[int, str]],
        should_stop: Callable[[], bool],
    ) -> Iterator[list[tuple[int, str, PreparedImage | ImageError]]]:
        def prepare(entry: tuple[int, str]) -> tuple[int, str, PreparedImage | ImageError]:
            index, digest = entry
            try:
                with items[index].load() as image:
                    # Without the digest of its file, an image goes by its pixels.
                    known = digest or hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()
                    return index, known, extractor.prepare(image)
            except ImageError as error:
                return index, digest, error

        waiting = iter(missing)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="structloop-features") as pool:
            while not should_stop() and (batch := list(islice(waiting, _BATCH))):
                yield list(pool.map(prepare, batch))

    def _kept(self, extractor: FeatureExtractor, digest: str) -> NDArray[np.float32] | None:
        path = self._path(extractor, digest)
        try:
            row = np.load(path)
        except FileNotFoundError:
            return None
        except (ValueError, EOFError):
            # A derived file that is damaged is made again.
            path.unlink(missing_ok=True)
            return None
        return np.asarray(row, dtype=np.float32) if row.shape == (extractor.width,) else None

    def _path(self, extractor: FeatureExtractor, digest: str) -> Path:
        return self._files.path(KIND, self._files.address(KIND, digest, base=extractor.key), _SUFFIX)

    def _keep(self, extractor: FeatureExtractor, digest: str, row: NDArray[np.float32]) -> None:
        def write(path: Path) -> None:
            with path.open("wb") as stream:
                np.save(stream, row)

        self._files.get_or_make(KIND, digest, _SUFFIX, write, base=extractor.key)


__all__ = ["FeatureCache", "ItemFeatures"]
