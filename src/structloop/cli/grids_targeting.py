"""`structloop grids simulate-targeting`: what targeting would have done in a recorded session."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


def register(app: typer.Typer) -> None:
    """Adds the command to the group `grids`."""
    app.command("simulate-targeting")(simulate_targeting)


def _numbers(text: str, option: str, count: int | None = None) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' is not a list of numbers such as 1,2,6,8", param_hint=option) from error
    if count is not None and len(values) != count:
        raise typer.BadParameter(f"'{text}' has {len(values)} numbers, {count} are needed", param_hint=option)
    return values


def simulate_targeting(
    holes: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV of a recorded session's holes.")],
    policy: Annotated[
        str, typer.Option(help="Policy to look at closely; the others are always compared.")
    ] = "adaptive",
    features: Annotated[
        str, typer.Option(help="Columns that policies may see, separated by commas, or 'none'.")
    ] = "predicted_ctf_resolution_A",
    move_minutes: Annotated[
        str, typer.Option(help="Minutes to the next hole: same patch, same square, same atlas tile, elsewhere.")
    ] = "1,2,6,8",
    budgets: Annotated[str, typer.Option(help="Lengths of sessions, in minutes.")] = "120,240,360,480",
    starts: Annotated[int, typer.Option(min=1, help="Number of start holes, drawn at random.")] = 50,
    threshold: Annotated[
        float, typer.Option(min=0.1, help="Good is this CTF resolution or better, in angstrom.")
    ] = 6.0,
    outcome: Annotated[str, typer.Option(help="Column with the measured CTF resolution.")] = "ctf_max_resolution_A",
    seed: Annotated[int, typer.Option(help="Seed of start holes and policies.")] = 0,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the pictures.")] = Path("targeting"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON instead.")] = False,
) -> None:
    """Replays a recorded session: what would structloop have done, and how close to the best possible is that?

    The start hole is free and not counted; an exposure that would end after the budget is refused. Shares are of an
    exact oracle that knows every outcome.

    Examples:

      structloop grids simulate-targeting holes.csv

      structloop grids simulate-targeting holes.csv --features none --budgets 60,120 --starts 20

      structloop grids simulate-targeting holes.csv --features ice_thickness,mean_grey --move-minutes 2,5,10,20
    """
    from structloop.grids.targeting import POLICIES, make_policy, read_holes, replay_of
    from structloop.grids.targeting.figures import draw_path, draw_shares
    from structloop.grids.targeting.replay import COMPARED

    if policy not in POLICIES:
        raise typer.BadParameter(f"no policy '{policy}'; there are {', '.join(POLICIES)}", param_hint="--policy")
    table, columns = read_holes(holes)
    wanted = [] if features.strip().lower() in ("none", "") else [name.strip() for name in features.split(",")]
    replay = replay_of(table, columns, wanted, _numbers(move_minutes, "--move-minutes", 4), threshold, outcome)
    lengths = _numbers(budgets, "--budgets")
    names = [policy, *(name for name in COMPARED if name != policy)]
    chosen = replay.starts(starts, seed)

    errors = Console(stderr=True)
    bar = Progress(
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=len(names) * len(lengths) * len(chosen))
        shares = replay.compare(names, chosen, lengths, seed=seed, on_done=lambda: bar.advance(task))

    out.mkdir(parents=True, exist_ok=True)
    draw_shares(shares, out / "good-exposures.png")
    longest = max(lengths)
    closer = make_policy(policy, replay.holes, replay.move_minutes, longest, seed, reward=replay.reward)
    steps = replay.run(closer, chosen[0], longest)
    good = sum(step.good for step in steps[1:])
    title = f"{policy}: {good} good of {len(steps) - 1} exposures in {steps[-1].minutes:.0f} of {longest:.0f} minutes"
    draw_path(replay, steps, title, out / "path.png")

    if as_json:
        rows = [
            {
                "policy": share.policy,
                "budget_minutes": share.budget_minutes,
                "good_mean": float(share.good.mean()),
                "good_sd": float(share.good.std()),
                "oracle_mean": float(share.oracle.mean()),
                "share": share.share,
                "share_interval_95": share.interval(),
            }
            for share in shares
        ]
        typer.echo(json.dumps({"starts": len(chosen), "features": wanted, "shares": rows}, indent=2))
        return
    console = Console()
    seen = ", ".join(wanted) or "none"
    console.print(
        f"{len(table)} holes, {int(replay.good.sum())} good (CTF to {threshold:g} A or better); "
        f"{len(chosen)} starts; features seen: {seen}"
    )
    view = Table(
        "policy", *(f"{length:g} min" for length in lengths), title="good exposures: mean ± sd (share of the oracle)"
    )
    for name in names:
        own = {share.budget_minutes: share for share in shares if share.policy == name}
        cells = [
            f"{own[length].good.mean():.1f} ± {own[length].good.std():.1f} ({100 * own[length].share:.0f} %)"
            for length in lengths
        ]
        view.add_row(name, *cells, style="bold" if name == policy else None)
    oracles = {share.budget_minutes: share.oracle for share in shares}
    view.add_row("oracle", *(f"{oracles[length].mean():.1f} ± {oracles[length].std():.1f}" for length in lengths))
    console.print(view)
    console.print(f"Pictures: {out / 'good-exposures.png'}, {out / 'path.png'}")


__all__ = ["register"]
