"""How well CTF fits do on simulated exposures whose truth is known, condition by condition, failures listed.

    python benchmarks/ctf.py --results ctf.jsonl

Five parts, each with its own seeds (`--parts` chooses, `--count` sets how many): defocus, astigmatism, fit resolution
over the stated ranges; what has no rings; film across exposures whose ice is bad, and good; exposures of the physical
renderer; seconds. Results go to a file line by line, and what is there is not computed again: a run that was stopped
goes on. Ranges: 0.5 to 3 um, astigmatism to 0.3 um, SNR .02 to .2 (variance of the signal over that of the noise, per
pixel), 200 and 300 kV, 0.75 to 1.3 Angstrom, B 0 to 100 Angstrom^2, signal cut at 3.2 to 8 Angstrom.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.micrographs.ctf import CtfFit, CtfOptions, Lens, fit_ctf
from structloop.micrographs.ctf.regions import fit_regions
from structloop.simulation.amorphous import Amorphous
from structloop.simulation.micrographs import Recipe, make_up_optics, make_up_specimen, render_micrograph
from structloop.simulation.optics import Envelope, Optics

Result = dict[str, Any]
SNRS = (0.02, 0.06, 0.2)
COUNTS = {"rings": 240, "nothing": 200, "film": 120, "rendered": 24, "seconds": 7}
NOTHING = ("white", "clutter", "shapes", "halo", "streaks", "edges", "crystals", "weak-ice")


def drawn(part: str, number: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, number, *part.encode()])


def optics_of(random: np.random.Generator) -> Optics:
    defocus, astigmatism = random.uniform(0.5, 3.0), random.uniform(0, 0.3)
    kv, cs = (300.0, 2.7) if random.random() < 0.7 else (200.0, 2.7)
    u, v = defocus + astigmatism / 2, defocus - astigmatism / 2
    return Optics(kv, cs, 0.1, u, v, random.uniform(0, 180), 0.0, Envelope.none())


def lens_of(optics: Optics) -> Lens:
    return Lens(optics.voltage_kv, optics.cs_mm, optics.amplitude_contrast)


def judged(fit: CtfFit, optics: Optics) -> Result:
    turn = (fit.defocus.angle_deg - optics.angle_deg + 90) % 180 - 90
    return {
        "defocus_um": optics.mean_defocus_um,
        "astigmatism_um": optics.defocus_u_um - optics.defocus_v_um,
        "off_um": fit.defocus.mean_um - optics.mean_defocus_um,
        "off_astigmatism_um": fit.defocus.u_um - fit.defocus.v_um - (optics.defocus_u_um - optics.defocus_v_um),
        "off_deg": turn,
        "resolution": fit.fit_resolution_angstrom,
        "confidence": fit.evidence.confidence,
        "good": fit.good,
    }


# --- The parts -------------------------------------------------------------------------------------------------------


def rings(number: int, seed: int, size: int) -> Result:
    """An exposure with rings, at one of three SNRs."""
    random = drawn("rings", number, seed)
    optics, snr = optics_of(random), SNRS[number % len(SNRS)]
    ends = float(random.uniform(3.2, 8.0))
    made = Amorphous(
        size,
        size,
        float(random.uniform(0.75, 1.3)),
        snr=snr,
        ends_at_angstrom=ends,
        b_factor_angstrom2=float(random.uniform(0, 100)),
        clutter=float(random.uniform(0, 0.5)),
    )
    image = made.render(optics, int(random.integers(1 << 30)))
    fit = fit_ctf(image, made.pixel_size_angstrom, lens_of(optics), CtfOptions(locally=False))
    return {"snr": snr, "ends": ends, "b": made.b_factor_angstrom2, **judged(fit, optics)}


def nothing(number: int, seed: int, size: int) -> Result:
    """Something without rings."""
    random = drawn("nothing", number, seed)
    kind, pixel = NOTHING[number % len(NOTHING)], float(random.uniform(0.75, 1.3))
    image = without_rings(kind, random, size // 2, pixel)
    fit = fit_regions(image, pixel, Lens(300, 2.7, 0.1))
    confidence = fit.fit.evidence.confidence
    return {"kind": kind, "pixel": pixel, "confidence": confidence, "good": fit.fit.good, "passed": fit.good}


def without_rings(kind: str, random: np.random.Generator, size: int, pixel: float) -> NDArray[np.float32]:
    noise = random.standard_normal((size, size))
    if kind == "weak-ice":
        # Ice whose signal is a hundredth of what the fits are asked to find.
        made = Amorphous(size, size, pixel, snr=2e-4, clutter=0.5)
        return made.render(optics_of(random), int(random.integers(1 << 30)))
    k = np.hypot(np.fft.fftfreq(size, pixel)[:, None], np.fft.rfftfreq(size, pixel)[None, :])
    amplitude = np.ones_like(k)
    if kind in ("clutter", "edges"):
        amplitude += random.uniform(1, 10) * np.exp(-((random.uniform(8, 60) * k) ** 2))
    elif kind == "shapes":
        # Round particles, all of one size, in focus: their form factor has rings of its own.
        x = 2 * np.pi * k * random.uniform(25, 90) + 1e-6
        form = 3 * (np.sin(x) - x * np.cos(x)) / x**3
        amplitude = np.hypot(1, random.uniform(1, 20) * form * np.exp(-((random.uniform(3, 20) * k) ** 2)))
    elif kind == "halo":
        amplitude += random.uniform(0.1, 0.6) * np.exp(-(((k - 0.27) / 0.03) ** 2))
    elif kind == "crystals":
        for spacing in (3.9, 3.67, 3.44):
            amplitude += random.uniform(0.2, 1.5) * np.exp(-(((k * spacing - 1) / 0.004) ** 2))
    image = np.fft.irfft2(np.fft.rfft2(noise) * amplitude, s=(size, size))
    if kind == "streaks":
        image += random.uniform(0.05, 0.5) * random.standard_normal(size)
        image += random.uniform(0.05, 0.5) * random.standard_normal((size, 1))
    elif kind == "edges":
        x = np.arange(size) / size
        image += random.uniform(1, 4) * (x[None, :] + random.uniform(-1, 1) * x[:, None] > random.uniform(0.2, 0.8))
    return image.astype(np.float32)


def film(number: int, seed: int, size: int) -> Result:
    """Film across an exposure: its ice has no rings, or (each fourth) has."""
    random = drawn("film", number, seed)
    optics, fine = optics_of(random), number % 4 == 3
    share = float(random.uniform(0.12, 0.6))
    made = Amorphous(
        size * 3 // 4,
        size * 3 // 4,
        float(random.uniform(0.9, 1.2)),
        snr=float(random.uniform(0.03, 0.1)) if fine else 0.0,
        film=share,
        film_snr=float(random.uniform(0.05, 0.3)),
        film_darker=float(random.uniform(0.1, 2.0)),
        clutter=float(random.uniform(0, 0.5)),
    )
    image = made.render(optics, int(random.integers(1 << 30)))
    lens = lens_of(optics)
    alone = fit_ctf(image, made.pixel_size_angstrom, lens, CtfOptions(locally=False))
    fit = fit_regions(image, made.pixel_size_angstrom, lens)
    return {
        "fine": fine,
        "share": share,
        "whole_good": alone.good,
        "found": fit.film is not None,
        "passed": fit.good,
        "reason": fit.reason,
        "off_um": fit.fit.defocus.mean_um - optics.mean_defocus_um,
    }


def rendered(number: int, seed: int, size: int) -> Result:
    """An exposure of the physical renderer: particles, ice, detector, counts."""
    random = drawn("rendered", number, seed)
    specimen_seed = int(random.integers(1 << 30))
    optics = make_up_optics(specimen_seed, defocus_um=(0.5, 3.0), voltage_kv=300.0)
    recipe = Recipe(
        film_edge=0,
        film_below=0,
        contamination=0.2,
        aggregates=0,
        crystalline=0,
        beads=0,
        tilted=0,
        drifting=0,
        empty=0,
    )
    pixel = float(random.uniform(0.8, 1.2))
    side = size // 2
    made = make_up_specimen(specimen_seed, width_px=side, height_px=side, pixel_size_angstrom=pixel, recipe=recipe)
    image = render_micrograph(made.specimen, optics, 45.0, number)
    # The renderer puts ice and particles at their heights; the mean is what is meant by the exposure's defocus.
    fit = fit_ctf(image, pixel, lens_of(optics), CtfOptions(locally=False, phase_shift_deg=optics.phase_shift_deg))
    return judged(fit, optics)


def seconds(number: int, seed: int, size: int) -> Result:
    """Time of one fit, all cores that this process may use."""
    random = drawn("seconds", number, seed)
    optics = optics_of(random)
    image = Amorphous(size, size, 1.0, snr=0.06).render(optics, number)
    taken = {}
    for name, locally in (("fit", False), ("with tilt", True)):
        start = time.perf_counter()
        fit_ctf(image, 1.0, lens_of(optics), CtfOptions(locally=locally))
        taken[name] = time.perf_counter() - start
    return {**taken, "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}


PARTS: dict[str, Callable[[int, int, int], Result]] = {
    "rings": rings,
    "nothing": nothing,
    "film": film,
    "rendered": rendered,
    "seconds": seconds,
}


# --- Running and telling ---------------------------------------------------------------------------------------------


def done_before(path: Path) -> dict[tuple[str, int, int, int], Result]:
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # The line that a stopped run left half written.
        found[row["part"], row["number"], row["seed"], row["size"]] = row
    return found


def run(parts: list[str], count: int | None, seed: int, size: int, path: Path) -> list[Result]:
    have, rows = done_before(path), []
    with path.open("a") as file:
        for part in parts:
            for number in range(count or COUNTS[part]):
                key = (part, number, seed, size)
                if key not in have:
                    row = {
                        "part": part,
                        "number": number,
                        "seed": seed,
                        "size": size,
                        **PARTS[part](number, seed, size),
                    }
                    file.write(json.dumps(row, default=float) + "\n")
                    file.flush()
                    have[key] = row
                rows.append(have[key])
    return rows


def share(values: list[bool]) -> str:
    return f"{sum(values)}/{len(values)} ({np.mean(values):.1%})" if values else "-"


def at(values: list[float], quantile: float) -> float:
    return float(np.quantile(np.abs(values), quantile)) if values else float("nan")


def tell(rows: list[Result]) -> None:
    of = {part: [row for row in rows if row["part"] == part] for part in PARTS}
    if of["rings"]:
        tell_rings(of["rings"])
    if of["nothing"]:
        print("\n| without rings | called good | after film is looked for |\n|---|---|---|")
        for kind in (*NOTHING, "all"):
            some = [row for row in of["nothing"] if kind in (row["kind"], "all")]
            print(f"| {kind} | {share([row['good'] for row in some])} | {share([row['passed'] for row in some])} |")
    if of["film"]:
        bad, fine = [row for row in of["film"] if not row["fine"]], [row for row in of["film"] if row["fine"]]
        print(
            "\n| film across | exposures | whole picture called good | called good knowing of film |\n|---|---|---|---|"
        )
        for name, some in (("bad ice", bad), ("good ice", fine)):
            whole, passed = share([row["whole_good"] for row in some]), share([row["passed"] for row in some])
            print(f"| {name} | {len(some)} | {whole} | {passed} |")
        print(
            f"\nFlagged, of bad ice whose film made the whole look good: "
            f"{share([not row['passed'] for row in bad if row['whole_good']])}"
        )
    if of["rendered"]:
        some = of["rendered"]
        offs = [row["off_um"] for row in some]
        print(
            f"\nRendered by the physics: {len(some)} exposures, called good {share([row['good'] for row in some])}, "
            f"defocus off by {at(offs, 0.5):.4f} um (median), {at(offs, 0.95):.4f} um (95 %)"
        )
    if of["seconds"]:
        for name in ("fit", "with tilt"):
            taken = [row[name] for row in of["seconds"]]
            print(
                f"\nSeconds ({name}, {of['seconds'][0]['cores']} cores, {of['seconds'][0]['size']} px a side): "
                f"median {np.median(taken):.2f}, least {min(taken):.2f} (load {of['seconds'][-1]['load']:.1f})"
            )


def tell_rings(rows: list[Result]) -> None:
    print(
        "| SNR | defocus, um | exposures | off 95 %, um | within .015 | beyond .1 | angle 95 %, deg | "
        "resolution within 15 % | called good |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    ranges = ((0.5, 1.0), (1.0, 2.0), (2.0, 3.0))
    for snr in (*SNRS, None):
        for low, high in ranges if snr is not None else ((0.5, 3.0),):
            some = [row for row in rows if snr in (row["snr"], None) and low <= row["defocus_um"] <= high]
            if not some:
                continue
            offs = [row["off_um"] for row in some]
            angles = [row["off_deg"] for row in some if row["astigmatism_um"] >= 0.05]
            near = [abs((row["resolution"] or 99) / row["ends"] - 1) <= 0.15 for row in some]
            print(
                f"| {snr or 'all'} | {low:g}-{high:g} | {len(some)} | {at(offs, 0.95):.4f} | "
                f"{share([abs(off) <= 0.015 for off in offs])} | {sum(abs(off) > 0.1 for off in offs)} | "
                f"{at(angles, 0.95):.1f} | {share(near)} | {share([row['good'] for row in some])} |"
            )
    failures = [row for row in rows if abs(row["off_um"]) > 0.015 or not row["good"]]
    print(f"\nFailures (off by more than .015 um, or not called good): {len(failures)}")
    for row in failures[:40]:
        resolution = f"{row['resolution']:.1f}" if row["resolution"] else "none"
        print(
            f"  number {row['number']}: SNR {row['snr']}, {row['defocus_um']:.2f} um, ends at {row['ends']:.1f} A, "
            f"B {row['b']:.0f}: off {row['off_um']:+.4f} um, resolution {resolution}, "
            f"confidence {row['confidence']:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("ctf.jsonl"), help="where results are kept, line by line")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--count", type=int, help="of each part, instead of its usual number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=4096, help="pixels a side")
    arguments = parser.parse_args()
    tell(run(arguments.parts, arguments.count, arguments.seed, arguments.size, arguments.results))


if __name__ == "__main__":
    main()
