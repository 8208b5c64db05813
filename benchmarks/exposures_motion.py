"""Motion: ours and RELION's own implementation on the same simulated movies, in the same run.

For every movie a specimen and a motion are drawn (`simulation/movies.py`), the frames are written as an MRC stack, and
both programs get that file, one after the other. The error is the same for both: at 9 x 9 places over the frame, the
path through all frames is compared with the truth after both have their own mean over the frames taken off; the root
mean square of the distance over frames and places counts ("tracks"), and the same for the mean path of all places
("whole"). Seconds are from the start of reading to the micrographs written (aligned, and dose-weighted), for RELION of
the whole program.

RELION is judged by the best of several ways to run it: its local fit as asked for (5 x 5 patches, B = 150), the global
part of that alone, and both again with B = 20: simulated exposures have little contrast where B = 150 looks.
"""

import resource
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import matplotlib as mpl
import mrcfile
import numpy as np
from exposures_results import Result, Row, Settings, Unit, loads, table
from numpy.typing import NDArray

from structloop.imaging.mrc_writing import write_mrc
from structloop.micrographs.motion import AlignmentOptions, Dose, MotionOptions, correct_motion
from structloop.micrographs.motion.relion import RelionMotion, read_relion_motion
from structloop.micrographs.movies import Correction, open_movie
from structloop.simulation.micrographs import Recipe, make_up_specimen
from structloop.simulation.movies import Motion, render_movie
from structloop.simulation.optics import Optics

mpl.use("Agg")
KINDS = {"usual": (8.0, 2.0), "calm": (3.0, 0.8), "strong": (20.0, 4.0)}
FRAMES = 20
DOSE = 1.0
ANGSTROM = 1.0
RELION_WAYS = {"B = 150, its default": "150", "B = 20": "20"}
"""Movies of the first seed are given to RELION in both ways, the others in the better one."""
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


def ours(
    path: Path, folder: Path, threads: int, alignment: AlignmentOptions | None = None
) -> tuple[Array64, float, float]:
    """Displacements (frames, 2, 9, 9), seconds by the wall, and of the processors."""
    start, busy = time.perf_counter(), processor_seconds()
    with open_movie(path) as movie:
        options = MotionOptions(
            alignment or AlignmentOptions(),
            pixel_size_angstrom=ANGSTROM,
            dose=Dose(DOSE / ANGSTROM**2, 300.0),
            threads=threads,
        )
        corrected = correct_motion(movie, Correction.of(movie.header), options)
    write_mrc(folder / f"{path.stem}.mrc", corrected.micrograph, ANGSTROM)
    if corrected.dose_weighted is not None:
        write_mrc(folder / f"{path.stem}_DW.mrc", corrected.dose_weighted, ANGSTROM)
    seconds, used = time.perf_counter() - start, processor_seconds() - busy
    for written in folder.glob(f"{path.stem}*.mrc"):
        written.unlink()
    return corrected.field.at(*places(corrected.field.width_px)), seconds, used


def relion(path: Path, folder: Path, threads: int, way: str) -> tuple[RelionMotion, float, float]:
    """What RELION finds, run in one of the ways, seconds by the wall, and of the processors."""
    out = folder / "relion" / path.stem
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / path.name).symlink_to(path.resolve())
    command = ["relion_run_motioncorr", "--i", path.name, "--o", "out/", "--use_own", "--j", str(threads)]
    command += [
        "--patch_x",
        "5",
        "--patch_y",
        "5",
        "--bin_factor",
        "1",
        "--bfactor",
        RELION_WAYS[way],
        "--voltage",
        "300",
    ]
    command += ["--angpix", str(ANGSTROM), "--dose_weighting", "--save_noDW"]
    command += ["--dose_per_frame", str(DOSE / ANGSTROM**2)]
    start, busy = time.perf_counter(), processor_seconds()
    result = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    seconds, used = time.perf_counter() - start, processor_seconds() - busy
    if result.returncode != 0:
        sys.exit(f"relion_run_motioncorr failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    found = read_relion_motion(out / "out" / f"{path.stem}.star")
    shutil.rmtree(out)
    return found, seconds, used


def movie_of(given: Settings, kind: str, seed: int) -> tuple[Path, Motion]:
    """A movie, rendered unless it is there, and its truth."""
    motion = truth_of(seed, kind, given.size, FRAMES)
    path = given.folder / f"{kind}-{seed}-{given.size}-{FRAMES}-{DOSE:g}.mrcs"
    make_movie(path, seed, motion, DOSE)
    return path, motion


def compared(given: Settings, kind: str, seed: int) -> Result:
    """Ours and RELION on one movie."""
    path, motion = movie_of(given, kind, seed)
    found, seconds, used = ours(path, given.folder, given.threads)
    tracks, whole = errors(found, motion)
    result: Result = {"kind": kind, "seed": seed, "tracks": tracks, "whole": whole, "s": seconds, "cpu_s": used}
    result["places"] = found[:, :, ::4, ::4].tolist()
    ways = {}
    tried = list(RELION_WAYS) if seed == given.seeds[0] else ["B = 20"]
    for way in tried if given.peer else ():
        theirs, seconds, used = relion(path, given.folder, given.threads, way)
        at = theirs.at(*places(motion.width_px))
        alone = np.broadcast_to(theirs.track.shifts_px[:, :, None, None], at.shape)
        local, glob = errors(at, motion), errors(alone, motion)
        ways[way] = {"local": local, "global": glob, "s": seconds, "cpu_s": used}
        best = min((each[part][0] for each in ways.values() for part in ("local", "global")), default=np.inf)
        if best in (local[0], glob[0]):
            result["peer_places"] = (at if local[0] < glob[0] else alone)[:, :, ::4, ::4].tolist()
            result["peer_best"] = best
    return {**result, "ways": ways}


def coarsely(given: Settings, kind: str, seed: int) -> Result:
    """Ours, from coarser than 5 Angstrom alone: simulated ice is a solid, and its ring at 3.7 Angstrom a help."""
    path, motion = movie_of(given, kind, seed)
    found, seconds, used = ours(path, given.folder, given.threads, AlignmentOptions(highest_frequency=0.2))
    tracks, whole = errors(found, motion)
    return {"kind": kind, "seed": seed, "coarse": True, "tracks": tracks, "whole": whole, "s": seconds, "cpu_s": used}


def units(given: Settings) -> list[Unit]:
    """All movies: of every seed one of each kind."""
    return [
        Unit(f"motion/{kind}/{seed}/{given.size}{name}", partial(work, given, kind, seed))
        for name, work in (("", compared), ("/coarse", coarsely))
        for seed in given.seeds
        for kind in (("usual",) if given.quick else KINDS)
    ]


def rows(given: Settings, results: dict[str, Result]) -> list[Row]:
    """Of the table."""
    some = [row for row in results.values() if "coarse" not in row]
    coarse = [row["tracks"] for row in results.values() if "coarse" in row]
    worst, best = max(row["tracks"] for row in some), [row.get("peer_best", np.inf) for row in some]
    said = "; ".join(f"{kind} {_spread([r['tracks'] for r in some if r['kind'] == kind])}" for kind in KINDS)
    theirs = "; ".join(f"{kind} {_spread([r.get('peer_best') for r in some if r['kind'] == kind])}" for kind in KINDS)
    fine = all(row["tracks"] <= min(0.10, other) for row, other in zip(some, best, strict=True))
    side = f"{given.size} x {given.size} x {FRAMES}, 1 e/px"
    seconds, cpu = [row["s"] for row in some], [row["cpu_s"] for row in some]
    peers = [each for row in some for each in row["ways"].values()]
    faster = all(row["s"] <= each["s"] for row in some for each in row["ways"].values())
    taken = f"{min(seconds):.1f} s at best, median {np.median(seconds):.1f} (processors: {np.median(cpu):.1f})"
    other = [each["s"] for each in peers]
    peer = "-"
    if peers:
        busy = np.median([each["cpu_s"] for each in peers])
        peer = f"{min(other):.1f} s at best, median {np.median(other):.1f} (processors: {busy:.1f})"
    return [
        Row(
            f"motion, {side}: rms error of tracks, px",
            "0.10, not worse than RELION",
            "0.05",
            f"{said}; without what is finer than 5 Å {_spread(coarse)}",
            f"{theirs} (best of {2 * len(RELION_WAYS)} ways)" if peers else "-",
            fine,
            fine and worst <= 0.05,
        ),
        Row(
            "the same, time on two cores",
            "10 s, faster than RELION",
            "4 s",
            f"{taken}; {loads(some)}",
            peer,
            min(seconds) <= 10 and faster,
            min(seconds) <= 4 and faster,
        ),
    ]


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{min(known):.3f}" if len(known) == 1 else f"{min(known):.3f} to {max(known):.3f}"


def _both(each: Result) -> str:
    return f"{each['local'][0]:.2f} / {each['global'][0]:.2f} ({each['s']:.0f} s)"


def details(results: dict[str, Result]) -> str:
    """Movie by movie, and RELION in each way."""
    some = [row for row in results.values() if "coarse" not in row]
    coarse = {(row["kind"], row["seed"]): f"{row['tracks']:.3f}" for row in results.values() if "coarse" in row}
    lines = [
        [row["kind"], str(row["seed"]), f"{row['tracks']:.3f}", f"{row['whole']:.3f}"]
        + [coarse.get((row["kind"], row["seed"]), "-"), f"{row['s']:.1f}"]
        + [f"{row['cpu_s']:.1f}"]
        + [f"{each['s']:.1f} ({each['cpu_s']:.1f})" for each in list(row["ways"].values())[:1]]
        + [f"{row['load']:.0f}"]
        for row in some
    ]
    head = ["motion", "seed", "tracks, px", "whole, px", "coarser than 5 Å: tracks, px", "s", "cpu s"]
    head += ["RELION: s (cpu s)", "load"]
    said = table(head, lines)
    ways = [
        [row["kind"], str(row["seed"])] + [_both(row["ways"][way]) if way in row["ways"] else "" for way in RELION_WAYS]
        for row in some
        if row["ways"]
    ]
    if ways:
        said += "\n\nRELION's tracks, px: with its local fit / its global one alone\n\n"
        said += table(["motion", "seed", *RELION_WAYS], ways)
    return said


def draw(given: Settings, results: dict[str, Result], path: Path) -> None:
    """Tracks of nine places of one movie of each kind, truth and both programs, as results keep them."""
    from matplotlib import pyplot as plt

    chosen = {row["kind"]: row for row in reversed(list(results.values())) if "peer_places" in row}
    figure, axes = plt.subplots(1, max(len(chosen), 1), figsize=(4.6 * len(chosen), 5), squeeze=False, dpi=100)
    for axis, (kind, row) in zip(axes[0], sorted(chosen.items()), strict=True):
        motion = truth_of(row["seed"], kind, given.size, FRAMES)
        x, y = (each[::4, ::4].ravel() for each in places(given.size))
        own, other = (np.reshape(row[name], (FRAMES, 2, 9)) for name in ("places", "peer_places"))
        # Nine tracks, apart from each other as far as they reach.
        true = np.stack([motion.track(float(a), float(b)) for a, b in zip(x, y, strict=True)], axis=2)
        apart = 1.15 * max(float(np.ptp(true - true.mean(axis=0), axis=0).max()), 0.5)
        for at in range(9):
            middle = np.array([at % 3, at // 3]) * apart
            for path_of, style, width, name in (
                (true[:, :, at], "0.75", 5.0, "truth"),
                (other[:, :, at], "C1", 1.0, "RELION 3.1.3, its best way"),
                (own[:, :, at], "C0", 1.2, "structloop"),
            ):
                shown = path_of - path_of.mean(axis=0) + middle
                axis.plot(*shown.T, color=style, linewidth=width, label=name if at == 0 else None)
        axis.set_title(
            f"{kind}, seed {row['seed']}: {row['tracks']:.3f} px; RELION {row['peer_best']:.2f} px", fontsize=9
        )
        axis.set_aspect("equal")
        axis.invert_yaxis()
        axis.set_xlabel("pixels")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=8)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path)
    plt.close(figure)
