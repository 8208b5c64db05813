"""A folder of simulated movies as a microscope's programs leave one: named as EPU or SerialEM name them, each with the
file beside it that tells of it, some with a fault, and the truth about all in a table.

A movie appears under its name only when all of it is written, and after what tells of it.
"""

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile

from structloop.core.errors import ExposureError
from structloop.exposures.writing import no_space_told, write_whole
from structloop.simulation.exposure_movies import PlannedMovie, RenderedMovie, plan_movies, render_planned

TRUTH, ORDER = "truth.csv", "simulation.json"
PLACES = r"(?P<grid>G\d+)/(?P<square>S\d+)_(?P<hole>H\d+)_"
"""Where SerialEM's names here say grid, square and hole: a pattern for `--places`."""
_BEGAN = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
_COLUMNS = (
    *("movie", "kind", "words", "grid", "square", "hole", "taken_at", "defocus_um", "astigmatism_um", "ice_nm"),
    *("motion_angstrom", "particles", "dose_e_per_angstrom2"),
)

Layout = Literal["epu", "serialem"]


@dataclass(frozen=True, slots=True)
class SimulatedMovies:
    """What is to be made.

    Attributes:
        count: Movies.
        size_px: Along each side.
        frames: Of each movie.
        pixel_size_angstrom: Of the frames.
        seed: Of everything.
        layout: Whose names and metadata.
    """

    count: int = 40
    size_px: int = 640
    frames: int = 10
    pixel_size_angstrom: float = 1.5
    seed: int = 0
    layout: Layout = "epu"


@dataclass(frozen=True, slots=True)
class WrittenMovies:
    """What was made.

    Attributes:
        written: Movies that are new; others were there.
        kinds: How many there are of which kind.
        truth: The table.
    """

    written: int
    kinds: dict[str, int]
    truth: Path


def simulate_movies(
    order: SimulatedMovies,
    out: Path,
    *,
    every_s: float = 0.0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    pause: Callable[[float], None] = time.sleep,
) -> WrittenMovies:
    """Writes movies that are not there yet, one after the other; the same order goes on where it was stopped.

    Args:
        order: What.
        out: Folder; new, empty, or one that an order like this one began (only `count` may differ).
        every_s: Least seconds from one movie to the next, as a microscope would take them.
        on_progress: Told how many are there, of how many.
        pause: Waits for so many seconds.

    Raises:
        ExposureError: the folder has something else in it, or cannot be written.
        NoSpaceError: the disk is full; the same order goes on when there is space.
        SimulationError: the order is out of range.
    """
    plans = plan_movies(order.count, order.seed)
    with no_space_told(out):
        _check_folder(order, out)
        truth = _read_truth(out / TRUTH)
        written, due = 0, time.monotonic()
        on_progress(0, len(plans))
        for done, plan in enumerate(plans, 1):
            path = _path_of(plan, order.layout)
            if str(path) not in truth or not (out / path).exists():
                rendered = render_planned(plan, order.size_px, order.frames, order.pixel_size_angstrom)
                pause(max(0.0, due - time.monotonic()))
                due = time.monotonic() + every_s
                _write(plan, rendered, order, out / path)
                truth[str(path)] = _truth_of(plan, rendered, path)
                _write_truth(truth, out / TRUTH)
                written += 1
            on_progress(done, len(plans))
    return WrittenMovies(written, dict(Counter(each["kind"] for each in truth.values())), out / TRUTH)


def _check_folder(order: SimulatedMovies, out: Path) -> None:
    """Takes an empty folder, and one of an order that differs in nothing but its count."""
    asked = {name: value for name, value in asdict(order).items() if name != "count"}
    kept = out / ORDER
    if kept.exists():
        try:
            before = json.loads(kept.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ExposureError(f"{kept} is damaged ({error}); give another --out") from error
        if before != asked:
            told = ", ".join(f"{name} {before.get(name)}" for name in asked if before.get(name) != asked[name])
            raise ExposureError(
                f"{out} has movies of another simulation ({told}); give another --out, or the same again"
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExposureError(f"{out} is not empty; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(kept, lambda path: path.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8"))


def _path_of(plan: PlannedMovie, layout: Layout) -> Path:
    """Below the folder; EPU's own ids are numbers without a meaning."""
    taken = _taken(plan)
    if layout == "serialem":
        name = f"S{plan.square:02d}_H{plan.hole:03d}_{taken:%b%d_%H.%M.%S}.tif"
        return Path(f"G{plan.grid}") / name
    name = f"FoilHole_{31000000 + 17 * plan.hole}_Data_31017742_1_{taken:%Y%m%d_%H%M%S}_Fractions.tiff"
    return Path(f"Grid_{plan.grid}") / "Images-Disc1" / f"GridSquare_{30100000 + 131 * plan.square}" / "Data" / name


def _taken(plan: PlannedMovie) -> datetime:
    return _BEGAN + timedelta(seconds=round(plan.taken_s))


def _write(plan: PlannedMovie, rendered: RenderedMovie, order: SimulatedMovies, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if order.layout == "serialem":
        beside, text = path.with_name(f"{path.name}.mdoc"), _mdoc(plan, rendered, order, path.name)
    else:
        beside, text = path.with_name(f"{path.stem.removesuffix('_Fractions')}.xml"), _epu_xml(plan, rendered, order)
    write_whole(beside, lambda each: each.write_text(text, encoding="utf-8", newline="\r\n"))
    contents = _contents(plan.kind, rendered, order.pixel_size_angstrom)
    write_whole(path, lambda each: each.write_bytes(contents))


def _contents(kind: str, rendered: RenderedMovie, pixel_size_angstrom: float) -> bytes:
    """The file of a movie, with the fault that its file has."""
    if kind == "nothing":
        return b""
    if kind == "no-frames":
        # What is left of a program that was killed at the start: a TIFF's beginning, and no picture.
        return b"II*\x00" + bytes(12)
    frames: Any = rendered.frames
    if kind == "no-numbers":
        frames = frames.astype(np.float32)
        frames[len(frames) // 2, ::20] = np.nan
    stream = io.BytesIO()
    per_cm = round(1e8 / pixel_size_angstrom)
    tifffile.imwrite(
        stream, frames, compression="lzw", photometric="minisblack", software="structloop (simulated)",
        resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip
    whole = stream.getvalue()
    return whole[: len(whole) // 2] if kind == "cut-off" else whole


def _epu_xml(plan: PlannedMovie, rendered: RenderedMovie, order: SimulatedMovies) -> str:
    """What EPU says of an image, as far as it is read; lengths in metres, defocus negative for underfocus."""
    x, y = plan.stage_um
    spaces = (
        'xmlns="http://schemas.datacontract.org/2004/07/Fei.SharedObjects" '
        'xmlns:a="http://schemas.microsoft.com/2003/10/Serialization/Arrays"'
    )
    custom = {
        "Dose": f"{rendered.dose_e_per_angstrom2 * 1e20:.6g}",
        "AppliedDefocus": f"{-plan.target_defocus_um * 1e-6:.6g}",
    }
    pairs = "".join(
        f"<a:KeyValueOfstringanyType><a:Key>{key}</a:Key><a:Value>{value}</a:Value></a:KeyValueOfstringanyType>"
        for key, value in custom.items()
    )
    size = f"<numericValue>{order.pixel_size_angstrom * 1e-10:.6g}</numericValue>"
    return (
        f"<MicroscopeImage {spaces}><CustomData>{pairs}</CustomData>"
        f"<SpatialScale><pixelSize><x>{size}</x><y>{size}</y></pixelSize></SpatialScale>"
        f"<microscopeData><acquisition><acquisitionDateTime>{_taken(plan):%Y-%m-%dT%H:%M:%SZ}</acquisitionDateTime>"
        f"<camera><Name>simulated</Name><ReadoutArea><height>{order.size_px}</height><width>{order.size_px}</width>"
        "</ReadoutArea></camera></acquisition>"
        f"<gun><AccelerationVoltage>{plan.optics.voltage_kv * 1000:.0f}</AccelerationVoltage></gun>"
        f"<stage><Position><A>0</A><B>0</B><X>{x * 1e-6:.6g}</X><Y>{y * 1e-6:.6g}</Y><Z>0</Z></Position></stage>"
        "</microscopeData></MicroscopeImage>\n"
    )


def _mdoc(plan: PlannedMovie, rendered: RenderedMovie, order: SimulatedMovies, name: str) -> str:
    """What SerialEM says of the frames; defocus negative for underfocus."""
    x, y = plan.stage_um
    lines = {
        "TiltAngle": "0.00",
        "StagePosition": f"{x:.3f} {y:.3f}",
        "ExposureDose": f"{rendered.dose_e_per_angstrom2:.2f}",
        "PixelSpacing": f"{order.pixel_size_angstrom:.6g}",
        "Binning": "1",
        "TargetDefocus": f"{-plan.target_defocus_um:.2f}",
        "SubFramePath": f"X:\\Simulated\\{name}",
        "NumSubFrames": f"{order.frames}",
        "DateTime": f"{_taken(plan):%d-%b-%y  %H:%M:%S}",
        "NavigatorLabel": f"H{plan.hole:03d}",
        "Cs": f"{plan.optics.cs_mm:g}",
    }
    head = f"T = SerialEM: simulated by structloop\nVoltage = {plan.optics.voltage_kv:.0f}\n\n[FrameSet = 0]\n"
    return head + "".join(f"{key} = {value}\n" for key, value in lines.items())


def _truth_of(plan: PlannedMovie, rendered: RenderedMovie, path: Path) -> dict[str, str]:
    optics = plan.optics
    values = {
        "movie": str(path),
        "kind": plan.kind,
        "words": plan.words,
        "grid": plan.grid,
        "square": plan.square,
        "hole": plan.hole,
        "taken_at": _taken(plan).isoformat(),
        "defocus_um": round((optics.defocus_u_um + optics.defocus_v_um) / 2, 4),
        "astigmatism_um": round(optics.defocus_u_um - optics.defocus_v_um, 4),
        "ice_nm": round(rendered.ice_nm, 1),
        "motion_angstrom": round(rendered.motion_angstrom, 2),
        "particles": rendered.particles,
        "dose_e_per_angstrom2": rendered.dose_e_per_angstrom2,
    }
    return {name: str(values[name]) for name in _COLUMNS}


def _read_truth(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["movie"]: row for row in csv.DictReader(file)}


def _write_truth(truth: dict[str, dict[str, str]], path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(truth.values())
    write_whole(path, lambda each: each.write_text(text.getvalue(), encoding="utf-8"))


__all__ = ["ORDER", "PLACES", "TRUTH", "Layout", "SimulatedMovies", "WrittenMovies", "simulate_movies"]
