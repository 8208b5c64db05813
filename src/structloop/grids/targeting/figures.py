"""Pictures of replays: good exposures against time for all policies, and the path of one session over the grid."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from structloop.grids.targeting.layout import lay_out
from structloop.grids.targeting.replay import Replay, Share, Step

# Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = {
    "oracle": "#000000",
    "adaptive": "#0072B2",
    "winstay": "#D55E00",
    "sweep": "#009E73",
    "greedy": "#CC79A7",
    "random": "#999999",
}
GOOD, BAD, UNSEEN = "#0072B2", "#D55E00", "#C8CCD0"


def draw_shares(shares: Sequence[Share], path: Path) -> None:
    """Mean good exposures against the budget, one line per policy with its spread over starts (one sd), and the
    oracle.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    budgets = sorted({share.budget_minutes for share in shares})
    oracle = [np.mean(next(s for s in shares if s.budget_minutes == budget).oracle) for budget in budgets]
    axes.plot(budgets, oracle, color=COLOURS["oracle"], linestyle="--", label="exact oracle")
    for name in dict.fromkeys(share.policy for share in shares):
        own = {share.budget_minutes: share.good for share in shares if share.policy == name}
        mean = np.array([own[budget].mean() for budget in budgets])
        sd = np.array([own[budget].std() for budget in budgets])
        colour = COLOURS.get(name, "#56B4E9")
        axes.plot(budgets, mean, marker="o", color=colour, label=name)
        axes.fill_between(budgets, mean - sd, mean + sd, color=colour, alpha=0.12, linewidth=0)
    axes.set_xlabel("microscope time (minutes)")
    axes.set_ylabel("good exposures")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def draw_path(replay: Replay, steps: Sequence[Step], title: str, path: Path) -> None:
    """One session: holes by patch and square, what was exposed in which order, and good exposures against time.

    Squares and patches are laid out side by side (`layout.lay_out`), as a recorded session need not say where they lie.
    """
    figure = Figure(figsize=(12, 7), layout="constrained")
    map_axes, time_axes = figure.subplots(2, 1, height_ratios=(4, 1))
    layout = lay_out(replay.holes, replay.groups)
    x, y = layout.x, layout.y
    map_axes.scatter(x, y, s=6, color=UNSEEN, linewidths=0)
    row = {name: number for number, name in enumerate(replay.holes.hole_id)}
    rows = [row[step.hole_id] for step in steps]
    map_axes.plot(x[rows], y[rows], color="#333333", linewidth=0.6, alpha=0.6)
    for good, colour, label in ((True, GOOD, "good"), (False, BAD, "bad")):
        chosen = [number for number, step in zip(rows, steps, strict=True) if step.good is good]
        map_axes.scatter(x[chosen], y[chosen], s=14, color=colour, label=f"exposed, {label}", linewidths=0)
    map_axes.scatter(x[rows[:1]], y[rows[:1]], s=80, facecolors="none", edgecolors="#000000", label="start")
    for place in layout.squares:
        label = f"tile {place.atlas_tile}, square {place.square}"
        map_axes.annotate(label, (place.x, place.y - 0.08), fontsize=7, va="bottom")
    map_axes.invert_yaxis()
    map_axes.set_axis_off()
    map_axes.set_title(title, fontsize=10, loc="left")
    map_axes.legend(frameon=False, loc="lower right", fontsize=8)
    _draw_yield(time_axes, steps)
    figure.savefig(path, dpi=150)


def _draw_yield(axes: Axes, steps: Sequence[Step]) -> None:
    minutes = [step.minutes for step in steps]
    good = np.cumsum([0, *(step.good for step in steps[1:])])
    axes.step(minutes, good, where="post", color=GOOD)
    axes.set_xlabel("minutes")
    axes.set_ylabel("good exposures")
    axes.spines[["top", "right"]].set_visible(False)


__all__ = ["draw_path", "draw_shares"]
