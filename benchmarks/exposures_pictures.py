"""The pictures of docs/explanations/ctf.md: conventions, Thon rings with fits beside them, and fits that failed."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
from exposures_ctf import elsewhere_exposure, faint_exposure, lens_of, rings_exposure
from exposures_results import Result
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from structloop.micrographs.ctf import CtfFit, CtfOptions, Defocus, Lens, fit_ctf
from structloop.micrographs.ctf.picture import thon_picture
from structloop.micrographs.ctf.transfer import phase
from structloop.simulation.amorphous import Amorphous
from structloop.simulation.optics import Envelope, Optics

_COLUMNS = 4
Shown = tuple[str, CtfFit, Optics | None]


def conventions(path: Path) -> None:
    """Three panels: the angle in the stored array, the CTF over spatial frequency, where a specimen goes in a movie."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.2), width_ratios=(1, 1.3, 1))
    angle_frame(left, 30.0)
    lens, k = Lens(300, 2.7, 0.1), np.linspace(0, 0.25, 900)
    for defocus, colour in ((1.5, "#1b6ca8"), (-1.5, "#c0392b")):
        name = "underfocus, +1.5 µm" if defocus > 0 else "overfocus, -1.5 µm"
        middle.plot(k, -np.sin(phase(lens, k**2, defocus)), color=colour, label=name, lw=1.4)
    first = math.sqrt((math.pi - lens.constant_phase_rad) / (math.pi * lens.wavelength_angstrom * 1.5e4))
    middle.axvline(first, color="#1b6ca8", lw=0.7, ls=":")
    middle.annotate(
        f"first zero, {1 / first:.1f} Å", (first, -0.02), (first + 0.045, 1.12), arrowprops={"arrowstyle": "->"}
    )
    middle.axhline(0, color="black", lw=0.6)
    middle.set(
        xlabel="spatial frequency, 1/Å",
        ylabel="CTF = -sin χ",
        xlim=(0, 0.25),
        ylim=(-1.1, 1.3),
        title="sign of defocus",
    )
    middle.legend(loc="lower right", fontsize=8)
    motion_frame(right)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def motion_frame(axes: Axes) -> None:
    """One place of the specimen in the first frame and in a later one."""
    frame_axes(axes)
    steps = np.array([[-0.55, -0.45], [-0.1, -0.3], [0.2, -0.05], [0.35, 0.3]])
    axes.plot(*steps.T, "o-", color="#1b6ca8", lw=1.6, ms=5)
    for number, (x, y) in enumerate(steps):
        axes.text(x + 0.05, y - 0.06, f"frame {number + 1}", fontsize=8, color="#1b6ca8")
    axes.annotate("", steps[-1], steps[0], arrowprops={"arrowstyle": "->", "color": "#444444", "ls": "--"})
    axes.text(-0.75, 0.3, "our shift:\nwhere it went\n(dx > 0, dy > 0)", fontsize=8, color="#444444")
    axes.annotate("", (-0.55, -0.55), (0.35, 0.2), arrowprops={"arrowstyle": "->", "color": "#c0392b", "ls": ":"})
    axes.text(0.05, -0.72, "RELION, MotionCor2:\nwhat brings it back", fontsize=8, color="#c0392b")
    axes.set_title("sign of motion, frames as they are stored")


def frame_axes(axes: Axes) -> None:
    """The stored array, row 0 on top."""
    axes.add_patch(plt.Rectangle((-1, -1), 2, 2, fill=False, lw=1.2))
    axes.annotate("x: columns", (0.95, -1.12), (-1, -1.12), arrowprops={"arrowstyle": "->"}, va="center")
    axes.annotate("", (-1.12, 0.95), (-1.12, -0.6), arrowprops={"arrowstyle": "->"})
    axes.text(-1.12, -0.65, "y: rows", rotation=90, ha="center", va="bottom")
    axes.plot([-1], [-1], "ko", ms=5)
    axes.text(-0.96, -0.9, "first stored pixel", fontsize=8)
    axes.set(xlim=(-1.35, 1.2), ylim=(1.15, -1.35), aspect="equal")
    axes.axis("off")


def angle_frame(axes: Axes, angle_deg: float) -> None:
    """A micrograph as stored, row 0 on top, and the defocus by direction as an ellipse."""
    frame_axes(axes)
    axes.add_patch(Ellipse((0, 0), 1.5, 1.0, angle=angle_deg, fill=False, lw=1.6, ec="#1b6ca8"))
    turn = math.radians(angle_deg)
    for along, text, length in ((turn, "defocus U", 0.75), (turn + math.pi / 2, "defocus V", 0.5)):
        x, y = length * math.cos(along), length * math.sin(along)
        axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": "#1b6ca8", "lw": 1.6})
        axes.text(x, y + 0.16, text, color="#1b6ca8", ha="center")
    sweep = np.linspace(0, turn, 40)
    axes.plot(0.4 * np.cos(sweep), 0.4 * np.sin(sweep), color="#c0392b", lw=1.6)
    axes.plot([0, 0.72], [0, 0], color="#c0392b", lw=0.8, ls=":")
    axes.text(0.45, -0.06, f"angle {angle_deg:g}°", color="#c0392b")
    axes.set_title("angle, in the array as it is stored")


def fit_of(made: Amorphous, optics: Optics, seed: int) -> CtfFit:
    lens = lens_of(optics)
    return fit_ctf(made.render(optics, seed), made.pixel_size_angstrom, lens, CtfOptions(locally=False))


def failures(found: dict[str, list[Result]], size: int) -> list[Shown]:
    """What went wrong most, made again: of fits by how far off, and of weak rings by how far from what was believed."""
    rings, elsewhere, faint = (found.get(part, []) for part in ("rings", "elsewhere", "faint"))
    wrong = sorted((row for row in faint if not row["right"]), key=_confidence)
    right = sorted((row for row in faint if row["right"] and not row["good"]), key=_confidence)
    chosen = [("farthest off", rings_exposure, row) for row in sorted(rings, key=_off)[-2:]]
    chosen += [("resolution farthest off", rings_exposure, row) for row in sorted(rings, key=_resolution_off)[-2:]]
    chosen += [(f"farthest off, {row['kind']}", elsewhere_exposure, row) for row in sorted(elsewhere, key=_off)[-2:]]
    chosen += [("wrong, most believed", faint_exposure, row) for row in wrong[-4:]]
    chosen += [("right, least believed", faint_exposure, row) for row in right[:4]]
    shown: list[Shown] = []
    for name, make, row in chosen:
        image, pixel, lens, optics, options, facts = make(row["number"], row["seed"], size)
        fit = fit_ctf(image, pixel, lens, options)
        if "ends" not in facts:
            shown.append((f"{name}: no rings ({facts['kind']})", fit, None))
            continue
        seen = fit.fit_resolution_angstrom
        snr = f"SNR {facts['snr']:.2g}, " if "snr" in facts else ""
        ends = f"{snr}rings end at {facts['ends']:.1f} Å, seen to {'none' if seen is None else f'{seen:.1f} Å'}"
        off = fit.defocus.mean_um - optics.mean_defocus_um
        shown.append((f"{name}: off {off:+.3f} µm\n{ends}", fit, optics))
    return shown


def _confidence(row: Result) -> float:
    return float(row["confidence"])


def _off(row: Result) -> float:
    return abs(float(row["off_um"]))


def _resolution_off(row: Result) -> float:
    return abs(math.log((row["resolution"] or 99) / row["ends"]))


def examples() -> list[Shown]:
    """Plain, weak, hardly seen, and nothing."""
    shown: list[Shown] = []
    for name, snr, u, v, angle in (
        ("SNR .2", 0.2, 1.65, 1.35, 30.0),
        ("SNR .06", 0.06, 1.05, 1.0, 0.0),
        ("SNR .02", 0.02, 2.6, 2.4, 120.0),
    ):
        optics = Optics(300, 2.7, 0.1, u, v, angle, 0.0, Envelope.none())
        shown.append((name, fit_of(Amorphous(2048, 2048, 1.0, snr=snr), optics, 1), optics))
    return [*shown, ("no signal at all", fit_of(Amorphous(2048, 2048, 1.0, snr=0.0), Optics(), 1), None)]


def gallery(path: Path, shown: Sequence[Shown]) -> None:
    """Rows of half-and-half pictures, each with what was fitted and what was true."""
    rows = -(-len(shown) // _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=(3.1 * _COLUMNS, 3.7 * rows), squeeze=False)
    for place in axes.ravel():
        place.axis("off")
    for place, (name, fit, optics) in zip(axes.ravel(), shown, strict=False):
        place.imshow(np.asarray(thon_picture(fit, 384)), cmap="gray", vmin=0, vmax=255)
        place.set_title(f"{name}\n{described(fit.defocus)}\n{truth(optics, fit)}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90, bbox_inches="tight")
    plt.close(figure)


def draw_ctf(folder: Path, found: dict[str, list[Result]], size: int) -> None:
    """All of them; the failures of what was fitted, where something was."""
    conventions(folder / "ctf-conventions.png")
    gallery(folder / "ctf-fits.png", examples())
    failed = failures(found, size)
    if failed:
        gallery(folder / "ctf-failures.png", failed)


def described(defocus: Defocus) -> str:
    return f"fit: {defocus.u_um:.3f} / {defocus.v_um:.3f} um, {defocus.angle_deg:.0f}°"


def truth(optics: Optics | None, fit: CtfFit) -> str:
    sure = f"confidence {fit.evidence.confidence:.2f}"
    if optics is None:
        return sure
    return f"true: {optics.defocus_u_um:.3f} / {optics.defocus_v_um:.3f} um, {optics.angle_deg:.0f}°; {sure}"
