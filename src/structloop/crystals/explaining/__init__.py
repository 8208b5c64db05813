"""Why a model scored an image as it did: the places that its score rests on, and the images it finds most alike."""

from structloop.crystals.explaining.examples import Example, NearestExamples, nearest_examples
from structloop.crystals.explaining.explainer import Explainer
from structloop.crystals.explaining.kept_maps import KeptMaps, Strongest, scale_of, strongest
from structloop.crystals.explaining.occlusion import CELLS, OcclusionMap, occlusion_map
from structloop.crystals.explaining.subjects import (
    Subject,
    chosen_model,
    drop_subject,
    file_subject,
    stored_subject,
)
from structloop.crystals.explaining.words import CAVEAT, in_words

__all__ = [
    "CAVEAT",
    "CELLS",
    "Example",
    "Explainer",
    "KeptMaps",
    "NearestExamples",
    "OcclusionMap",
    "Strongest",
    "Subject",
    "chosen_model",
    "drop_subject",
    "file_subject",
    "in_words",
    "nearest_examples",
    "occlusion_map",
    "scale_of",
    "stored_subject",
    "strongest",
]
