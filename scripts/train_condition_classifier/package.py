"""Trains the classifier of the condition on measured features and writes the model that ships with structloop.

    python scripts/train_condition_classifier/package.py --train train.npz --held held.npz --rings rings.npz

Of the held-out seeds even ones set the temperature and odd ones give the card's numbers; no real picture is used.
"""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.special import log_softmax, softmax

from structloop.loop.training.logistic import fit_logistic
from structloop.loop.training.multinomial import FittedSoftmax, fit_class_temperature, fit_multinomial
from structloop.models.classifiers.condition import FAMILY, WEIGHTS_FILE, ConditionHead
from structloop.models.classifiers.condition_features import FEATURE_NAMES, LONGEST_PX
from structloop.models.model_folders import describe_files, write_card
from structloop.schema.images import Modality
from structloop.schema.models import InputSpecification, Metric, ModelCard, TemperatureCalibration, TrainingDataset
from structloop.simulation.micrographs.conditions import CONDITIONS

NAME = "exposures-condition"
SHIPPED = Path(__file__).parents[2] / "src" / "structloop" / "models" / "weights" / NAME
STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
FOLDS = 5
DRAWS = 1000
_TRUST_IN_RINGS = 0.5
Floats = NDArray[np.float64]

LIMITATIONS = (
    "Trained on simulated micrographs only: no real picture was used to train it, to choose it or to calibrate it. On "
    "real ones let people label some, and train a fast head on it.",
    "On 30 real pictures (MicAssess's published examples, never trained on; but the simulation had been fitted to "
    "statistics of the same 30) it is right in 30 % (15 to 49 %; chance is 17 %), and tells usable from not in 63 % "
    "(44 to 80 %): it is for sorting, and judges no exposure.",
    "Great and decent are neighbours, and where dirt begins to matter is a matter of taste: a third of the decent ones "
    "are taken for great or contaminated even in simulation.",
    "Crystalline ice is told from its mottled look, and from its rings where the micrograph is given unbinned with its "
    "pixel size; in a small picture its rings cannot be seen.",
    "Probabilities hold where all six conditions are equally frequent. Negative stain and cells are none of them.",
)


def standardised(features: Floats, mean: Floats, scale: Floats) -> Floats:
    """As `ConditionHead.standardised`."""
    return np.clip((features - mean) / scale, -4, 4)


def fitted(features: Floats, labels: NDArray[np.int64], strength: float, warm: FittedSoftmax | None) -> FittedSoftmax:
    """The softmax on standardised features."""
    count = len(labels)
    return fit_multinomial(features, labels, np.ones(count), np.zeros((count, len(CONDITIONS))), strength, warm=warm)


def chosen_strength(features: Floats, labels: NDArray[np.int64], seeds: NDArray[np.int64]) -> float:
    """The one with the least log loss on seeds that were not seen."""
    losses = np.zeros(len(STRENGTHS))
    for fold in range(FOLDS):
        inside = seeds % FOLDS == fold
        warm = None
        for place, strength in enumerate(STRENGTHS):
            warm = fitted(features[~inside], labels[~inside], strength, warm)
            logs = log_softmax(features[inside] @ warm.change.T + warm.bias, axis=1)
            losses[place] -= logs[np.arange(inside.sum()), labels[inside]].sum()
    print("log loss by strength:", dict(zip(STRENGTHS, np.round(losses / len(labels), 4).tolist(), strict=True)))
    return STRENGTHS[int(np.argmin(losses))]


def with_rings(change: Floats, path: Path | None) -> Floats:
    """Weights with those of the rings: what they add to the log-odds of crystalline ice, in conditions equally many.

    Half of what simulation gives: real micrographs are blurred by motion that simulated ones lack.
    """
    if path is None:
        return change
    measured = np.load(path)
    excess, truth = np.arcsinh(measured["excess"].astype(np.float64)), measured["crystalline"].astype(np.bool_)
    weights = np.where(truth, 0.5 / truth.mean(), 0.5 / (~truth).mean())
    fit = fit_logistic(excess[:, None], truth, weights, np.zeros(len(truth)), 0.01)
    right = float(np.mean([(excess * fit.change[0] + fit.bias > 0)[truth].mean(),
                           (excess * fit.change[0] + fit.bias <= 0)[~truth].mean()]))  # fmt: skip
    print(f"rings: {fit.change[0]:.3f} * excess + {fit.bias:.3f}; {right:.1%} right of {len(truth)}")
    found = change.copy()
    crystalline = CONDITIONS.index("crystalline")
    found[crystalline, FEATURE_NAMES.index("rings known")] = _TRUST_IN_RINGS * fit.bias
    found[crystalline, FEATURE_NAMES.index("rings")] = _TRUST_IN_RINGS * fit.change[0]
    return found


def metric(name: str, seeds: NDArray[np.int64], measure: Callable[[NDArray[np.int64]], float], dataset: str) -> Metric:
    """A number with its 95 % interval by the bootstrap over seeds."""
    rng = np.random.default_rng(0)
    rows = {seed: np.flatnonzero(seeds == seed) for seed in np.unique(seeds)}
    keys = list(rows)
    draws = [
        measure(np.concatenate([rows[keys[k]] for k in rng.integers(0, len(keys), len(keys))])) for _ in range(DRAWS)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    whole = float(measure(np.arange(len(seeds))))
    return Metric(
        name=name, value=round(whole, 4), low=round(float(low), 4), high=round(float(high), 4), dataset=dataset,
        modality=Modality.ELECTRONS,
    )  # fmt: skip


def main() -> None:
    """Writes ``card.json`` and ``model.safetensors``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--held", type=Path, required=True)
    parser.add_argument("--rings", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    asked = parser.parse_args()
    train, held = np.load(asked.train), np.load(asked.held)
    features, labels = train["features"].astype(np.float64), train["labels"].astype(np.int64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, 1.0)
    inputs = standardised(features, mean, scale)
    strength = chosen_strength(inputs, labels, train["seeds"])
    fit = fitted(inputs, labels, strength, None)
    change = with_rings(fit.change, asked.rings)
    head = ConditionHead(*(np.asarray(each, np.float32) for each in (mean, scale, change, fit.bias)))

    truth, seeds = held["labels"].astype(np.int64), held["seeds"].astype(np.int64)
    logits = head.logits(head.standardised(held["features"].astype(np.float32))).astype(np.float64)
    even = seeds % 2 == 0
    temperature = fit_class_temperature(logits[even], truth[even])
    probabilities, tested, tested_seeds = softmax(logits[~even] / temperature, axis=1), truth[~even], seeds[~even]
    said = probabilities.argmax(axis=1)
    table = np.zeros((len(CONDITIONS), len(CONDITIONS)), dtype=int)
    np.add.at(table, (tested, said), 1)
    print(f"strength {strength}, temperature {temperature:.3f}\nrows are what it is, columns what is said\n{table}")

    def balanced(rows: NDArray[np.int64]) -> float:
        return float(np.mean([np.mean(said[rows][tested[rows] == k] == k) for k in np.unique(tested[rows])]))

    def usable(rows: NDArray[np.int64]) -> float:
        is_good, called = tested[rows] < 2, probabilities[rows, :2].sum(axis=1) >= 0.5
        return float((called[is_good].mean() + (~called[~is_good]).mean()) / 2)

    def error(rows: NDArray[np.int64]) -> float:
        sure = probabilities[rows].max(axis=1)
        right = said[rows] == tested[rows]
        bins = np.minimum((sure * 10).astype(int), 9)
        return float(sum(abs(sure[bins == k].sum() - right[bins == k].sum()) for k in range(10)) / len(rows))

    dataset = f"{len(tested)} pictures of simulated micrographs, seeds withheld from training and calibration"
    metrics = tuple(
        metric(name, tested_seeds, measure, dataset)
        for name, measure in (
            ("balanced accuracy of six conditions", balanced),
            ("balanced accuracy, great or decent against the rest", usable),
            ("calibration error of the condition said", error),
        )
    )
    for each in metrics:
        print(f"{each.name}: {each.value} ({each.low} to {each.high})")
    asked.out.mkdir(parents=True, exist_ok=True)
    save_file(head.tensors(), asked.out / WEIGHTS_FILE)
    pictures = len(np.unique(np.stack([train["labels"], train["seeds"]]), axis=1).T)
    card = ModelCard(
        name=NAME,
        summary="The condition of an exposure, one of six: small, ships with structloop, trained on simulation only.",
        task="exposure-condition",
        family=FAMILY,
        input=InputSpecification(
            width_px=LONGEST_PX, height_px=LONGEST_PX, colour="grayscale", resize="pad", mean=(0.0,), std=(1.0,)
        ),
        labels=CONDITIONS,
        positive_label="great",
        modalities=(Modality.ELECTRONS,),
        calibration={
            Modality.ELECTRONS: TemperatureCalibration(
                temperature=temperature,
                prevalence=float(np.mean(truth == 0)),
                note="on simulated micrographs withheld from training",
            )
        },
        alarm_threshold=0.5,
        licence="Apache-2.0",
        origin="scripts/train_condition_classifier",
        created=datetime.now(UTC).date(),
        training=TrainingDataset(
            name="simulated micrographs (structloop.simulation.micrographs.conditions)",
            version=f"seeds {train['seeds'].min()} to {train['seeds'].max()}",
            description="Pictures of simulated micrographs in six conditions, as many of each; each as rendered and "
            "again as another program would have stored it.",
            images=pictures,
            synthetic=True,
        ),
        metrics=metrics,
        limitations=LIMITATIONS,
        files=describe_files(asked.out),
    )
    write_card(card, asked.out)
    print(f"{asked.out}: {card.name}@{card.version}")


if __name__ == "__main__":
    main()
