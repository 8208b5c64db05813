"""What a LoRA training is asked, and what it is given; no torch is needed to say it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LoraSettings:
    """The AXIS recipe, and what a machine allows.

    Attributes:
        rank: Of a new adapter; one that is continued keeps its own.
        alpha: Of a new adapter; B @ A is multiplied with alpha / rank.
        dropout: On the input of A.
        learning_rate: At the first step; it falls linearly to zero at the end of the last epoch.
        batch: Images per step.
        images_at_once: Images in memory at a time; the gradients of a batch are added up over as many parts as needed,
            and are those of the whole batch whatever this is.
        epochs: 2 for a first training, 1 for each that continues.
        evaluations_per_epoch: How often validation is looked at.
        patience: The training ends after so many looks without a lower validation loss.
        checkpoint_steps: The state is saved every so many steps.
        precision: `auto` computes in 16 bits on CUDA and in 32 on processors.
        seed: Of the head and A of a new adapter, the order of images, flips and dropout.
        threads: Processor threads; None: torch's choice. The same number is needed for the same result to the bit.
    """

    rank: int = 25
    alpha: float = 20.0
    dropout: float = 0.1
    learning_rate: float = 5e-4
    batch: int = 32
    images_at_once: int = 4
    epochs: int = 1
    evaluations_per_epoch: int = 4
    patience: int = 4
    checkpoint_steps: int = 20
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        whole = (self.rank, self.batch, self.images_at_once, self.epochs, self.evaluations_per_epoch, self.patience)
        if min(*whole, self.checkpoint_steps) < 1 or self.learning_rate <= 0 or not 0 <= self.dropout < 1:
            raise ValueError("counts must be at least 1, the learning rate above 0, and dropout from 0 to below 1")


@dataclass(frozen=True)
class TrainingImages:
    """Images with their classes.

    Attributes:
        class_ids: `(n,)`, 0 or 1: places in the model's labels.
        read: Gives image `i` as grayscale bytes `(1, h, w)`, or None where it cannot be read; called from threads.
        digest: Of everything that `read` gives: another digest is another training.
    """

    class_ids: NDArray[np.int64]
    read: Callable[[int], NDArray[np.uint8] | None]
    digest: str

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True)
class LoraProgress:
    """How far a training is.

    Attributes:
        step, steps: Optimiser steps done, and in all.
        epoch: The current one, from 1.
        loss: Of the last step.
        learning_rate: Of the last step.
        validation_loss: The latest; None before the first look.
        best_loss: The lowest so far.
        seconds_left: Estimated, without early stop.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    learning_rate: float
    validation_loss: float | None
    best_loss: float | None
    seconds_left: float


@dataclass(frozen=True)
class Look:
    """One look at validation: after which step, and the weighted loss there."""

    step: int
    loss: float


@dataclass(frozen=True)
class LoraResult:
    """What a training found.

    Attributes:
        validation_logits: `(n, 2)` of the validation images, by the weights that were kept; NaN where unreadable.
        looks: The course of the validation loss.
        kept_step: The step whose weights were kept.
        steps: Steps done.
        stopped_early: Whether patience ran out.
        unread: How often a training image could not be read.
        device: What it ran on, and in which arithmetic.
    """

    validation_logits: NDArray[np.float32]
    looks: tuple[Look, ...]
    kept_step: int
    steps: int
    stopped_early: bool
    unread: int
    device: str


__all__ = ["Look", "LoraProgress", "LoraResult", "LoraSettings", "TrainingImages"]
