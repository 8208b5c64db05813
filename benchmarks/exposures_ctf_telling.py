"""What benchmarks/exposures.py says of CTF fits: rows of its table, and tables by condition with what failed."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from exposures_ctf import ELSEWHERE, NOTHING, SNRS
from exposures_results import Result, Row, Settings, at_most, loads, share, table

BINS = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)


def rings_rows(given: Settings, some: Sequence[Result]) -> list[Row]:
    """Defocus, angle, resolution."""
    offs = [row["off_um"] for row in some]
    within, gross = at_most(offs, 0.95), sum(abs(off) > 0.1 for off in offs)
    turned = [row["off_deg"] for row in some if row["astigmatism_um"] >= 0.05]
    angle = at_most(turned, 0.95)
    near = {
        reach: [abs((row["resolution"] or 99) / row["ends"] - 1) <= reach for row in some] for reach in (0.15, 0.08)
    }
    limit = at_most([(row["resolution"] or 99) / row["ends"] - 1 for row in some], 0.95)
    return [
        Row(
            f"CTF, 0.5 to 3 um, SNR .02 to .2 ({len(some)} of {given.ctf_size} px): defocus error",
            "95 % within 0.015 um, none of 200 beyond 0.1",
            "0.008 um",
            f"95 % within {within:.4f} um; within 0.015: {share([abs(off) <= 0.015 for off in offs])}; beyond: {gross}",
            "-",
            within <= 0.015 and gross == 0,
            within <= 0.008 and gross == 0,
        ),
        Row(
            "astigmatism angle, from 0.05 um of astigmatism",
            "95 % within 8°",
            "4°",
            f"95 % within {angle:.1f}° ({len(turned)})",
            "-",
            angle <= 8,
            angle <= 4,
        ),
        Row(
            "fit resolution against where the signal is cut",
            "within 15 %",
            "8 %",
            f"within 15 %: {share(near[0.15])}; within 8 %: {share(near[0.08])}; 95 % within {limit:.0%}",
            "-",
            limit <= 0.15,
            limit <= 0.08,
        ),
    ]


def nothing_rows(some: Sequence[Result]) -> list[Row]:
    """What has no rings."""
    good = [row["good"] for row in some]
    said = f"{share(good)}; after film is looked for {share([row['passed'] for row in some])}"
    rate = float(np.mean(good))
    return [Row("noise, ice without signal: called good", "2 %", "0.5 %", said, "-", rate <= 0.02, rate <= 0.005)]


def film_rows(some: Sequence[Result]) -> list[Row]:
    """Film across bad ice, and beside good."""
    posing = [row for row in some if not row["fine"] and row["whole_good"]]
    flagged = [not row["passed"] for row in posing]
    kept = [row["passed"] for row in some if row["fine"]]
    rate = float(np.mean(flagged))
    said = (
        f"flagged {share(flagged)} of those that look good as a whole; good ice beside film called good {share(kept)}"
    )
    return [Row("film across bad ice", "95 % flagged", "99 %", said, "-", rate >= 0.95, rate >= 0.99)]


def seconds_rows(given: Settings, some: Sequence[Result]) -> list[Row]:
    """Time of a fit, and with tilt."""
    lines = []
    for name, label, hoped in (("fit", "CTF time", 1.0), ("with tilt", "the same with tilt", 1.0)):
        wall, cpu = [row[name] for row in some], [row[f"{name}, cpu"] for row in some]
        said = (
            f"{min(wall):.2f} s at best, median {np.median(wall):.2f} (processors: {np.median(cpu):.2f}); {loads(some)}"
        )
        what = f"{label}, {given.size} x {given.size}, two cores"
        lines.append(Row(what, "2 s", "1 s", said, "-", min(wall) <= 2, min(wall) <= hoped))
    return lines


def rings_details(rows: Sequence[Result]) -> str:
    """By SNR and defocus, and what failed."""
    head = ("SNR", "defocus, um", "exposures", "off 95 %, um", "within .015", "beyond .1", "angle 95 %, deg")
    lines = []
    for snr in (*SNRS, None):
        for low, high in ((0.5, 1.0), (1.0, 2.0), (2.0, 3.0)) if snr is not None else ((0.5, 3.0),):
            some = [row for row in rows if snr in (row["snr"], None) and low <= row["defocus_um"] <= high]
            lines.append([str(snr or "all"), f"{low:g}-{high:g}", *_cells(some)])
    failed = [row for row in rows if abs(row["off_um"]) > 0.015 or not row["good"]]
    said = [table((*head, "resolution within 15 %", "called good"), lines)]
    said.append(f"\nOff by more than .015 um, or not called good: {len(failed)}")
    said += [
        f"- SNR {row['snr']}, {row['defocus_um']:.2f} um, ends at {row['ends']:.1f} A, B {row['b']:.0f}: off "
        f"{row['off_um']:+.4f} um, confidence {row['confidence']:.2f}"
        for row in failed
    ]
    missed = [row for row in rows if abs((row["resolution"] or 99) / row["ends"] - 1) > 0.15]
    said.append(f"\nFit resolution more than 15 % off: {len(missed)}")
    for row in missed:
        found = f"{row['resolution']:.1f} A" if row["resolution"] else "none"
        said.append(
            f"- SNR {row['snr']}, {row['defocus_um']:.2f} um, B {row['b']:.0f}: {found} for {row['ends']:.1f} A"
        )
    return "\n".join(said)


def _cells(some: Sequence[Result]) -> list[str]:
    offs = [row["off_um"] for row in some]
    angles = [row["off_deg"] for row in some if row["astigmatism_um"] >= 0.05]
    near = [abs((row["resolution"] or 99) / row["ends"] - 1) <= 0.15 for row in some]
    return [
        str(len(some)), f"{at_most(offs, 0.95):.4f}", share([abs(off) <= 0.015 for off in offs]),
        str(sum(abs(off) > 0.1 for off in offs)), f"{at_most(angles, 0.95):.1f}", share(near),
        share([row["good"] for row in some]),
    ]  # fmt: skip


def elsewhere_details(rows: Sequence[Result]) -> str:
    """Kind by kind."""
    head = ("unlike development", "exposures", "off 95 %, um", "within .015", "beyond .1", "angle 95 %, deg")
    lines = []
    for kind in ELSEWHERE:
        some = [row for row in rows if row["kind"] == kind]
        turned = f"{at_most([row['off_phase_deg'] for row in some], 0.95):.0f}" if "fitted" in kind else "-"
        lines.append([kind, *_cells(some), turned])
    return table((*head, "resolution within 15 %", "called good", "phase shift 95 %, deg"), lines)


def nothing_details(rows: Sequence[Result]) -> str:
    """Kind by kind."""
    lines = []
    for kind in (*NOTHING, "all"):
        some = [row for row in rows if kind in (row["kind"], "all")]
        lines.append([kind, share([row["good"] for row in some]), share([row["passed"] for row in some])])
    return table(("without rings", "called good", "after film is looked for"), lines)


def film_details(rows: Sequence[Result]) -> str:
    """Bad and good ice."""
    lines = []
    for name, fine in (("bad ice", False), ("good ice", True)):
        some = [row for row in rows if row["fine"] == fine]
        whole, passed = share([row["whole_good"] for row in some]), share([row["passed"] for row in some])
        lines.append([name, str(len(some)), whole, passed])
    return table(("film across", "exposures", "whole picture called good", "called good knowing of film"), lines)


def rendered_details(rows: Sequence[Result]) -> str:
    """Of the physical renderer."""
    offs = [row["off_um"] for row in rows]
    return (
        f"{len(rows)} exposures, called good {share([row['good'] for row in rows])}, defocus off by "
        f"{at_most(offs, 0.5):.4f} um (median), {at_most(offs, 0.95):.4f} um (95 %)"
    )


def logistic(strengths: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Strength at which half are right, and slope, of greatest likelihood (Newton's method)."""
    x = np.stack([np.ones(len(strengths)), np.minimum(strengths, 30.0)], axis=1)
    y, weights = np.asarray(right, float), np.array([0.0, 0.5])
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, x.T @ (y - p))
        weights = weights + np.clip(step, -2, 2)
    return float(-weights[0] / weights[1]), float(weights[1])


def faint_details(rows: Sequence[Result]) -> str:
    """Reliability of the confidence, and the curve that these exposures would give."""
    sure, right = np.array([row["confidence"] for row in rows]), np.array([row["right"] for row in rows], float)
    lines, error = [], 0.0
    for low, high in pairwise(BINS):
        inside = (sure >= low) & ((sure < high) | ((high == 1) & (sure == 1)))
        if inside.any():
            error += abs(float((sure[inside] - right[inside]).sum())) / len(rows)
            told, were = f"{sure[inside].mean():.3f}", f"{right[inside].mean():.3f}"
            lines.append([f"{low:g} to {high:g}", str(int(inside.sum())), told, were])
    agreeing = [row for row in rows if row["apart_um"] <= 0.1]
    half, slope = logistic([row["strength"] for row in agreeing], [row["right"] for row in agreeing])
    wrong = [row for row in rows if row["good"] and not row["right"]]
    left = [row for row in rows if row["right"] and not row["good"]]
    return (
        table(("confidence", "exposures", "mean confidence", "right"), lines)
        + f"\n\n{len(rows)} exposures, {right.mean():.0%} right; expected calibration error {error:.3f}, Brier "
        f"{float(np.mean((sure - right) ** 2)):.3f}; good and wrong {len(wrong)}, right and not good {len(left)}. "
        f"A curve fitted to these: half at {half:.2f}, slope {slope:.2f}"
    )
