"""Occlusion maps as derived files: made once per image and model version, numbers as JSON and colours as PNG."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from structloop.crystals.explaining.occlusion import (
    CELLS,
    METHOD,
    Floats,
    OcclusionMap,
    OcclusionPass,
    Tell,
    occlusion_map,
)
from structloop.crystals.explaining.subjects import Subject
from structloop.imaging.overlays import diverging_overlay
from structloop.models.classifiers.protocol import Classifier
from structloop.schema.models import ModelCard
from structloop.store import DerivedFiles

KIND = "occlusion"
_JSON, _PNG = ".json", ".png"
_OVERLAY_PX = 640
LEAST_SCALE = 0.02
"""Changes of a probability below two points are never shown in full colour."""


@dataclass(frozen=True, slots=True)
class Strongest:
    """The place that matters most in one direction.

    Attributes:
        x, y: Its middle, as shares of width and height.
        change: The probability of the whole image less that with the place hidden.
    """

    x: float
    y: float
    change: float


def scale_of(found: OcclusionMap) -> float:
    """The change that is shown in full colour: the largest of the map, but at least two points."""
    return max(LEAST_SCALE, float(np.abs(found.at()).max()))


def strongest(found: OcclusionMap) -> tuple[Strongest | None, Strongest | None]:
    """The hidden place that lowered the probability most, and that which raised it most; None where none did."""
    best: list[Strongest | None] = []
    for sign in (1, -1):
        places = [
            Strongest(
                float((column + 0.5) / each.changes.shape[1]),
                float((row + 0.5) / each.changes.shape[0]),
                float(each.changes[row, column]),
            )
            for each in found.passes
            for row, column in [np.unravel_index(np.argmax(sign * each.changes), each.changes.shape)]
        ]
        most = max(places, key=lambda place: sign * place.change)
        best.append(most if sign * most.change > 0 else None)
    return best[0], best[1]


class KeptMaps:
    """Occlusion maps below one folder; they may be deleted at any time.

    Args:
        files: The derived files.
        batch_size: Images per call of the network.
        threads: Threads that hide and prepare; None: one per core.
    """

    def __init__(self, files: DerivedFiles, *, batch_size: int = 16, threads: int | None = None) -> None:
        self._files = files
        self._batch_size = batch_size
        self._threads = threads

    def find(self, subject: Subject, card: ModelCard, *, cells: int = CELLS) -> OcclusionMap | None:
        """The map, if it was made already."""
        path = self._path(subject, card, cells, _JSON)
        try:
            return _from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            # A derived file that is damaged is made again.
            path.unlink(missing_ok=True)
            return None

    def make(
        self,
        subject: Subject,
        classifier: Classifier,
        *,
        cells: int = CELLS,
        on_progress: Tell | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> OcclusionMap:
        """The map, made where it was not yet.

        Raises:
            ImageError: the image is missing, damaged, or not what was imported.
            UnsupportedModalityError: the model does not serve its light.
            JobCanceledError: `should_stop` said so.
            StoreUnavailableError: the map cannot be kept.
        """
        found = self.find(subject, classifier.card, cells=cells)
        if found is not None:
            return found
        with subject.open() as image:
            found = occlusion_map(
                classifier,
                image,
                subject.modality,
                cells=cells,
                batch_size=self._batch_size,
                threads=self._threads,
                on_progress=on_progress,
                should_stop=should_stop,
            )
        text = json.dumps(_to_json(found))
        self._files.get_or_make(
            KIND,
            subject.sha256,
            _JSON,
            lambda path: _write(path, text),
            **_recipe(subject, classifier.card, cells),
        )
        return found

    def overlay(self, subject: Subject, card: ModelCard, found: OcclusionMap, *, cells: int = CELLS) -> Path:
        """The map as a see-through PNG of the image's shape.

        Raises:
            StoreUnavailableError: it cannot be kept.
        """
        scale = _OVERLAY_PX / max(found.width_px, found.height_px)
        size = (max(1, round(found.width_px * scale)), max(1, round(found.height_px * scale)))
        picture = diverging_overlay(found.at(), scale_of(found), size)
        return self._files.get_or_make(
            KIND,
            subject.sha256,
            _PNG,
            lambda path: picture.save(path, "PNG", optimize=True),
            **_recipe(subject, card, cells),
        )

    def _path(self, subject: Subject, card: ModelCard, cells: int, suffix: str) -> Path:
        address = self._files.address(KIND, subject.sha256, **_recipe(subject, card, cells))
        return self._files.path(KIND, address, suffix)


def _recipe(subject: Subject, card: ModelCard, cells: int) -> dict[str, str | float | bool]:
    # The version tells weights, input and calibration: whatever changes a probability changes it.
    return {"model": card.version, "modality": subject.modality.value, "cells": cells, "method": METHOD}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _to_json(found: OcclusionMap) -> dict[str, Any]:
    return {
        "probability": found.probability,
        "width_px": found.width_px,
        "height_px": found.height_px,
        "passes": [each.changes.tolist() for each in found.passes],
    }


def _from_json(values: dict[str, Any]) -> OcclusionMap:
    read: list[Floats] = [np.asarray(each, dtype=np.float64) for each in values["passes"]]
    if not read or any(each.ndim != 2 or not each.size for each in read):
        raise ValueError("no map")
    return OcclusionMap(
        float(values["probability"]),
        tuple(OcclusionPass(each) for each in read),
        int(values["width_px"]),
        int(values["height_px"]),
    )


__all__ = ["KIND", "LEAST_SCALE", "KeptMaps", "Strongest", "scale_of", "strongest"]
