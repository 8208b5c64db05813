"""Do labels of suggested micrographs teach more than as many of random ones? Measured on simulated sessions.

Each session mixes three conditions of one molecule: most micrographs in usual ice, some in thick ice near focus, few
with film and contamination. So many as asked for are labelled in full: those that `particles suggest` names with the
general picker, and several random choices. From each a picker is trained alike, and judged on other micrographs,
equally many of each condition; F1 is at the threshold that the picker chose itself, a pick right within 0.3 diameters.

    python benchmarks/suggested_labels.py --sessions 3 --random 4 --labels 3 --steps 40
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from structloop.models.pickers import LabelledMicrograph, Picker, WorkingMicrograph
from structloop.models.pickers.calibration import probabilities
from structloop.models.pickers.heatmap import HeatmapPicker
from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.preparing import prepare
from structloop.models.pickers.training import train_picker
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.particles.evaluation import match_picks
from structloop.particles.masking import find_mask
from structloop.particles.picking.journal import PickedMicrograph
from structloop.particles.suggesting import MicrographTraits, suggest, traits_of
from structloop.simulation.micrographs import Recipe, make_up_micrograph
from structloop.simulation.molecules import molecule
from structloop.simulation.optics import Optics

KIND, PIXEL_ANGSTROM = "tetramer-465", 1.2
SHARES = {"usual": 0.75, "thick": 0.15, "dirty": 0.10}
_PLAIN = Recipe.clean()


@dataclass(frozen=True)
class Made:
    """A micrograph with its truth, ready to be seen by pickers."""

    condition: str
    seen: WorkingMicrograph
    xy_px: NDArray[np.float64]


def make(condition: str, seed: int, binning: int) -> Made:
    """A micrograph of one condition."""
    defocus, ice, dirt = {"usual": (1.6, (20, 35), 0.0), "thick": (0.7, (70, 90), 0.0), "dirty": (1.6, (20, 35), 1.0)}[
        condition
    ]
    recipe = Recipe(
        film_edge=dirt, film_below=0, gold=0, contamination=dirt, aggregates=dirt, crystalline=0, beads=0, mixture=0,
        denatured=0, preferred=0, tilted=0, drifting=0, empty=0, ice_nm=ice, coverage=(0.15, 0.3), closeness=(0.8, 1.1),
    )  # fmt: skip
    made = make_up_micrograph(
        seed,
        kinds=(KIND,),
        binning=binning,
        pixel_size_angstrom=PIXEL_ANGSTROM,
        recipe=recipe,
        optics=Optics(defocus_u_um=defocus, defocus_v_um=defocus),
        dose_e_per_angstrom2=40.0,
    )
    diameter = diameter_px(binning)
    mask = find_mask(made.image, diameter_px=diameter, pixel_size_angstrom=made.pixel_size_angstrom)
    truth = made.truth
    xy = np.stack([truth.x_px, truth.y_px], axis=1)[truth.visible].astype(np.float64)
    return Made(condition, prepare(made.image, diameter_px=diameter, mask=mask.masked), xy)


def diameter_px(binning: int) -> float:
    """Of the molecule, pixels of the made micrographs."""
    return molecule(KIND).diameter_angstrom / (PIXEL_ANGSTROM * binning)


def picked(picker: Picker, made: Made) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places and probabilities of all candidates."""
    xy, raw = find_peaks(
        picker.score_maps([made.seen])[0], made.seen, working_diameter_px=picker.card.working_diameter_px
    )
    return xy, probabilities(picker.card.calibration, raw)


def traits(general: Picker, session: list[Made], binning: int) -> list[MicrographTraits]:
    """As `particles suggest` has them."""
    found = []
    for number, made in enumerate(session):
        xy, p = picked(general, made)
        entry = PickedMicrograph(str(number), 0, 0, (0, 0), None, diameter_px(binning), xy, p)
        found.append(traits_of(made.seen, entry))
    return found


def f1(picker: Picker, tests: list[Made], binning: int) -> dict[str, float]:
    """Mean F1 by condition."""
    scores: dict[str, list[float]] = {}
    for made in tests:
        xy, p = picked(picker, made)
        kept = xy[p >= picker.card.threshold]
        right = len(match_picks(kept, made.xy_px, 0.3 * diameter_px(binning)).picks)
        scores.setdefault(made.condition, []).append(2 * right / max(1, len(kept) + len(made.xy_px)))
    return {condition: float(np.mean(values)) for condition, values in scores.items()}


def trained(general: HeatmapPicker, session: list[Made], chosen: list[int], arguments: argparse.Namespace) -> Picker:
    """A picker from the whole labels of the chosen micrographs."""
    labelled = [
        LabelledMicrograph(session[number].seen, session[number].xy_px, complete=True, name=str(number))
        for number in chosen
    ]
    settings = TrainingSettings(
        steps=arguments.steps, patches=arguments.patches, patch_px=arguments.patch_px, threads=1
    )
    return train_picker(
        labelled, name="bench", start_from=general, settings=settings, diameter_px=diameter_px(arguments.binning)
    ).picker()


def main() -> None:
    """Prints a line per training, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("sessions", 3), ("micrographs", 20), ("labels", 3), ("random", 4), ("steps", 40), ("patches", 4),
        ("patch-px", 128), ("binning", 8), ("tests", 2),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    with TemporaryDirectory() as home:
        general = ModelRegistry(Path(home)).load_picker(GENERAL_PICKER)
    if not isinstance(general, HeatmapPicker):
        raise SystemExit("the general picker is no heat-map network")
    rows: dict[str, list[tuple[float, int]]] = {"suggested": [], "random": []}
    for number in range(arguments.sessions):
        draw = np.random.default_rng(number)
        counts = [max(1, round(share * arguments.micrographs)) for share in SHARES.values()]
        conditions = [name for name, count in zip(SHARES, counts, strict=True) for _ in range(count)]
        draw.shuffle(conditions)
        session = [make(name, 1000 * (number + 1) + i, arguments.binning) for i, name in enumerate(conditions)]
        tests = [
            make(name, 500_000 + 1000 * number + 10 * place + i, arguments.binning)
            for place, name in enumerate(SHARES)
            for i in range(arguments.tests)
        ]
        known = traits(general, session, arguments.binning)
        choices = [("suggested", [int(each.micrograph) for each in suggest(known, count=arguments.labels)])]
        choices += [
            ("random", draw.choice(len(session), arguments.labels, replace=False).tolist())
            for _ in range(arguments.random)
        ]
        for how, chosen in choices:
            started = time.monotonic()
            scores = f1(trained(general, session, chosen, arguments), tests, arguments.binning)
            mean = float(np.mean(list(scores.values())))
            covered = len({conditions[each] for each in chosen})
            rows[how].append((mean, covered))
            parts = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
            spent = time.monotonic() - started
            print(
                f"session {number}, {how}: F1 {mean:.3f} ({parts}); conditions {covered} of 3; {spent:.0f} s",
                flush=True,
            )
    for how, values in rows.items():
        means, covered_all = np.array([value for value, _ in values]), np.mean([value for _, value in values])
        spread = means.std(ddof=1) if len(means) > 1 else float("nan")
        print(f"{how}: F1 {means.mean():.3f} (sd {spread:.3f}, n {len(means)}), conditions {covered_all:.2f} of 3")


if __name__ == "__main__":
    main()
