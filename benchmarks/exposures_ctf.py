"""CTF: fits on simulated exposures whose truth is known, condition by condition, failures listed.

Parts, each with its own draws for every seed: `rings` (defocus, astigmatism, fit resolution over the stated ranges: 0.5
to 3 um, astigmatism to 0.3 um, SNR .02 to .2 as the variance of the signal over that of the noise per pixel, 200 and
300 kV, 0.75 to 1.3 Angstrom, B 0 to 100 Angstrom^2, signal cut at 3.2 to 8 Angstrom); `elsewhere` (voltages, pixels,
contrasts, phase plates that no fit was developed on); `nothing` (what has no rings); `film` (across exposures whose
ice is bad, or good); `rendered` (the physical renderer); `faint` (from rings that nobody sees to plain ones: whether a
confidence is what it says); `seconds`.
"""

import time
from functools import partial

import numpy as np
from exposures_results import Result, Settings, Unit
from numpy.typing import NDArray

from structloop.micrographs.ctf import CtfFit, CtfOptions, Lens, fit_ctf
from structloop.micrographs.ctf.regions import fit_regions
from structloop.simulation.amorphous import Amorphous
from structloop.simulation.micrographs import Recipe, make_up_optics, make_up_specimen, render_micrograph
from structloop.simulation.optics import Envelope, Optics

SNRS = (0.02, 0.06, 0.2)
COUNTS = {"rings": 102, "elsewhere": 40, "nothing": 56, "film": 32, "rendered": 8, "faint": 120, "seconds": 3}
NOTHING = ("white", "clutter", "shapes", "halo", "streaks", "edges", "crystals", "weak-ice")
RIGHT_UM = 0.05


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
        "off_phase_deg": (np.degrees(fit.defocus.phase_shift_rad) - optics.phase_shift_deg + 90) % 180 - 90,
        "resolution": fit.fit_resolution_angstrom,
        "confidence": fit.evidence.confidence,
        "good": fit.good,
    }


Exposure = tuple[NDArray[np.float32], float, Lens, Optics, CtfOptions, Result]
"""Pixels, pixel size, what the fit is told of the lens, the truth, options, and facts."""


def fitted(exposure: Exposure) -> Result:
    """How a fit does."""
    image, pixel, lens, optics, options, facts = exposure
    return {**facts, **judged(fit_ctf(image, pixel, lens, options), optics)}


def rings_exposure(number: int, seed: int, size: int) -> Exposure:
    """An exposure with rings, at one of three SNRs."""
    random = drawn("rings", number, seed)
    optics, snr = optics_of(random), SNRS[number % len(SNRS)]
    ends, pixel = float(random.uniform(3.2, 8.0)), float(random.uniform(0.75, 1.3))
    b_factor, clutter = float(random.uniform(0, 100)), float(random.uniform(0, 0.5))
    made = Amorphous(size, size, pixel, snr, ends, b_factor, clutter)
    facts = {"number": number, "seed": seed, "snr": snr, "ends": ends, "b": b_factor}
    image = made.render(optics, int(random.integers(1 << 30)))
    return image, pixel, lens_of(optics), optics, CtfOptions(locally=False), facts


def rings(number: int, seed: int, size: int) -> Result:
    """A fit of it."""
    return fitted(rings_exposure(number, seed, size))


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


def seconds(number: int, seed: int, size: int, threads: int) -> Result:
    """Time of one fit, alone and with tilt."""
    random = drawn("seconds", number, seed)
    optics = optics_of(random)
    image = Amorphous(size, size, 1.0, snr=0.06).render(optics, number)
    taken: Result = {}
    for name, locally in (("fit", False), ("with tilt", True)):
        start, busy = time.perf_counter(), time.process_time()
        fit_ctf(image, 1.0, lens_of(optics), CtfOptions(locally=locally, threads=threads))
        taken[name], taken[f"{name}, cpu"] = time.perf_counter() - start, time.process_time() - busy
    return taken


ELSEWHERE = (
    "100 to 120 kV", "pixels of 1.6 to 2.2", "pixels of 0.5 to 0.7", "Cs 0.01 mm", "Cs 1.2 mm",
    "contrast 0.04 to 0.2, known", "contrast 0.04 to 0.2, 0.1 told", "phase plate, known", "phase plate, fitted",
    "3 to 4.5 um, astigmatism to 0.45",
)  # fmt: skip


def elsewhere_exposure(number: int, seed: int, size: int) -> Exposure:
    """An exposure of a microscope or camera unlike those of development."""
    random = drawn("elsewhere", number, seed)
    kind = ELSEWHERE[number % len(ELSEWHERE)]
    far = kind.startswith("3 to")
    mean = random.uniform(3.0, 4.5) if far else random.uniform(0.7, 2.5)
    half = random.uniform(0, 0.45 if far else 0.3) / 2
    kv = float(random.choice([100, 120])) if "kV" in kind else float(random.choice([200, 300]))
    cs = float(kind.split()[1]) if kind.startswith("Cs") else 2.7
    contrast = float(random.uniform(0.04, 0.2)) if kind.startswith("contrast") else 0.1
    turned = float(random.uniform(30, 150)) if kind.startswith("phase") else 0.0
    pixel = float(random.uniform(*{"1.6": (1.6, 2.2), "0.5": (0.5, 0.7)}.get(kind.split()[2], (0.8, 1.3))))
    optics = Optics(kv, cs, contrast, mean + half, mean - half, random.uniform(0, 180), turned, Envelope.none())
    ends = max(float(random.uniform(3.2, 6.0)), 2.2 * pixel)
    made = Amorphous(size, size, pixel, float(random.uniform(0.03, 0.15)), ends, float(random.uniform(0, 80)))
    image = made.render(optics, int(random.integers(1 << 30)))
    lens = Lens(kv, cs, 0.1 if kind.endswith("told") else contrast)
    options = CtfOptions(locally=False, phase_shift_deg=None if "fitted" in kind else turned)
    return image, pixel, lens, optics, options, {"number": number, "seed": seed, "kind": kind, "ends": ends}


def elsewhere(number: int, seed: int, size: int) -> Result:
    """A fit of it."""
    return fitted(elsewhere_exposure(number, seed, size))


def faint_exposure(number: int, seed: int, size: int) -> Exposure:
    """From no signal to a plain one; each fourth has no rings."""
    random = drawn("faint", number, seed)
    pixel = float(random.uniform(0.75, 1.3))
    side = size // 2
    facts: Result = {"number": number, "seed": seed}
    options = CtfOptions(locally=False)
    if number % 4 == 3:
        kind = str(random.choice(NOTHING[:-1]))
        lens = Lens(300, 2.7, 0.1)
        return without_rings(kind, random, side, pixel), pixel, lens, Optics(), options, {**facts, "kind": kind}
    optics = optics_of(random)
    snr, ends = float(10 ** random.uniform(-3.5, -1.2)), float(random.uniform(3.2, 8.0))
    made = Amorphous(side, side, pixel, snr, ends, float(random.uniform(0, 100)), float(random.uniform(0, 0.5)))
    image = made.render(optics, int(random.integers(1 << 30)))
    return image, pixel, lens_of(optics), optics, options, {**facts, "kind": "rings", "snr": snr, "ends": ends}


def faint(number: int, seed: int, size: int) -> Result:
    """What a confidence of so much was worth."""
    image, pixel, lens, optics, options, facts = faint_exposure(number, seed, size)
    fit = fit_ctf(image, pixel, lens, options)
    off = fit.defocus.mean_um - optics.mean_defocus_um if facts["kind"] == "rings" else np.inf
    known = fit.evidence
    return {
        **facts,
        "off_um": off,
        "right": bool(abs(off) <= RIGHT_UM),
        "confidence": known.confidence,
        "strength": known.minus_log10_p,
        "apart_um": known.agreement_um,
        "good": fit.good,
    }


COMPUTED = {
    "rings": rings,
    "elsewhere": elsewhere,
    "nothing": nothing,
    "film": film,
    "rendered": rendered,
    "faint": faint,
}


def units(given: Settings, part: str) -> list[Unit]:
    """All exposures of a part."""
    numbers = range(given.count(COUNTS[part]) if part != "seconds" else COUNTS[part])
    if part == "seconds":
        return [
            Unit(f"seconds/{seed}/{number}/{given.size}", partial(seconds, number, seed, given.size, given.threads))
            for seed in given.seeds
            for number in numbers
        ]
    return [
        Unit(f"{part}/{seed}/{number}/{given.ctf_size}", partial(COMPUTED[part], number, seed, given.ctf_size))
        for seed in given.seeds
        for number in numbers
    ]
