"""A tiny DINOv2 for the benchmark: random weights, tuned as a whole for minutes on facilities that are no test.

The published networks take hours on a processor and may not be shipped. This one has their shape in small, and has seen
nothing but simulated drops of `FACILITIES`; what adapters on it learn is measured, not how well a large network would.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from structloop.models.classifiers import axis_network
from structloop.models.classifiers.axis_checkpoint import read_network
from structloop.models.classifiers.axis_preprocessing import RECIPE
from structloop.models.classifiers.dinov2 import build_network
from structloop.schema.models import InputSpecification
from structloop.simulation.drops import render_visible_with_truth, sample_facility, sample_scene
from structloop.testing.checkpoints import TINY_DINOV2, dinov2_weights, write_base

SIDE_PX = 168
CONFIG = {
    **TINY_DINOV2,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": SIDE_PX,
}
INPUT = InputSpecification.model_validate(RECIPE.model_dump() | {"width_px": SIDE_PX, "height_px": SIDE_PX})
BATCH = 24

FACILITIES = range(1_200_000, 1_200_100)
"""Simulated facilities that neither the embedded default nor any laboratory is one of."""

SCENES_EACH = 12
_FIRST_SCENE = 60_000_000
_LONG_SIDE = 240


def foundation_pictures(target: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int64]]:
    """Drops of `FACILITIES` with crystals that can be seen, and the same drops without; kept in the file `target`.

    Returns:
        Pictures `(n, SIDE_PX, SIDE_PX)` in grey, whether there are crystals, and the number of the facility.
    """
    if not target.exists():
        kept, crystals, of = [], [], []
        for place, number in enumerate(FACILITIES):
            facility = sample_facility(number)
            for index in range(SCENES_EACH):
                scene = sample_scene(_FIRST_SCENE + place * SCENES_EACH + index, facility=facility, prevalence=1.0)
                picture = render_visible_with_truth(scene, _LONG_SIDE, twin=bool(scene.crystals))
                if picture.twin is None or not picture.truth.recognisable:
                    continue
                for image, crystal in ((picture.image, True), (picture.twin, False)):
                    grey = Image.fromarray(image).convert("L")
                    kept.append(np.asarray(grey.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)))
                    crystals.append(crystal)
                    of.append(number)
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(target, pictures=np.stack(kept), crystals=np.array(crystals), facility=np.array(of))
    with np.load(target) as found:
        return found["pictures"], found["crystals"], found["facility"]


def foundation(
    target: Path, pictures: NDArray[np.uint8], truth: NDArray[np.bool_], *, epochs: int, seed: int = 0
) -> Path:
    """Writes the tuned network to the new folder `target`, as a DINOv2 is published.

    Args:
        target: Made here.
        pictures: `(n, SIDE_PX, SIDE_PX)` grey.
        truth: `(n,)` whether there are crystals.
        epochs: How often each picture is looked at.
        seed: Of weights and order.
    """
    blank = write_base(target.with_suffix(".blank"), dinov2_weights(seed, CONFIG), CONFIG)
    architecture, weights = read_network(blank)
    torch.manual_seed(seed)
    head = {
        "classifier.weight": 0.02 * torch.randn(2, 2 * architecture.hidden_size),
        "classifier.bias": torch.zeros(2),
    }
    backbone = {key: tensor for key, tensor in weights.items() if key not in axis_network.HEAD}
    network = build_network(architecture, {**backbone, **head}, INPUT, str(blank)).train()
    steps = epochs * -(-len(truth) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    share = torch.tensor([1 / truth.mean(), 1 / (1 - truth.mean())], dtype=torch.float32)
    loss_of = nn.CrossEntropyLoss(weight=share / share.mean())
    draw = np.random.default_rng(seed)
    for _ in range(epochs):
        order = draw.permutation(len(truth))
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            images = pictures[rows]
            # As the recipe does: flips only.
            images = images[:, :: draw.choice([-1, 1]), :: draw.choice([-1, 1])]
            logits = network(torch.from_numpy(np.ascontiguousarray(images[:, None])))
            loss = loss_of(logits, torch.from_numpy(np.where(truth[rows], 0, 1)))
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    _write(target, network, blank)
    return target


def _write(target: Path, network: nn.Module, blank: Path) -> None:
    tuned = {name.removeprefix("classifier."): value for name, value in network.state_dict().items()}
    kept = {name: value.contiguous() for name, value in tuned.items() if name.startswith("dinov2.")}
    target.mkdir(parents=True)
    save_file(kept, target / "model.safetensors")
    shutil.move(blank / "config.json", target / "config.json")
    shutil.rmtree(blank)
