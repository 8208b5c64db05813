"""A test set cannot leak: what is learnt from must not be, nor look like, an item of a test set."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import DataLeakError, ImageError
from structloop.imaging import read_image
from structloop.imaging.fingerprints import (
    LOOKS_THE_SAME_BITS,
    LOOKS_THE_SAME_SIMILARITY,
    distances,
    structure,
    structure_similarity,
)
from structloop.loop.datasets.manifest import ManifestRow
from structloop.loop.fingerprints import Fingerprint, image_fingerprints
from structloop.store import Database


@dataclass(frozen=True, slots=True)
class Leak:
    """An item to learn from that is, or looks like, an item of the test set.

    Attributes:
        train: The item to learn from.
        test: The item of the test set.
        similarity: 1 for the same file; else how similar the pictures are, see `imaging.fingerprints`.
        same_file: Whether both are the same bytes.
    """

    train: ManifestRow
    test: ManifestRow
    similarity: float
    same_file: bool

    def __str__(self) -> str:
        how = "is the same file as" if self.same_file else f"looks like (similarity {self.similarity:.3f})"
        return f"{self.train.key} ({self.train.path}) {how} test image {self.test.key} ({self.test.path})"


def find_leaks(
    database: Database,
    train: Sequence[ManifestRow],
    test: Sequence[ManifestRow],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Leak]:
    """Items to learn from that are, or look like, items of a test set: one leak at most for each, the clearest.

    Images that are missing or damaged are compared by their digests alone.

    Args:
        database: Where perceptual hashes are kept.
        train: What is to be learnt from, validation included.
        test: The test set.
        on_progress: Called with the number of images hashed, and of all.
    """
    by_digest = {row.sha256: row for row in test}
    leaks = {row.key: Leak(row, by_digest[row.sha256], 1.0, True) for row in train if row.sha256 in by_digest}
    images = {row.sha256: Path(row.path) for row in (*test, *train)}
    hashes = image_fingerprints(database, images, on_progress=on_progress) if train and test else {}
    rest = [row for row in train if row.key not in leaks]
    structures: dict[str, NDArray[np.float32] | None] = {}
    for one, others in _similar_hashes(rest, test, hashes):
        own = _structure(one)
        for other in others:
            if other.sha256 not in structures:
                structures[other.sha256] = _structure(other)
            theirs = structures[other.sha256]
            how = -1.0 if own is None or theirs is None else structure_similarity(own, theirs)
            known = leaks.get(one.key)
            if how >= LOOKS_THE_SAME_SIMILARITY and (known is None or how > known.similarity):
                leaks[one.key] = Leak(one, other, how, False)
    return [leaks[key] for key in sorted(leaks)]


def refuse_leaks(leaks: Sequence[Leak]) -> None:
    """Refuses what leaks, naming both images of the first leaks.

    Raises:
        DataLeakError: there is any leak.
    """
    if leaks:
        named = "; ".join(str(leak) for leak in leaks[:5])
        more = f"; and {len(leaks) - 5} more" if len(leaks) > 5 else ""
        raise DataLeakError(
            f"{len(leaks)} images to learn from would leak the test set: {named}{more}; leave them out (withhold "
            "leaks), or correct what was imported twice"
        )


def _similar_hashes(
    train: Sequence[ManifestRow], test: Sequence[ManifestRow], hashes: Mapping[str, Fingerprint | None]
) -> Iterator[tuple[ManifestRow, list[ManifestRow]]]:
    """Each item to learn from with the test items of similar hashes, where there are any."""
    # Visible and UV images are of different tasks, and never meet here.
    rows = [(row, value) for row in test if (value := hashes.get(row.sha256)) is not None]
    if not rows:
        return
    many = np.stack([value for _, value in rows])
    for one in train:
        value = hashes.get(one.sha256)
        if value is not None:
            near = np.flatnonzero(distances(value, many) <= LOOKS_THE_SAME_BITS)
            if near.size:
                yield one, [rows[place][0] for place in near.tolist()]


def _structure(row: ManifestRow) -> NDArray[np.float32] | None:
    try:
        return structure(read_image(Path(row.path)))
    except ImageError:
        # Its hash was kept from when it could be read; whoever learns from it will be told that it is gone.
        return None


__all__ = ["Leak", "find_leaks", "refuse_leaks"]
