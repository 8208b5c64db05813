"""Durable jobs: what takes longer than a web request survives a killed process and is finished by the next one."""

from structloop.jobs.kinds import job_key
from structloop.jobs.queue import JobQueue
from structloop.jobs.worker import Worker
from structloop.jobs.workspace import LoadedModels, Workspace, open_workspace

__all__ = ["JobQueue", "LoadedModels", "Worker", "Workspace", "job_key", "open_workspace"]
