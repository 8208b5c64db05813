"""Perceptual hashes of source images, kept in the database so that no image is decoded twice for them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from structloop.core.errors import ImageError
from structloop.imaging import read_image
from structloop.imaging.fingerprints import METHOD, fingerprint, from_text, to_text
from structloop.store import Database
from structloop.store.database import insert_or_ignore
from structloop.store.tables import ImageFingerprint

Fingerprint = NDArray[np.uint64]

_FEW = 500
_NONE = ""


def image_fingerprints(
    database: Database,
    images: Mapping[str, Path],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Fingerprint | None]:
    """The perceptual hash of each image, by the digest of its contents.

    Args:
        database: Where hashes are kept.
        images: Where the image with each SHA-256 lies.
        on_progress: Called with the number of images done, and of all.

    Returns:
        The hashes; None of a picture that is flat. Images that are missing or damaged are left out.
    """
    known = _kept(database, list(images))
    missing = [digest for digest in images if digest not in known]
    for start in range(0, len(missing), _FEW):
        rows = []
        for place, digest in enumerate(missing[start : start + _FEW], start=start):
            if on_progress is not None:
                on_progress(len(images) - len(missing) + place, len(images))
            try:
                value = fingerprint(read_image(images[digest]))
            except ImageError:
                # Whoever needs the picture itself will be told; without it nothing can look like it.
                continue
            known[digest] = value
            rows.append({"sha256": digest, "method": METHOD, "value": _NONE if value is None else to_text(value)})
        if rows:
            with database.session() as session:
                session.execute(insert_or_ignore(database, ImageFingerprint, rows))
    if on_progress is not None:
        on_progress(len(images), len(images))
    return known


def _kept(database: Database, digests: list[str]) -> dict[str, Fingerprint | None]:
    known: dict[str, Fingerprint | None] = {}
    with database.reading() as session:
        for start in range(0, len(digests), _FEW):
            rows = session.execute(
                select(ImageFingerprint.sha256, ImageFingerprint.value).where(
                    ImageFingerprint.method == METHOD, ImageFingerprint.sha256.in_(digests[start : start + _FEW])
                )
            )
            known.update({digest: None if text == _NONE else from_text(text) for digest, text in rows})
    return known


__all__ = ["Fingerprint", "image_fingerprints"]
