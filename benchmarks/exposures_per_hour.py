"""How many exposures an hour `structloop micrographs process` does, everything included.

    python benchmarks/exposures_per_hour.py --movies 4 --workers 2 --threads 2 --condition

A movie of 1024 x 1024 is rendered and laid side by side until it has the size that is asked for; as many links to it as
movies are asked for are processed into a folder and a store of their own: motion, dose weighting, CTF with film looked
for, ice, particles, pictures, rows, tables. Run it with `taskset -c 0-3` to see what four cores do.
"""

import argparse
import os
import resource
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import mrcfile
import numpy as np

from structloop.exposures.condition import classify
from structloop.exposures.finding import Source
from structloop.exposures.options import ExposureOptions
from structloop.exposures.processing import Job, Processing
from structloop.exposures.running import Event, run
from structloop.exposures.tools import load_tools
from structloop.exposures.watching import Once
from structloop.particles.classical import default_picker
from structloop.simulation.micrographs import Recipe, make_up_optics, make_up_specimen
from structloop.simulation.movies import Motion, render_movie
from structloop.store import Database

TILE_PX = 1024
PLAIN = Recipe(empty=0, tilted=0, drifting=0, contamination=0, film_edge=0, film_below=0, crystalline=0)


def write(path: Path, side: int, frames: int, seed: int) -> None:
    """A movie in bytes, its tile repeated."""
    made = make_up_specimen(seed, width_px=TILE_PX, height_px=TILE_PX, pixel_size_angstrom=1.0, recipe=PLAIN)
    motion = Motion.realistic(seed, frames=frames, width_px=TILE_PX, height_px=TILE_PX)
    optics = make_up_optics(seed, voltage_kv=300.0, defocus_um=(1.0, 2.0))
    times = -(-side // TILE_PX)
    with mrcfile.new_mmap(path, (frames, side, side), 0, overwrite=True) as file:
        file.set_image_stack()
        for number, frame in enumerate(render_movie(made.specimen, optics, 1.0, frames, motion, seed)):
            file.data[number] = np.minimum(np.tile(frame, (times, times))[:side, :side], 127)
        file.voxel_size = 1.0


def main() -> None:
    """Renders, processes, and prints one line of a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--movies", type=int, default=4)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--condition", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, closing(Database(f"sqlite:///{place}/store.db")) as database:
        folder, out = Path(place) / "movies", Path(place) / "out"
        folder.mkdir()
        write(folder / "m0.mrcs", given.side, given.frames, given.seed)
        for number in range(1, given.movies):
            os.link(folder / "m0.mrcs", folder / f"m{number}.mrcs")
        options = ExposureOptions(
            dose_per_frame=1.0, diameter_angstrom=150.0, picker="log", mean_free_path_nm=300.0, threads=given.threads
        )
        tools = load_tools(options, default_picker("log"), classify if given.condition else None)
        if given.condition:
            # Loaded before the clock runs, as a session does once.
            classify(np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32), 1.0)
        steps: Counter[str] = Counter()

        def took(event: Event) -> None:
            if event.record is not None:
                steps.update(event.record.details.get("seconds", {}))

        load, cpu, start = os.getloadavg()[0], time.process_time(), time.perf_counter()
        with Processing(database, Job(out, options, tools, str(folder))) as processing:
            result = run(
                processing,
                Once(Source(str(folder)).look()),
                workers=given.workers,
                stop=threading.Event(),
                on_event=took,
            )
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert not result.failed, result.failed
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = ", ".join(f"{name} {seconds / given.movies:.2f}" for name, seconds in steps.items())
    print("| cores | workers x threads | movies | s each | an hour | cpu s each | GiB | load before |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {len(os.sched_getaffinity(0))} | {given.workers} x {given.threads} | {given.movies} | "
        f"{wall / given.movies:.1f} | {given.movies / wall * 3600:.0f} | {cpu / given.movies:.1f} | {largest:.1f} | "
        f"{load:.1f} |"
    )
    print(f"wall seconds by step: {each}")


if __name__ == "__main__":
    main()
