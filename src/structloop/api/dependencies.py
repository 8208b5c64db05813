"""What routes are given: the workspace, its parts, and who is answering."""

import getpass
from typing import Annotated, cast

from fastapi import Depends, Request

from structloop.api.explaining import ExplainingDesk
from structloop.core.settings import Settings
from structloop.crystals.explaining import Explainer
from structloop.jobs import JobQueue, Workspace
from structloop.models.registry import ModelRegistry
from structloop.store import Database, DerivedFiles, KeptFiles


def get_workspace(request: Request) -> Workspace:
    """The workspace that the application was made for."""
    return cast(Workspace, request.app.state.workspace)


def get_queue(request: Request) -> JobQueue:
    """The queue of the workspace's jobs."""
    return cast(JobQueue, request.app.state.queue)


def get_explainer(request: Request) -> Explainer:
    """What explains scores of the workspace's models."""
    return cast(Explainer, request.app.state.explainer)


def get_desk(request: Request) -> ExplainingDesk:
    """Where explanations are made beside the requests."""
    return cast(ExplainingDesk, request.app.state.desk)


WorkspaceDependency = Annotated[Workspace, Depends(get_workspace)]


def get_settings(workspace: WorkspaceDependency) -> Settings:
    """The settings of the workspace."""
    return workspace.settings


def get_database(workspace: WorkspaceDependency) -> Database:
    """The database of the workspace."""
    return workspace.database


def get_files(workspace: WorkspaceDependency) -> DerivedFiles:
    """The derived files of the workspace."""
    return workspace.files


def get_kept(workspace: WorkspaceDependency) -> KeptFiles:
    """The kept files of the workspace."""
    return workspace.kept


def get_models(workspace: WorkspaceDependency) -> ModelRegistry:
    """The models of the workspace."""
    return workspace.models


def get_annotator() -> str:
    """Who human scores are recorded for: until there are users, the account that runs the server."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a user id without a name.
        return "local"


SettingsDependency = Annotated[Settings, Depends(get_settings)]
DatabaseDependency = Annotated[Database, Depends(get_database)]
FilesDependency = Annotated[DerivedFiles, Depends(get_files)]
KeptFilesDependency = Annotated[KeptFiles, Depends(get_kept)]
ModelsDependency = Annotated[ModelRegistry, Depends(get_models)]
QueueDependency = Annotated[JobQueue, Depends(get_queue)]
ExplainerDependency = Annotated[Explainer, Depends(get_explainer)]
DeskDependency = Annotated[ExplainingDesk, Depends(get_desk)]
AnnotatorDependency = Annotated[str, Depends(get_annotator)]

__all__ = [
    "AnnotatorDependency",
    "DatabaseDependency",
    "DeskDependency",
    "ExplainerDependency",
    "FilesDependency",
    "KeptFilesDependency",
    "ModelsDependency",
    "QueueDependency",
    "SettingsDependency",
    "WorkspaceDependency",
]
