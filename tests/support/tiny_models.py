"""A small real model on disk, with weights by chance: what tests of whole processes score with."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from structloop.models.classifiers.compact_network import CompactNetwork
from structloop.models.registry import ModelRegistry
from structloop.schema.images import Modality
from structloop.schema.models import InputSpecification, ModelCard, TrainingDataset

TINY = "tiny"


def add_tiny_model(home: Path, scratch: Path) -> ModelCard:
    """Adds the model `tiny` (visible and UV, 64 x 64 pixels) to a home folder."""
    torch.manual_seed(0)
    scratch.mkdir(parents=True, exist_ok=True)
    save_file(CompactNetwork().state_dict(), scratch / "model.safetensors")
    card = ModelCard(
        name=TINY,
        summary="Weights by chance.",
        family="compact",
        input=InputSpecification(width_px=64, height_px=64, colour="grayscale", resize="pad", mean=(0.0,), std=(1.0,)),
        labels=("crystal", "other"),
        modalities=(Modality.VISIBLE, Modality.UV),
        alarm_threshold=0.5,
        licence="Apache-2.0",
        origin="tests",
        training=TrainingDataset(name="none", version="1", description="none", synthetic=True),
    )
    return ModelRegistry(home).add(card, scratch)


__all__ = ["TINY", "add_tiny_model"]
