"""What the benchmark of particle picking shows to every method: folders of micrographs, and labels."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np

from structloop.imaging.micrographs import MICROGRAPH_ENDINGS, read_micrograph
from structloop.particles.coordinates import match_names, read_coordinates, write_coordinates
from structloop.schema.particles import MicrographPicks, PickSet

TRUTH = "truth.star"
BINNED_DIAMETER_PX = 13.5


@dataclass(frozen=True)
class Task:
    """Train on some micrographs, with all or some labels; pick others."""

    name: str
    train: tuple[Path, ...]
    test: tuple[Path, ...]
    labels: int | None = None
    share: float | None = None
    noise: float = 0.0

    @property
    def key(self) -> str:
        """For files."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def complete(self) -> bool:
        """Whether all particles of the training micrographs are labelled."""
        return self.labels is None and self.share is None


@dataclass(frozen=True)
class Settings:
    """What is measured on, and how."""

    folder: Path
    diameter_px: float
    border_px: float
    steps: int | None
    threads: int | None
    work: Path

    def micrographs(self) -> list[Path]:
        """All of them, by name."""
        return sorted(each for each in self.folder.iterdir() if each.suffix.lower() in MICROGRAPH_ENDINGS)

    def truth(self, micrographs: tuple[Path, ...]) -> dict[str, MicrographPicks]:
        """The labels by name of the micrograph's file without its ending."""
        picks = read_coordinates(self.folder / TRUTH)
        by_name = {each.micrograph: each for each in picks}
        matches = match_names(list(by_name), [each.name for each in micrographs])
        return {Path(mine).stem: by_name[theirs] for theirs, mine in matches.pairs.items()}


@dataclass(frozen=True)
class Data:
    """Folders of micrographs, and the labels that may be learned from."""

    train: Path
    test: Path
    labels: Path
    labelled: dict[str, MicrographPicks]


def prepared(task: Task, settings: Settings) -> Data:
    """The data of a task, as files below the folder of results."""
    folder = settings.work / task.key
    for name, files in (("train", task.train), ("test", task.test)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for each in files:
            shown = folder / name / each.name if not task.noise else folder / name / f"{each.stem}.mrc"
            if shown.exists():
                continue
            if task.noise:
                _with_noise(each, shown, task.noise, settings)
            else:
                shown.symlink_to(each.resolve())
    labelled = _labels(task, settings)
    picks = PickSet(tuple(labelled.values()))
    if picks.count:
        write_coordinates(picks, folder / "labels.star")
    return Data(folder / "train", folder / "test", folder / "labels.star", labelled)


def _labels(task: Task, settings: Settings) -> dict[str, MicrographPicks]:
    """All labels, a share of each micrograph's, or so many in all, evenly over the micrographs; drawn by seed."""
    draw = np.random.default_rng(2026)
    chosen = {}
    for number, (name, each) in enumerate(sorted(settings.truth(task.train).items())):
        count = len(each)
        if task.share is not None:
            count = max(1, round(task.share * count))
        elif task.labels is not None:
            count = task.labels * (number + 1) // len(task.train) - task.labels * number // len(task.train)
        index = draw.permutation(len(each))[:count]
        chosen[name] = MicrographPicks(name, each.xy_px[index])
    return chosen


def _with_noise(source: Path, target: Path, times: float, settings: Settings) -> None:
    pixels = read_micrograph(source).pixels
    factor = round(settings.diameter_px / BINNED_DIAMETER_PX)
    rim = int(settings.border_px)
    inner = pixels[rim:-rim, rim:-rim] if rim else pixels
    height, width = (side // factor * factor for side in inner.shape)
    binned = inner[:height, :width].reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))
    # The mean of factor x factor pixels has a deviation smaller by factor.
    deviation = factor * float(np.sqrt(times * binned.var(dtype=np.float64)))
    seed = int.from_bytes(hashlib.sha256(f"{source.stem} {times:g}".encode()).digest()[:8], "big")
    noise = np.random.default_rng(seed).standard_normal(pixels.shape, np.float32) * np.float32(deviation)
    partial = target.with_suffix(".partial.mrc")
    with mrcfile.new(partial, overwrite=True) as file:
        file.set_data(pixels.astype(np.float32) + noise)
    partial.replace(target)
