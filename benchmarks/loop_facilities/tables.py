"""The tables of the benchmark, from the JSON of its runs: means with 95 % intervals, by bootstrap over seeds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loop_facilities.batches import CYCLES
from loop_facilities.running import HALF, LOOP, NO_LOOP, QUARTER, RANDOM, RAW

Run = dict[str, Any]
RESAMPLES = 10_000
COLUMNS = (
    ("balanced_accuracy", "balanced accuracy", 100.0),
    ("recall", "recall", 100.0),
    ("precision", "precision", 100.0),
    ("load", "drops to look at, of 96", 1.0),
    ("even_balanced_accuracy", "balanced accuracy at even odds", 100.0),
    ("average_precision", "average precision", 100.0),
)


def interval(values: Sequence[float], scale: float = 1.0, digits: int = 1) -> str:
    """A mean with its interval: seeds are drawn again, with replacement, `RESAMPLES` times."""
    data = np.asarray(values, dtype=np.float64) * scale
    data = data[~np.isnan(data)]
    if len(data) < 2:
        return f"{data.mean():.{digits}f}" if len(data) else "none"
    drawn = np.random.default_rng(0).integers(len(data), size=(RESAMPLES, len(data)))
    low, high = np.quantile(data[drawn].mean(axis=1), [0.025, 0.975])
    return f"{data.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def arm(run: Run, name: str, cycle: int, key: str) -> float:
    """A number of an arm after a cycle: the mean over the run's laboratories."""
    return float(np.mean([lab["arms"][name][cycle][key] for lab in run["labs"].values()]))


def accuracy_table(runs: Sequence[Run]) -> str:
    """Every arm after every cycle."""
    lines = ["| arm | cycle | " + " | ".join(title for _, title, _ in COLUMNS) + " |"]
    lines.append("|---|---:|" + "---:|" * len(COLUMNS))
    for name in next(iter(runs[0]["labs"].values()))["arms"]:
        cycles = range(1) if name == NO_LOOP else range(CYCLES)
        for cycle in cycles:
            cells = [interval([arm(run, name, cycle, key) for run in runs], scale) for key, _, scale in COLUMNS]
            lines.append(f"| {name} | {'any' if name == NO_LOOP else cycle + 1} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def difference_table(runs: Sequence[Run]) -> str:
    """The loop less the other arms, paired by seed."""
    others = [other for other in (NO_LOOP, RAW, RANDOM) if other in next(iter(runs[0]["labs"].values()))["arms"]]
    lines = [
        "| the loop less | cycle | balanced accuracy | at even odds | average precision |",
        "|---|---:|---:|---:|---:|",
    ]
    for other in others:
        for cycle in range(CYCLES):
            cells = []
            for key in ("balanced_accuracy", "even_balanced_accuracy", "average_precision"):
                gains = [arm(run, LOOP, cycle, key) - arm(run, other, cycle, key) for run in runs]
                cells.append(interval(gains, 100.0))
            lines.append(f"| {other} | {cycle + 1} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def curation_table(runs: Sequence[Run]) -> str:
    """How many curations the chosen queue needs for what the random one reaches in the end."""
    lines = [
        f"| queue | drops curated per laboratory | answers | minutes | balanced accuracy after cycle {CYCLES} "
        "| less the random queue's | planted errors seen by curators, % | wrong labels left |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    last = CYCLES - 1
    for name in (RANDOM, LOOP, HALF, QUARTER):
        gains = [
            arm(run, name, last, "balanced_accuracy") - arm(run, RANDOM, last, "balanced_accuracy") for run in runs
        ]
        seen = [arm(run, name, last, "queued_errors") / max(arm(run, name, last, "planted"), 1) for run in runs]
        cells = [
            f"{np.mean([arm(run, name, last, key) for run in runs]):.0f}" for key in ("curations", "answers", "minutes")
        ]
        cells.append(interval([arm(run, name, last, "balanced_accuracy") for run in runs], 100.0))
        cells.append("" if name == RANDOM else interval(gains, 100.0))
        cells.append(interval(seen, 100.0, 0))
        cells.append(f"{np.mean([arm(run, name, last, 'left_errors') for run in runs]):.1f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    needed = ["never" if each is None else str(each) for each in map(_needed, runs)]
    lines.append("")
    lines.append(
        "Curations until the chosen queue's balanced accuracy is at least the random queue's after "
        f"{arm(runs[0], RANDOM, last, 'curations'):.0f}, by seed, at the budgets tried: {', '.join(needed)}."
    )
    return "\n".join(lines)


def _needed(run: Run) -> int | None:
    """The fewest curations after which the chosen queue was as good as the random one in the end."""
    aim = arm(run, RANDOM, CYCLES - 1, "balanced_accuracy")
    enough = [
        round(arm(run, name, cycle, "curations"))
        for name in (QUARTER, HALF, LOOP)
        for cycle in range(CYCLES)
        if arm(run, name, cycle, "balanced_accuracy") >= aim
    ]
    return min(enough, default=None)


def error_table(runs: Sequence[Run]) -> str:
    """How well planted label errors are found."""

    def share(top: str, bottom: str) -> str:
        parts = []
        for run in runs:
            found = [lab["errors"] for lab in run["labs"].values() if lab["errors"]]
            below = sum(each[bottom] for each in found)
            parts.append(sum(each[top] for each in found) / below if below else float("nan"))
        return interval(parts, 100.0, 0)

    rows: tuple[tuple[str, str, str], ...] = (
        ("wrong labels, of all labels", "planted", "drops"),
        ("suspects that are wrong (precision)", "true_suspects", "suspected"),
        ("wrong labels that are suspects (recall)", "true_suspects", "planted"),
        ("wrong ones among as many first suspects as there are errors", "true_first", "planted"),
        ("false alarms of experts that are suspects (recall)", "false_alarm_found", "false_alarm_planted"),
        ("suspected crystals that are none (precision)", "false_alarm_found", "false_alarm_suspected"),
        ("misses of experts that are suspects (recall)", "miss_found", "miss_planted"),
        ("suspected others that are crystals (precision)", "miss_found", "miss_suspected"),
    )
    lines = ["| label errors | % |", "|---|---:|"]
    return "\n".join(lines + [f"| {title} | {share(top, bottom)} |" for title, top, bottom in rows])


def shared_table(runs: Sequence[Run]) -> str:
    """What each laboratory learnt, on every laboratory's frozen test set."""
    names = list(runs[0]["labs"])
    lines = ["| of | " + " | ".join(f"on {name}" for name in names) + " |", "|---|" + "---:|" * len(names)]

    def row(title: str, value: Callable[[Run, str], float]) -> str:
        return (
            f"| {title} | " + " | ".join(interval([value(run, name) for run in runs], 100.0) for name in names) + " |"
        )

    lines += [row(own, lambda run, name, own=own: run["shared"][own][name]["balanced_accuracy"]) for own in names]
    last = CYCLES - 1
    averages = [arm for arm in runs[0]["labs"][names[0]]["arms"] if "averaged" in arm]
    lines += [
        row(title, lambda run, name, key=title: run["labs"][name]["arms"][key][last]["balanced_accuracy"])
        for title in (*averages, NO_LOOP)
    ]

    def worse(other: Callable[[Run, str], float], run: Run, name: str) -> bool:
        return other(run, name) < run["shared"][name][name]["balanced_accuracy"]

    cases = [(run, name) for run in runs for name in names]
    foreign = sum(
        worse(lambda run, name, own=sender: run["shared"][own][name]["balanced_accuracy"], run, name)
        for run, name in cases
        for sender in names
        if sender != name
    )
    said = [f"another laboratory's in {foreign} of {len(cases) * (len(names) - 1)} cases"]
    for title in (*averages, NO_LOOP):
        count = sum(
            worse(lambda run, name, key=title: run["labs"][name]["arms"][key][last]["balanced_accuracy"], run, name)
            for run, name in cases
        )
        said.append(f"{title} in {count} of {len(cases)}")
    return "\n".join([*lines, "", f"Worse than one's own: {'; '.join(said)}."])


def people_line(runs: Sequence[Run]) -> str:
    """What the experts did."""
    people = [lab["human"] for run in runs for lab in run["labs"].values()]
    total = {key: sum(each[key] for each in people) for key in people[0]}
    return (
        f"Per laboratory and seed {total['drops'] / len(people):.0f} drops, {total['crystals'] / len(people):.0f} with "
        f"crystals, of which experts missed {total['missed'] / total['crystals']:.0%}; "
        f"{total['false_alarms'] / (total['drops'] - total['crystals']):.1%} of the others they called crystal; "
        f"{total['minutes'] / len(people):.0f} minutes of scoring."
    )
