"""The embedded default classifier: against a texture measure on unseen simulated facilities; its speed; real images.

    python benchmarks/default_classifier.py [--facilities 40] [--scenes 14] [--data FOLDER] [--pictures FILE.png]

1. Simulated facilities that were withheld from training are rendered, half of the drops with crystals. The default is
   compared with logistic regressions on texture (local standard deviation, local binary patterns, grey-level
   co-occurrence) fitted on other simulated facilities: over all images and within each facility.
2. Images per second from JPEG files on disk to probability, on OpenVINO and on torch.
3. With ``--data`` (or `STRUCTLOOP_TEST_DATA`), the real images below ``crystals``: scores, and with ``--pictures`` a
   sheet of the highest and lowest.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from structloop.models.calibration import crystal_probabilities
from structloop.models.classifiers import Classifier
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.simulation.drops import render_visible_with_truth, sample_facility, sample_scene

FIRST_TEST_FACILITY = 970_000
FIRST_TEXTURE_FACILITY = 980_000
"""Training used facilities from 10,000, calibration those from 900,000, and the card's numbers those from 950,000."""

_LONG_SIDE = 640
_TEXTURE_SIDE = 320


@dataclass(frozen=True)
class Drops:
    """Simulated images, their labels and their facilities."""

    images: list[Image.Image]
    truth: NDArray[np.bool_]
    facilities: NDArray[np.int64]


def render_drops(first: int, facilities: int, scenes: int) -> Drops:
    """Images of facilities, crystals in every other scene; those with crystals that nobody could see are left out."""
    images, truth, origin = [], [], []
    for number in range(first, first + facilities):
        facility = sample_facility(number)
        for index in range(scenes):
            scene = sample_scene(number * 100_003 + index, facility=facility, prevalence=float(index % 2))
            rendered = render_visible_with_truth(scene, _LONG_SIDE)
            if rendered.truth.recognisable:
                images.append(Image.fromarray(rendered.image))
                truth.append(rendered.truth.crystal)
                origin.append(number)
    return Drops(images, np.array(truth), np.array(origin))


def texture(image: Image.Image) -> NDArray[np.float64]:
    """Texture of an image: local deviations at three scales, a histogram of binary patterns, co-occurrence."""
    grey = image.convert("L")
    grey.thumbnail((_TEXTURE_SIDE, _TEXTURE_SIDE))
    pixels = np.asarray(grey)
    values = pixels.astype(np.float64)
    found: list[float] = []
    for size in (4, 8, 16):
        rows, columns = pixels.shape[0] // size, pixels.shape[1] // size
        blocks = values[: rows * size, : columns * size].reshape(rows, size, columns, size).std(axis=(1, 3))
        found += [float(np.log1p(blocks.mean())), *np.log1p(np.quantile(blocks, [0.5, 0.9, 0.99])).tolist()]
    patterns = local_binary_pattern(pixels, 8, 1.0, "uniform")
    found += np.histogram(patterns, bins=10, range=(0, 10), density=True)[0].tolist()
    levels = graycomatrix(pixels // 8, [1, 3], [0.0, np.pi / 2], 32, symmetric=True, normed=True)
    for name in ("contrast", "homogeneity", "energy", "correlation"):
        found += graycoprops(levels, name).mean(axis=1).tolist()
    return np.array(found)


def score(classifier: Classifier, images: Sequence[Image.Image], modality: Modality) -> NDArray[np.float64]:
    """Calibrated crystal probabilities."""
    given = []
    for start in range(0, len(images), 16):
        batch = np.stack([classifier.prepare(image, modality) for image in images[start : start + 16]])
        given.append(classifier.logits(batch, modality))
    return crystal_probabilities(classifier.card, np.concatenate(given), modality)


def within(truth: NDArray[np.bool_], scores: NDArray[np.float64], facilities: NDArray[np.int64]) -> float:
    """Mean AUC inside facilities."""
    values = []
    for number in np.unique(facilities):
        rows = facilities == number
        if 0 < truth[rows].sum() < rows.sum():
            values.append(float(roc_auc_score(truth[rows], scores[rows])))
    return float(np.mean(values))


def compare(classifier: Classifier, facilities: int, scenes: int) -> float:
    """Prints the comparison with texture; returns the default's AUC less the best texture measure's."""
    drops = render_drops(FIRST_TEST_FACILITY, facilities, scenes)
    fitting = render_drops(FIRST_TEXTURE_FACILITY, facilities, scenes)
    features = np.stack([texture(image) for image in drops.images])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.3))
    model.fit(np.stack([texture(image) for image in fitting.images]), fitting.truth)
    deviation = features[:, 4]
    candidates = {
        "local standard deviation": deviation,
        "texture, logistic regression": model.decision_function(features),
        f"{classifier.card.name} {classifier.card.version}": score(classifier, drops.images, Modality.VISIBLE),
    }
    crystals = int(drops.truth.sum())
    print(f"{len(drops.truth)} simulated drops of {facilities} withheld facilities, {crystals} with crystals\n")
    print(f"| {'score':34} | AUC over all | AUC within a facility |\n|{'-' * 36}|{'-' * 14}|{'-' * 23}|")
    overall = []
    for name, scores in candidates.items():
        overall.append(float(roc_auc_score(drops.truth, scores)))
        inside = within(drops.truth, scores, drops.facilities)
        print(f"| {name:34} | {overall[-1]:12.3f} | {inside:21.3f} |")
    threshold = classifier.card.alarm_threshold_for(Modality.VISIBLE)
    alarms = next(reversed(candidates.values())) >= threshold
    recall, false = alarms[drops.truth].mean(), alarms[~drops.truth].mean()
    print(f"\nAt the alarm threshold {threshold}: recall {recall:.1%}, false alarms {false:.1%}\n")
    return overall[-1] - max(overall[:-1])


def measure_speed(registry: ModelRegistry, images: int) -> None:
    """Prints images per second from JPEG files, for both engines."""
    print(f"| {'engine':52} | images per second |\n|{'-' * 54}|{'-' * 19}|")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index}.jpg" for index in range(images)]
        for index, path in enumerate(paths):
            scene = sample_scene(index, prevalence=0.5)
            Image.fromarray(render_visible_with_truth(scene, 1024).image).save(path, quality=90)
        for engine in ("openvino", "torch"):
            classifier = registry.load(registry.default_name, Runtime(engine=engine))
            classifier.logits(np.stack([_decode(classifier, path) for path in paths[:8]]), Modality.VISIBLE)
            started = time.perf_counter()
            with ThreadPoolExecutor(2) as pool:
                prepared = pool.map(lambda path, model=classifier: _decode(model, path), paths)
                waiting: list[NDArray[np.uint8] | NDArray[np.float32]] = []
                for image in prepared:
                    waiting.append(image)
                    if len(waiting) == 16:
                        classifier.logits(np.stack(waiting), Modality.VISIBLE)
                        waiting = []
                if waiting:
                    classifier.logits(np.stack(waiting), Modality.VISIBLE)
            pace = len(paths) / (time.perf_counter() - started)
            name = getattr(classifier, "description", engine)
            print(f"| {name:52} | {pace:17.1f} |")
    print(f"\n{len(paths)} JPEG files of 1024 px, decoding included, {os.cpu_count()} processor cores\n")


def _decode(classifier: Classifier, path: Path) -> NDArray[np.uint8] | NDArray[np.float32]:
    with Image.open(path) as image:
        return classifier.prepare(image, Modality.VISIBLE)


def show_real(classifier: Classifier, folder: Path, pictures: Path | None) -> None:
    """Prints the scores of real images below `folder` and draws the highest and lowest."""
    for group in sorted(path for path in folder.iterdir() if path.is_dir()):
        paths = sorted(path for path in group.iterdir() if path.suffix.lower() in {".jpg", ".png"})
        if not paths:
            continue
        given = np.zeros(len(paths))
        for modality in (Modality.VISIBLE, Modality.UV):
            rows = [
                i for i, path in enumerate(paths) if (path.stem.lower().endswith("uv")) is (modality is Modality.UV)
            ]
            if rows:
                given[rows] = score(classifier, [Image.open(paths[row]).convert("RGB") for row in rows], modality)
        threshold = classifier.card.alarm_threshold
        print(f"{group.name}: {len(paths)} images, {(given >= threshold).mean():.1%} at or above {threshold}")
        if len(paths) <= 12:
            for path, probability in zip(paths, given, strict=True):
                print(f"    {probability:.3f} {path.name}")
        else:
            print(
                "    quantiles 50, 90, 95, 99, 100 %:", np.quantile(given, [0.5, 0.9, 0.95, 0.99, 1]).round(3).tolist()
            )
        if pictures is not None:
            order = np.argsort(-given)
            chosen = order if len(order) <= 24 else np.concatenate([order[:18], order[-6:]])
            target = pictures.with_name(f"{pictures.stem}-{group.name}.png")
            _sheet([paths[index] for index in chosen], given[chosen]).save(target)
            print(f"    pictures in {target}")


def _sheet(paths: Sequence[Path], probabilities: NDArray[np.float64]) -> Image.Image:
    columns, width, height = 6, 320, 280
    sheet = Image.new("RGB", (columns * width, -(-len(paths) // columns) * height))
    draw = ImageDraw.Draw(sheet)
    for index, (path, probability) in enumerate(zip(paths, probabilities, strict=True)):
        corner = ((index % columns) * width, (index // columns) * height)
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((width - 4, height - 24))
        sheet.paste(small, corner)
        draw.text((corner[0] + 4, corner[1] + height - 20), f"{probability:.3f} {path.stem[-30:]}", fill="white")
    return sheet


def main() -> None:
    """Runs the three parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facilities", type=int, default=40)
    parser.add_argument("--scenes", type=int, default=14)
    parser.add_argument("--speed-images", type=int, default=192)
    given = os.environ.get("STRUCTLOOP_TEST_DATA")
    parser.add_argument("--data", type=Path, default=None if given is None else Path(given))
    parser.add_argument("--pictures", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        registry = ModelRegistry(Path(home))
        classifier = registry.load(registry.default_name)
        if options.facilities:
            gain = compare(classifier, options.facilities, options.scenes)
            print(f"AUC above the best texture score: {gain:+.3f} (asked for: at least +0.10)\n")
        if options.speed_images:
            measure_speed(registry, options.speed_images)
        if options.data is not None and (options.data / "crystals").is_dir():
            show_real(classifier, options.data / "crystals", options.pictures)


if __name__ == "__main__":
    main()
