"""Family `axis`: DINOv2 tuned by LoRA on drop images, after the AXIS recipe (Personnaz et al., IUCrJ 2026).

A model of this family holds one merged network per checkpoint, each in a folder of its own (``config.json`` and
``model.safetensors``); its card's parameter ``network.<modality>`` names the folder that serves the modality. So the
visible and the UV checkpoint of a facility make one model, which scores both images of a pair.
"""

import json
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ModelFormatError, UnsupportedModalityError
from structloop.models.adapters import lora
from structloop.models.adapters.tensors import read_json_object
from structloop.models.classifiers import axis_preprocessing
from structloop.models.classifiers.axis_checkpoint import (
    AXIS_LABELS,
    CONFIG_FILE,
    WEIGHTS_FILE,
    AxisCheckpoint,
    read_checkpoint,
)
from structloop.models.classifiers.axis_network import check_network, network_architecture, network_weights
from structloop.models.classifiers.dinov2 import build_features, build_network
from structloop.models.classifiers.features import FeatureSource
from structloop.models.classifiers.protocol import ConversionRequest, ImageBatch
from structloop.models.runtime import Network, NetworkSource, Runtime, compile_network
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard, TrainingDataset

FAMILY = "axis"
_PARAMETER = "network."


class AxisFamily:
    """Loads models of the family `axis`, and makes them of AXIS checkpoints."""

    name = FAMILY

    def load(self, folder: Path, card: ModelCard, runtime: Runtime) -> "AxisClassifier":
        """The classifier of `card`; networks are compiled when their modality is first asked for.

        Raises:
            ModelFormatError: card and files are not those of this family.
        """
        if card.labels != AXIS_LABELS or card.positive_label != AXIS_LABELS[0]:
            raise ModelFormatError(
                f"model '{card.name}': labels are {', '.join(card.labels)} with '{card.positive_label}' positive; the "
                "AXIS family has crystal = 0, other = 1, crystal positive"
            )
        if card.input.colour != "grayscale-as-rgb" or card.input.resize != "squash":
            raise ModelFormatError(f"model '{card.name}': input is not squashed grayscale, as the AXIS family's is")
        if card.input.interpolation != "bilinear":
            raise ModelFormatError(f"model '{card.name}': input.interpolation must be bilinear")
        folders = {modality: network_folder(card, modality) for modality in card.modalities}
        for name in set(folders.values()):
            check_network(folder / name)
        return AxisClassifier(folder, card, folders, runtime)

    def recognises(self, folder: Path) -> bool:
        """Whether `folder` holds a LoRA adapter, or a DINOv2 image classifier."""
        if lora.is_adapter(folder):
            return True
        if not (folder / CONFIG_FILE).is_file():
            return False
        return read_json_object(folder / CONFIG_FILE).get("model_type") == "dinov2"

    def convert(self, request: ConversionRequest, target: Path) -> ModelCard:
        """Merges the checkpoints of `request` into `target`; see `CheckpointConverter.convert`."""
        from safetensors.torch import save_file

        parameters: dict[str, bool | int | float | str] = {}
        read: list[AxisCheckpoint] = []
        for asked in request.checkpoints:
            checkpoint = read_checkpoint(
                asked.folder,
                base=request.base,
                labels=request.labels,
                recipe_preprocessing=request.preprocessing == "recipe",
                allow_download=request.allow_download,
            )
            name = asked.modalities[0].value
            for modality in asked.modalities:
                if _PARAMETER + modality.value in parameters:
                    raise ModelFormatError(f"two checkpoints are given for {modality.value} images")
                parameters[_PARAMETER + modality.value] = name
            (target / name).mkdir()
            save_file(
                {key: tensor.contiguous() for key, tensor in checkpoint.weights.items()}, target / name / WEIGHTS_FILE
            )
            config = {"model_type": "dinov2", **checkpoint.architecture.model_dump()}
            (target / name / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            read.append(checkpoint)
        if any(checkpoint.input != read[0].input for checkpoint in read):
            raise ModelFormatError("the checkpoints ask for different preprocessing, so they cannot be one model")
        return _card(request, read, parameters)

    def feature_source(self, folder: Path, card: ModelCard, modality: Modality) -> FeatureSource:
        """Class token and mean of the patch tokens, behind the network's own log-odds; see `FeatureFamily`.

        Raises:
            ModelFormatError, UnsupportedModalityError: see `FeatureFamily.feature_source`.
        """
        _check_serves(card, modality)
        network = folder / network_folder(card, modality)
        check_network(network)
        architecture, specification = network_architecture(network), card.input
        return FeatureSource(
            key=f"features-{card.version}-{modality.value}",
            build=lambda: build_features(
                architecture, network_weights(network), specification, str(network / WEIGHTS_FILE)
            ),
            width=1 + 2 * architecture.hidden_size,
            prepare=lambda image: axis_preprocessing.prepare_grayscale(image, specification),
            input_shape=(1, specification.height_px, specification.width_px),
            input_type="uint8",
        )


class AxisClassifier:
    """The networks of one AXIS model; see `structloop.models.classifiers.protocol.Classifier`."""

    def __init__(self, folder: Path, card: ModelCard, folders: dict[Modality, str], runtime: Runtime) -> None:
        self._folder = folder
        self._card = card
        self._folders = folders
        self._runtime = runtime
        self._networks: dict[str, Network] = {}
        self._lock = threading.Lock()

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._card

    def prepare(self, image: Image.Image, modality: Modality) -> NDArray[np.uint8]:
        """One image as grayscale bytes `(1, h, w)`."""
        self._folder_for(modality)
        return axis_preprocessing.prepare_grayscale(image, self._card.input)

    def logits(self, batch: ImageBatch, modality: Modality) -> NDArray[np.float32]:
        """Raw outputs `(n, 2)`, crystal first."""
        name = self._folder_for(modality)
        with self._lock:
            if name not in self._networks:
                self._networks[name] = compile_network(self._source(name), self._runtime)
        return self._networks[name](batch)

    def _folder_for(self, modality: Modality) -> str:
        _check_serves(self._card, modality)
        return self._folders[modality]

    def _source(self, name: str) -> NetworkSource:
        specification = self._card.input
        weights = self._folder / name / WEIGHTS_FILE
        return NetworkSource(
            key=f"{self._card.family}-{self._card.version}-{name}",
            build=lambda: build_network(
                network_architecture(self._folder / name),
                network_weights(self._folder / name),
                specification,
                str(weights),
            ),
            input_shape=(1, specification.height_px, specification.width_px),
            input_type="uint8",
        )


def _check_serves(card: ModelCard, modality: Modality) -> None:
    if not card.serves(modality):
        served = ", ".join(each.value for each in card.modalities)
        raise UnsupportedModalityError(f"model '{card.name}' serves {served}, not {modality.value}")


def network_folder_name(card: ModelCard) -> str:
    """How the card of a model of one modality calls its network's folder; a model that is being made may use it."""
    return str(card.parameters[_PARAMETER + card.modalities[0].value])


def network_folder(card: ModelCard, modality: Modality) -> str:
    """Name of the folder, below the model's, of the network that serves `modality`.

    Raises:
        ModelFormatError: the card names none that is there.
    """
    name = card.parameters.get(_PARAMETER + modality.value)
    if not isinstance(name, str) or f"{name}/{WEIGHTS_FILE}" not in {file.path for file in card.files}:
        raise ModelFormatError(
            f"model '{card.name}': parameter '{_PARAMETER}{modality.value}' does not name a folder with {WEIGHTS_FILE}"
        )
    return name


def _card(
    request: ConversionRequest, read: list[AxisCheckpoint], parameters: dict[str, bool | int | float | str]
) -> ModelCard:
    modalities = tuple(modality for checkpoint in request.checkpoints for modality in checkpoint.modalities)
    limitations = [
        "Probabilities are the network's own, not calibrated: fit a calibration on scored drops before combining "
        "modalities or reading them as frequencies.",
        "Trained on the images of one facility's imagers; expect less on others until it is tuned to them.",
    ]
    inherited = sorted({field for checkpoint in read for field in checkpoint.inherited})
    if inherited:
        limitations.append(
            f"Its preprocessing file repeats {', '.join(inherited)} from DINOv2; neither AXIS nor this applies them."
        )
    if request.preprocessing == "recipe":
        limitations.append("Its own preprocessing file was set aside for the AXIS recipe's when it was imported.")
    bases = sorted({checkpoint.base for checkpoint in read if checkpoint.base is not None})
    licence = request.licence
    if licence is None:
        published = "Marquez-Group-EMBL/" in request.origin
        licence = "CC BY-NC (as published; no commercial use)" if published else "unknown: ask whoever trained it"
    return ModelCard(
        name=request.name,
        summary=f"DINOv2 tuned on drop images by the AXIS recipe ({', '.join(each.value for each in modalities)})",
        family=FAMILY,
        input=read[0].input,
        labels=AXIS_LABELS,
        positive_label=AXIS_LABELS[0],
        modalities=modalities,
        parameters=parameters,
        alarm_threshold=request.alarm_threshold,
        base=", ".join(bases) or None,
        licence=licence,
        origin=request.origin,
        training=TrainingDataset(
            name="unknown", version="unknown", description="Not stated by the checkpoint; see its origin."
        ),
        limitations=tuple(limitations),
    )


__all__ = ["FAMILY", "AxisClassifier", "AxisFamily", "network_folder", "network_folder_name"]
