"""Judging a model on labelled drop images: the file of labels, the scores, the report."""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from structloop.core.errors import LabelsError
from structloop.crystals.scoring.pipeline import score_images
from structloop.imaging import read_image
from structloop.loop.evaluation import BinaryEvaluation, evaluate_binary
from structloop.models.classifiers.protocol import Classifier
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

CRYSTAL, OTHER = "crystal", "other"
REQUIRED_COLUMNS = ("image", "label")
OPTIONAL_COLUMNS = ("modality",)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One row of a file of labels.

    Attributes:
        line: Its line in the file.
        name: The image as the file writes it.
        path: Where it lies.
        is_crystal: Its label.
        modality: How it was taken.
    """

    line: int
    name: str
    path: Path
    is_crystal: bool
    modality: Modality


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that was left out, and why."""

    line: int
    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """A labelled image with the model's calibrated crystal probability."""

    image: LabelledImage
    probability: float


@dataclass(frozen=True)
class EvaluationReport:
    """A model judged on labelled images.

    Attributes:
        card: The model.
        judged: The images, in the order of the file.
        problems: Rows left out.
        threshold: The alarm threshold: the modality's where all images are of one, else the card's for the combined
            score; `overall` is judged at it.
        overall: All images together.
        by_modality: The images of each modality at that modality's own threshold, where there are several.
        seconds: How long scoring took, decoding included, loading the model not.
    """

    card: ModelCard
    judged: tuple[JudgedImage, ...]
    problems: tuple[RowProblem, ...]
    threshold: float
    overall: BinaryEvaluation
    by_modality: dict[Modality, BinaryEvaluation]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON. `auc` is a number or null; `metrics.auc` has its interval."""
        return {
            "model": {"name": self.card.name, "version": self.card.version},
            "auc": None if self.overall.auc is None else self.overall.auc.value,
            "threshold": self.threshold,
            "metrics": self.overall.to_json(),
            "by_modality": {
                modality.value: {"threshold": self.card.alarm_threshold_for(modality), **part.to_json()}
                for modality, part in self.by_modality.items()
            },
            "images": [
                {
                    "path": judged.image.name,
                    "label": CRYSTAL if judged.image.is_crystal else OTHER,
                    "modality": judged.image.modality.value,
                    "probability": judged.probability,
                }
                for judged in self.judged
            ],
            "problems": [
                {"line": problem.line, "image": problem.image, "reason": problem.reason} for problem in self.problems
            ],
            "seconds": self.seconds,
        }


def read_labels(path: Path, card: ModelCard) -> tuple[list[LabelledImage], list[RowProblem]]:
    """The rows of a file of labels that can be used with a model, and those that cannot.

    The file is CSV with a header: `image,label` and, if wanted, `modality`; other columns are passed over. Labels are
    `crystal` or `other` in any case. Images are relative to the file. Without a modality an image is visible, or
    whatever the model serves where that is one modality only.

    Raises:
        LabelsError: the file cannot be read, lacks a column, or has no usable row.
    """
    try:
        # Spreadsheets put a byte-order mark before the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = [name.strip().lower() for name in reader.fieldnames or ()]
            missing = [name for name in REQUIRED_COLUMNS if name not in header]
            if missing:
                raise LabelsError(
                    f"{path}: the first line must name the columns image,label[,modality]; '{missing[0]}' is missing"
                )
            reader.fieldnames = header
            images: list[LabelledImage] = []
            problems: list[RowProblem] = []
            for row in reader:
                cells = {name: (row.get(name) or "").strip() for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)}
                if not any(cells.values()):
                    continue
                try:
                    images.append(_labelled(reader.line_num, cells, path.parent, card))
                except ValueError as error:
                    problems.append(RowProblem(reader.line_num, cells["image"], str(error)))
    except OSError as error:
        raise LabelsError(f"the labels {path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"the labels {path} are no CSV file in UTF-8: {error}") from error
    if not images:
        first = f"; line {problems[0].line}: {problems[0].reason}" if problems else ""
        raise LabelsError(f"{path} has no usable row{first}")
    return images, problems


def _labelled(line: int, cells: dict[str, str], folder: Path, card: ModelCard) -> LabelledImage:
    if not cells["image"]:
        raise ValueError("no image is named")
    label = cells["label"].lower()
    if label not in (CRYSTAL, OTHER):
        raise ValueError(f"label '{cells['label']}' is neither {CRYSTAL} nor {OTHER}")
    if cells["modality"]:
        known = ", ".join(Modality)
        try:
            modality = Modality(cells["modality"].lower())
        except ValueError:
            raise ValueError(f"modality '{cells['modality']}' is none of {known}") from None
    else:
        modality = card.modalities[0] if len(card.modalities) == 1 else Modality.VISIBLE
    if not card.serves(modality):
        raise ValueError(f"model '{card.name}' does not serve {modality} images")
    return LabelledImage(line, cells["image"], folder / cells["image"], label == CRYSTAL, modality)


def evaluate_labels(
    classifier: Classifier,
    labels: Path,
    *,
    batch_size: int = 16,
    threads: int | None = None,
    prevalence: float = 0.05,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Scores the images of a file of labels and compares with what the labels say.

    Args:
        classifier: The model, loaded.
        labels: The file; see `read_labels`.
        batch_size: Images per call of the network.
        threads: Threads that decode; None: one per core.
        prevalence: Share of crystals for the precision that is reported besides this set's own.
        seed: Seed of the bootstrap.
        on_progress: Called with images done and images in all.

    Raises:
        LabelsError: the file cannot be used, or none of its images can be read.
    """
    card = classifier.card
    images, problems = read_labels(labels, card)
    judged: list[JudgedImage] = []
    started = time.monotonic()
    done = 0
    for modality in dict.fromkeys(image.modality for image in images):
        chosen = [image for image in images if image.modality is modality]
        for batch in score_images(
            classifier, chosen, lambda image: read_image(image.path), modality, batch_size=batch_size, threads=threads
        ):
            for outcome in batch:
                if outcome.probability is not None:
                    judged.append(JudgedImage(outcome.item, outcome.probability))
                else:
                    problems.append(RowProblem(outcome.item.line, outcome.item.name, str(outcome.error)))
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(images))
    seconds = time.monotonic() - started
    if not judged:
        raise LabelsError(f"no image of {labels} can be read; line {problems[0].line}: {problems[0].reason}")
    judged.sort(key=lambda each: each.image.line)
    problems.sort(key=lambda problem: problem.line)
    modalities = list(dict.fromkeys(each.image.modality for each in judged))
    threshold = card.alarm_threshold_for(modalities[0] if len(modalities) == 1 else None)
    parts: dict[Modality, BinaryEvaluation] = {}
    if len(modalities) > 1:
        for modality in modalities:
            same = [each for each in judged if each.image.modality is modality]
            parts[modality] = _evaluate(same, card.alarm_threshold_for(modality), prevalence, seed)
    return EvaluationReport(
        card=card,
        judged=tuple(judged),
        problems=tuple(problems),
        threshold=threshold,
        overall=_evaluate(judged, threshold, prevalence, seed),
        by_modality=parts,
        seconds=seconds,
    )


def _evaluate(judged: list[JudgedImage], threshold: float, prevalence: float, seed: int) -> BinaryEvaluation:
    return evaluate_binary(
        np.array([each.image.is_crystal for each in judged]),
        np.array([each.probability for each in judged]),
        threshold,
        prevalence=prevalence,
        seed=seed,
    )


__all__ = ["EvaluationReport", "JudgedImage", "LabelledImage", "RowProblem", "evaluate_labels", "read_labels"]
