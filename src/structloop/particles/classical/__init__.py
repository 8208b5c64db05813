"""Pickers without a network: Laplacian of Gaussian and template matching, as fall-backs and as peers in benchmarks."""

from structloop.particles.classical.fitting import FittedPicker, fit_classical
from structloop.particles.classical.pickers import (
    LOG,
    PER_MICROGRAPH,
    TEMPLATE,
    ClassicalPicker,
    LogFamily,
    TemplateFamily,
    default_picker,
)

__all__ = [
    "LOG",
    "PER_MICROGRAPH",
    "TEMPLATE",
    "ClassicalPicker",
    "FittedPicker",
    "LogFamily",
    "TemplateFamily",
    "default_picker",
    "fit_classical",
]
