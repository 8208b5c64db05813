"""The classifier of the condition on real micrographs, as shipped and after a facility labelled some.

    python benchmarks/condition.py --data ../shared/data/grids/micrograph_quality

The folder holds one folder per condition with pictures of micrographs (the published examples of MicAssess: 30, five of
each). None of them was used to train, choose or calibrate the shipped model. The fast head is judged by leaving out:
each picture is told by a head on the shipped model's features that was trained on all pictures of other grids.
"""

import argparse
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from scipy.special import softmax

from structloop.exposures.review import LABELS, USABLE
from structloop.loop.training.softmax_head import ClassFeatures, fit_softmax_head
from structloop.models.calibration import class_probabilities
from structloop.models.classifiers.condition import ConditionFamily
from structloop.models.classifiers.condition_features import picture_features, ring_excess
from structloop.models.classifiers.protocol import stack_images
from structloop.models.model_folders import read_card
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

SHIPPED = Path(__file__).parents[1] / "src/structloop/models/weights/exposures-condition"
FOLDERS = dict(zip(("0Great", "1Decent", "2Contam", "3Empty_no", "4Crystal", "5Empty_ice"), LABELS, strict=True))
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Real:
    """Real pictures.

    Attributes:
        features: `(n, width)`, the shipped model's logits first.
        probabilities: `(n, labels)`, the shipped model's.
        truth: `(n,)`.
        grids: Which grid each was taken on, as its name says.
    """

    features: NDArray[np.float32]
    probabilities: Floats
    truth: Integers
    grids: list[str]


def read(folder: Path) -> Real:
    """All pictures below the folders of conditions."""
    card = read_card(SHIPPED)
    assert isinstance(card, ModelCard)
    classifier = ConditionFamily().load(SHIPPED, card, Runtime())
    prepared, truth, grids = [], [], []
    for path in sorted(folder.glob("*/*.png")):
        label = next(label for start, label in FOLDERS.items() if path.parent.name.startswith(start))
        with Image.open(path) as image:
            prepared.append(classifier.prepare(image, Modality.ELECTRONS))
        truth.append(LABELS.index(label))
        grids.append(re.split(r"_\d{5}gr", path.stem)[0])
    batch = stack_images(prepared)
    logits = classifier.logits(batch, Modality.ELECTRONS)
    features = np.concatenate([logits, np.asarray(batch, np.float32).reshape(len(batch), -1)], axis=1)
    found = class_probabilities(card, logits, Modality.ELECTRONS)
    return Real(features, found, np.array(truth, dtype=np.int64), grids)


def left_out(real: Real, *, from_base: bool, by_grid: bool) -> Floats:
    """Probabilities of each picture by a head that saw neither it nor, `by_grid`, its grid."""
    found = np.empty_like(real.probabilities)
    for place in range(len(real.truth)):
        keep = np.array([each != real.grids[place] for each in real.grids])
        if not by_grid:
            keep = np.arange(len(real.truth)) != place
        shown = ClassFeatures(
            real.features[keep], real.truth[keep], [real.grids[int(each)] for each in np.flatnonzero(keep)]
        )
        fit = fit_softmax_head(shown, len(LABELS), from_base=from_base)
        found[place] = softmax(fit.head.logits(real.features[place : place + 1])[0])
    return found


def interval(right: int, count: int) -> str:
    """A share with its 95 % interval (Clopper and Pearson, Biometrika 26 (1934) 404)."""
    low = stats.beta.ppf(0.025, right, count - right + 1) if right else 0.0
    high = stats.beta.ppf(0.975, right + 1, count - right) if right < count else 1.0
    return f"{right / count:.0%} ({low:.0%} to {high:.0%})"


def row(name: str, probabilities: Floats, truth: Integers) -> str:
    """A line of the table."""
    said = probabilities.argmax(axis=1)
    usable = [LABELS.index(each) for each in USABLE]
    is_usable, called = np.isin(truth, usable), probabilities[:, usable].sum(axis=1) >= 0.5
    sure = probabilities.max(axis=1) >= 0.5
    count = len(truth)
    return (
        f"| {name} | {interval(int((said == truth).sum()), count)} | "
        f"{interval(int((called == is_usable).sum()), count)} | {int((~sure).sum())} | "
        f"{interval(int((said == truth)[sure].sum()), int(sure.sum())) if sure.any() else ''} |"
    )


def confusion(probabilities: Floats, truth: Integers) -> str:
    """Rows are what people say, columns what the model says."""
    table = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    np.add.at(table, (truth, probabilities.argmax(axis=1)), 1)
    lines = ["| | " + " | ".join(LABELS) + " |", "|---|" + "---:|" * len(LABELS)]
    lines += [
        f"| {label} | " + " | ".join(str(each) for each in cells) + " |"
        for label, cells in zip(LABELS, table, strict=True)
    ]
    return "\n".join(lines)


def seconds() -> tuple[float, float]:
    """CPU time of the features of a micrograph of 4096 x 4096, without and with the rings."""
    micrograph = np.random.default_rng(0).normal(30, 6, (4096, 4096)).astype(np.float32)
    times = []
    for pixel in (None, 1.06):
        begun = time.process_time()
        for _ in range(3):
            picture_features(micrograph, ring_excess(micrograph, pixel))
        times.append((time.process_time() - begun) / 3)
    return times[0], times[1]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    asked = parser.parse_args()
    real = read(asked.data)
    card = read_card(SHIPPED)
    print(f"{card.name}@{card.version}; {len(real.truth)} real pictures of {len(set(real.grids))} grids\n")
    print("| model | six conditions right | usable or not right | unknown | right of those that are known |")
    print("|---|---:|---:|---:|---:|")
    print(row("as shipped, from simulation alone", real.probabilities, real.truth))
    heads = {
        "fast head on it, other pictures": left_out(real, from_base=True, by_grid=False),
        "fast head on it, other grids": left_out(real, from_base=True, by_grid=True),
        "the same not starting from it": left_out(real, from_base=False, by_grid=True),
    }
    for name, probabilities in heads.items():
        print(row(name, probabilities, real.truth))
    print(f"\nAs shipped:\n\n{confusion(real.probabilities, real.truth)}\n")
    print(f"Fast head, other grids:\n\n{confusion(heads['fast head on it, other grids'], real.truth)}\n")
    plain, rings = seconds()
    print(f"4096 x 4096: {plain:.2f} s of one core, {rings:.2f} s with the rings")


if __name__ == "__main__":
    main()
