"""Training a LoRA adapter on DINOv2 by the AXIS recipe.

Weighted cross entropy, AdamW without decay, a learning rate that falls linearly, flips and nothing else. Every random
number depends on the seed and on the number of the epoch, step or image only, so a training that was killed and goes on
from its last saved state ends, on the same processor with as many threads, with the same weights to the bit. (Some of
torch's CUDA kernels add numbers in any order; there, the last digits may differ.)
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from structloop.core.errors import TrainingError, TrainingStoppedError
from structloop.models.training.lora_network import LoraNetwork, LoraStart
from structloop.models.training.lora_settings import Look, LoraProgress, LoraResult, LoraSettings, TrainingImages
from structloop.models.training.lora_state import Checkpoints
from structloop.schema.models import InputSpecification

# Settings that change where and when something happens, not what comes of it.
_WITHOUT_EFFECT = frozenset({"checkpoint_steps", "threads"})


def weighted_cross_entropy(logits: Tensor, class_ids: Tensor, class_weights: Tensor) -> Tensor:
    """The sum of the weighted cross entropies of `logits` `(n, k)`; divide by the sum of the weights for the mean."""
    return nn.functional.cross_entropy(logits.float(), class_ids, weight=class_weights, reduction="sum")


def train_lora(
    start: LoraStart,
    train: TrainingImages,
    validation: TrainingImages,
    class_weights: NDArray[np.float64],
    specification: InputSpecification,
    settings: LoraSettings,
    target: Path,
    *,
    folder: Path | None = None,
    on_progress: Callable[[LoraProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> LoraResult:
    """Trains, and writes the network that validation liked best to the new folder `target`.

    Args:
        start: Base, head and adapter to begin with.
        train: What is learnt from.
        validation: What decides when to stop; of other groups.
        class_weights: `(2,)`, by class id.
        specification: How images are normalised; they come prepared.
        settings: The recipe.
        target: Of the network of the AXIS family.
        folder: Where the state is kept and found again; None keeps none.
        on_progress: Called after each step.
        should_stop: Asked before each step.

    Raises:
        TrainingStoppedError: `should_stop` said so; the state was saved where there is a folder.
        TrainingError: there are no images, memory is too small, or state or result cannot be written.
    """
    if not len(train) or not len(validation):
        raise TrainingError("a LoRA training needs images for training and for validation")
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    trainer = _Trainer(start, train, validation, class_weights, specification, settings, folder)
    try:
        trainer.run(on_progress, should_stop)
        result = trainer.result()
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"the GPU's memory is too small for {settings.images_at_once} images at once; set images_at_once lower "
            "(the result stays the same up to dropout) and start again, which goes on where it was"
        ) from error
    trainer.network.write(target, trainer.best)
    return result


class _Trainer:
    def __init__(
        self,
        start: LoraStart,
        train: TrainingImages,
        validation: TrainingImages,
        class_weights: NDArray[np.float64],
        specification: InputSpecification,
        settings: LoraSettings,
        folder: Path | None,
    ) -> None:
        self.settings, self.train, self.validation = settings, train, validation
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.arithmetic = _arithmetic(settings, self.device)
        self.network = LoraNetwork(start, specification, settings)
        self.network.module.to(self.device)
        self.class_weights = torch.tensor(class_weights, dtype=torch.float32, device=self.device)
        parameters = list(self.network.trainable.values())
        self.optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.0)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.arithmetic is torch.float16)
        self.per_epoch = math.ceil(len(train) / settings.batch)
        self.steps = self.per_epoch * settings.epochs
        self.look_every = max(1, math.ceil(self.per_epoch / settings.evaluations_per_epoch))
        self.done, self.unread, self.loss = 0, 0, math.nan
        self.looks: list[Look] = []
        self.kept = Look(0, math.inf)
        self.best = self._weights()
        kept = {key: value for key, value in asdict(settings).items() if key not in _WITHOUT_EFFECT}
        parts = [start.digest(), train.digest, validation.digest, json.dumps(kept, sort_keys=True)]
        parts += [specification.model_dump_json(), str(class_weights.tolist())]
        self.checkpoints = Checkpoints(folder, hashlib.sha256("\n".join(parts).encode()).hexdigest())
        self._restore()

    def run(self, on_progress: Callable[[LoraProgress], None] | None, should_stop: Callable[[], bool] | None) -> None:
        began, first = time.monotonic(), self.done
        with ThreadPoolExecutor(self.settings.threads or os.cpu_count() or 1) as readers:
            for images, class_ids in self._batches(readers):
                if should_stop is not None and should_stop():
                    self._save()
                    raise TrainingStoppedError("the training was stopped; starting it again goes on from here")
                rate = self._step(images, class_ids)
                if self.done % self.look_every == 0 or self.done == self.steps:
                    self._look(readers)
                if self.done % self.settings.checkpoint_steps == 0 or self.done == self.steps:
                    self._save()
                if on_progress is not None:
                    left = (time.monotonic() - began) / (self.done - first) * (self.steps - self.done)
                    on_progress(self._progress(rate, left))
                if self.stops_early:
                    self._save()
                    return

    def result(self) -> LoraResult:
        """What came out, after `run`."""
        with torch.no_grad():
            for name, parameter in self.network.trainable.items():
                parameter.copy_(self.best[name])
        with ThreadPoolExecutor(self.settings.threads or os.cpu_count() or 1) as readers:
            logits = self._validation_logits(readers)
        device = f"torch {torch.__version__} {self.device.type} {str(self.arithmetic).removeprefix('torch.')}"
        return LoraResult(logits, tuple(self.looks), self.kept.step, self.done, self.stops_early, self.unread, device)

    @property
    def stops_early(self) -> bool:
        later = [look for look in self.looks if look.step > self.kept.step]
        return len(later) >= self.settings.patience

    def _batches(self, readers: ThreadPoolExecutor) -> Iterator[tuple[list[NDArray[np.uint8]], list[int]]]:
        """The batches that are still to come, the next one read while the current one is learnt from."""

        def asked(step: int) -> tuple[Sequence[int], Iterator[NDArray[np.uint8] | None]]:
            chosen = self._chosen(step)
            return chosen, readers.map(self._flipped, [step // self.per_epoch] * len(chosen), chosen)

        following = asked(self.done) if self.done < self.steps and not self.stops_early else None
        while following is not None:
            chosen, images = following
            step = self.done + 1
            following = asked(step) if step < self.steps else None
            read = [(image, int(self.train.class_ids[index])) for index, image in zip(chosen, images, strict=True)]
            usable = [(image, class_id) for image, class_id in read if image is not None]
            self.unread += len(read) - len(usable)
            yield [image for image, _ in usable], [class_id for _, class_id in usable]

    def _chosen(self, step: int) -> list[int]:
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.settings.seed, 1, epoch]).permutation(len(self.train))
        chosen: list[int] = order[place * self.settings.batch : (place + 1) * self.settings.batch].tolist()
        return chosen

    def _flipped(self, epoch: int, index: int) -> NDArray[np.uint8] | None:
        image = self.train.read(index)
        if image is None:
            return None
        across, down = np.random.default_rng([self.settings.seed, 2, epoch, index]).random(2) < 0.5
        image = image[:, :, ::-1] if across else image
        return np.ascontiguousarray(image[:, ::-1] if down else image)

    def _step(self, images: list[NDArray[np.uint8]], class_ids: list[int]) -> float:
        rate = self.settings.learning_rate * (1 - self.done / self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.settings.seed * 1_000_003 + self.done)
            self.loss = self.gradients(images, class_ids)
        if images:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        self.done += 1
        return rate

    def gradients(self, images: list[NDArray[np.uint8]], class_ids: list[int]) -> float:
        """Adds the gradients of a batch's weighted mean loss, part by part, and returns that loss."""
        self.network.module.train()
        targets = torch.tensor(class_ids, dtype=torch.long, device=self.device)
        whole = self.class_weights[targets].sum()
        total = 0.0
        for begin in range(0, len(images), self.settings.images_at_once):
            part = slice(begin, begin + self.settings.images_at_once)
            pixels = torch.from_numpy(np.stack(images[part])).to(self.device)
            with self._autocast():
                logits = self.network.module(pixels)
            loss = weighted_cross_entropy(logits, targets[part], self.class_weights) / whole
            torch.autograd.backward(self.scaler.scale(loss))
            total += float(loss.detach())
        return total

    def _look(self, readers: ThreadPoolExecutor) -> None:
        logits = torch.from_numpy(self._validation_logits(readers))
        readable = ~torch.isnan(logits[:, 0])
        targets = torch.from_numpy(self.validation.class_ids)[readable]
        weights = self.class_weights.cpu()
        loss = float(weighted_cross_entropy(logits[readable], targets, weights) / weights[targets].sum())
        look = Look(self.done, loss)
        self.looks.append(look)
        if loss < self.kept.loss:
            self.kept, self.best = look, self._weights()

    def _validation_logits(self, readers: ThreadPoolExecutor) -> NDArray[np.float32]:
        self.network.module.eval()
        found = np.full((len(self.validation), 2), np.nan, dtype=np.float32)
        size = self.settings.images_at_once
        for begin in range(0, len(self.validation), size):
            indices = range(begin, min(begin + size, len(self.validation)))
            read = [
                (index, image) for index, image in zip(indices, readers.map(self.validation.read, indices), strict=True)
            ]
            usable = [(index, image) for index, image in read if image is not None]
            if not usable:
                continue
            with torch.inference_mode(), self._autocast():
                pixels = torch.from_numpy(np.stack([image for _, image in usable])).to(self.device)
                found[[index for index, _ in usable]] = self.network.module(pixels).float().cpu().numpy()
        return found

    def _autocast(self) -> AbstractContextManager[object]:
        if self.arithmetic is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.arithmetic)

    def _weights(self) -> dict[str, Tensor]:
        return {name: parameter.detach().cpu().clone() for name, parameter in self.network.trainable.items()}

    def _progress(self, rate: float, seconds_left: float) -> LoraProgress:
        epoch = min((self.done - 1) // self.per_epoch + 1, self.settings.epochs)
        latest = self.looks[-1].loss if self.looks else None
        best = self.kept.loss if self.looks else None
        return LoraProgress(self.done, self.steps, epoch, self.loss, rate, latest, best, seconds_left)

    def _save(self) -> None:
        if self.done == 0:
            return
        facts: Mapping[str, object] = {
            "looks": [[look.step, look.loss] for look in self.looks],
            "kept": [self.kept.step, self.kept.loss] if self.looks else None,
            "unread": self.unread,
            "seed": self.settings.seed,
            "scaler": self.scaler.state_dict(),
        }
        self.checkpoints.save(self.done, self.network.trainable, self.optimiser, self.best, facts)

    def _restore(self) -> None:
        found = self.checkpoints.restore(self.network.trainable, self.optimiser)
        if found is None:
            return
        self.done, self.best, facts = found
        self.looks = [Look(int(step), float(loss)) for step, loss in facts["looks"]]
        if facts["kept"] is not None:
            self.kept = Look(int(facts["kept"][0]), float(facts["kept"][1]))
        self.unread = int(facts["unread"])
        if facts["scaler"]:
            self.scaler.load_state_dict(facts["scaler"])


def _arithmetic(settings: LoraSettings, device: torch.device) -> torch.dtype:
    if settings.precision != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[settings.precision]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


__all__ = ["train_lora", "weighted_cross_entropy"]
