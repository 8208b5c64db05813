"""This program's pickers as the benchmark of particle picking runs them: by the commands that users type."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from particles_data import Data, Settings, Task

from structloop.models.registry import ModelRegistry
from structloop.particles.picking import read_journal

Result = dict[str, Any]


def timed(command: list[str], settings: Settings) -> tuple[str, float, float]:
    """Runs a command; its output, its seconds by the wall, and its seconds of the processor.

    Raises:
        subprocess.CalledProcessError: it failed; what it wrote on standard error was shown.
    """
    environment = dict(os.environ)
    if settings.threads is not None:
        environment |= {"OMP_NUM_THREADS": str(settings.threads), "STRUCTLOOP_THREADS": str(settings.threads)}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def heatmap(task: Task, data: Data, settings: Settings) -> Result:
    """The default picker, trained."""
    return _trained("heatmap", task, data, settings)


def log(task: Task, data: Data, settings: Settings) -> Result:
    """Laplacian of Gaussian, fitted to the labels; without labels as it comes."""
    return _trained("log", task, data, settings)


def template(task: Task, data: Data, settings: Settings) -> Result:
    """Template matching, templates from the labels; without labels with a disc."""
    return _trained("template", task, data, settings)


def general(task: Task, data: Data, settings: Settings) -> Result:
    """The general picker, which sees no label."""
    return _picked("general", task, data, settings, (0.0, 0.0))


METHODS: Mapping[str, Callable[[Task, Data, Settings], Result]] = {
    "structloop": heatmap,
    "general": general,
    "log": log,
    "template": template,
}


def _structloop(settings: Settings, *arguments: str) -> tuple[str, float, float]:
    home = settings.work / "home"
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "structloop", "--home", str(home), "particles", *arguments, "--json"]
    return timed(command, settings)


def _trained(backend: str, task: Task, data: Data, settings: Settings) -> Result:
    if task.labels == 0:
        return _picked(backend, task, data, settings, (0.0, 0.0))
    name = f"{task.key}-{backend}"
    how = ["--steps", str(settings.steps)] if settings.steps is not None and backend == "heatmap" else []
    _, wall, processor = _structloop(
        settings,
        "train",
        *("--micrographs", str(data.train), "--coordinates", str(data.labels), "--name", name, "--replace"),
        *("--diameter-px", f"{settings.diameter_px:g}", "--backend", backend, *how),
    )
    steps = ModelRegistry(settings.work / "home").picker_card(name).origin.rpartition(", ")[2]
    return _picked(name, task, data, settings, (wall, processor)) | ({"note": steps} if backend == "heatmap" else {})


def _picked(model: str, task: Task, data: Data, settings: Settings, training: tuple[float, float]) -> Result:
    out = settings.work / task.key / f"{model}.star"
    journal = Path(f"{out}.journal")
    journal.unlink(missing_ok=True)
    told, wall, processor = _structloop(
        settings,
        "pick",
        *("--model", model, "--micrographs", str(data.test), "--out", str(out)),
        *("--diameter-px", f"{settings.diameter_px:g}"),
    )
    threshold = json.loads(told)["threshold"]
    return {
        "train_s": training,
        "pick_s": (wall / len(task.test), processor / len(task.test)),
        "threshold": threshold,
        "micrographs": [
            {
                "name": Path(each.micrograph).stem,
                "shape": each.shape_px,
                "xy": each.xy_px.tolist(),
                "score": each.probability.tolist(),
            }
            for each in read_journal(journal)
        ],
    }
