"""Draws the pictures of docs/explanations/ctf.md: conventions, and Thon rings with fits beside them.

    python benchmarks/ctf_pictures.py --out docs/images --failures 12 40

Numbers given to `--failures` are of exposures of the part "rings" of benchmarks/ctf.py, drawn in the last row.
"""

import argparse
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from ctf import SNRS, drawn, lens_of, optics_of
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from structloop.micrographs.ctf import CtfFit, CtfOptions, Defocus, Lens, fit_ctf
from structloop.micrographs.ctf.picture import thon_picture
from structloop.micrographs.ctf.transfer import phase
from structloop.simulation.amorphous import Amorphous
from structloop.simulation.optics import Envelope, Optics


def conventions(path: Path) -> None:
    """Two panels: the angle in the stored array, and the CTF of underfocus over spatial frequency."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=(1, 1.35))
    angle_frame(left, 30.0)
    lens, k = Lens(300, 2.7, 0.1), np.linspace(0, 0.25, 900)
    for defocus, colour in ((1.5, "#1b6ca8"), (-1.5, "#c0392b")):
        name = "underfocus, +1.5 um" if defocus > 0 else "overfocus, -1.5 um"
        right.plot(k, -np.sin(phase(lens, k**2, defocus)), color=colour, label=name, lw=1.4)
    first = math.sqrt((math.pi - lens.constant_phase_rad) / (math.pi * lens.wavelength_angstrom * 1.5e4))
    right.axvline(first, color="#1b6ca8", lw=0.7, ls=":")
    right.annotate(
        f"first zero, {1 / first:.1f} Å", (first, -0.02), (first + 0.045, 1.12), arrowprops={"arrowstyle": "->"}
    )
    right.axhline(0, color="black", lw=0.6)
    right.set(
        xlabel="spatial frequency, 1/Å",
        ylabel="CTF = -sin χ",
        xlim=(0, 0.25),
        ylim=(-1.1, 1.3),
        title="sign of defocus",
    )
    right.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def angle_frame(axes: Axes, angle_deg: float) -> None:
    """A micrograph as stored, row 0 on top, and the defocus by direction as an ellipse."""
    axes.add_patch(plt.Rectangle((-1, -1), 2, 2, fill=False, lw=1.2))
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
    axes.annotate("x: columns", (0.95, -1.12), (-1, -1.12), arrowprops={"arrowstyle": "->"}, va="center")
    axes.annotate("", (-1.12, 0.95), (-1.12, -0.6), arrowprops={"arrowstyle": "->"})
    axes.text(-1.12, -0.65, "y: rows", rotation=90, ha="center", va="bottom")
    axes.plot([-1], [-1], "ko", ms=5)
    axes.text(-0.96, -0.9, "first stored pixel", fontsize=8)
    axes.set(xlim=(-1.35, 1.2), ylim=(1.15, -1.35), aspect="equal", title="angle, in the array as it is stored")
    axes.axis("off")


def fit_of(made: Amorphous, optics: Optics, seed: int) -> CtfFit:
    lens = lens_of(optics)
    return fit_ctf(made.render(optics, seed), made.pixel_size_angstrom, lens, CtfOptions(locally=False))


def failure(number: int) -> tuple[str, CtfFit, Optics]:
    """An exposure of the part `rings` of the benchmark, made again."""
    random = drawn("rings", number, 0)
    optics, snr = optics_of(random), SNRS[number % len(SNRS)]
    ends, pixel = float(random.uniform(3.2, 8.0)), float(random.uniform(0.75, 1.3))
    b_factor, clutter = float(random.uniform(0, 100)), float(random.uniform(0, 0.5))
    made = Amorphous(2048, 2048, pixel, snr, ends, b_factor, clutter)
    return (
        f"number {number}: SNR {snr}, ends at {ends:.1f} Å",
        fit_of(made, optics, int(random.integers(1 << 30))),
        optics,
    )


def fits(path: Path, failures: list[int]) -> None:
    """Rows of half-and-half pictures, each with what was fitted and what was true."""
    shown: list[tuple[str, CtfFit, Optics | None]] = []
    for name, snr, u, v, angle in (
        ("SNR .2", 0.2, 1.65, 1.35, 30.0),
        ("SNR .06", 0.06, 1.05, 1.0, 0.0),
        ("SNR .02", 0.02, 2.6, 2.4, 120.0),
    ):
        optics = Optics(300, 2.7, 0.1, u, v, angle, 0.0, Envelope.none())
        shown.append((name, fit_of(Amorphous(2048, 2048, 1.0, snr=snr), optics, 1), optics))
    shown.append(("no signal at all", fit_of(Amorphous(2048, 2048, 1.0, snr=0.0), Optics(), 1), None))
    shown += [failure(number) for number in failures]
    columns = 4
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.1 * columns, 3.6 * rows), squeeze=False)
    for place in axes.ravel():
        place.axis("off")
    for place, (name, fit, optics) in zip(axes.ravel(), shown, strict=False):
        place.imshow(np.asarray(thon_picture(fit, 384)), cmap="gray", vmin=0, vmax=255)
        place.set_title(f"{name}\n{described(fit.defocus)}\n{truth(optics, fit)}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100, bbox_inches="tight")
    plt.close(figure)


def described(defocus: Defocus) -> str:
    return f"fit: {defocus.u_um:.3f} / {defocus.v_um:.3f} um, {defocus.angle_deg:.0f}°"


def truth(optics: Optics | None, fit: CtfFit) -> str:
    sure = f"confidence {fit.evidence.confidence:.2f}"
    if optics is None:
        return sure
    return f"true: {optics.defocus_u_um:.3f} / {optics.defocus_v_um:.3f} um, {optics.angle_deg:.0f}°; {sure}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--failures", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    conventions(arguments.out / "ctf-conventions.png")
    fits(arguments.out / "ctf-fits.png", arguments.failures)


if __name__ == "__main__":
    main()
