"""What SAM2 pickers cost beside the heat map: parameters, seconds and memory for picking and for training, by size.

    python benchmarks/sam2_picker.py [--size tiny --size large] [--threads 1] [--rounds 3]

Weights are random, which changes neither; how well the sizes pick is not measured here. Every row is measured in a
process of its own: a micrograph of 496 x 512 working pixels looked at once (the heat map: in its four copies), and a
step of training on two patches of 192 x 192 (the heat map: eight). Prints a Markdown table; seconds are a processor's,
summed over threads, which other work on the machine hardly changes, or the wall's with a GPU.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from structloop.models.pickers.architecture import Architecture, trained_state
from structloop.models.pickers.fitting import fit
from structloop.models.pickers.heatmap import HeatmapArchitecture
from structloop.models.pickers.protocol import WorkingMicrograph
from structloop.models.pickers.sam2 import Sam2Architecture, settings_for_sam2
from structloop.models.pickers.sam2_base import SIZES, Sam2Base
from structloop.models.pickers.scenes import Scene
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.runtime import Runtime
from structloop.schema.models import PickerCard, TrainingDataset

HEATMAP = "heat map"
SHAPE = (496, 512)
WHATS = ("pick", "train")


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", choices=[HEATMAP, *SIZES], help="default: all, and the heat map")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is done; the median counts")
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measured(arguments.row[0], arguments.row[1], arguments.threads, arguments.rounds)))
        return 0
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{arguments.threads} threads"
    print(
        f"{device} of {processor()}, {os.cpu_count()} cores, torch {torch.__version__}; median of {arguments.rounds}\n"
    )
    print("| network | parameters: frozen, trained | s per micrograph | peak | s per step of training | peak |")
    print("|---|---|---|---|---|---|")
    for size in arguments.size or [HEATMAP, *SIZES]:
        pick, train = (row_of(size, what, arguments.threads, arguments.rounds) for what in WHATS)
        print(
            f"| {size} | {pick['frozen'] / 1e6:.1f} M, {pick['trained'] / 1e6:.2f} M | {pick['seconds']:.2f} | "
            f"{pick['bytes'] / 1e9:.1f} GB | {train['seconds']:.2f} | {train['bytes'] / 1e9:.1f} GB |",
            flush=True,
        )
    return 0


def row_of(size: str, what: str, threads: int, rounds: int) -> dict[str, float]:
    """`measured` in a process of its own."""
    command = [sys.executable, __file__, "--row", size, what, "--threads", str(threads), "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(size: str, what: str, threads: int, rounds: int) -> dict[str, float]:
    """Parameters, median seconds, and peak memory (resident, or the GPU's) of picking or training."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    architecture = HeatmapArchitecture() if size == HEATMAP else sam2(size)
    network = architecture.build()
    trained = sum(tensor.numel() for tensor in trained_state(network).values())
    frozen = sum(tensor.numel() for tensor in network.state_dict().values()) - trained
    seconds = picking(architecture, threads, rounds) if what == "pick" else training(architecture, threads, rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    return {"frozen": frozen, "trained": trained, "seconds": seconds, "bytes": peak}


def sam2(size: str) -> Architecture:
    """The architecture of a published size on random weights."""
    shape = SIZES[size]
    return Sam2Architecture(Sam2Base("random weights", shape, shape.build().state_dict(), "0" * 64))


def picking(architecture: Architecture, threads: int, rounds: int) -> float:
    """Median seconds that one micrograph takes, the first one apart."""
    card = PickerCard(
        name="benchmark",
        summary="random weights",
        task="particle-picking",
        family=architecture.family,
        parameters=dict(architecture.parameters),
        licence="none",
        origin="a benchmark",
        training=TrainingDataset(name="none", version="0", description="nothing", synthetic=True),
    )
    picker = architecture.picker(card, trained_state(architecture.build()), Runtime("torch", threads=threads))
    pixels = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    seen = WorkingMicrograph(pixels, np.zeros(SHAPE, np.bool_), 8.0, (8 * SHAPE[0], 8 * SHAPE[1]))
    times = []
    for _ in range(rounds + 1):
        begun = now()
        picker.score_maps([seen])
        times.append(now() - begun)
    return statistics.median(times[1:])


def training(architecture: Architecture, threads: int, rounds: int) -> float:
    """Median seconds that a step takes, patches drawn and the optimiser included, the first step apart."""
    draw = np.random.default_rng(0)
    places = draw.uniform(0, 490, (200, 2)).astype(np.float32)
    ones = np.ones(len(places), np.float32)
    scene = Scene(draw.standard_normal(SHAPE).astype(np.float32), np.ones(SHAPE, np.float32), places, ones, ones)
    settings = TrainingSettings(steps=rounds + 1, threads=threads)
    if architecture.base is not None:
        settings = settings_for_sam2(settings)
    times = [now()]
    fit(
        [scene],
        None,
        rounds + 1,
        settings,
        stream=0,
        architecture=architecture,
        after_step=lambda _done, _loss: times.append(now()),
    )
    return statistics.median(later - earlier for earlier, later in pairwise(times[1:]))


def now() -> float:
    """Seconds of the processor; of the wall where a GPU works."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def processor() -> str:
    """The processor's name, where the system tells."""
    if platform.system() == "Linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
