"""An adapter that the PEFT library itself trained and saved gives, once imported, what PEFT computes with it."""

from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2ForImageClassification

from structloop.models.classifiers.protocol import Checkpoint, ConversionRequest, stack_images
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import FP32_LOGIT_TOLERANCE, Runtime
from structloop.schema.images import Modality


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # PEFT's use of transformers
def test_an_adapter_saved_by_peft_gives_pefts_logits(home: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    config = Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, image_size=518, patch_size=14)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Dinov2ForImageClassification(config)
        network.save_pretrained(tmp_path / "base")
        lora = peft.LoraConfig(
            r=25, lora_alpha=20, target_modules="all-linear", lora_dropout=0.1, modules_to_save=["classifier"]
        )
        tuned = peft.get_peft_model(network, lora)
        with torch.no_grad():
            for name, parameter in tuned.named_parameters():
                if "lora_" in name or "modules_to_save" in name:
                    parameter.copy_(0.2 * torch.randn_like(parameter))
    tuned.eval().save_pretrained(str(tmp_path / "AXIS-by-peft-vis"))

    registry = ModelRegistry(home)
    checkpoint = Checkpoint(tmp_path / "AXIS-by-peft-vis", (Modality.VISIBLE,))
    base = str(tmp_path / "base")
    registry.convert(ConversionRequest(name="by-peft", checkpoints=(checkpoint,), origin="a test", base=base))
    classifier = registry.load("by-peft", Runtime("torch", "fp32", threads=1))

    coarse = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
    images = [Image.fromarray(each).resize((640, 480)) for each in coarse]
    batch = stack_images([classifier.prepare(image, Modality.VISIBLE) for image in images])
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = tuned(pixel_values=(torch.from_numpy(batch) / 255 - mean) / std).logits.numpy()
    np.testing.assert_allclose(classifier.logits(batch, Modality.VISIBLE), expected, atol=FP32_LOGIT_TOLERANCE, rtol=0)
