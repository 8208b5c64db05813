"""Topaz (Bepler et al., Nature Methods 16 (2019) 1153) as the benchmark of particle picking runs it.

Topaz is under the GPL, and is neither imported here nor needed by this program: it runs in an environment of its own
(`python -m venv topaz-env; topaz-env/bin/pip install topaz-em`), by its own commands.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from particles_data import Data, Settings, Task
from particles_methods import Result, timed
from scipy.special import expit

from structloop.imaging.micrographs import probe_micrograph, read_micrograph
from structloop.particles.coordinates import read_coordinates
from structloop.particles.evaluation import match_picks
from structloop.schema.particles import MicrographPicks, PickSet

TOPAZ = "topaz"
DOWNSAMPLED_DIAMETER_PX = 13.5
RADIUS, EXTRACT_RADIUS, EPOCH_SIZE = 3, 6, 60

# Torchvision's compiled operators must be of torch's own build; where they are not, its import fails for want of their
# names. Topaz uses none of them.
_START = """
import sys
import torch
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from topaz.main import main
sys.argv[0] = "topaz"
main()
"""


@dataclass(frozen=True)
class TopazSettings:
    """Where Topaz is, how many particles per micrograph it is told to expect, and how long it trains."""

    python: Path | None
    expected: int
    epochs: int

    def describe(self) -> str:
        """In words."""
        return (
            f"Topaz: preprocess -s FACTOR (to {DOWNSAMPLED_DIAMETER_PX:g} px per diameter); train -m resnet8 "
            f"(pretrained) -n {self.expected} -r {RADIUS} --num-epochs {self.epochs} --epoch-size {EPOCH_SIZE}, the "
            f"last epoch; extract -r {EXTRACT_RADIUS} -x FACTOR. Threshold: of the best F1 on the training micrographs "
            f"where all labels are given, else of {self.expected} picks per training micrograph; without labels the "
            "pretrained resnet16, log-odds of 0. Its scores are log-odds; their sigmoid is judged as a probability."
        )


def run_topaz(task: Task, data: Data, settings: Settings, topaz: TopazSettings) -> Result:
    """Trains Topaz and picks with it."""
    if topaz.python is None:
        raise ValueError("give --topaz PYTHON")
    folder = settings.work / task.key / "topaz"
    factor = round(settings.diameter_px / DOWNSAMPLED_DIAMETER_PX)
    threads = ("-j", str(settings.threads)) if settings.threads is not None else ()

    def run(command: str, *arguments: str) -> tuple[float, float]:
        _, wall, processor = timed([str(topaz.python), "-c", _START, command, *threads, *arguments], settings)
        return wall, processor

    spent = {}
    for part, source in (("train", data.train), ("test", data.test)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            # Topaz 0.3.20 fails on JPEG.
            files = [_as_mrc(each, Path(scratch)) for each in sorted(source.iterdir())]
            spent[part] = run("preprocess", "-s", str(factor), "-o", str(folder / part), *files)
    model, training = "resnet16", (0.0, 0.0)
    if task.labels != 0:
        targets = folder / "targets.txt"
        lines = ["image_name\tx_coord\ty_coord"]
        for name, each in data.labelled.items():
            # Topaz crops the spectrum, which leaves the first pixel's centre where it was.
            small = np.rint(each.xy_px / factor).astype(int)
            lines += [f"{name}\t{x}\t{y}" for x, y in small]
        targets.write_text("\n".join(lines) + "\n", encoding="utf-8")
        training = run(
            "train",
            *("--train-images", str(folder / "train"), "--train-targets", str(targets), "-d", "-1"),
            *("-m", "resnet8", "-n", str(topaz.expected), "-r", str(RADIUS), "--num-epochs", str(topaz.epochs)),
            *("--epoch-size", str(EPOCH_SIZE), "--save-prefix", str(folder / "model"), "-o", str(folder / "log.txt")),
        )
        model = str(folder / f"model_epoch{topaz.epochs}.sav")
    found = {}
    for part in ("train", "test"):
        out = folder / f"{part}.txt"
        images = sorted(str(each) for each in (folder / part).glob("*.mrc"))
        how = ("-r", str(EXTRACT_RADIUS), "-x", str(factor), "-d", "-1", "-o", str(out))
        took = run("extract", "-m", model, *how, *images)
        spent[part] = (spent[part][0] + took[0], spent[part][1] + took[1])
        found[part] = read_coordinates(out)
    shape = {each.stem: probe_micrograph(each) for each in data.test.iterdir()}
    return {
        "train_s": [training[index] + spent["train"][index] for index in (0, 1)],
        "pick_s": [each / len(task.test) for each in spent["test"]],
        "note": f"{topaz.epochs if task.labels != 0 else 'no'} epochs",
        "threshold": float(expit(_threshold(found["train"], task, settings, topaz))),
        "micrographs": [
            {
                "name": Path(each.micrograph).stem,
                "shape": (shape[Path(each.micrograph).stem].height_px, shape[Path(each.micrograph).stem].width_px),
                "xy": each.xy_px.tolist(),
                "score": expit(_scores(each)).tolist(),
            }
            for each in found["test"]
        ],
    }


def _as_mrc(source: Path, folder: Path) -> str:
    if source.suffix == ".mrc":
        return str(source)
    target = folder / f"{source.stem}.mrc"
    with mrcfile.new(target) as file:
        file.set_data(read_micrograph(source).pixels.astype(np.float32))
    return str(target)


def _scores(picks: MicrographPicks) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return np.asarray(picks.scores, np.float64)


def _threshold(found: PickSet, task: Task, settings: Settings, topaz: TopazSettings) -> float:
    """Log-odds from which candidates are picks; see `TopazSettings.describe`."""
    if task.labels == 0:
        return 0.0
    every = np.sort(np.concatenate([_scores(each) for each in found]))[::-1]
    if not task.complete:
        return float(every[min(len(every), topaz.expected * len(task.train)) - 1])
    truth = settings.truth(task.train)
    best = (-1.0, 0.0)
    for threshold in np.quantile(every, np.linspace(0.02, 0.98, 49)):
        picks = right = marked = 0
        for each in found:
            kept = each.xy_px[_scores(each) >= threshold]
            there = truth[Path(each.micrograph).stem].xy_px
            right += len(match_picks(kept, there, 0.3 * settings.diameter_px).picks)
            picks, marked = picks + len(kept), marked + len(there)
        best = max(best, (2 * right / max(1, picks + marked), float(threshold)))
    return best[1]
