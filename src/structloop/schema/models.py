"""Model cards: what a trained network is, where it comes from, what it sees, and where it fails.

A card is the only description of a model that the rest of structloop reads. It lies beside the weights as
``card.json``, is frozen, knows every key it may hold (an unknown one is an error), and carries the SHA-256 of
every file of its model. `ModelCard.version` is computed from the weights and from every field that changes a
probability, so that two models with the same version give the same scores.

The fields follow Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), reduced to what a facility needs.
"""

import hashlib
import json
import re
from abc import abstractmethod
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, field_validator, model_validator

from structloop.schema.images import Modality

MODEL_NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Names of models: they become folder names, so they hold nothing that a file system could misread."""

VERSION_LENGTH = 12
"""Hexadecimal digits of SHA-256 kept in `ModelCard.version` (48 bits; a facility has tens of models)."""

_SHA256 = r"^[0-9a-f]{64}$"

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Scalar = bool | int | float | str


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class InputSpecification(_Record):
    """How an image becomes the network's input.

    The image is converted to `colour`, brought to `width_px` x `height_px` as `resize` says, divided by 255,
    then ``(value - mean) / std`` is taken per channel.
    """

    width_px: int = Field(ge=1, le=8192)
    height_px: int = Field(ge=1, le=8192)
    colour: Literal["rgb", "grayscale", "grayscale-as-rgb"]
    """`grayscale` has one channel (ITU-R 601 luma); `grayscale-as-rgb` repeats it three times."""
    resize: Literal["squash", "centre-crop", "pad"]
    """`squash` ignores the aspect ratio; `centre-crop` fills and cuts; `pad` fits and fills with the border."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """Always antialiased when shrinking."""
    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0.0)], ...]

    @property
    def channels(self) -> int:
        """Channels that the network sees."""
        return 1 if self.colour == "grayscale" else 3

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> Self:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise ValueError(f"{name} needs {self.channels} values for colour {self.colour!r}, got {len(values)}")
        return self


class IdentityCalibration(_Record):
    """The network's softmax is reported as it is."""

    kind: Literal["identity"] = "identity"


class TemperatureCalibration(_Record):
    """Logits are divided by `temperature` before the softmax (Guo et al., ICML 2017)."""

    kind: Literal["temperature"] = "temperature"
    temperature: float = Field(gt=0.0)
    prevalence: Probability | None = None
    """Share of positives in the data it was fitted on; None where that was not recorded."""
    note: str = ""


class PlattCalibration(_Record):
    """``sigmoid(slope * z + intercept)``, z the log-odds of the positive class (Platt, 1999)."""

    kind: Literal["platt"] = "platt"
    slope: float = Field(gt=0.0)
    """Positive: a calibration may stretch the scores but never turn their order round."""
    intercept: float
    prevalence: Probability | None = None
    """Share of positives for which the probabilities hold; None where that was not recorded."""
    note: str = ""


Calibration = Annotated[IdentityCalibration | TemperatureCalibration | PlattCalibration, Field(discriminator="kind")]


class TrainingDataset(_Record):
    """What a model was trained on, in words that let a reader judge whether it fits their images."""

    name: str
    version: str
    """A dataset version or digest; `unknown` for a model from elsewhere that does not say."""
    description: str
    images: int | None = Field(default=None, ge=0)
    synthetic: bool = False
    """True when no real image was used."""


class Metric(_Record):
    """One measured number with its 95 % interval and what it was measured on."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    dataset: str
    modality: Modality | None = None
    note: str = ""

    @model_validator(mode="after")
    def _interval_holds_value(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"metric {self.name!r} has one end of an interval; give both or none")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"metric {self.name!r}: {self.value} lies outside [{self.low}, {self.high}]")
        return self


class ModelFile(_Record):
    """One file of a model: its path below the model's folder, its size and its SHA-256."""

    path: str
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)

    @field_validator("path")
    @classmethod
    def _stays_below_the_folder(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or str(pure) != path or path == ".":
            raise ValueError(f"file path {path!r} must be a plain relative path below the model's folder")
        return path


def _digest_of(relevant: dict[str, object], files: tuple[ModelFile, ...]) -> str:
    """The version made of every field that changes a probability, and of the weights."""
    whole = relevant | {"files": sorted((file.path, file.sha256) for file in files)}
    canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:VERSION_LENGTH]


class _Card(_Record):
    """What cards of all kinds have in common: a version that is computed from what decides the scores."""

    version: str = ""
    """Computed when left empty; when given it must agree with the contents."""
    files: tuple[ModelFile, ...] = ()

    def updated(self, **changes: object) -> Self:
        """A copy with `changes` applied, validated again, its version computed anew.

        Raises:
            pydantic.ValidationError: when the copy would not be a valid card.
        """
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(fields | {"version": ""} | changes)

    def to_json(self) -> str:
        """The card as it is written to ``card.json``."""
        return self.model_dump_json(indent=2) + "\n"

    @abstractmethod
    def _digest(self) -> str:
        """The version of these contents."""

    def _settle_version(self) -> None:
        paths = [file.path for file in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError("files hold a path twice")
        computed = self._digest()
        if self.version == "":
            object.__setattr__(self, "version", computed)
        elif self.version != computed:
            raise ValueError(
                f"version {self.version!r} does not agree with the contents ({computed!r}): "
                "a field that changes probabilities was edited; remove the version to have it computed again"
            )


class ModelCard(_Card):
    """Everything structloop knows of one trained classifier. See the module's docstring."""

    format: Literal[1] = 1
    name: str = Field(pattern=MODEL_NAME_PATTERN)
    summary: str
    """One sentence for lists."""
    task: Literal["crystal-classification", "exposure-condition"] = "crystal-classification"
    family: str
    """Which plugin of the entry-point group ``structloop.classifier_families`` builds the network."""

    input: InputSpecification
    labels: tuple[str, ...] = Field(min_length=2)
    """In the order of the network's outputs."""
    positive_label: str = "crystal"
    modalities: tuple[Modality, ...] = Field(min_length=1)
    calibration: dict[Modality, Calibration] = Field(default_factory=dict)
    """Per modality; a modality without one is reported uncalibrated (`IdentityCalibration`)."""
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    """What the family needs to build the network and cannot read from the weights."""

    alarm_threshold: Probability
    """A calibrated crystal probability at or above it is an alarm."""
    modality_alarm_thresholds: dict[Modality, Probability] = Field(default_factory=dict)
    """Where a modality needs a threshold of its own."""

    base: str | None = None
    """The pretrained network it started from, with its licence where that differs."""
    licence: str
    origin: str
    """Where it comes from: a script and commit, a hub repository and revision, a paper."""
    created: date | None = None
    training: TrainingDataset
    metrics: tuple[Metric, ...] = ()
    limitations: tuple[str, ...] = ()
    """Where it fails, in plain words; shown wherever its scores are shown."""

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels {list(self.labels)} hold a name twice")
        if self.positive_label not in self.labels:
            raise ValueError(f"positive_label {self.positive_label!r} is not among labels {list(self.labels)}")
        if len(set(self.modalities)) != len(self.modalities):
            raise ValueError("modalities hold a name twice")
        for field, keys in (
            ("calibration", self.calibration),
            ("modality_alarm_thresholds", self.modality_alarm_thresholds),
        ):
            foreign = sorted(set(keys) - set(self.modalities))
            if foreign:
                raise ValueError(f"{field} names {foreign[0].value!r}, which is not among the card's modalities")
        self._settle_version()
        return self

    def _digest(self) -> str:
        relevant = self.model_dump(
            mode="json",
            include={"task", "family", "input", "labels", "positive_label", "modalities", "parameters"},
        )
        relevant["calibration"] = {
            modality.value: self.calibration_for(modality).model_dump(mode="json", exclude={"note", "prevalence"})
            for modality in sorted(self.modalities)
        }
        return _digest_of(relevant, self.files)

    @property
    def positive_index(self) -> int:
        """Which output of the network is the positive label."""
        return self.labels.index(self.positive_label)

    def serves(self, modality: Modality) -> bool:
        """Whether the model may be asked about images of `modality`."""
        return modality in self.modalities

    def calibration_for(self, modality: Modality) -> IdentityCalibration | TemperatureCalibration | PlattCalibration:
        """The calibration of `modality`, the identity where the card gives none."""
        return self.calibration.get(modality, IdentityCalibration())

    def alarm_threshold_for(self, modality: Modality | None = None) -> float:
        """The calibrated probability from which a score is an alarm; `None` asks for the combined score."""
        if modality is None:
            return self.alarm_threshold
        return self.modality_alarm_thresholds.get(modality, self.alarm_threshold)


class ExpectedAt(_Record):
    """Precision and recall to expect of the picks whose probability is at least `threshold`."""

    threshold: Probability
    precision: Probability
    precision_low: Probability
    """Lower end of the 95 % interval; so on."""
    precision_high: Probability
    recall: Probability
    recall_low: Probability
    recall_high: Probability


class PickerCard(_Card):
    """Everything structloop knows of one particle picker. See the module's docstring."""

    format: Literal[1] = 1
    name: str = Field(pattern=MODEL_NAME_PATTERN)
    summary: str
    """One sentence for lists."""
    task: Literal["particle-picking"]
    family: str
    """Which plugin of the entry-point group ``structloop.picker_families`` builds the picker."""

    working_diameter_px: float = Field(default=13.0, ge=4.0, le=128.0)
    """Pixels per particle diameter in the micrographs that the picker sees."""
    contrast: Literal["dark", "bright"] = "dark"
    """How particles look in the stored micrographs: `bright` ones are turned round before anything else."""
    diameter_px: float | None = Field(default=None, gt=0.0)
    """Diameter it was trained for, in stored pixels; None where the user must say one."""
    pixel_size_angstrom: float | None = Field(default=None, gt=0.0)
    """Of the micrographs it was trained on, where known."""
    calibration: IdentityCalibration | PlattCalibration = Field(
        default_factory=IdentityCalibration, discriminator="kind"
    )
    """From raw scores to the probability that a pick is a particle."""
    expected: tuple[ExpectedAt, ...] = ()
    """By rising threshold; empty where nothing was measured."""
    threshold: Probability = 0.5
    """Probability from which candidates are picks where nobody says another: of the best expected F1."""
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    """What the family needs to build the network and cannot read from the weights."""

    base: str | None = None
    """The picker it started from; of family `sam2`, the SAM2 model below it: a folder or a hub id."""
    licence: str
    origin: str
    created: date | None = None
    training: TrainingDataset
    metrics: tuple[Metric, ...] = ()
    limitations: tuple[str, ...] = ()
    """Where it fails, in plain words."""

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        thresholds = [each.threshold for each in self.expected]
        if thresholds != sorted(set(thresholds)):
            raise ValueError("expected must rise in threshold")
        self._settle_version()
        return self

    def _digest(self) -> str:
        changing = {"task", "family", "working_diameter_px", "contrast", "parameters"}
        relevant = self.model_dump(mode="json", include=changing)
        relevant["calibration"] = self.calibration.model_dump(mode="json", exclude={"note", "prevalence"})
        return _digest_of(relevant, self.files)


_CLASSIFIER = "crystal-classification"


def _task_of(card: object) -> str:
    # A card that names no task is a classifier's: the first cards did not have to.
    task = card.get("task", _CLASSIFIER) if isinstance(card, dict) else getattr(card, "task", "")
    # Whatever they tell apart, classifiers have cards of one kind.
    return _CLASSIFIER if task == "exposure-condition" else task if isinstance(task, str) else ""


AnyCard = Annotated[
    Annotated[ModelCard, Tag("crystal-classification")] | Annotated[PickerCard, Tag("particle-picking")],
    Discriminator(_task_of),
]
"""A card of either kind, told apart by its `task`."""

any_card: TypeAdapter[ModelCard | PickerCard] = TypeAdapter(AnyCard)
"""Validates cards of either kind."""


def is_model_name(name: str) -> bool:
    """Whether `name` may name a model (see `MODEL_NAME_PATTERN`)."""
    return re.fullmatch(MODEL_NAME_PATTERN, name) is not None and ".." not in name
