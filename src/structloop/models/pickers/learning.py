"""The training loop of pickers' networks: one step, weight averaging, and checkpoints that survive `kill -9`."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from structloop.models.pickers.architecture import frozen_names, trained_state
from structloop.models.pickers.augmenting import Batch
from structloop.models.runtime import processor_has_bf16

_OFFSET_SHARE = 0.15
_WEIGHT_DECAY = 1e-3
_LARGEST_GRADIENT = 2.0
_STATE = "state.json"


@dataclass(frozen=True)
class Schedule:
    """Learning rate over `steps`: a linear rise over the first share, then half a cosine down to nothing.

    Attributes:
        steps: Number of steps.
        peak: Highest learning rate.
        rise: Share of the steps that the rise takes.
        average: Weight of the past in the average of the weights; at the start it is less.
    """

    steps: int
    peak: float
    rise: float = 0.05
    average: float = 0.995

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rising = max(1.0, self.rise * self.steps)
        if step < rising:
            return self.peak * (step + 1) / rising
        done = (step - rising) / max(1.0, self.steps - rising)
        return self.peak * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class Learner:
    """A network in training, the running average of its weights, and the optimiser's state.

    Args:
        network: Trained in place: those of its parameters that require gradients. What is frozen (see `frozen_names`)
            is neither averaged nor saved.
        schedule: How long and how fast.
    """

    def __init__(self, network: nn.Module, schedule: Schedule) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device)
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        # Every convolution reads its weights in this layout.
        for parameter in self._parameters:
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.schedule = schedule
        self.done = 0
        self._average = {name: tensor.detach().clone() for name, tensor in trained_state(network).items()}
        self._optimiser = torch.optim.AdamW(self._parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=_WEIGHT_DECAY)
        # The exponent of bf16 is that of fp32, so gradients need no scaling; weights and sums stay in fp32.
        self._short = processor_has_bf16() if self.device.type == "cpu" else torch.cuda.is_bf16_supported()

    def step(self, batch: Batch) -> float:
        """One step; returns the loss before it."""
        for group in self._optimiser.param_groups:
            group["lr"] = self.schedule.rate(self.done)
        self.network.train()
        pixels = batch.pixels.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._short):
            output = self.network(pixels)
        loss = picking_loss(output.float(), batch)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._parameters, _LARGEST_GRADIENT)
        self._optimiser.step()
        self.done += 1
        self._follow()
        return float(loss.detach())

    def _follow(self) -> None:
        past = min(self.schedule.average, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for name, tensor in trained_state(self.network).items():
                if tensor.is_floating_point():
                    self._average[name].lerp_(tensor, 1 - past)
                else:
                    self._average[name].copy_(tensor)

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights and statistics, on the processor, float32."""
        return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in self._average.items()}

    def save(self, folder: Path, facts: Mapping[str, object]) -> None:
        """Writes everything needed to go on, so that whoever reads finds either this state or the one before.

        Args:
            folder: Made where missing.
            facts: Kept beside it as JSON; `load` returns them.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"network.{name}": tensor for name, tensor in trained_state(self.network).items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self._average.items()}
        for index, parameter in enumerate(self._parameters):
            for name, value in self._optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{index}.{name}"] = value
        whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        name = f"step-{self.done:07d}.safetensors"
        _write(folder / name, lambda path: save_file(whole, path))
        state = json.dumps({"step": self.done, "tensors": name, "facts": dict(facts)})
        _write(folder / _STATE, lambda path: path.write_text(state, encoding="utf-8"))
        for old in folder.glob("step-*.safetensors"):
            if old.name != name:
                old.unlink()

    def load(self, folder: Path) -> None:
        """Goes on from what `save` wrote.

        Raises:
            FileNotFoundError: There is nothing.
            ValueError: It is of another network.
        """
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        try:
            tensors = load_file(folder / state["tensors"], device=str(self.device))
            parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimiser": {}}
            for key, tensor in tensors.items():
                kind, _, name = key.partition(".")
                parts[kind][name] = tensor
            load_trained(self.network, parts["network"])
        except (safetensors.SafetensorError, RuntimeError, KeyError) as error:
            raise ValueError(
                f"{folder}: the checkpoint is of another network or damaged; remove it ({error})"
            ) from error
        self._average = parts["average"]
        for index, parameter in enumerate(self._parameters):
            found = {
                name.partition(".")[2]: value
                for name, value in parts["optimiser"].items()
                if name.partition(".")[0] == str(index)
            }
            if found:
                self._optimiser.state[parameter] = found | {"step": found["step"].cpu()}
        self.done = int(state["step"])


def load_trained(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Puts `state`, which `trained_state` gave, into a network; what is frozen in it stays.

    Raises:
        RuntimeError: A tensor is missing, too many, or of another shape; the message names it.
    """
    frozen = {name: tensor for name, tensor in network.state_dict().items() if name in frozen_names(network)}
    network.load_state_dict({**state, **frozen})


def saved_facts(folder: Path) -> dict[str, object] | None:
    """What was kept beside the last state in `folder`; None where there is none."""
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    facts = state["facts"]
    return dict(facts) if (folder / state["tensors"]).is_file() else None


def picking_loss(output: Tensor, batch: Batch) -> Tensor:
    """Binary cross entropy of the heat, and Huber's loss of the offsets near centres; masked pixels count nothing.

    Args:
        output: `(n, 3, size, size)`, log-odds and offsets.
        batch: The targets.
    """
    heat, weight, near = (part.to(output.device) for part in (batch.heat, batch.weight, batch.near))
    entropy = functional.binary_cross_entropy_with_logits(output[:, :1], heat, weight, reduction="sum")
    # Per unit of heat, so that crowded and sparse fields teach at one pace.
    glow = (heat * weight).sum() + 0.002 * weight.sum() + 1.0
    apart = functional.smooth_l1_loss(output[:, 1:], batch.offsets.to(output.device), reduction="none", beta=0.5)
    return entropy / glow + _OFFSET_SHARE * (apart * near).sum() / (near.sum() + 1.0)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(path)


__all__ = ["Learner", "Schedule", "load_trained", "picking_loss", "saved_facts"]
