"""LoRA adapters without their base: taken out of a model, put on the same base elsewhere, averaged."""

from collections.abc import Sequence
from pathlib import Path

import torch

from structloop.core.errors import ModelFormatError
from structloop.models.adapters import lora
from structloop.models.adapters.averaging import AveragedAdapter, average_adapters
from structloop.models.adapters.dinov2_names import canonical_name
from structloop.models.archives import copy_plain
from structloop.models.classifiers import axis_network
from structloop.models.training.lora_network import LoraStart, start_from_network, write_adapted_network

ADAPTER_FILES = (lora.CONFIG_FILE, lora.WEIGHTS_FILE)


def take_out(network: Path, target: Path, name: str) -> LoraStart:
    """Copies the adapter of an AXIS network to `target`, and returns what it sits on.

    Raises:
        ModelFormatError: the network is kept merged, so that there is no adapter to take out.
    """
    if not axis_network.has_adapter(network):
        raise ModelFormatError(
            f"{name} is kept as one merged network, so it has no adapter that could travel alone; train it further, "
            "or export the whole model with `structloop models export`"
        )
    copy_plain(network / axis_network.ADAPTER_FOLDER, target, ADAPTER_FILES)
    return start_from_network(network, name)


def put_on(adapter: Path, start: LoraStart, target: Path) -> None:
    """Writes the network of an adapter in the folder `adapter` on the base of `start` to the new folder `target`.

    Raises:
        ModelFormatError: they do not fit.
        TrainingError: the folder cannot be written.
    """
    found = lora.read_adapter(adapter, canonical_name)
    lora.merge(start.base, found, start.architecture.linear_modules())
    weights: dict[str, torch.Tensor] = {f"{name}.lora_A": tensor for name, tensor in found.down.items()}
    weights |= {f"{name}.lora_B": tensor for name, tensor in found.up.items()} | dict(found.saved)
    rank = next(iter(found.down.values())).shape[0]
    write_adapted_network(target, start.architecture, start.base, weights, rank, found.scaling, start.name)


def average_networks(
    networks: Sequence[Path], weights: Sequence[float], target: Path, *, rank: int | None = None
) -> AveragedAdapter:
    """Averages the adapters of AXIS networks on one base into the new folder `target`.

    Raises:
        ModelFormatError: one has no adapter, or they sit on different bases.
        ValueError: weights or a rank that cannot be.
        TrainingError: the folder cannot be written.
    """
    starts = [start_from_network(network, str(network)) for network in networks]
    for network, start in zip(networks, starts, strict=True):
        if start.adapter is None:
            raise ModelFormatError(f"{network} is kept merged; only adapters can be averaged")
        if start.base_digest() != starts[0].base_digest():
            raise ModelFormatError(
                f"{network} and {networks[0]} sit on different bases; their adapters mean nothing there"
            )
    averaged = average_adapters([start.adapter for start in starts if start.adapter is not None], weights, rank=rank)
    first = starts[0]
    write_adapted_network(target, first.architecture, first.base, averaged.weights, averaged.rank, 1.0, first.name)
    return averaged


__all__ = ["ADAPTER_FILES", "average_networks", "put_on", "take_out"]
