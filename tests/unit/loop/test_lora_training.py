"""LoRA training by the AXIS recipe: its loss and gradients, going on after kill -9, and the model that comes of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import peft
import pytest
import safetensors
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2ForImageClassification

from structloop.core.errors import ImageMissingError, ModelFormatError, TrainingError, TrainingStoppedError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.training.lora_models import LoraRequest, TrainedLora, train_lora_model
from structloop.models.adapters.dinov2_names import canonical_name
from structloop.models.classifiers.protocol import stack_images
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.models.training import lora, lora_network, lora_state
from structloop.models.training.lora_settings import LoraProgress, LoraSettings, TrainingImages
from structloop.schema.images import Modality
from structloop.schema.models import TrainingDataset
from structloop.testing.checkpoints import TINY_DINOV2, dinov2_weights, write_base
from support import lora_process
from support.labelled_items import labelled_items
from support.tiny_dinov2 import SIDE_PX, TINY_CONFIG, TINY_INPUT, write_tiny_base
from support.tiny_models import TINY, add_tiny_model

RECIPE = LoraSettings(rank=4, batch=4, images_at_once=2, checkpoint_steps=2, threads=1, seed=3)
DATASET = TrainingDataset(name="blobs", version="1", description="squares on noise", synthetic=True)
SPLIT = Split(labelled_items(24, ["a", "b", "c"]), labelled_items(12, ["v", "w"], start=300), ())


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny_base(tmp_path / "base")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def tuned(
    home: Path,
    start: str,
    name: str = "tuned",
    *,
    recipe: LoraSettings = RECIPE,
    split: Split = SPLIT,
    folder: Path | None = None,
    on_progress: Callable[[LoraProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedLora:
    request = LoraRequest(name, start, Modality.VISIBLE, recipe=recipe, specification=TINY_INPUT)
    return train_lora_model(
        ModelRegistry(home), request, split, DATASET, folder=folder, on_progress=on_progress, should_stop=should_stop
    )


def adapter_of(home: Path, name: str = "tuned") -> dict[str, torch.Tensor]:
    folder = ModelRegistry(home).folder(name)
    return load_file(folder / "visible" / "adapter" / "adapter_model.safetensors")


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # PEFT's use of transformers
def test_one_steps_loss_and_gradients_are_those_of_peft(base: Path) -> None:
    """The same base, adapter, images and weights, computed by PEFT in one batch and by us in parts of two."""
    recipe = LoraSettings(rank=25, alpha=20, dropout=0.0, images_at_once=2, seed=1)
    trainer = lora._Trainer(
        lora_network.start_from_checkpoint(str(base)),
        TrainingImages(np.array([1, 0, 1, 1, 1]), lambda _: None, "train"),
        TrainingImages(np.array([1, 0]), lambda _: None, "validation"),
        np.array([2.5, 0.625]),
        TINY_INPUT,
        recipe,
        None,
    )
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.network.trainable.values():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=draw))

    config = Dinov2Config.from_dict(dict(TINY_CONFIG))
    config.num_labels = 2
    classifier = Dinov2ForImageClassification(config)
    weights = {
        canonical_name(f"dinov2.{name}"): torch.from_numpy(each)
        for name, each in dinov2_weights(0, TINY_CONFIG).items()
    }
    assert set(classifier.load_state_dict(weights, strict=False).missing_keys) == {
        "classifier.weight",
        "classifier.bias",
    }
    reference = peft.get_peft_model(
        classifier,
        peft.LoraConfig(
            r=25, lora_alpha=20, lora_dropout=0.0, target_modules="all-linear", modules_to_save=["classifier"]
        ),
    )
    pairs: dict[str, torch.nn.Parameter] = {}
    for name, parameter in reference.named_parameters():
        if parameter.requires_grad:
            plain = name.removeprefix("base_model.model.").replace(".default", "").replace(".modules_to_save", "")
            pairs[plain.removesuffix(".weight") if ".lora_" in plain else plain] = parameter
    assert set(pairs) == set(trainer.network.trainable)
    with torch.no_grad():
        for name, parameter in pairs.items():
            parameter.copy_(trainer.network.trainable[name])

    images = np.random.default_rng(0).integers(0, 256, (5, 1, SIDE_PX, SIDE_PX), dtype=np.uint8)
    classes = [1, 0, 1, 1, 1]
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    logits = reference(pixel_values=(torch.from_numpy(images) / 255 - mean) / std).logits
    # N / (2 count): one crystal and four others of five.
    expected = torch.nn.CrossEntropyLoss(weight=torch.tensor([5 / 2, 5 / 8]))(logits, torch.tensor(classes))
    torch.autograd.backward(expected)

    found = trainer.gradients(list(images), classes)
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)
    for name, parameter in pairs.items():
        gradient = trainer.network.trainable[name].grad
        assert gradient is not None
        assert parameter.grad is not None
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-6)


def test_the_rate_falls_linearly_and_every_linear_layer_learns(home: Path, base: Path) -> None:
    told: list[LoraProgress] = []
    made = tuned(home, str(base), on_progress=told.append)
    rates = [progress.learning_rate for progress in told]
    np.testing.assert_allclose(rates, 5e-4 * (1 - np.arange(6) / 6))
    assert [progress.step for progress in told] == list(range(1, 7))
    assert told[-1].seconds_left == 0
    weights = adapter_of(home)
    assert sum(name.endswith("lora_A.weight") for name in weights) == 12, "six linear layers in each of two blocks"
    assert all(bool(tensor.any()) for name, tensor in weights.items() if "lora_B" in name)
    assert made.card.parameters["network.visible"] == "visible"


def test_class_weights_are_right_when_the_first_item_is_no_crystal(
    home: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[float]] = []
    original = lora.train_lora

    def spy(*arguments: object, **options: object) -> object:
        seen.append(list(arguments[3]))  # type: ignore[call-overload]
        return original(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(lora, "train_lora", spy)
    assert SPLIT.train[0].label == "other"
    crystals = sum(item.label == "crystal" for item in SPLIT.train)
    tuned(home, str(base))
    backwards = replace(SPLIT, train=tuple(sorted(SPLIT.train, key=lambda item: item.label)))
    assert backwards.train[0].label == "crystal"
    tuned(home, str(base), "backwards", split=backwards)
    assert seen[0] == seen[1] == [24 / (2 * crystals), 24 / (2 * (24 - crystals))]
    assert crystals == 6


@pytest.mark.timeout(400)
def test_kill_9_in_the_middle_of_an_epoch_changes_no_bit(tmp_path: Path, base: Path) -> None:
    """Killed twice, in the middle of the first and of the second epoch, never at a step that was saved."""
    lora_process.train(tmp_path / "whole", base)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, lora_process.__file__, str(tmp_path / "killed"), str(base)]
    for last in ("step 5\n", "step 14\n"):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line == last:
                    process.send_signal(signal.SIGKILL)
                    break
            assert process.wait(100) == -signal.SIGKILL
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=150)
    steps = finished.stdout.split("\n")
    assert steps[0] == "step 13", "it went on from the last state saved, after step 12"
    whole, killed = adapter_of(tmp_path / "whole"), adapter_of(tmp_path / "killed")
    assert all(torch.equal(killed[name], tensor) for name, tensor in whole.items())
    assert (
        ModelRegistry(tmp_path / "killed").card("tuned").version
        == ModelRegistry(tmp_path / "whole").card("tuned").version
    )


def test_stopped_trainings_go_on_and_other_settings_begin_anew(home: Path, base: Path, tmp_path: Path) -> None:
    folder, steps = tmp_path / "state", list[int]()
    with pytest.raises(TrainingStoppedError, match="goes on from here"):
        tuned(
            home,
            str(base),
            folder=folder,
            on_progress=lambda told: steps.append(told.step),
            should_stop=lambda: len(steps) == 3,
        )
    tuned(home, str(base), folder=folder, on_progress=lambda told: steps.append(told.step))
    assert steps == [1, 2, 3, 4, 5, 6]
    other = replace(RECIPE, learning_rate=6e-4)
    tuned(home, str(base), "other", recipe=other, folder=folder, on_progress=lambda told: steps.append(told.step))
    assert steps[6:] == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_ends_the_training_and_loses_nothing(
    home: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, steps = tmp_path / "state", list[int]()
    full = False
    original = save_file

    def save(*arguments: object) -> None:
        if full:
            raise safetensors.SafetensorError("No space left on device (os error 28)")
        original(*arguments)  # type: ignore[arg-type]

    def told(progress: LoraProgress) -> None:
        nonlocal full
        steps.append(progress.step)
        full = progress.step == 3

    monkeypatch.setattr(lora_state, "save_file", save)
    with pytest.raises(TrainingError, match="free some space and start the same training again"):
        tuned(home, str(base), folder=folder, on_progress=told)
    full = False
    tuned(home, str(base), folder=folder, on_progress=lambda progress: steps.append(progress.step))
    assert steps == [1, 2, 3, 3, 4, 5, 6]
    whole = adapter_of(home)
    tuned(home, str(base), "uninterrupted")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in adapter_of(home, "uninterrupted").items())


def test_patience_ends_it_with_the_weights_that_validation_liked_best(home: Path, base: Path) -> None:
    impatient = replace(RECIPE, learning_rate=0.5, epochs=4, patience=1, evaluations_per_epoch=3)
    result = tuned(home, str(base), recipe=impatient).result
    assert result.stopped_early
    assert result.steps < 24
    assert min(result.looks, key=lambda look: look.loss).step == result.kept_step < result.steps


def test_the_adapter_is_continued_and_not_stacked(home: Path, base: Path) -> None:
    tuned(home, str(base), "first")
    still = replace(RECIPE, learning_rate=1e-12)
    second = tuned(home, "first", "second", recipe=still)
    before, after = adapter_of(home, "first"), adapter_of(home, "second")
    assert {name: tensor.shape for name, tensor in after.items()} == {name: each.shape for name, each in before.items()}
    assert all(torch.allclose(after[name], tensor, atol=1e-7) for name, tensor in before.items())
    assert "continued adapter" in second.card.origin
    folders = [ModelRegistry(home).folder(name) / "visible" for name in ("first", "second")]
    assert (folders[0] / "model.safetensors").read_bytes() == (folders[1] / "model.safetensors").read_bytes()
    published = tuned(home, str(folders[0] / "adapter"), "published", recipe=still)
    assert published.card.base == str(base)
    assert all(torch.equal(tensor, after[name]) for name, tensor in adapter_of(home, "published").items())


def test_what_was_trained_is_what_is_served(home: Path, base: Path) -> None:
    made = tuned(home, str(base), recipe=replace(RECIPE, learning_rate=0.01, epochs=4))
    for engine in (Runtime("torch", "fp32", threads=1), Runtime("openvino", "fp32", threads=1)):
        classifier = ModelRegistry(home).load("tuned", engine)
        images = [classifier.prepare(item.load(), Modality.VISIBLE) for item in SPLIT.validation]
        found = classifier.logits(stack_images(images), Modality.VISIBLE)
        np.testing.assert_allclose(found, made.result.validation_logits, rtol=1e-3, atol=1e-3)
    assert made.card.calibration[Modality.VISIBLE].kind == "platt"


def test_parts_in_memory_change_nothing(home: Path, base: Path) -> None:
    without = replace(RECIPE, dropout=0.0)
    tuned(home, str(base), "parts", recipe=without)
    tuned(home, str(base), "whole", recipe=replace(without, images_at_once=4))
    whole = adapter_of(home, "whole")
    assert all(torch.allclose(tensor, whole[name], atol=1e-4) for name, tensor in adapter_of(home, "parts").items())


def test_validation_is_carved_from_training_groups_where_there_is_none(home: Path, base: Path) -> None:
    made = tuned(home, str(base), split=Split(SPLIT.train, (), SPLIT.validation))
    assert 0 < len(made.result.validation_logits) < len(SPLIT.train)
    with pytest.raises(TrainingError, match="at least two groups"):
        tuned(home, str(base), "lone", split=Split(labelled_items(12, ["a"]), (), ()))


def test_images_that_cannot_be_read_are_told(home: Path, base: Path) -> None:
    def missing() -> Image.Image:
        raise ImageMissingError("gone.png is not there")

    gone = LabelledItem("gone", "a", "other", missing)
    made = tuned(home, str(base), split=replace(SPLIT, train=(*SPLIT.train, gone)))
    assert made.unreadable == {"gone": "gone.png is not there"}
    assert made.result.unread == 1


def test_what_cannot_be_trained_is_refused(home: Path, base: Path, tmp_path: Path) -> None:
    add_tiny_model(home, tmp_path / "scratch")
    with pytest.raises(TrainingError, match="family 'compact'"):
        tuned(home, TINY)
    strange = LabelledItem("one", "a", "spherulite", SPLIT.train[0].load)
    with pytest.raises(TrainingError, match="labelled 'spherulite'"):
        tuned(home, str(base), split=Split((strange,), (), ()))
    tuned(home, str(base), "first")
    other = write_base(
        tmp_path / "other",
        dinov2_weights(9, {**TINY_CONFIG, "num_hidden_layers": 3}),
        {**TINY_DINOV2, "image_size": SIDE_PX, "num_hidden_layers": 3},
    )
    adapter = ModelRegistry(home).folder("first") / "visible" / "adapter"
    request = LoraRequest("wrong", str(adapter), Modality.VISIBLE, base=str(other), recipe=RECIPE)
    with pytest.raises(ModelFormatError, match="12 LoRA modules where the network has 18"):
        train_lora_model(ModelRegistry(home), request, SPLIT, DATASET)
    with pytest.raises(ValueError, match="counts must be at least 1"):
        LoraSettings(batch=0)
