"""From labelled micrographs to a model in the registry, in a way that `kill -9` cannot lose."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from structloop.core.errors import ModelExistsError, ModelFormatError, ModelNotFoundError, ParticlesError
from structloop.models.pickers.heatmap import HeatmapPicker
from structloop.models.pickers.training import TrainingProgress, train_picker
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.models.runtime import Runtime
from structloop.particles.classical import LOG, TEMPLATE, fit_classical
from structloop.particles.training.labelled import LabelledFiles
from structloop.schema.models import PickerCard, is_model_name

HEATMAP = "heatmap"
BACKENDS = (HEATMAP, LOG, TEMPLATE)
"""What can be trained: a network, or one of the pickers without."""


@dataclass(frozen=True)
class TrainingRequest:
    """What to train.

    Attributes:
        name: Of the model.
        backend: One of `BACKENDS`.
        start_from: Model to start from; None takes the general one, where it is installed.
        settings: Time, seed and so on, of the network.
        contrast: Particles are `dark` or `bright`.
        replace_existing: Whether a model of that name is replaced.
    """

    name: str
    backend: str = HEATMAP
    start_from: str | None = None
    settings: TrainingSettings = TrainingSettings()  # noqa: RUF009  # frozen
    contrast: Literal["dark", "bright"] = "dark"
    replace_existing: bool = False


def check_request(request: TrainingRequest, registry: ModelRegistry) -> None:
    """Refuses before the work begins what could not be kept after it.

    Raises:
        ModelFormatError: the name cannot be a model's.
        ModelExistsError: another model has it.
        ModelNotFoundError: the model to start from is not there.
        ParticlesError: there is no such backend.
    """
    if request.backend not in BACKENDS:
        raise ParticlesError(f"there is no backend '{request.backend}'; there are {', '.join(BACKENDS)}")
    if not is_model_name(request.name):
        raise ModelFormatError(
            f"'{request.name}' cannot name a model: small letters, digits, dots, dashes and underscores, at most 64"
        )
    if request.name in {"general", LOG, TEMPLATE}:
        raise ModelExistsError(f"'{request.name}' stands for a picker that comes with structloop; give another --name")
    if request.name in registry.names() and not request.replace_existing:
        raise ModelExistsError(f"there is a model '{request.name}' already; give another --name, or --replace it")
    if request.start_from is not None:
        registry.picker_card(request.start_from)


def train_model(
    files: LabelledFiles,
    request: TrainingRequest,
    registry: ModelRegistry,
    *,
    checkpoints: Path,
    runtime: Runtime | None = None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> PickerCard:
    """Trains a picker and puts it into the registry; returns its card.

    Killed at any moment, the same call goes on where it was: the state is kept in `checkpoints` until the model
    is in the registry.

    Args:
        files: Labelled micrographs.
        request: What to train.
        registry: Where the model goes.
        checkpoints: Folder for the state, below which every name has one of its own.
        runtime: For looking at micrographs.
        on_progress: Called after every step.
        should_stop: Asked before every step.

    Raises:
        ModelError, ParticlesError: as `check_request`, `train_picker` and `ModelRegistry.add` say.
        TrainingStoppedError: `should_stop` said so.
    """
    check_request(request, registry)
    folder = checkpoints / request.name
    if request.backend == HEATMAP:
        trained = train_picker(
            files.labelled,
            name=request.name,
            start_from=_start(request, registry, runtime),
            settings=request.settings,
            diameter_px=files.diameter_px,
            pixel_size_angstrom=files.pixel_size_angstrom,
            contrast=request.contrast,
            on_progress=on_progress,
            should_stop=should_stop,
            checkpoint_folder=folder,
            runtime=runtime,
        )
        card, save = trained.card, trained.save
    else:
        fitted = fit_classical(
            files.labelled,
            family=request.backend,
            name=request.name,
            diameter_px=files.diameter_px,
            pixel_size_angstrom=files.pixel_size_angstrom,
            contrast=request.contrast,
            seed=request.settings.seed,
        )
        card, save = fitted.card, fitted.save
    with tempfile.TemporaryDirectory(prefix="structloop-train-") as scratch:
        weights = Path(scratch) / "model"
        save(weights)
        added = registry.add(card, weights, replace_existing=request.replace_existing)
    shutil.rmtree(folder, ignore_errors=True)
    return added


def _start(request: TrainingRequest, registry: ModelRegistry, runtime: Runtime | None) -> HeatmapPicker | None:
    """The network to start from; none where the general one is not installed and none is named."""
    name = request.start_from or GENERAL_PICKER
    try:
        picker = registry.load_picker(name, runtime)
    except ModelNotFoundError:
        if request.start_from is not None:
            raise
        return None
    if not isinstance(picker, HeatmapPicker):
        raise ModelFormatError(f"model '{name}' is of family '{picker.card.family}'; a {HEATMAP} network is needed")
    return picker


__all__ = ["BACKENDS", "HEATMAP", "TrainingRequest", "check_request", "train_model"]
