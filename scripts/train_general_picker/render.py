"""Renders the simulated micrographs on which the general picker is trained, in shards that are kept.

    python scripts/train_general_picker/render.py CACHE --micrographs 4096

Training molecules are made up by seed (`made-up-N`), so that the nine named ones of `structloop.simulation.molecules`
are left for the measurement (``--named``). Micrographs are rendered at the working sampling at once: 13 pixels per
diameter, where the diameter is what a user would say, 0.92 to 1.22 of the molecule's largest extent. One file
``shard-NNNNN.npz`` holds 32 of them; a shard that is there already is not made again. Seed and index decide everything.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from structloop.simulation.micrographs import Recipe, make_up_micrograph, make_up_optics
from structloop.simulation.molecules import MOLECULES, diameter_angstrom

PER_SHARD = 32
SIZE_PX = 384
WORKING_DIAMETER_PX = 13.0
BINNING = 8
TARGET, UNSURE, OTHER = 1, 0, -1
"""What a molecule is to the picker: to be found, not to be judged (covered, on film, torn), or a decoy."""

RECIPE = Recipe(
    film_edge=0.2, contamination=0.4, aggregates=0.3, beads=0.08, coverage=(0.08, 0.7), closeness=(0.6, 1.1)
)


def render_one(seed: int, index: int, named: bool) -> dict[str, Any]:
    """One micrograph: pixels (float16, robustly normalised), places (x, y), what each molecule is, and the like."""
    draw = np.random.Generator(np.random.SFC64([seed, index, int(named)]))
    name = MOLECULES[index % len(MOLECULES)] if named else f"made-up-{int(draw.integers(2000))}"
    told = diameter_angstrom(name) * draw.uniform(0.92, 1.22)
    kinds, recipe = (name,), replace(RECIPE, mixture=0.0)
    if draw.random() < 0.12:
        kinds, recipe = (name, f"made-up-{int(draw.integers(2000))}"), replace(RECIPE, mixture=1.0)
    number = int(draw.integers(1 << 40))
    made = make_up_micrograph(
        number,
        width_px=SIZE_PX * BINNING,
        height_px=SIZE_PX * BINNING,
        pixel_size_angstrom=told / WORKING_DIAMETER_PX / BINNING,
        binning=BINNING,
        kinds=kinds,
        recipe=recipe,
        optics=make_up_optics(number, defocus_um=(0.6, 4.0)),
        dose_e_per_angstrom2=float(np.exp(draw.uniform(np.log(10), np.log(70)))),
    )
    truth, image = made.truth, made.image
    size = truth.diameter_px * (told / WORKING_DIAMETER_PX) / diameter_angstrom(name)
    is_target = np.array([truth.kinds[kind] == name for kind in truth.kind], np.bool_)
    what = np.full(len(size), UNSURE, np.int8)
    what[truth.visible & is_target] = TARGET
    what[~is_target & ((size < 0.6) | (size > 1.6))] = OTHER
    what[is_target & truth.inside & (truth.intact < 0.3)] = OTHER
    middle = np.median(image)
    spread = 1.4826 * np.median(np.abs(image - middle))
    pixels = np.clip((image - middle) / max(float(spread), 1e-6), -30, 30).astype(np.float16)
    xy = np.stack([truth.x_px, truth.y_px], axis=1).astype(np.float32)
    near = truth.inside
    return {"pixels": pixels, "xy": xy[near], "what": what[near], "name": name, "told_angstrom": told}


def main() -> None:
    """Renders what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--micrographs", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--named", action="store_true", help="The named molecules, which training never sees.")
    options = parser.parse_args()
    folder: Path = options.cache / ("named" if options.named else "made-up")
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(-(-options.micrographs // PER_SHARD)):
        path = folder / f"shard-{shard:05d}.npz"
        if path.exists():
            continue
        made = [render_one(options.seed, shard * PER_SHARD + k, options.named) for k in range(PER_SHARD)]
        starts = np.cumsum([0] + [len(each["xy"]) for each in made])
        partial = path.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.savez(
                stream,
                pixels=np.stack([each["pixels"] for each in made]),
                xy=np.concatenate([each["xy"] for each in made]),
                what=np.concatenate([each["what"] for each in made]),
                starts=starts,
                names=np.array([each["name"] for each in made]),
                told_angstrom=np.array([each["told_angstrom"] for each in made]),
            )
        partial.replace(path)
        print(f"{path.name}: {int(starts[-1])} molecules", flush=True)


if __name__ == "__main__":
    main()
