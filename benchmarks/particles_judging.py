"""Tables of the benchmark of particle picking, by the program's own evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from particles_data import Settings
from particles_topaz import TopazSettings

from structloop.particles.evaluation import judge_picks, match_picks
from structloop.schema.particles import MicrographPicks, PickSet

RADIUS, AP_RADIUS = 0.3, 0.5
Results = Mapping[str, Sequence[Mapping[str, Any]]]


def head(settings: Settings, topaz: TopazSettings) -> list[str]:
    """What the columns are, and their names."""
    return [
        f"{settings.folder.name}, {settings.diameter_px:g} px per particle; picks and labels within "
        f"{settings.border_px:g} px of an edge left out. F1, precision and "
        f"recall: means over the micrographs at {RADIUS:g} diameters, at the threshold that the method chose without "
        f"the judged labels; best F1: at the threshold best for them. AP: over all picks, {AP_RADIUS:g} diameters. "
        f"ECE and Brier (in brackets that of the base rate): {RADIUS:g} diameters. Seconds: by the wall, in brackets "
        "of the processor. Against topaz: difference of the mean F1, p of Wilcoxon's signed-rank test, the same "
        "corrected (Benjamini, Hochberg) over precision, recall and F1 of all pairs in the row, rank-biserial effect.",
        "",
        topaz.describe(),
        "",
        "| labels | method | F1 | precision, recall | best F1 | AP | ECE | Brier | train, s | per micrograph, s | "
        "against topaz |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]


def judged_row(name: str, results: Results, settings: Settings) -> list[str]:
    """A line per method."""
    names = {each["name"] for parts in results.values() for part in parts for each in part["micrographs"]}
    truth = PickSet(
        tuple(
            MicrographPicks(stem, each.xy_px)
            for stem, each in settings.truth(tuple(settings.micrographs())).items()
            if stem in names
        )
    )
    every, sure = (
        judge_picks(
            {method: _picks(parts, own_threshold=own) for method, parts in results.items()},
            truth,
            diameter_px=settings.diameter_px,
            border_px=settings.border_px,
            count_missing=True,
        )
        for own in (False, True)
    )
    against = {
        each.first: f"{each.mean_difference:+.3f}, {each.p_value:.3f}, {each.corrected_p_value:.3f}, {each.effect:+.2f}"
        for each in sure.comparisons
        if each.metric == "f1" and each.second == "topaz"
    }
    lines = []
    for whole, picked in zip(every.methods, sure.methods, strict=True):
        parts = results[whole.name]
        at = next(each for each in picked.radii if each.radius_diameters == RADIUS)
        wide = next(each for each in whole.radii if each.radius_diameters == AP_RADIUS)
        quality = next(each for each in whole.radii if each.radius_diameters == RADIUS).quality
        cells = [
            _three(at.f1),
            f"{_three(at.precision)}, {_three(at.recall)}",
            _three(_best_f1(_picks(parts, own_threshold=False), truth, settings)),
            _three(wide.average_precision),
            "-" if quality is None else _three(quality.calibration_error),
            "-" if quality is None else f"{_three(quality.brier)} ({_three(quality.brier_of_base_rate)})",
            _seconds(parts, "train_s", 0),
            _seconds(parts, "pick_s", 1),
            against.get(whole.name, ""),
        ]
        note = f" ({parts[0]['note']})" if "note" in parts[0] else ""
        lines.append(f"| {name} | {whole.name}{note} | " + " | ".join(cells) + " |")
    return lines


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".replace("0.", ".", 1)


def _seconds(parts: Sequence[Mapping[str, Any]], key: str, digits: int) -> str:
    wall, processor = np.mean([part[key] for part in parts], axis=0)
    return f"{wall:.{digits}f} ({processor:.{digits}f})"


def _picks(parts: Sequence[Mapping[str, Any]], *, own_threshold: bool) -> PickSet:
    """All candidates of a method, or those above its own threshold."""
    found = []
    for part in parts:
        for each in part["micrographs"]:
            xy, score = np.array(each["xy"], np.float64).reshape(-1, 2), np.array(each["score"], np.float64)
            kept = score >= (part["threshold"] if own_threshold else -1.0)
            found.append(MicrographPicks(each["name"], xy[kept], score[kept], shape_px=tuple(each["shape"])))
    return PickSet(tuple(found))


def _best_f1(picks: PickSet, truth: PickSet, settings: Settings) -> float:
    """The mean F1 at the one threshold that is best for the judged micrographs."""
    by_name = {each.micrograph: each for each in truth}
    scores = np.concatenate([np.asarray(each.scores, np.float64) for each in picks])
    best = 0.0
    for threshold in np.unique(np.quantile(scores, np.linspace(0.0, 0.98, 50))):
        f1 = []
        for each in picks:
            there, shape = by_name[each.micrograph].xy_px, np.array((each.shape_px or (0, 0))[::-1])
            kept = each.xy_px[np.asarray(each.scores) >= threshold]
            rim = settings.border_px
            kept, there = (xy[((xy >= rim) & (xy <= shape - 1 - rim)).all(axis=1)] for xy in (kept, there))
            right = len(match_picks(kept, there, RADIUS * settings.diameter_px).picks)
            f1.append(2 * right / max(1, len(kept) + len(there)))
        best = max(best, float(np.mean(f1)))
    return best
