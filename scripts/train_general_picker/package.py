"""Measures the general picker on molecules that its training never saw, and puts it where the program ships it.

    python scripts/train_general_picker/render.py CACHE --named --micrographs 96
    python scripts/train_general_picker/package.py CACHE --weights FOLDER/averaged.safetensors --out models

Calibration, threshold and the card's metrics come from the simulated micrographs of the nine named molecules.
"""

import argparse
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from render import TARGET, UNSURE
from safetensors.torch import save_file

from structloop.models.pickers.calibration import MATCH_DIAMETERS, Judged, judged_calibration, matched, probabilities
from structloop.models.pickers.heatmap import WEIGHTS_FILE, picker_of, read_weights
from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.preparing import WORKING_DIAMETER_PX, even
from structloop.models.pickers.protocol import WorkingMicrograph
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.models import Metric, PickerCard, TrainingDataset

BORDER_PX = 7
"""Working pixels at the edge that are not judged: half a particle."""

SUMMARY = (
    "Finds particles of any protein that nobody labelled yet, given their diameter; the start of few-shot training."
)
DESCRIPTION = (
    "Simulated micrographs of 2000 made-up molecules (60 kDa to some MDa, C1 to O) with CTF, 10 to 70 electrons per "
    "square angstrom, ice gradients, film edges, contamination, aggregates and gold; noise, filters and contrast "
    "varied further while training. No real micrograph."
)
LIMITS = (
    "It was trained on simulated micrographs only; its probabilities hold for such, and its threshold may have to be "
    "moved on real ones. A few labels and `structloop particles train` are worth more than any threshold.",
    "It finds what has the diameter that it was told: contaminants of that size are picked too.",
    "Filaments are picked as single particles along them, if at all.",
    "Particles that lie on carbon were left out of its training, neither to be found nor to be passed over.",
)


def judged_shards(cache: Path, card: PickerCard, weights: Path) -> dict[str, list[Judged]]:
    """How the picker's candidates fare on each named molecule."""
    picker = picker_of(card, read_weights(weights), Runtime("torch", threads=1))
    found: dict[str, list[Judged]] = {}
    for path in sorted((cache / "named").glob("shard-*.npz")):
        with np.load(path) as shard:
            pixels, xy, what, starts = shard["pixels"], shard["xy"], shard["what"], shard["starts"]
            names = shard["names"]
        for index, picture in enumerate(pixels):
            here = slice(starts[index], starts[index + 1])
            mask = np.ones(picture.shape, np.bool_)
            mask[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = False
            seen = WorkingMicrograph(
                even(picture.astype(np.float32), np.zeros_like(mask)), mask, 1.0, (picture.shape[0], picture.shape[1])
            )
            picks, raw = find_peaks(picker.score_maps([seen])[0], seen)
            reach = MATCH_DIAMETERS * WORKING_DIAMETER_PX
            inside = ((xy[here] >= BORDER_PX) & (xy[here] < picture.shape[0] - BORDER_PX)).all(axis=1)
            truth = xy[here][(what[here] == TARGET) & inside].astype(np.float64)
            right = matched(picks, truth, reach)
            # What nobody can judge (on film, covered, torn) is neither right nor wrong.
            unsure = matched(picks, xy[here][what[here] == UNSURE].astype(np.float64), reach) & ~right
            near_edge = matched(picks, xy[here][(what[here] == TARGET) & ~inside].astype(np.float64), reach) & ~right
            kept = ~unsure & ~near_edge
            found.setdefault(str(names[index]), []).append(Judged(raw[kept], right[kept], len(truth)))
    return found


def f1_of(judged: list[Judged], threshold: float, card: PickerCard) -> float:
    """F1 over all micrographs together."""
    picked = [probabilities(card.calibration, each.raw) >= threshold for each in judged]
    right = sum(int((each.right & kept).sum()) for each, kept in zip(judged, picked, strict=True))
    return 2 * right / max(1, sum(int(kept.sum()) for kept in picked) + sum(each.marked for each in judged))


def main() -> None:
    """Measures, writes the card, and packs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, required=True, help="Folder that becomes STRUCTLOOP_HOME/models's contents."
    )
    parser.add_argument("--steps", type=int, required=True, help="Steps that the weights were trained for.")
    parser.add_argument("--micrographs", type=int, required=True, help="Simulated micrographs that it was trained on.")
    parser.add_argument("--real", action="append", default=[], metavar="NAME=VALUE=DATASET", help="Measured elsewhere.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    card = PickerCard(
        name=GENERAL_PICKER,
        summary=SUMMARY,
        task="particle-picking",
        family="heatmap",
        working_diameter_px=WORKING_DIAMETER_PX,
        parameters={"views": 4},
        licence="Apache-2.0",
        origin=f"scripts/train_general_picker, {options.steps} steps",
        created=datetime.now(UTC).date(),
        training=TrainingDataset(
            name="simulated micrographs",
            version="1",
            description=DESCRIPTION,
            images=options.micrographs,
            synthetic=True,
        ),
        limitations=LIMITS,
    )
    judged = judged_shards(options.cache, card, options.weights)
    everything = [each for parts in judged.values() for each in parts]
    fitted = judged_calibration(everything)
    card = card.updated(calibration=fitted.calibration, expected=fitted.expected, threshold=fitted.threshold)
    metrics = [
        Metric(
            name=f"F1, {name}",
            value=round(f1_of(parts, fitted.threshold, card), 4),
            dataset=f"{len(parts)} simulated micrographs of a molecule that training never saw",
        )
        for name, parts in sorted(judged.items())
    ]
    for told in options.real:
        name, value, dataset = told.split("=", 2)
        metrics.append(Metric(name=name, value=float(value), dataset=dataset))
    card = card.updated(metrics=tuple(metrics))
    with tempfile.TemporaryDirectory() as scratch:
        files, home = Path(scratch) / "files", Path(scratch) / "home"
        files.mkdir()
        # 16 bits keep what matters of a weight and halve the file; counters are whole numbers.
        state = {
            name: tensor.half() if tensor.is_floating_point() and tensor.dim() == 4 else tensor
            for name, tensor in read_weights(options.weights).items()
        }
        save_file(state, files / WEIGHTS_FILE)
        registry = ModelRegistry(home, shipped=Path(scratch) / "none")
        made = registry.add(card, files)
        target = options.out / made.name
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(registry.folder(made.name), target)
    print(f"{target}: version {made.version}, threshold {made.threshold}")
    for metric in made.metrics:
        print(f"  {metric.name}: {metric.value}")


if __name__ == "__main__":
    main()
