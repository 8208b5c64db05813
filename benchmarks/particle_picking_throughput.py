"""Does `structloop particles pick` stream through many micrographs in flat memory, with all cores busy?

    python benchmarks/particle_picking_throughput.py                     # 1,000 micrographs of 1024 x 1024
    python benchmarks/particle_picking_throughput.py --micrographs 200 --model log

A few simulated micrographs are rolled by a random shift, given fresh noise and written as 16-bit MRC, so that every
file differs; then the command picks them as users run it, and its resident memory and processor time are read.
It fails where the peak memory at the end is more than a tenth above that at the first tenth of the micrographs.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import psutil

from structloop.particles.picking import read_journal
from structloop.simulation.micrographs import make_up_micrograph

KIND, PIXEL_ANGSTROM, BINNING, PICTURES = "tetramer-465", 1.0, 4, 6
MARKS = (0.1, 0.5, 1.0)
LARGEST_GROWTH = 1.1


@dataclass(frozen=True)
class Mark:
    """What was read when so many micrographs were picked."""

    done: int
    seconds: float
    resident: int
    peak: int
    processor: float


def write_micrographs(folder: Path, count: int, side_px: int) -> float:
    """Writes the micrographs; returns the particle's diameter in their pixels."""
    made = [
        make_up_micrograph(
            seed,
            width_px=BINNING * side_px,
            height_px=BINNING * side_px,
            pixel_size_angstrom=PIXEL_ANGSTROM,
            binning=BINNING,
            kinds=(KIND,),
        )
        for seed in range(PICTURES)
    ]
    for number in range(count):
        draw = np.random.default_rng(number)
        picture = made[number % PICTURES].image
        rolled = np.roll(picture, tuple(draw.integers(side_px, size=2)), axis=(0, 1))
        spread = float(picture.std())
        noisy = (rolled - picture.mean()) / spread + draw.standard_normal(picture.shape, np.float32) / 2
        with mrcfile.new(folder / f"m{number:05}.mrc") as file:
            file.set_data(np.clip(noisy * 2000, -32000, 32000).astype(np.int16))
            file.voxel_size = PIXEL_ANGSTROM * BINNING
    return float(np.median(np.concatenate([each.truth.diameter_px for each in made])))


def picked_in(journal: Path) -> int:
    """Lines of micrographs; the first line says by what they were made, and one may be a note."""
    try:
        return journal.read_bytes().count(b'\n{"micrograph"')
    except FileNotFoundError:
        return 0


def watched(command: list[str], journal: Path, count: int) -> list[Mark]:
    """Runs the command, and reads its memory at the marks."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watching = psutil.Process(process.pid)
    marks: list[Mark] = []
    wanted = [max(1, round(share * count)) for share in MARKS]
    peak = 0
    while process.poll() is None:
        try:
            resident = watching.memory_info().rss
            spent = watching.cpu_times()
        except psutil.NoSuchProcess:
            break
        peak = max(peak, resident)
        while len(marks) < len(wanted) and picked_in(journal) >= wanted[len(marks)]:
            seconds = time.monotonic() - begun
            marks.append(Mark(wanted[len(marks)], seconds, resident, peak, spent.user + spent.system))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the command failed with {process.returncode}")
    if len(marks) < len(wanted):
        # It ended between two looks.
        marks.append(Mark(count, time.monotonic() - begun, resident, peak, spent.user + spent.system))
    return marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micrographs", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024, help="side of a micrograph, pixels")
    parser.add_argument("--model", default="general")
    parser.add_argument("--work", type=Path, help="folder for the micrographs, which are removed at the end")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="picking-", dir=arguments.work))
    try:
        (folder / "in").mkdir()
        begun = time.monotonic()
        diameter = write_micrographs(folder / "in", arguments.micrographs, arguments.size)
        made = time.monotonic() - begun
        out = folder / "picks.star"
        journal = Path(f"{out}.journal")
        command = [sys.executable, "-m", "structloop", "--home", str(folder / "home"), "particles", "pick"]
        command += ["--model", arguments.model, "--micrographs", str(folder / "in"), "--out", str(out)]
        command += ["--diameter-px", f"{diameter:.1f}", "--quiet"]
        marks = watched(command, journal, arguments.micrographs)
        candidates = sum(len(each.probability) for each in read_journal(journal))
    finally:
        shutil.rmtree(folder)
    print(
        f"{arguments.micrographs} micrographs of {arguments.size} x {arguments.size} (16-bit MRC, {PICTURES} simulated "
        f"pictures of {KIND} rolled, with fresh noise; written in {made:.0f} s), {diameter:.0f} px per particle, model "
        f"{arguments.model}, {candidates} candidates. {platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[1]:.1f}, Python {platform.python_version()}.\n"
    )
    print("| micrographs | s | processor s | s per micrograph | cores busy | resident, MiB | peak, MiB |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    before = Mark(0, 0.0, 0, 0, 0.0)
    for each in marks:
        wall, processor = each.seconds - before.seconds, each.processor - before.processor
        print(
            f"| {each.done} | {each.seconds:.1f} | {each.processor:.1f} | {wall / (each.done - before.done):.3f} | "
            f"{processor / wall:.2f} | {each.resident / 2**20:.0f} | {each.peak / 2**20:.0f} |"
        )
        before = each
    if marks[-1].peak > LARGEST_GROWTH * marks[0].peak:
        raise SystemExit("the memory grew")


if __name__ == "__main__":
    main()
