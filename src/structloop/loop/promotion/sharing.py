"""What may travel between labs: the part that was learnt, its card and its evaluation; never an image.

A shared archive holds a LoRA adapter or a fast head, without the network below it, and ``shared.json``. Who imports it
needs the same base, to the bit; the result is a model like any, to be judged on one's own frozen test set.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.numpy import save_file

from structloop.core.errors import ModelError, ModelFormatError, ModelNotFoundError
from structloop.loop.evaluation.judging import Judgement
from structloop.loop.training.fast_head_models import HeadBase, install_head, open_base
from structloop.loop.training.thresholds import choose_threshold
from structloop.models import archives
from structloop.models.calibration import apply_calibration, fit_platt
from structloop.models.classifiers import axis
from structloop.models.classifiers import fast_head as heads
from structloop.models.registry import ModelRegistry
from structloop.schema.models import IdentityCalibration, ModelCard

SHARED_FILE = "shared.json"


class SharedModel(BaseModel):
    """What ``shared.json`` says.

    Attributes:
        format: Of this file.
        kind: What was learnt.
        card: Of the model as it was at the lab that shares it, without its files.
        version: Of the model there.
        base: What the base is called there.
        base_digest: Of the base: of its tensors, or of the card of a head's base.
        evaluation: What it was judged by there; numbers only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Literal["lora", "fast-head"]
    card: ModelCard
    version: str
    base: str
    base_digest: str
    evaluation: dict[str, Any]


def export_shared(registry: ModelRegistry, name: str, target: Path, evaluation: Mapping[str, Any]) -> SharedModel:
    """Writes the archive of what model `name` learnt to `target` (.zip, .tar, .tar.gz or .tgz).

    Raises:
        ModelNotFoundError, ModelExistsError: no such model, or `target` exists.
        ModelFormatError: it is damaged, or of a kind that cannot travel without its base.
    """
    card = registry.card(name)
    registry.verify(name)
    with tempfile.TemporaryDirectory(prefix="structloop-share-") as scratch:
        folder = Path(scratch) / "shared"
        folder.mkdir()
        if card.family == heads.FAMILY:
            base, _ = heads.read_base(registry.folder(name))
            save_file(heads.head_tensors(heads.read_head(registry.folder(name))), folder / heads.HEAD_FILE)
            kind, base_name, digest = "fast-head", base.name, _card_digest(base)
        elif card.family == axis.FAMILY and len(card.modalities) == 1:
            from structloop.models.training.shared_adapters import take_out

            network = registry.folder(name) / axis.network_folder(card, card.modalities[0])
            start = take_out(network, folder, name)
            kind, base_name, digest = "lora", start.name, start.base_digest()
        else:
            raise ModelFormatError(
                f"model '{name}' is of family '{card.family}' and cannot travel without its base; export all of it "
                "with `structloop models export`"
            )
        shared = SharedModel(
            kind=kind,
            card=card.updated(files=()),
            version=card.version,
            base=base_name,
            base_digest=digest,
            evaluation=dict(evaluation),
        )
        (folder / SHARED_FILE).write_text(shared.model_dump_json(indent=2) + "\n", encoding="utf-8")
        archives.pack(folder, target, name)
    return shared


def import_shared(
    registry: ModelRegistry, source: Path, *, name: str | None = None, base: str | None = None
) -> tuple[ModelCard, SharedModel]:
    """Puts what another lab learnt on the same base here, as a model.

    Args:
        registry: Where the base is looked for, and the model goes.
        source: The archive, or its folder.
        name: Of the model here; None: as it is called there.
        base: Folder or hub id of a DINOv2 to put an adapter on; None: the base of any model here that is the same.

    Raises:
        ModelNotFoundError: nothing there, or the base is not here.
        ModelFormatError: the archive is damaged, or base and adapter do not fit.
        ModelExistsError: the name is taken.
    """
    with archives.opened(source) as folder:
        shared = _read(folder)
        origin = f"shared by another lab as {shared.card.name}@{shared.version}; {shared.card.origin}"
        card = shared.card.updated(name=name or shared.card.name, origin=origin)
        if shared.kind == "fast-head":
            head = heads.head_in(folder / heads.HEAD_FILE)
            return install_head(registry, head, _head_base(registry, shared), card), shared
        from structloop.models.training.shared_adapters import put_on

        start = _lora_base(registry, shared, base)
        with tempfile.TemporaryDirectory(prefix="structloop-share-") as scratch:
            put_on(folder, start, Path(scratch) / axis.network_folder_name(card))
            return registry.add(card, Path(scratch)), shared


@dataclass(frozen=True)
class AverageRequest:
    """What an average is asked.

    Attributes:
        name: Of the model to be.
        models: Names of models here, imported ones included, on one base.
        weights: One each, or `uniform`.
        rank: Of an averaged adapter; None keeps all of them, exactly.
    """

    name: str
    models: tuple[str, ...]
    weights: tuple[float, ...]
    rank: int | None = None


def average_models(registry: ModelRegistry, request: AverageRequest) -> ModelCard:
    """The average of models on one base, as a model that is not calibrated yet (`calibrate` does that).

    What adapters do is averaged, not their factors (see `structloop.models.adapters.averaging`); heads on the same
    features are averaged exactly.

    Raises:
        ModelFormatError: they are of different families, modalities or bases.
        ValueError: weights or a rank that cannot be.
        ModelExistsError: the name is taken.
    """
    cards = [registry.card(name) for name in request.models]
    for name in request.models:
        registry.verify(name)
    first = cards[0]
    if any(
        (each.family, each.modalities, each.input) != (first.family, first.modalities, first.input) for each in cards
    ):
        raise ModelFormatError("models of different families, modalities or inputs cannot be averaged")
    total = sum(request.weights)
    parts = [
        f"{weight / total:.3f} {each.name}@{each.version}" for weight, each in zip(request.weights, cards, strict=True)
    ]
    card = first.updated(
        name=request.name,
        summary=f"Average of {len(cards)} models on {first.base}",
        calibration={modality: IdentityCalibration() for modality in first.modalities},
        origin="average: " + " + ".join(parts),
        metrics=(),
        training=first.training.model_copy(
            update={"name": "average", "version": ", ".join(each.version for each in cards), "images": None}
        ),
    )
    folders = [registry.folder(name) for name in request.models]
    if first.family == heads.FAMILY:
        bases = [heads.read_base(folder) for folder in folders]
        if len({_card_digest(base) for base, _ in bases}) != 1:
            raise ModelFormatError("fast heads on different bases cannot be averaged: their features mean other things")
        averaged = heads.average_heads([heads.read_head(folder) for folder in folders], request.weights)
        with tempfile.TemporaryDirectory(prefix="structloop-average-") as scratch:
            heads.write_fast_head(Path(scratch), averaged, *bases[0])
            return registry.add(card, Path(scratch))
    if first.family != axis.FAMILY or len(first.modalities) != 1:
        raise ModelFormatError(f"models of family '{first.family}' cannot be averaged; fast heads and adapters can")
    from structloop.models.training.shared_adapters import average_networks

    networks = [
        folder / axis.network_folder(each, each.modalities[0]) for folder, each in zip(folders, cards, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="structloop-average-") as scratch:
        target = Path(scratch) / axis.network_folder_name(card)
        result = average_networks(networks, request.weights, target, rank=request.rank)
        lost = f"; of its rank {result.rank}, at most {result.lost:.1%} of a layer's change was dropped"
        card = card.updated(origin=card.origin + (lost if request.rank is not None else f"; rank {result.rank}, exact"))
        return registry.add(card, Path(scratch))


def evaluation_weights(balanced_accuracies: Sequence[float]) -> tuple[float, ...]:
    """Weights by how much better than chance each model is on one's own validation items; all the same where none is.

    Args:
        balanced_accuracies: Of each model, 0 to 1.
    """
    above = np.maximum(np.asarray(balanced_accuracies, dtype=np.float64) - 0.5, 0.0)
    if not above.sum() > 0:
        return tuple(1 / len(above) for _ in above)
    return tuple((above / above.sum()).tolist())


def calibrate(registry: ModelRegistry, judged: Judgement) -> ModelCard:
    """Fits calibration and threshold of an uncalibrated model on `judged`, validation items of one's own.

    Raises:
        ModelFormatError: a class is missing, or the scores run against the labels.
    """
    card, modality = judged.card, judged.modality
    clipped = np.clip(judged.probabilities, 1e-12, 1 - 1e-12)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    logits = np.stack([log_odds / 2, -log_odds / 2], axis=1)
    try:
        note = f"Platt, on {len(judged.items)} validation images of this facility"
        calibration = fit_platt(logits, judged.is_positive, 0, note=note)
        threshold = choose_threshold(judged.is_positive, apply_calibration(calibration, logits, 0))
    except ValueError as error:
        raise ModelFormatError(
            f"model '{card.name}' cannot be calibrated on these validation images: {error}"
        ) from error
    better = card.updated(calibration={modality: calibration}, alarm_threshold=threshold, modality_alarm_thresholds={})
    return registry.add(better, registry.folder(card.name), replace_existing=True)


def _read(folder: Path) -> SharedModel:
    path = folder / SHARED_FILE
    try:
        return SharedModel.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelNotFoundError(
            f"there is no {SHARED_FILE} in it, so it is no shared adapter; whole models are taken by "
            "`structloop models import`"
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise ModelFormatError(f"{path.name} of the shared archive is not valid: {error}") from error


def _card_digest(card: ModelCard) -> str:
    # The version is of weights and preprocessing; the files' digests say all of it.
    files = sorted((file.path, file.sha256) for file in card.files)
    return hashlib.sha256(json.dumps([card.version, files]).encode()).hexdigest()


def _head_base(registry: ModelRegistry, shared: SharedModel) -> HeadBase:
    for name in registry.names():
        try:
            card = registry.card(name)
            if not card.serves(shared.card.modalities[0]):
                continue
            below = heads.read_base(registry.folder(name))[0] if card.family == heads.FAMILY else card
            if _card_digest(below) == shared.base_digest:
                return open_base(registry, name, shared.card.modalities[0])
        except ModelError:
            continue
    raise ModelNotFoundError(
        f"the head sits on {shared.base}, and no model here is that, to the bit; import it first with "
        "`structloop models import`"
    )


def _lora_base(registry: ModelRegistry, shared: SharedModel, base: str | None) -> Any:
    from structloop.models.training.lora_network import start_from_checkpoint, start_from_network

    if base is not None:
        start = start_from_checkpoint(base)
        if start.base_digest() != shared.base_digest:
            raise ModelFormatError(f"{base} is not the base that the adapter was trained on ({shared.base}); refused")
        return start
    for name in registry.names():
        try:
            card = registry.card(name)
        except ModelError:
            continue
        if card.family != axis.FAMILY:
            continue
        for modality in card.modalities:
            start = start_from_network(registry.folder(name) / axis.network_folder(card, modality), name)
            if start.base_digest() == shared.base_digest:
                return start
    raise ModelNotFoundError(
        f"the adapter sits on {shared.base}, and no model here does, to the bit; give the base's folder or hub id"
    )


__all__ = [
    "SHARED_FILE",
    "AverageRequest",
    "SharedModel",
    "average_models",
    "calibrate",
    "evaluation_weights",
    "export_shared",
    "import_shared",
]
