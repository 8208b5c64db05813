"""What kinds of jobs there are: the request each takes, and the function that does the work.

A job's function may run again after a killed process, from its beginning: it must find out what is done already and
do only the rest. It reports through `JobControl` and returns what a finished job tells, as JSON.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from structloop.core.errors import JobFailedError, UnknownPluginError
from structloop.jobs.workspace import Workspace
from structloop.schema.crystals import CombinationRule

Result = dict[str, Any]


class JobControl(Protocol):
    """What a running job talks to."""

    def progress(self, done: int, total: int | None, message: str = "") -> None:
        """Tells how far the job is. May be called as often as is convenient; only some calls reach the database."""
        ...

    def should_stop(self) -> bool:
        """Whether the job should end now, keeping what it has: it was cancelled, or the worker is closing."""
        ...


class JobRequest(BaseModel):
    """Base of all requests: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


RequestT = TypeVar("RequestT", bound=JobRequest)


@dataclass(frozen=True)
class JobKind(Generic[RequestT]):
    """One kind of job.

    Attributes:
        name: Such as `crystals.score`.
        request: The model of its request.
        run: Does the work.
    """

    name: str
    request: type[RequestT]
    run: Callable[[Workspace, RequestT, JobControl], Result]

    def check(self, request: Mapping[str, Any]) -> RequestT:
        """The request as the kind's model.

        Raises:
            JobFailedError: a field is unknown, missing or has a bad value.
        """
        try:
            return self.request.model_validate(dict(request))
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(str(part) for part in item['loc']) or 'request'}: {item['msg']}" for item in error.errors()
            )
            raise JobFailedError(f"the request for a job {self.name} is not valid: {reasons}") from error

    def start(self, workspace: Workspace, request: Mapping[str, Any], control: JobControl) -> Result:
        """Checks the request and runs the job."""
        return self.run(workspace, self.check(request), control)


class ImportRequest(JobRequest):
    """Import the images below a folder."""

    path: Path = Field(description="Folder of images.")
    layout: str = Field(default="auto", description="Name of the layout, or auto.")
    project: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Project the plates join; None: they stay where they are.",
    )


class ScoreRequest(JobRequest):
    """Score the images of a plate; the plate is given by its number or by its barcode."""

    plate_id: int | None = None
    barcode: str | None = None
    models: tuple[str, ...] = Field(
        default=(), description="Names of models; none: those in production, else the default model."
    )
    rule: CombinationRule | None = Field(default=None, description="None: the setting combination_rule.")
    inspection: int | None = Field(default=None, ge=1, description="Only this inspection; None: all.")

    @model_validator(mode="after")
    def _names_one_plate(self) -> Self:
        if (self.plate_id is None) == (self.barcode is None):
            raise ValueError("give either plate_id or barcode")
        return self


class ScanRequest(JobRequest):
    """Look through the folder of a particle project."""

    project_id: int = Field(ge=1)


class PickRequest(JobRequest):
    """Pick the micrographs of a particle project with its model."""

    project_id: int = Field(ge=1)


class TrainRequest(JobRequest):
    """Train a model on the marks of a particle project, then pick with it."""

    project_id: int = Field(ge=1)
    time_limit_s: float = Field(default=300.0, ge=10, le=86_400)


class DatasetRequest(JobRequest):
    """Make a version of a review task's data set."""

    task: str = Field(min_length=1, max_length=100)
    made_by: str = Field(min_length=1, max_length=200)
    why: str = Field(default="", max_length=1000)
    labels: Literal["curated", "standing", "agreed", "annotated"] = "standing"
    group_by: Literal["auto", "project", "plate"] = "auto"
    validation_share: float = Field(default=0.15, ge=0, lt=1)
    test_share: float = Field(default=0.2, ge=0, lt=1)
    test_set: str | None = Field(default=None, description="Name of a test set; None: the newest.")
    withhold_leaks: bool = False
    seed: int = Field(default=0, ge=0)


class LoopTrainRequest(JobRequest):
    """Train a model on a data set and record it as a candidate."""

    task: str = Field(min_length=1, description="Review task, such as crystals/visible.")
    dataset: str | None = Field(default=None, description="A version, such as crystals/visible#3; None: the newest.")
    method: Literal["fast-head", "lora"] = "fast-head"
    start: str | None = Field(
        default=None, description="Model to begin with; None: that in production, or the default."
    )
    base: str | None = Field(default=None, description="The network below an adapter that is given as the start.")
    name: str | None = Field(default=None, description="Of the model to be; None makes one.")
    prevalence: float | None = Field(
        default=None, gt=0, lt=1, description="For which probabilities hold; None: the set's."
    )
    seed: int = Field(default=0, ge=0)
    epochs: int = Field(default=1, ge=1, le=100)
    learning_rate: float = Field(default=5e-4, gt=0, le=1)
    batch: int = Field(default=32, ge=1, le=4096)
    images_at_once: int = Field(default=4, ge=1, le=4096)


class LoopPromoteRequest(JobRequest):
    """Judge a model beside the one in production, and put it there if the gate, or a person despite it, says so."""

    task: str = Field(min_length=1, description="Review task, such as crystals/visible.")
    model: str = Field(min_length=1, description="Name of an installed model.")
    who: str = Field(min_length=1, max_length=200)
    why: str = Field(default="", max_length=1000)
    dataset: str | None = Field(default=None, description="Whose frozen test set judges; None: the newest.")
    despite_gate: bool = False


class LoopDriftRequest(JobRequest):
    """Look for imagers or kinds of plates that look new to the model in production."""

    task: str = Field(min_length=1, max_length=100, description="Review task, such as crystals/visible.")
    by: Literal["imager", "kind"] = "imager"
    dataset: str | None = Field(default=None, description="What the model learnt from; None: the newest.")
    count: int = Field(default=40, ge=1, le=1000, description="Images to ask for.")


def _import(workspace: Workspace, request: ImportRequest, control: JobControl) -> Result:
    # Loaded here: what a job needs is not needed to ask for one.
    from structloop.crystals.importing import import_folder

    report = import_folder(
        workspace.database,
        request.path,
        layout=request.layout,
        settings=workspace.settings,
        project=request.project,
        files=workspace.files,
        on_progress=control.progress,
        should_stop=control.should_stop,
    )
    return report.to_json()


def _score(workspace: Workspace, request: ScoreRequest, control: JobControl) -> Result:
    from structloop.crystals.scoring import find_plate, score_plate

    plate_id = request.plate_id
    if plate_id is None:
        plate_id = find_plate(workspace.database, str(request.barcode))
    report = score_plate(
        workspace.database,
        workspace.classifiers,
        plate_id,
        models=request.models,
        rule=request.rule or CombinationRule(workspace.settings.combination_rule),
        inspection=request.inspection,
        batch_size=workspace.settings.batch_size,
        threads=workspace.settings.threads,
        on_progress=control.progress,
        should_stop=control.should_stop,
    )
    return report.to_json()


def _scan(workspace: Workspace, request: ScanRequest, control: JobControl) -> Result:
    from structloop.particles.projects.scanning import scan_project

    return dict(
        scan_project(
            workspace.database,
            request.project_id,
            on_progress=control.progress,
            should_stop=control.should_stop,
        )
    )


def _pick(workspace: Workspace, request: PickRequest, control: JobControl) -> Result:
    from structloop.particles.projects.picking import pick_project

    return pick_project(
        workspace.database,
        workspace.pickers,
        request.project_id,
        on_progress=control.progress,
        should_stop=control.should_stop,
    )


def _train(workspace: Workspace, request: TrainRequest, control: JobControl) -> Result:
    from structloop.models.pickers.training_plan import TrainingSettings
    from structloop.particles.projects.learning import train_project

    return train_project(
        workspace.database,
        workspace.models,
        workspace.pickers,
        request.project_id,
        folder=workspace.home / "training",
        settings=TrainingSettings(time_limit_s=request.time_limit_s, threads=workspace.settings.threads),
        on_progress=control.progress,
        should_stop=control.should_stop,
    )


class _StoppedError(Exception):
    """Ends the planning of a data set; nothing of it was recorded."""


def _dataset(workspace: Workspace, request: DatasetRequest, control: JobControl) -> Result:
    from structloop.crystals.datasets import LabelChoice
    from structloop.jobs.datasets import build_task_dataset
    from structloop.loop.datasets import BuildSettings, GroupBy

    def on_progress(done: int, total: int | None, message: str) -> None:
        control.progress(done, total, message)
        if control.should_stop():
            raise _StoppedError

    try:
        info = build_task_dataset(
            workspace.database,
            workspace.kept,
            request.task,
            BuildSettings(
                made_by=request.made_by,
                why=request.why,
                group_by=GroupBy(request.group_by),
                validation_share=request.validation_share,
                test_share=request.test_share,
                test_set=request.test_set,
                withhold_leaks=request.withhold_leaks,
                seed=request.seed,
            ),
            labels=LabelChoice(request.labels),
            on_progress=on_progress,
        )
    except _StoppedError:
        return {"stopped": True}
    return {"dataset_id": info.id, "name": info.name, "counts": info.counts}


def _train_candidate(workspace: Workspace, request: LoopTrainRequest, control: JobControl) -> Result:
    from structloop.jobs.training import train_for_loop

    return train_for_loop(workspace, request.model_dump(), control.progress, control.should_stop)


def _promote(workspace: Workspace, request: LoopPromoteRequest, control: JobControl) -> Result:
    from structloop.jobs.training import promote_for_loop

    return promote_for_loop(workspace, request.model_dump(), control.progress)


def _drift(workspace: Workspace, request: LoopDriftRequest, control: JobControl) -> Result:
    from structloop.jobs.drift import drift_to_json, look_for_drift

    found = look_for_drift(
        workspace,
        request.task,
        by=request.by,
        dataset=request.dataset,
        count=request.count,
        on_progress=control.progress,
        should_stop=control.should_stop,
    )
    return {"sources": drift_to_json(found), "stopped": control.should_stop()}


KINDS: dict[str, JobKind[Any]] = {
    kind.name: kind
    for kind in (
        JobKind("crystals.import", ImportRequest, _import),
        JobKind("crystals.score", ScoreRequest, _score),
        JobKind("loop.train", LoopTrainRequest, _train_candidate),
        JobKind("loop.promote", LoopPromoteRequest, _promote),
        JobKind("loop.drift", LoopDriftRequest, _drift),
        JobKind("particles.scan", ScanRequest, _scan),
        JobKind("particles.pick", PickRequest, _pick),
        JobKind("particles.train", TrainRequest, _train),
        JobKind("loop.dataset", DatasetRequest, _dataset),
    )
}


def job_kind(name: str) -> JobKind[Any]:
    """The kind of that name.

    Raises:
        UnknownPluginError: there is none.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise UnknownPluginError(f"no job kind '{name}'; there are: {', '.join(sorted(KINDS))}") from None


def job_key(kind: str, request: Mapping[str, Any]) -> str:
    """What makes two requests the same work, whoever asks: the kind, and a hash of the whole checked request.

    Fields in another order, or left out where they have their default, make no difference.

    Args:
        kind: A name of `KINDS`.
        request: The fields of that kind's request.

    Returns:
        The key for `JobQueue.submit`, short however long the request is.

    Raises:
        UnknownPluginError: there is no such kind.
        JobFailedError: the request does not fit the kind; the message names the field.
    """
    checked = job_kind(kind).check(request).model_dump(mode="json")
    canonical = json.dumps(checked, sort_keys=True, separators=(",", ":"))
    return f"{kind}/{hashlib.sha256(canonical.encode()).hexdigest()}"


__all__ = ["KINDS", "ImportRequest", "JobControl", "JobKind", "JobRequest", "ScoreRequest", "job_key", "job_kind"]
