"""Can simulated images be told from real ones by their statistics? An area under the curve for each magnification.

    python benchmarks/simulated_realism.py --data ../shared/data --pictures docs/images --table realism.json

Real images of squares, of holes and of exposures are compared with simulated ones after the same treatment: averaged
to about 512 pixels a side, stretched between percentiles to 8 bits, stored as JPEG of quality 90 and read back (real
ones have been through that, or are now). Statistics are taken of patches; a classifier is trained on some images and
judges others (never other patches of the same image, nor other images of the same place), and an image's score is the
mean over its patches. AUC .5 is a coin, 1 is certainty. The interval is of a bootstrap over images.
"""

import argparse
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from structloop.grids.finding import find_holes
from structloop.simulation.grids import Cassette, View, render_view, specimen_at
from structloop.simulation.grids.scene import HoleState, SceneGrid, SceneHole, SquareState
from structloop.simulation.micrographs import Detector, Recipe, make_up_optics, make_up_specimen, render_micrograph
from structloop.simulation.specimen import Particles, Specimen

FloatArray = NDArray[np.float64]
SIDE_PX = 512
PATCH_PX = 128
BANDS = 8
LEVELS = ("square", "hole", "exposure", "exposure, made up")
# The real micrographs are five each of these, from a K2 camera of 3838 x 3710 pixels.
CLASSES = ("great", "decent", "contaminated", "empty hole", "crystalline", "empty ice")
CAMERA_PX = (3840, 3712)
MICROGRAPH_ROWS = 494


@dataclass(frozen=True)
class Picture:
    """An image after the common treatment, and the place it is of: pictures of one place are never parted."""

    pixels: NDArray[np.uint8]
    place: str
    real: bool
    name: str


# --- Reading and treating --------------------------------------------------------------------------------------------


def treated(image: NDArray[np.floating], place: str, real: bool, name: str) -> Picture:
    """Averaged to about 512 pixels, stretched to 8 bits, through JPEG."""
    image = np.asarray(image, dtype=np.float32)
    factor = max(1, round(max(image.shape) / SIDE_PX))
    height, width = image.shape[0] // factor * factor, image.shape[1] // factor * factor
    image = image[:height, :width].reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))
    low, high = np.percentile(image, [0.1, 99.9])
    stretched = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1) * 255
    buffer = io.BytesIO()
    Image.fromarray(stretched.astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return Picture(np.asarray(Image.open(buffer)), place, real, name)


def as_published(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """As the real micrographs came: cropped in Fourier space to 494 rows, from minimum to maximum in 8 bits.

    So does the script that comes with them (MicAssess, `mrc2png.py`): nothing is averaged over pixels, so that what
    lies below the new Nyquist frequency keeps its contrast.
    """
    rows, columns = image.shape
    wide = round(columns * MICROGRAPH_ROWS / rows / 2) * 2
    spectrum = np.fft.rfft2(image)
    half = MICROGRAPH_ROWS // 2
    kept = np.concatenate([spectrum[:half, : wide // 2 + 1], spectrum[-half:, : wide // 2 + 1]])
    small = np.fft.irfft2(kept, s=(MICROGRAPH_ROWS, wide))
    return np.asarray(np.floor((small - small.min()) / (float(np.ptp(small)) + 1e-7) * 255), np.float32)


def load(path: Path) -> NDArray[np.float32]:
    if path.suffix == ".mrc":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True) as file:
                return np.asarray(file.data, dtype=np.float32)
    return np.asarray(Image.open(path).convert("L"), dtype=np.float32)


def real_pictures(data: Path) -> dict[str, list[Picture]]:
    """Real ones by magnification; the place is what must not be on both sides of a split."""
    images, sessions = data / "grids/images", data / "grids/sessions/epu_3.9/Images-Disc1"
    squares = [
        treated(load(images / "leginon/08mar13e_00010gr_00004sq_v02.mrc"), "08mar13e", True, "Leginon square"),
        treated(load(images / "leginon/sq_example.jpg"), "example", True, "Leginon example"),
        treated(load(images / "serialem_montage/MMM.jpg"), "mmm", True, "SerialEM montage"),
        *(treated(load(path), path.parent.name, True, "EPU square") for path in sorted(sessions.glob("*/*.jpg"))),
    ]
    holes = [
        treated(load(images / "leginon/08mar13e_00010gr_00004sq_v02_00005hl.mrc"), "08mar13e", True, "Leginon holes"),
        *(
            treated(load(path), "focus-series", True, "Focus series")
            for path in sorted((images / "holes_focus_series").glob("*.jpg"))
        ),
        *(
            treated(load(path), path.name.split("_")[1], True, "EPU hole")
            for path in sorted(sessions.glob("*/FoilHoles/*.jpg"))
        ),
    ]
    exposures = [
        treated(load(path), path.name.split("_")[0], True, path.parent.name)
        for path in sorted((data / "grids/micrograph_quality").glob("*/*.png"))
    ]
    return {"square": squares, "hole": holes, "exposure": exposures}


# --- Simulating ------------------------------------------------------------------------------------------------------


def simulated_pictures(count: int, seed: int, levels: tuple[str, ...] = LEVELS) -> dict[str, list[Picture]]:
    """As many simulated ones of each magnification: of random places on random grids, at random settings."""
    rng = np.random.default_rng(seed)
    made: dict[str, list[Picture]] = {"square": [], "hole": [], "exposure": [], "exposure, made up": []}
    for number in range(count if {"square", "hole"} & set(levels) else 0):
        # The real squares and holes are of carbon films: gold is a class of its own.
        cassette = Cassette.from_seed(1000 * seed + number, 1, ["holey-carbon"])
        grid = cassette.grid(1)
        # People took the real ones of squares worth a look: none is torn, dry or too thick.
        squares = [
            one
            for one in grid.squares()
            if max(abs(one.column), abs(one.row)) > 1 and one.state in (SquareState.INTACT, SquareState.CONTAMINATED)
        ]
        square = squares[int(rng.integers(len(squares)))]
        name = f"seed {1000 * seed + number}"
        shift = rng.normal(0, 0.06 * square.size_um, 2)
        view = View(
            square.x_um + shift[0],
            square.y_um + shift[1],
            1024,
            1024,
            square.size_um * rng.uniform(0.9, 1.6) * 1e4 / 1024,
            rotation_deg=float(rng.uniform(0, 90)),
            dose_e_per_px=float(10 ** rng.uniform(1.8, 2.8)),
            defocus_um=float(rng.uniform(0, 150)),
            exposure_seed=number,
        )
        made["square"].append(treated(render_view(grid, view), name, False, square.state.name.lower()))
        holes = [hole for hole in square.holes() if hole.seen > 0.9 and hole.ice_nm < 150]
        if not holes:
            continue
        hole = holes[int(rng.integers(len(holes)))]
        pitch = grid.recipe.film.pitch_um
        view = View(
            hole.x_um + float(rng.normal(0, 0.4)),
            hole.y_um + float(rng.normal(0, 0.4)),
            1024,
            1024,
            pitch * rng.uniform(1.2, 4.0) * 1e4 / 1024,
            rotation_deg=float(rng.uniform(0, 90)),
            dose_e_per_px=float(10 ** rng.uniform(1.7, 2.7)),
            defocus_um=float(rng.uniform(10, 80)),
            exposure_seed=number,
        )
        made["hole"].append(treated(render_view(grid, view), name, False, hole.state.name.lower()))
    for number in range(count):
        kind = CLASSES[number % len(CLASSES)]
        if "exposure" in levels:
            made["exposure"].append(_scene_exposure(1000 * seed + number, kind))
        if "exposure, made up" in levels:
            made["exposure, made up"].append(_made_up_exposure(5000 * seed + number, kind))
    return made


# Which molecules: more small ones than large ones, as people have them.
MOLECULES = ("globular-100", "rod-220", "membrane-300", "tetramer-465", "ring-420", "shell-480", "barrel-700")
# The real ones show gold only round empty holes.
MADE_UP = {
    "great": Recipe(
        film_edge=0.05, gold=0, contamination=0.3, aggregates=0.05, crystalline=0, empty=0, ice_nm=(15, 45)
    ),
    "decent": Recipe(film_edge=0.3, gold=0, contamination=0.3, crystalline=0, empty=0, ice_nm=(30, 90)),
    "contaminated": Recipe(film_edge=0.3, gold=0, contamination=1, aggregates=0.5, crystalline=0, drifting=0.3),
    "empty hole": Recipe(film_edge=0.3, gold=1, contamination=0, aggregates=0, crystalline=0, empty=1, ice_nm=(0, 0)),
    "crystalline": Recipe(film_edge=0.2, gold=0, crystalline=1, ice_nm=(30, 90), coverage=(0.01, 0.2)),
    "empty ice": Recipe(film_edge=0.1, gold=0, contamination=0.6, crystalline=0, empty=1),
}


def _made_up_exposure(seed: int, kind: str) -> Picture:
    """One of a class of quality, made up without a scene."""
    rng = np.random.default_rng(seed)
    wide, tall = CAMERA_PX
    made = make_up_specimen(
        seed,
        width_px=wide,
        height_px=tall,
        pixel_size_angstrom=float(rng.uniform(0.65, 1.3)),
        kinds=MOLECULES,
        recipe=MADE_UP[kind],
    )
    return _micrograph(made.specimen, seed, rng, kind)


def _scene_exposure(seed: int, kind: str) -> Picture:
    """One of a class of quality, of a hole of a scene that is so."""
    rng = np.random.default_rng(seed)
    for attempt in range(20):
        specimen = _scene_specimen(seed + 100_000 * attempt, kind, rng)
        # People look at the hole before they expose it: none of the real ones has lumps of half a picture.
        if max((blob.radius_px for blob in specimen.blobs), default=0.0) < (600 if kind == "contaminated" else 350):
            break
    return _micrograph(specimen, seed, rng, kind)


def _scene_specimen(seed: int, kind: str, rng: np.random.Generator) -> Specimen:
    grid, hole = _hole_of(seed, kind, rng)
    # Near the middle of a hole, as people take them; now and then across its edge.
    out, angle = hole.diameter_um / 2 * min(0.95, abs(rng.normal(0, 0.35))), rng.uniform(0, 2 * np.pi)
    wide, tall = CAMERA_PX
    view = View(
        hole.x_um + out * np.cos(angle),
        hole.y_um + out * np.sin(angle),
        wide,
        tall,
        float(rng.uniform(0.65, 1.3)),
        rotation_deg=86.0,
        exposure_seed=seed,
    )
    specimen = specimen_at(grid, view)
    if kind.startswith("empty"):
        specimen = replace(specimen, particles=_without(specimen.particles))
    # People set the defocus at the height of the place.
    return replace(specimen, height_um=0.0)


def _without(particles: Particles) -> Particles:
    none, no_kinds = np.zeros(0, np.float32), np.zeros(0, np.int32)
    return Particles(none, none, none, np.zeros((0, 4), np.float32), no_kinds, none, particles.kinds)


def _hole_of(seed: int, kind: str, rng: np.random.Generator) -> tuple[SceneGrid, SceneHole]:
    """A hole of a random grid that would give a micrograph of a class."""
    film = "holey-gold" if kind == "empty hole" and rng.random() < 0.7 else "holey-carbon"
    for attempt in range(40):
        grid = Cassette.from_seed(100 * seed + attempt, 1, [film]).grid(1)
        squares = [one for one in grid.squares() if max(abs(one.column), abs(one.row)) > 1]
        for at in rng.permutation(len(squares))[:6]:
            square = squares[int(at)]
            if (kind == "contaminated") != (square.state is SquareState.CONTAMINATED):
                continue
            holes = [hole for hole in square.holes() if hole.seen > 0.9 and _shows(hole, kind)]
            if holes:
                return grid, holes[int(rng.integers(len(holes)))]
    raise RuntimeError(f"no {kind} hole on forty grids")


def _shows(hole: SceneHole, kind: str) -> bool:
    if kind == "empty hole":
        return hole.state in (HoleState.EMPTY, HoleState.BROKEN)
    if kind == "crystalline":
        return hole.state is HoleState.CRYSTALLINE
    thinnest, thickest = {"great": (12, 60), "decent": (35, 120)}.get(kind, (12, 150))
    return hole.state is HoleState.INTACT and thinnest < hole.ice_nm < thickest


def _micrograph(specimen: Specimen, seed: int, rng: np.random.Generator, kind: str) -> Picture:
    """Through a microscope drawn at random, and the treatment that the real ones had before they came here."""
    optics = make_up_optics(seed, defocus_um=(0.7, 2.8))
    dose = float(np.exp(rng.uniform(np.log(25), np.log(70))))
    camera = Detector(float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.5, 0.9)))
    image = render_micrograph(specimen, optics, dose, seed, binning=4, detector=camera)
    return treated(as_published(image), f"seed {seed}", False, kind)


# --- Statistics ------------------------------------------------------------------------------------------------------


def statistics(patch: NDArray[np.uint8]) -> dict[str, float]:
    """Of one patch; none depends on the image's brightness or contrast as a whole."""
    values = patch.astype(np.float64)
    middle = float(np.median(values))
    spread = float(np.subtract(*np.percentile(values, [84, 16]))) / 2 + 1.0
    image = (values - middle) / spread
    found: dict[str, float] = {}
    power = _radial_power(image)
    logs = np.log10(power + 1e-6)
    found |= {f"power {band}": float(logs[band] - logs.mean()) for band in range(BANDS)}
    found["power slope"] = float(np.polyfit(np.arange(BANDS), logs, 1)[0])
    for percent in (1, 5, 25, 75, 95, 99):
        found[f"quantile {percent}"] = float(np.percentile(np.clip(image, -20, 20), percent))
    clipped = np.clip(image, -6, 6)
    found["skewness"] = float(np.mean((clipped - clipped.mean()) ** 3) / (clipped.std() ** 3 + 1e-9))
    found["kurtosis"] = float(np.mean((clipped - clipped.mean()) ** 4) / (clipped.std() ** 4 + 1e-9))
    blocks = image[: image.shape[0] // 8 * 8, : image.shape[1] // 8 * 8]
    blocks = blocks.reshape(blocks.shape[0] // 8, 8, -1, 8)
    local = np.log10(blocks.var(axis=(1, 3)) + 1e-3)
    found["local variance"], found["its spread"] = float(local.mean()), float(local.std())
    for sigma in (1.0, 3.0):
        gradient = ndimage.gaussian_gradient_magnitude(image, sigma)
        found[f"edges {sigma:g}"] = float(np.log10(np.mean(gradient) + 1e-3))
        found[f"strong edges {sigma:g}"] = float(
            np.log10(np.percentile(gradient, 98) + 1e-3) - found[f"edges {sigma:g}"]
        )
    return found


def _radial_power(image: FloatArray) -> FloatArray:
    window = np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])[None, :]
    power = np.abs(np.fft.fftshift(np.fft.fft2((image - image.mean()) * window))) ** 2
    y, x = np.indices(power.shape)
    radius = np.hypot((y - power.shape[0] // 2) / power.shape[0], (x - power.shape[1] // 2) / power.shape[1])
    edges = np.geomspace(1.5 / PATCH_PX, 0.5, BANDS + 1)
    return np.array([power[(radius >= a) & (radius < b)].mean() for a, b in pairwise(edges)])


def film_contrast(picture: Picture) -> float:
    """Median over the holes of log(hole / film); NaN where none are found."""
    found = find_holes(picture.pixels.astype(np.float32) + 8.0)
    ratios = [np.log((hole.mean + 1) / (hole.film + 1)) for hole in found.holes if np.isfinite(hole.film)]
    return float(np.median(ratios)) if ratios else float("nan")


def patches(picture: Picture) -> Iterator[NDArray[np.uint8]]:
    """Patches of an image that show something: one in the dark says nothing."""
    height, width = picture.pixels.shape
    bright = float(np.percentile(picture.pixels, 90))
    for y in range(0, height - PATCH_PX + 1, PATCH_PX):
        for x in range(0, width - PATCH_PX + 1, PATCH_PX):
            patch = picture.pixels[y : y + PATCH_PX, x : x + PATCH_PX]
            if np.median(patch) > 0.25 * bright:
                yield patch


# --- Judging ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """How well a classifier tells them apart, and by what."""

    auc: float
    low: float
    high: float
    real: int
    simulated: int
    telling: tuple[tuple[str, float, float, float], ...]


def judge(pictures: list[Picture], classifier: str, seed: int = 0) -> Judged:
    """Cross-validated by place; AUC over images with a bootstrap interval, and what differs most."""
    rows, owners = [], []
    for number, picture in enumerate(pictures):
        for patch in patches(picture):
            rows.append(statistics(patch))
            owners.append(number)
    names = list(rows[0])
    table, owner = np.array([[row[name] for name in names] for row in rows]), np.array(owners)
    real = np.array([picture.real for picture in pictures])
    place = np.array([f"{picture.real} {picture.place}" for picture in pictures])
    scores = np.zeros(len(pictures))
    weight = np.zeros(len(pictures))
    folds = min(5, len(set(place[real])))
    for repeat in range(2):
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + repeat)
        for train, test in split.split(table, real[owner], place[owner]):
            model = (
                make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"))
                if classifier == "logistic"
                else RandomForestClassifier(100, min_samples_leaf=3, class_weight="balanced", random_state=seed)
            )
            model.fit(table[train], real[owner][train])
            np.add.at(scores, owner[test], model.predict_proba(table[test])[:, 1])
            np.add.at(weight, owner[test], 1)
    mean = scores / np.maximum(weight, 1)
    auc = float(roc_auc_score(real, mean))
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(1000):
        pick = np.concatenate(
            [rng.choice(np.flatnonzero(real), real.sum()), rng.choice(np.flatnonzero(~real), (~real).sum())]
        )
        draws.append(roc_auc_score(real[pick], mean[pick]))
    low, high = np.percentile(draws, [2.5, 97.5])
    telling = []
    for column, name in enumerate(names):
        single = float(roc_auc_score(real[owner], table[:, column]))
        telling.append(
            (name, single, float(np.median(table[real[owner], column])), float(np.median(table[~real[owner], column])))
        )
    telling.sort(key=lambda one: -abs(one[1] - 0.5))
    return Judged(auc, float(low), float(high), int(real.sum()), int((~real).sum()), tuple(telling[:6]))


def side_by_side(real: list[Picture], simulated: list[Picture], path: Path, seed: int = 0) -> None:
    """Real ones above, simulated ones below."""
    rng = np.random.default_rng(seed)
    rows = []
    for pictures in (real, simulated):
        order = rng.permutation(len(pictures))[:5] if len(pictures) > 5 else np.arange(len(pictures))
        tiles = [np.asarray(Image.fromarray(pictures[i].pixels).resize((256, 256))) for i in order]
        tiles += [np.full((256, 256), 255, np.uint8)] * (5 - len(tiles))
        rows.append(np.hstack([np.pad(tile, 2, constant_values=255) for tile in tiles]))
    Image.fromarray(np.vstack([rows[0], np.full((6, rows[0].shape[1]), 255, np.uint8), rows[1]])).save(path)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=40, help="simulated images of each magnification")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=LEVELS)
    parser.add_argument("--pictures", type=Path, help="folder for the pictures side by side")
    parser.add_argument("--table", type=Path, help="file for the numbers, JSON")
    arguments = parser.parse_args()
    real = real_pictures(arguments.data)
    simulated = simulated_pictures(arguments.count, arguments.seed, tuple(arguments.levels))
    numbers: dict[str, object] = {}
    for level in arguments.levels:
        made = simulated[level]
        counterparts = real[level.split(",")[0]]
        for classifier in ("logistic", "forest"):
            judged = judge(counterparts + made, classifier)
            print(
                f"{level:18} {classifier:9} AUC {judged.auc:.2f} ({judged.low:.2f} to {judged.high:.2f}), "
                f"{judged.real} real, {judged.simulated} simulated"
            )
            numbers[f"{level} {classifier}"] = judged.__dict__
        for name, single, mine, theirs in judged.telling:
            print(f"    {name:18} alone {single:.2f}; median real {mine:.2f}, simulated {theirs:.2f}")
        if level in ("square", "hole"):
            for kind, pictures in (("real", counterparts), ("simulated", made)):
                contrasts = np.array([film_contrast(picture) for picture in pictures])
                found = contrasts[np.isfinite(contrasts)]
                if found.size:
                    quartiles = np.percentile(found, [25, 50, 75]).round(2)
                    print(f"    log(hole / film) {kind}: {quartiles} (quartiles, {found.size} of {len(pictures)})")
        if arguments.pictures:
            side_by_side(
                counterparts, made, arguments.pictures / f"realism-{level.replace(', ', '-').replace(' ', '-')}.png"
            )
    if arguments.table:
        arguments.table.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
