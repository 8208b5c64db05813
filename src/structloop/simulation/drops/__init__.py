"""Crystallization drops with known truth, in visible light and UV.

    facility = sample_facility(7)                        # an imager, its plates and habits; withhold some for tests
    scene = sample_scene(1, facility=facility, prevalence=0.5)
    visible = render_visible_with_truth(scene, 512)      # .image uint8 (h, w, 3), .truth, .um_per_px
    uv = render_uv_with_truth(scene, 512)                # .image uint8 (h, w); another field and size
    twin = render_visible(scene.without_crystals(), 512) # the same picture less its crystals
    both = render_visible_with_truth(scene, 512, twin=True)  # .image and .twin, cheaper than two renderings

`truth.crystal` is the label of that image (salt crystals count in visible light, not in UV); leave out images whose
`truth.recognisable` is False when training. Everything is a deterministic function of seeds.
"""

from structloop.core.errors import SimulationError
from structloop.simulation.drops.contents import (
    Content,
    Crystal,
    DropShape,
    Flake,
    Habit,
    Precipitate,
    PrecipitateKind,
    Skin,
    Speck,
    Sphere,
    Strand,
)
from structloop.simulation.drops.facilities import FAMILIES, Facility, sample_facility
from structloop.simulation.drops.rendering import (
    RenderedDrop,
    render_uv,
    render_uv_with_truth,
    render_visible,
    render_visible_with_truth,
)
from structloop.simulation.drops.sampling import sample_scene
from structloop.simulation.drops.scene import MICROCRYSTAL_UM, DropScene
from structloop.simulation.drops.styles import CameraStyle, DropStyle, LightStyle, UvStyle, WellShape, WellStyle
from structloop.simulation.drops.truth import DropTruth

__all__ = [
    "FAMILIES",
    "MICROCRYSTAL_UM",
    "CameraStyle",
    "Content",
    "Crystal",
    "DropScene",
    "DropShape",
    "DropStyle",
    "DropTruth",
    "Facility",
    "Flake",
    "Habit",
    "LightStyle",
    "Precipitate",
    "PrecipitateKind",
    "RenderedDrop",
    "SimulationError",
    "Skin",
    "Speck",
    "Sphere",
    "Strand",
    "UvStyle",
    "WellShape",
    "WellStyle",
    "render_uv",
    "render_uv_with_truth",
    "render_visible",
    "render_visible_with_truth",
    "sample_facility",
    "sample_scene",
]
