"""Pickers without a network, behind the protocol that networks have: Laplacian of Gaussian, and template matching."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy import ndimage
from scipy.special import expit

from structloop.core.errors import ModelFormatError
from structloop.models.pickers import ScoreMap, WorkingMicrograph
from structloop.models.pickers.candidates import PER_MICROGRAPH
from structloop.models.runtime import Runtime
from structloop.particles.classical.blobs import blob_response
from structloop.particles.classical.templates import crop_size, template_response
from structloop.schema.models import PickerCard, PlattCalibration, TrainingDataset

LOG, TEMPLATE = "log", "template"
WEIGHTS_FILE = "model.safetensors"
# Raw scores are a sigmoid of the response in deviations, wide enough that the best particle of a clean micrograph is
# still told from the second best in 32 bits.
_MIDDLE, _SLOPE = 5.0, 0.5
_DEFAULT_SIGMA_DIAMETERS = 0.22


class ClassicalPicker:
    """A picker of either kind; satisfies `Picker`.

    Args:
        card: Its family says which kind.
        arrays: `sigma_px`, one number (log), or `templates` (n, side, side) of whitened particles or a round
            `disc` (1, side, side) (template); working pixels.

    Raises:
        ModelFormatError: the arrays are not what the family needs.
    """

    def __init__(self, card: PickerCard, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self._plain = card.family == TEMPLATE and "disc" in arrays
        key = "sigma_px" if card.family == LOG else "disc" if self._plain else "templates"
        if key not in arrays or (card.family == TEMPLATE and arrays[key].ndim != 3) or arrays[key].size == 0:
            raise ModelFormatError(f"model '{card.name}' of family '{card.family}' lacks its tensor '{key}'")
        self._card = card
        self._values = np.asarray(arrays[key], np.float32)

    @property
    def card(self) -> PickerCard:
        """The card of the model."""
        return self._card

    def score_maps(self, micrographs: Sequence[WorkingMicrograph]) -> list[ScoreMap]:
        """One map per micrograph; see `Picker.score_maps`."""
        return [ScoreMap(squashed(self._response(each))) for each in micrographs]

    def _response(self, micrograph: WorkingMicrograph) -> NDArray[np.float32]:
        if self._card.family == LOG:
            return blob_response(micrograph.pixels, micrograph.mask, float(self._values.ravel()[0]))
        return template_response(micrograph, self._values, plain=self._plain)


def squashed(response: NDArray[np.float32]) -> NDArray[np.float32]:
    """A response in deviations as a raw score from 0 to 1."""
    return np.asarray(expit(np.float32(_SLOPE) * (response - np.float32(_MIDDLE))), np.float32)


class LogFamily:
    """Loads Laplacian-of-Gaussian pickers; satisfies `PickerFamily`."""

    name = LOG

    def load(self, folder: Path, card: PickerCard, runtime: Runtime) -> ClassicalPicker:
        """The picker of `card`, whose width is in ``model.safetensors``.

        Raises:
            ModelFormatError: the file is not one.
        """
        return ClassicalPicker(card, _read(folder / WEIGHTS_FILE))


class TemplateFamily(LogFamily):
    """Loads template-matching pickers; satisfies `PickerFamily`."""

    name = TEMPLATE


def default_picker(family: str) -> ClassicalPicker:
    """A picker that nobody's labels went into: a blob, or a dark disc with a soft edge, of the particle's diameter.

    How much stronger particles are than noise is not known, so probabilities are fitted to each micrograph.
    """
    working = 13.0
    card = PickerCard(
        name=family,
        summary={LOG: "Laplacian of Gaussian, no labels", TEMPLATE: "Template matching with a disc, no labels"}[family],
        task="particle-picking",
        family=family,
        working_diameter_px=working,
        calibration=_CALIBRATION[family],
        threshold=0.5,
        parameters={PER_MICROGRAPH: True},
        licence="Apache-2.0",
        origin="structloop",
        training=TrainingDataset(
            name="simulated micrographs",
            version="1",
            description="Nothing was trained; the scores' calibration was fitted on made-up micrographs.",
            synthetic=True,
        ),
        limitations=("Takes edges, contamination and aggregates for particles more often than a network does.",),
    )
    arrays = {LOG: _blob(working), TEMPLATE: _disc(working)}[family]
    return ClassicalPicker(card, arrays)


_CALIBRATION = {
    LOG: PlattCalibration(slope=2.27, intercept=0.45, prevalence=0.08, note="simulated micrographs"),
    TEMPLATE: PlattCalibration(slope=3.76, intercept=2.52, prevalence=0.08, note="simulated micrographs"),
}


def _blob(working_diameter_px: float) -> dict[str, NDArray[np.float32]]:
    return {"sigma_px": np.array([_DEFAULT_SIGMA_DIAMETERS * working_diameter_px], np.float32)}


def _disc(working_diameter_px: float) -> dict[str, NDArray[np.float32]]:
    side = crop_size(working_diameter_px)
    y, x = np.mgrid[:side, :side] - side // 2
    # Particles are denser in their middle than at the rim of their largest extent; they are dark.
    disc = -ndimage.gaussian_filter((np.hypot(x, y) < 0.35 * working_diameter_px).astype(np.float32), 1.5)
    disc -= disc.mean()
    return {"disc": np.asarray(disc / np.sqrt((disc**2).sum()), np.float32)[None]}


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        return dict(load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelFormatError(f"cannot read weights {path}: {error}; install the model again") from error


__all__ = [
    "LOG",
    "PER_MICROGRAPH",
    "TEMPLATE",
    "WEIGHTS_FILE",
    "ClassicalPicker",
    "LogFamily",
    "TemplateFamily",
    "default_picker",
    "squashed",
]
