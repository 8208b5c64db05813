"""A LoRA training on disk: everything that is needed to go on after `kill -9` as if nothing had happened."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from structloop.core.errors import TrainingError

_STATE = "state.json"


class Checkpoints:
    """The saved states of one training; there is one at a time, whole or not there.

    Args:
        folder: Made when needed; None keeps nothing.
        digest: Of everything that decides the result. What another digest saved there is removed.
    """

    def __init__(self, folder: Path | None, digest: str) -> None:
        self._folder = folder
        self._digest = digest

    def save(
        self,
        step: int,
        trainable: Mapping[str, nn.Parameter],
        optimiser: torch.optim.Optimizer,
        best: Mapping[str, Tensor],
        facts: Mapping[str, object],
    ) -> None:
        """Saves the state after `step` steps.

        Args:
            step: Steps done; with the seed it says the order of images and every random number to come.
            trainable: What learns, by name.
            optimiser: Its moments are kept.
            best: The weights that validation liked best so far.
            facts: Everything else, as JSON.

        Raises:
            TrainingError: the folder cannot be written; the state saved before is still there.
        """
        if self._folder is None:
            return
        tensors = {f"now.{name}": parameter.detach() for name, parameter in trainable.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
        for name, parameter in trainable.items():
            for kind, value in optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{kind}.{name}"] = value
        whole = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()}
        file = f"step-{step:07d}.safetensors"
        state = json.dumps({"digest": self._digest, "step": step, "tensors": file, "facts": dict(facts)})
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(self._folder / file, lambda path: save_file(whole, path))
            _write(self._folder / _STATE, lambda path: path.write_text(state, encoding="utf-8"))
            for old in self._folder.glob("step-*.safetensors"):
                if old.name != file:
                    old.unlink()
        except (OSError, safetensors.SafetensorError) as error:
            raise TrainingError(
                f"the state of the training cannot be saved in {self._folder}: {error}; free some space and start the "
                "same training again, which goes on from the state saved before"
            ) from error

    def restore(
        self, trainable: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer
    ) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Puts the saved state into network and optimiser.

        Returns:
            Steps done, the best weights and the facts; None where this training has saved nothing.

        Raises:
            TrainingError: what was saved is damaged.
        """
        if self._folder is None or not (self._folder / _STATE).is_file():
            return None
        try:
            state = json.loads((self._folder / _STATE).read_text(encoding="utf-8"))
            if state["digest"] != self._digest:
                for old in self._folder.glob("step-*.safetensors"):
                    old.unlink()
                (self._folder / _STATE).unlink()
                return None
            tensors = load_file(self._folder / state["tensors"])
            best = {name[5:]: tensor for name, tensor in tensors.items() if name.startswith("best.")}
            with torch.no_grad():
                for name, parameter in trainable.items():
                    parameter.copy_(tensors[f"now.{name}"])
                    kinds = ("step", "exp_avg", "exp_avg_sq")
                    moments = {kind: tensors[f"optimiser.{kind}.{name}"] for kind in kinds}
                    # Torch keeps the count of steps on the processor.
                    optimiser.state[parameter] = {
                        kind: tensor if kind == "step" else tensor.to(parameter.device)
                        for kind, tensor in moments.items()
                    }
            return int(state["step"]), best, dict(state["facts"])
        except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
            raise TrainingError(
                f"the saved training in {self._folder} is damaged ({error}); remove the folder to begin anew"
            ) from error


def _write(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(path)


__all__ = ["Checkpoints"]
