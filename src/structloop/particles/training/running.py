"""From labelled micrographs to a model in the registry, in a way that `kill -9` cannot lose."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from structloop.core.errors import ModelExistsError, ModelFormatError, ModelNotFoundError, ParticlesError
from structloop.models.pickers.architecture import Architecture, TrainablePicker
from structloop.models.pickers.heatmap import WEIGHTS_FILE, HeatmapArchitecture, HeatmapPicker, read_weights
from structloop.models.pickers.protocol import Picker
from structloop.models.pickers.sam2 import SAM2, Sam2Architecture, base_of, on_torch, settings_for_sam2
from structloop.models.pickers.sam2_base import read_base
from structloop.models.pickers.training import TrainingProgress, train_picker
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.models.runtime import Runtime
from structloop.particles.classical import LOG, TEMPLATE, fit_classical
from structloop.particles.training.labelled import LabelledFiles
from structloop.schema.models import PickerCard, is_model_name

HEATMAP = "heatmap"
BACKENDS = (HEATMAP, SAM2, LOG, TEMPLATE)
"""What can be trained: one of two networks, or one of the pickers without."""


@dataclass(frozen=True)
class TrainingRequest:
    """What to train.

    Attributes:
        name: Of the model.
        backend: One of `BACKENDS`.
        start_from: Model to start from. None takes the general one where it is installed, which `sam2` lets look for
            particles that are not marked, and starts from its base.
        base: Of `sam2` only: folder or hub id of the SAM2 model; None takes that of `start_from`.
        allow_download: Whether a base that is not on this machine may be fetched from the hub.
        settings: Time, seed and so on, of the network.
        contrast: Particles are `dark` or `bright`.
        replace_existing: Whether a model of that name is replaced.
    """

    name: str
    backend: str = HEATMAP
    start_from: str | None = None
    base: str | None = None
    allow_download: bool = False
    settings: TrainingSettings = TrainingSettings()  # noqa: RUF009  # frozen
    contrast: Literal["dark", "bright"] = "dark"
    replace_existing: bool = False


def check_request(request: TrainingRequest, registry: ModelRegistry) -> None:
    """Refuses before the work begins what could not be kept after it.

    Raises:
        ModelFormatError: the name cannot be a model's.
        ModelExistsError: another model has it.
        ModelNotFoundError: the model to start from is not there.
        ModelFormatError: the model to start from is of another family.
        ParticlesError: there is no such backend, or it does not take an option that was given.
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
    if request.base is not None and request.backend != SAM2:
        raise ParticlesError(f"--base is of the backend '{SAM2}'; '{request.backend}' has none")
    if request.start_from is None:
        if request.backend == SAM2 and request.base is None:
            raise ParticlesError(
                f"the backend '{SAM2}' needs --base: a folder with a SAM2 model in the Hugging Face library's format, "
                "or a hub id such as facebook/sam2.1-hiera-tiny"
            )
        return
    if request.backend in {LOG, TEMPLATE}:
        raise ParticlesError(f"the backend '{request.backend}' starts from nothing; leave --from out")
    card = registry.picker_card(request.start_from)
    if card.family != request.backend:
        raise ModelFormatError(
            f"model '{request.start_from}' is of family '{card.family}'; training with --backend {request.backend} "
            "starts from one of its own"
        )


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
    if request.backend in {HEATMAP, SAM2}:
        start = (_start_sam2 if request.backend == SAM2 else _start_heatmap)(request, registry, runtime)
        trained = train_picker(
            files.labelled,
            name=request.name,
            start_from=start.picker,
            architecture=start.architecture,
            guide=start.guide,
            settings=settings_for_sam2(request.settings) if request.backend == SAM2 else request.settings,
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


@dataclass(frozen=True)
class _Start:
    """Where training a network starts; see `train_picker`."""

    architecture: Architecture
    picker: TrainablePicker | None
    guide: Picker | None = None


def _start_heatmap(request: TrainingRequest, registry: ModelRegistry, runtime: Runtime | None) -> _Start:
    """The named network, or the general one; none where that is not installed."""
    if request.start_from is None:
        return _Start(HeatmapArchitecture(), _general(registry, runtime))
    picker = registry.load_picker(request.start_from, runtime)
    if not isinstance(picker, HeatmapPicker):
        raise ModelFormatError(f"model '{request.start_from}' is no {HEATMAP} network")
    return _Start(HeatmapArchitecture(), picker)


def _start_sam2(request: TrainingRequest, registry: ModelRegistry, runtime: Runtime | None) -> _Start:
    """The base with fresh adapters, or with those of the named model; the general heat map looks for both."""
    # Refused now rather than after hours of training.
    runtime = on_torch(runtime)
    guide = _general(registry, None)
    if request.start_from is None:
        return _Start(
            Sam2Architecture(read_base(str(request.base), allow_download=request.allow_download)), None, guide
        )
    card = registry.picker_card(request.start_from)
    if request.base is not None:
        card = card.updated(base=request.base)
    architecture = base_of(card, allow_download=request.allow_download)
    registry.verify(request.start_from)
    state = read_weights(registry.folder(request.start_from) / WEIGHTS_FILE)
    return _Start(architecture, architecture.picker(card, state, runtime), guide)


def _general(registry: ModelRegistry, runtime: Runtime | None) -> HeatmapPicker | None:
    try:
        picker = registry.load_picker(GENERAL_PICKER, runtime)
    except ModelNotFoundError:
        return None
    return picker if isinstance(picker, HeatmapPicker) else None


__all__ = ["BACKENDS", "HEATMAP", "SAM2", "TrainingRequest", "check_request", "train_model"]
