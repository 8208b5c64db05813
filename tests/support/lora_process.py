"""A LoRA training in a process of its own, which a test may kill: `python lora_process.py HOME BASE`."""

import sys
import time
from pathlib import Path

from structloop.loop.datasets.items import Split
from structloop.loop.training.lora_models import LoraRequest, train_lora_model
from structloop.models.registry import ModelRegistry
from structloop.models.training.lora_settings import LoraProgress, LoraSettings
from structloop.schema.images import Modality
from structloop.schema.models import TrainingDataset
from support.labelled_items import labelled_items
from support.tiny_dinov2 import TINY_INPUT

NAME = "tuned"


def train(home: Path, base: Path, pause_s: float = 0.0) -> None:
    """Trains the model `tuned`, telling every step on standard output."""

    def tell(progress: LoraProgress) -> None:
        sys.stdout.write(f"step {progress.step}\n")
        sys.stdout.flush()
        time.sleep(pause_s)

    recipe = LoraSettings(
        rank=4, batch=4, images_at_once=2, epochs=2, evaluations_per_epoch=3, checkpoint_steps=3, seed=5, threads=1
    )
    request = LoraRequest(NAME, str(base), Modality.VISIBLE, recipe=recipe, specification=TINY_INPUT)
    split = Split(labelled_items(36, ["a", "b", "c"]), labelled_items(12, ["v", "w"], start=300), ())
    dataset = TrainingDataset(name="blobs", version="1", description="squares on noise", synthetic=True)
    folder = home / "training" / NAME
    train_lora_model(ModelRegistry(home), request, split, dataset, folder=folder, on_progress=tell)


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), pause_s=0.05)
