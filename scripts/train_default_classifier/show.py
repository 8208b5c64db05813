"""Draws what the default classifier sees: simulated drops of withheld facilities, its evidence outlined.

    python scripts/train_default_classifier/show.py --out docs/images/default-model-evidence.png

Pairs of columns show a scene with its crystals and without; below each picture its crystal probability. Outlines are
where the evidence for a crystal is above even odds.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from package import SHIPPED
from PIL import Image, ImageDraw

from structloop.models.calibration import crystal_probabilities
from structloop.models.classifiers.compact import fit_grey, load_network
from structloop.models.classifiers.compact_network import EVIDENCE_STRIDE, HEADS
from structloop.models.model_folders import read_card
from structloop.schema.images import Modality
from structloop.simulation.drops import render_uv_with_truth, render_visible_with_truth, sample_scene

FIRST_SEED = 975_000
_COLUMNS, _WIDTH, _HEIGHT, _CAPTION = 6, 256, 208, 18


def outlined(pixels: NDArray[np.uint8], evidence: NDArray[np.float32]) -> Image.Image:
    """A grey picture with the border of positive evidence in orange."""
    found = np.kron(evidence > 0, np.ones((EVIDENCE_STRIDE, EVIDENCE_STRIDE))) > 0
    inner = found.copy()
    for axis in (0, 1):
        inner &= np.roll(found, 1, axis) & np.roll(found, -1, axis)
    coloured = np.stack([pixels] * 3, axis=-1)
    coloured[found & ~inner] = (255, 150, 0)
    return Image.fromarray(coloured).resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    card, network = read_card(options.model), load_network(options.model / "model.safetensors")
    sheet = Image.new("RGB", (_COLUMNS * _WIDTH, options.rows * (_HEIGHT + _CAPTION)))
    draw = ImageDraw.Draw(sheet)
    place, seed = 0, FIRST_SEED
    while place < options.rows * _COLUMNS:
        seed += 1
        modality = Modality.UV if place % 12 >= 10 else Modality.VISIBLE
        render = render_uv_with_truth if modality is Modality.UV else render_visible_with_truth
        rendered = render(sample_scene(seed, prevalence=1.0, empty_wells=0.0), 640, twin=True)
        if not (rendered.truth.crystal and rendered.truth.recognisable) or rendered.twin is None:
            continue
        pixels = np.stack([np.asarray(fit_grey(Image.fromarray(image))) for image in (rendered.image, rendered.twin)])
        with torch.inference_mode():
            output = network.detailed(torch.from_numpy(pixels)[:, None])
        head = HEADS.index(modality.value)
        scores = output.scores[:, head].numpy()
        given = crystal_probabilities(card, np.stack([0.5 * scores, -0.5 * scores], axis=1), modality)
        for index, kind in enumerate(("with crystals", "without")):
            corner = ((place % _COLUMNS) * _WIDTH, (place // _COLUMNS) * (_HEIGHT + _CAPTION))
            sheet.paste(outlined(pixels[index], output.evidence[index, head].numpy()), corner)
            caption = f"{given[index]:.2f}  {modality.value}, {kind}"
            draw.text((corner[0] + 4, corner[1] + _HEIGHT + 3), caption, fill="white")
            place += 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128).save(options.out, optimize=True)
    print(options.out)


if __name__ == "__main__":
    main()
