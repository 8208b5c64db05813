"""Motion: ours and RELION's own implementation on the same simulated movies, in the same run.

    python benchmarks/motion.py --folder /tmp/movies                       # the table of the documentation
    python benchmarks/motion.py --folder /tmp/movies --picture docs/images/motion-tracks.png

For every movie: a specimen and a motion are drawn (`simulation/movies.py`), the frames are written as an MRC stack,
and both programs get that file. The error is the same for both: at 9 x 9 places over the frame, the path through all
frames is compared with the truth after both have their own mean over the frames taken off; the root mean square of
the distance over frames and places counts ("tracks"), and the same for the mean path of all places ("whole"). Seconds
are from the start of reading to the micrographs written (aligned, and dose-weighted), for RELION of the whole
program.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import matplotlib as mpl
import mrcfile
import numpy as np
from numpy.typing import NDArray

from structloop.imaging.mrc_writing import write_mrc
from structloop.micrographs.motion import Dose, MotionOptions, correct_motion
from structloop.micrographs.motion.relion import read_relion_motion
from structloop.micrographs.movies import Correction, open_movie
from structloop.simulation.micrographs import Recipe, make_up_specimen
from structloop.simulation.movies import Motion, render_movie
from structloop.simulation.optics import Optics

mpl.use("Agg")
KINDS = {"usual": (8.0, 2.0), "calm": (3.0, 0.8), "strong": (20.0, 4.0)}
ANGSTROM = 1.0
Array64 = NDArray[np.float64]


def truth_of(seed: int, kind: str, size: int, frames: int) -> Motion:
    """The motion of a movie."""
    drift, bend = KINDS[kind]
    return Motion.realistic(seed, frames, size, size, drift_px=drift, bend_px=bend)


def make_movie(path: Path, seed: int, motion: Motion, dose: float) -> None:
    """Renders a movie unless it is there."""
    if path.exists():
        return
    recipe = Recipe(drifting=0, tilted=0, empty=0, stained=0)
    side = motion.width_px
    made = make_up_specimen(seed, width_px=side, height_px=side, pixel_size_angstrom=ANGSTROM, recipe=recipe)
    optics = Optics(defocus_u_um=1.2, defocus_v_um=1.25)
    unfinished = path.with_suffix(".part")
    with mrcfile.new_mmap(unfinished, (motion.frames, side, side), mrc_mode=0, overwrite=True) as file:
        for number, frame in enumerate(render_movie(made.specimen, optics, dose, motion.frames, motion, seed)):
            file.data[number] = np.minimum(frame, 127)
        file.voxel_size = ANGSTROM
    unfinished.rename(path)


def places(size: int) -> tuple[Array64, Array64]:
    """9 x 9 places over the frame."""
    at = np.linspace(0.04, 0.96, 9) * (size - 1)
    x, y = np.meshgrid(at, at)
    return x, y


def errors(found: Array64, motion: Motion) -> tuple[float, float]:
    """Root mean square distance (tracks, whole) of displacements (frames, 2, 9, 9) from the truth, pixels."""
    x, y = places(motion.width_px)
    true = np.stack([np.stack(motion.at(x, y, frame)) for frame in range(motion.frames)])
    off = found - true
    off -= off.mean(axis=0)
    whole = off.mean(axis=(2, 3))
    return float(np.sqrt((off**2).sum(axis=1).mean())), float(np.sqrt((whole**2).sum(axis=1).mean()))


def processor_seconds() -> float:
    """Of this process and of programs that it ran to their end."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ours(path: Path, folder: Path, dose: float, threads: int) -> tuple[Array64, float, float]:
    """Displacements (frames, 2, 9, 9), seconds by the wall, and of the processors."""
    start, busy = time.perf_counter(), processor_seconds()
    with open_movie(path) as movie:
        options = MotionOptions(pixel_size_angstrom=ANGSTROM, dose=Dose(dose / ANGSTROM**2, 300.0), threads=threads)
        corrected = correct_motion(movie, Correction.of(movie.header), options)
    write_mrc(folder / f"{path.stem}.mrc", corrected.micrograph, ANGSTROM)
    if corrected.dose_weighted is not None:
        write_mrc(folder / f"{path.stem}_DW.mrc", corrected.dose_weighted, ANGSTROM)
    seconds = time.perf_counter() - start
    return corrected.field.at(*places(corrected.field.width_px)), seconds, processor_seconds() - busy


def relion(path: Path, folder: Path, dose: float, threads: int) -> tuple[Array64, float, float]:
    """The same of RELION."""
    out = folder / "relion" / path.stem
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / path.name).symlink_to(path.resolve())
    command = ["relion_run_motioncorr", "--i", path.name, "--o", "out/", "--use_own", "--j", str(threads)]
    command += ["--patch_x", "5", "--patch_y", "5", "--bfactor", "150", "--angpix", str(ANGSTROM), "--voltage", "300"]
    command += ["--dose_weighting", "--save_noDW", "--dose_per_frame", str(dose / ANGSTROM**2)]
    start, busy = time.perf_counter(), processor_seconds()
    result = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if result.returncode != 0:
        sys.exit(f"relion_run_motioncorr failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    found = read_relion_motion(out / "out" / f"{path.stem}.star")
    return found.at(*places(found.width_px)), seconds, processor_seconds() - busy


def draw(path: Path, motion: Motion, ours_at: Array64, relion_at: Array64, title: str) -> None:
    """Tracks of nine places, truth and both programs."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(9, 9), constrained_layout=True)
    x, y = places(motion.width_px)
    for row, i in enumerate((0, 4, 8)):
        for column, j in enumerate((0, 4, 8)):
            axis = axes[row, column]
            true = motion.track(float(x[i, j]), float(y[i, j]))
            true = true - true.mean(axis=0)
            axis.plot(*true.T, "-", color="0.7", linewidth=4, label="truth")
            for found, style, name in ((relion_at, "C1s--", "RELION 3.1.3"), (ours_at, "C0o-", "structloop")):
                path_of = found[:, :, i, j] - found[:, :, i, j].mean(axis=0)
                axis.plot(*path_of.T, style, markersize=3, linewidth=1, label=name)
            axis.set_title(f"({x[i, j]:.0f}, {y[i, j]:.0f})", fontsize=9)
            axis.set_aspect("equal", adjustable="datalim")
    axes[0, 0].legend(fontsize=8)
    figure.supxlabel("x, pixels")
    figure.supylabel("y, pixels")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> int:
    """Prints the table; 1 where the floor is not reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where movies are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--dose", type=float, default=1.0, help="electrons per pixel and frame")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--without-relion", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(
        f"{given.size} x {given.size} x {given.frames} frames, {given.dose:g} e/pixel/frame, {given.threads} threads\n"
    )
    print("| motion | seed | ours: tracks px | whole px | s | cpu s | RELION: tracks px | whole px | s | cpu s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    rows = []
    for kind in given.kinds:
        for seed in given.seeds:
            motion = truth_of(seed, kind, given.size, given.frames)
            path = given.folder / f"{kind}-{seed}-{given.size}-{given.frames}-{given.dose:g}.mrcs"
            make_movie(path, seed, motion, given.dose)
            own, own_s, own_cpu = ours(path, given.folder, given.dose, given.threads)
            own_errors = errors(own, motion)
            line = f"| {kind} | {seed} | {own_errors[0]:.3f} | {own_errors[1]:.3f} | {own_s:.1f} | {own_cpu:.1f} |"
            if given.without_relion:
                rows.append([*own_errors, own_s, own_cpu])
                print(line + " | | | |", flush=True)
                continue
            other, other_s, other_cpu = relion(path, given.folder, given.dose, given.threads)
            other_errors = errors(other, motion)
            rows.append([*own_errors, own_s, own_cpu, *other_errors, other_s, other_cpu])
            print(
                f"{line} {other_errors[0]:.3f} | {other_errors[1]:.3f} | {other_s:.1f} | {other_cpu:.1f} |", flush=True
            )
            if given.picture is not None and len(rows) == 1:
                draw(given.picture, motion, own, other, f"{kind} motion, seed {seed}: paths of nine places")
    middle = np.median(np.array(rows), axis=0)
    cells = [f"{value:.1f}" if at % 4 >= 2 else f"{value:.3f}" for at, value in enumerate(middle)]
    print("| **median** | | " + " | ".join(cells) + " |")
    return 0 if middle[0] <= 0.10 else 1


if __name__ == "__main__":
    sys.exit(main())
