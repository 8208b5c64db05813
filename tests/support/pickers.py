"""Small things for the tests of pickers: simple fields of particles, a network with random weights, its card."""

import numpy as np
import torch

from structloop.models.pickers.heatmap import HeatmapPicker, picker_of
from structloop.models.pickers.heatmap_network import HeatmapNetwork
from structloop.models.pickers.preparing import prepare
from structloop.models.pickers.protocol import LabelledMicrograph
from structloop.models.runtime import Runtime
from structloop.schema.models import PickerCard, TrainingDataset
from structloop.testing.pickers import discs

DIAMETER_PX = 26.0


def picker_card(name: str = "test-picker", **changes: object) -> PickerCard:
    """A card without files."""
    made = PickerCard(
        name=name,
        summary="a picker of the tests",
        task="particle-picking",
        family="heatmap",
        licence="Apache-2.0",
        origin="the tests",
        training=TrainingDataset(name="none", version="1", description="nothing", synthetic=True),
    )
    return made.updated(**changes) if changes else made


def random_picker(seed: int = 0) -> HeatmapPicker:
    """A heat-map picker that learnt nothing."""
    torch.manual_seed(seed)
    return picker_of(picker_card(), HeatmapNetwork().state_dict(), Runtime("torch", "fp32", threads=1))


def labelled_discs(seed: int, *, complete: bool | None = True, kept: float = 1.0) -> LabelledMicrograph:
    """A micrograph of dark balls with so many of its centres marked."""
    stored, centres = discs((260, 300), DIAMETER_PX, seed)
    marked = centres[np.random.default_rng(seed).random(len(centres)) < kept]
    return LabelledMicrograph(prepare(stored, diameter_px=DIAMETER_PX), marked, complete, f"discs-{seed}")


__all__ = ["DIAMETER_PX", "labelled_discs", "picker_card", "random_picker"]
