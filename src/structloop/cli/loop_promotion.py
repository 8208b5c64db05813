"""`structloop loop roles`, `shadow`, `promote`, `rollback` and `retire`."""

import getpass
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_training import print_verdict
from structloop.core.errors import PromotionError

if TYPE_CHECKING:
    from structloop.jobs import Workspace
    from structloop.loop.promotion.roles import RoleEvent, Standing

Task = Annotated[str, typer.Argument(metavar="TASK", help="Review task, such as crystals/visible.", show_default=False)]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of an installed model.", show_default=False)]
Who = Annotated[str | None, typer.Option("--who", help="Who decides. Default: the user.", show_default=False)]
Why = Annotated[str, typer.Option("--why", help="A reason, for those who come after.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def roles(
    context: typer.Context,
    task: Task,
    history: Annotated[bool, typer.Option("--history", help="Every event, the first first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which model does the work of a task, what it replaced, and what waits."""
    from structloop.loop.promotion import roles as stored

    with workspace_of(context) as workspace:
        events = stored.history(workspace.database, task)
        default = _default(workspace, task)
    now = stored.fold(task, events)
    if as_json:
        typer.echo(json.dumps(_standing_json(now) | {"history": [_json(event) for event in events]}, indent=2))
        return
    typer.echo(f"production: {now.production.model if now.production else f'{default} (as the settings say)'}")
    for title, listed in (("before", now.before), ("shadow", now.shadows), ("candidate", now.candidates)):
        for event in listed:
            typer.echo(f"{title}: {event.model}")
    if history:
        for event in events:
            role = "production again" if event.goes_back else event.role
            typer.echo(f"{event.at:%Y-%m-%d %H:%M}  {event.model}  {role}  by {event.who}  {event.why}".rstrip())


def shadow(context: typer.Context, task: Task, model: Model, who: Who = None, why: Why = "") -> None:
    """Let a model score silently beside the one in production."""
    from structloop.loop.promotion.roles import give_role

    with workspace_of(context) as workspace:
        version = _version(workspace, model)
        event = give_role(workspace.database, task, version, "shadow", who=who or getpass.getuser(), why=why)
    typer.echo(f"{event.model} scores in the shadow of {task} from now on")


def retire(context: typer.Context, task: Task, model: Model, who: Who = None, why: Why = "") -> None:
    """Take a candidate or shadow off the list; for what is in production, see rollback."""
    from structloop.loop.promotion.roles import give_role, standing

    with workspace_of(context) as workspace:
        version = _version(workspace, model)
        now = standing(workspace.database, task).production
        if now is not None and now.version_id == version:
            raise PromotionError(
                f"{now.model} is in production for {task}; `structloop loop rollback {task}` gives it up"
            )
        event = give_role(workspace.database, task, version, "retired", who=who or getpass.getuser(), why=why)
    typer.echo(f"{event.model} is retired from {task}")


def promote(
    context: typer.Context,
    task: Task,
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Name of the model. Default: the newest candidate.", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Whose frozen test set judges. Default: the newest.", show_default=False),
    ] = None,
    despite_gate: Annotated[
        bool, typer.Option("--despite-gate", help="Promote although the gate refuses; --why is needed.")
    ] = False,
    who: Who = None,
    why: Why = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Compare a model with the one in production on the frozen test set, and put it there if the gate lets it pass."""
    from structloop.cli.loop_output import progress_bar
    from structloop.jobs.training import bench_of
    from structloop.loop.promotion.deciding import decide

    if despite_gate and not why.strip():
        raise PromotionError("--despite-gate needs --why: what does the gate not see?")
    with workspace_of(context) as workspace:
        name = model or _newest_candidate(workspace, task)
        with progress_bar(f"Judging {name}", quiet) as tell:
            decision = decide(
                bench_of(workspace),
                task,
                name,
                dataset=dataset,
                who=who or getpass.getuser(),
                why=why,
                despite_gate=despite_gate,
                on_progress=tell,
            )
    print_verdict(decision.verdict.to_json())
    if decision.event is None:
        raise PromotionError(f"{name} was not promoted: " + "; ".join(decision.verdict.objections))
    typer.echo(f"{decision.event.model} is in production for {task}; `structloop loop rollback {task}` goes back")


def rollback(context: typer.Context, task: Task, who: Who = None, why: Why = "") -> None:
    """Go back to the model that was in production before."""
    from structloop.loop.promotion.roles import roll_back

    with workspace_of(context) as workspace:
        now = roll_back(workspace.database, task, who=who or getpass.getuser(), why=why)
        default = _default(workspace, task)
    model = now.production.model if now.production else f"{default} (as the settings say)"
    typer.echo(f"{model} is in production for {task} again")


def _default(workspace: "Workspace", task: str) -> str:
    from structloop.loop.tasks import REVIEW_TASKS

    return REVIEW_TASKS.get(task).default_model or workspace.models.default_name


def _version(workspace: "Workspace", name: str) -> int:
    from structloop.loop.promotion.roles import record_version

    return record_version(workspace.database, workspace.models.card(name))


def _newest_candidate(workspace: "Workspace", task: str) -> str:
    from structloop.loop.promotion.roles import standing

    now = standing(workspace.database, task)
    waiting = sorted((*now.candidates, *now.shadows), key=lambda event: event.id)
    if not waiting:
        raise PromotionError(f"{task} has no candidate; train one with `structloop loop train {task}`, or name a model")
    return waiting[-1].model.rpartition("@")[0]


def _json(event: "RoleEvent") -> dict[str, Any]:
    return {
        "model": event.model,
        "role": event.role,
        "goes_back": event.goes_back,
        "who": event.who,
        "why": event.why,
        "at": event.at.isoformat(),
        "evidence": dict(event.evidence),
    }


def _standing_json(now: "Standing") -> dict[str, Any]:
    return {
        "task": now.task,
        "production": None if now.production is None else _json(now.production),
        "before": [_json(event) for event in now.before],
        "shadows": [_json(event) for event in now.shadows],
        "candidates": [_json(event) for event in now.candidates],
    }


def register(app: typer.Typer) -> None:
    """Adds the commands to the group."""
    for command in (roles, shadow, retire, promote, rollback):
        app.command()(command)


__all__ = ["register"]
