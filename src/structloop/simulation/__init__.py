"""Synthetic images with known truth: for tests, for the demonstration, and to train the embedded default model.

`structloop.simulation.drops` holds crystallization drops, `structloop.simulation.plates` whole plates of them as files.
"""

from structloop.simulation.drops import (
    DropScene,
    DropTruth,
    Facility,
    RenderedDrop,
    SimulationError,
    render_uv,
    render_uv_with_truth,
    render_visible,
    render_visible_with_truth,
    sample_facility,
    sample_scene,
)

__all__ = [
    "DropScene",
    "DropTruth",
    "Facility",
    "RenderedDrop",
    "SimulationError",
    "render_uv",
    "render_uv_with_truth",
    "render_visible",
    "render_visible_with_truth",
    "sample_facility",
    "sample_scene",
]
