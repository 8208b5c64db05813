"""Few-shot particle picking on labelled micrographs: this program's pickers, and Topaz trained the same way.

    python benchmarks/particles.py FOLDER --diameter-px 108
    python benchmarks/particles.py FOLDER --diameter-px 108 --topaz TOPAZ_ENV/bin/python --out table.md
    python benchmarks/particles.py FOLDER --diameter-px 108 --rows 5-shot "20 labels"

FOLDER holds micrographs and truth.star. The first half of the micrographs (by name) is for training, the other half is
judged; no label of it is seen before. Every pick comes from `structloop particles train` and `pick` as users run them,
or from Topaz's own commands. Each result is kept in the folder --work as soon as it is there, and a run that was killed
goes on. Ten shots of ten micrographs would leave none to judge: --leave-one-out learns from all but one, each in turn.

With noise, white noise is added to every pixel of training and judged micrographs, such that the micrograph binned to
13.5 pixels per diameter has noise of so many times its own variance (measured off the border).
"""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from particles_data import Settings, Task, prepared
from particles_judging import head, judged_row
from particles_methods import METHODS
from particles_topaz import TOPAZ, TopazSettings, run_topaz


@dataclass(frozen=True)
class Row:
    """What is learned from: micrographs, labels of them in all or as a share, and noise."""

    name: str
    shots: int | None = None
    labels: int | None = None
    share: float | None = None
    noise: float = 0.0


ROWS = (
    Row("5-shot"),
    Row("1-shot", shots=1),
    Row("50 % of the labels", share=0.5),
    Row("25 % of the labels", share=0.25),
    Row("10 % of the labels", share=0.1),
    Row("100 labels", labels=100),
    Row("20 labels", labels=20),
    Row("no labels", labels=0),
    Row("noise x1", noise=1.0),
    Row("noise x3", noise=3.0),
)


def tasks_of(row: Row, micrographs: Sequence[Path]) -> list[Task]:
    """The one task of a row."""
    half = len(micrographs) // 2
    train, test = micrographs[:half], micrographs[half:]
    return [Task(row.name, tuple(train[: row.shots or half]), tuple(test), row.labels, row.share, row.noise)]


def leave_one_out(micrographs: Sequence[Path]) -> list[Task]:
    """As many tasks as micrographs."""
    return [
        Task(f"leave one out {index}", (*micrographs[:index], *micrographs[index + 1 :]), (each,))
        for index, each in enumerate(micrographs)
    ]


def kept_of(task: Task, method: str, settings: Settings) -> Path:
    """Where a result is kept."""
    return settings.work / f"{task.key}--{method}.json"


def measured(task: Task, method: str, settings: Settings, topaz: TopazSettings) -> dict[str, object]:
    """The result of a method on a task: what is kept, or it is made and kept."""
    kept = kept_of(task, method, settings)
    if kept.is_file():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    print(f"{task.name}: {method} ...", flush=True)
    data = prepared(task, settings)
    result = run_topaz(task, data, settings, topaz) if method == TOPAZ else METHODS[method](task, data, settings)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.replace(kept)
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="micrographs and truth.star")
    parser.add_argument("--diameter-px", type=float, required=True, help="of the particle, stored pixels")
    parser.add_argument("--border", type=float, default=128.0, help="picks and labels so near to an edge do not count")
    parser.add_argument("--rows", nargs="*", default=[], metavar="NAME", help="only these rows")
    parser.add_argument("--methods", nargs="*", default=[], metavar="NAME", help="only these methods")
    parser.add_argument("--leave-one-out", action="store_true", help="one more row: learn from all but one")
    parser.add_argument("--steps", type=int, help="steps of the heat-map network; default: its own time limit decides")
    parser.add_argument("--threads", type=int, help="of the processor, for all methods")
    parser.add_argument("--topaz", type=Path, metavar="PYTHON", help="the Python of an environment with topaz-em")
    parser.add_argument("--topaz-expected", type=int, default=640, help="Topaz's -n: particles per micrograph")
    parser.add_argument("--topaz-epochs", type=int, default=8, help="of 60 steps")
    parser.add_argument("--work", type=Path, default=Path("particles-benchmark"), help="folder of results")
    parser.add_argument("--out", type=Path, help="Markdown file for the table, besides printing it")
    parser.add_argument("--only-kept", action="store_true", help="make nothing new: the table of what is there")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        arguments.folder, arguments.diameter_px, arguments.border, arguments.steps, arguments.threads, arguments.work
    )
    micrographs = settings.micrographs()
    topaz = TopazSettings(arguments.topaz, arguments.topaz_expected, arguments.topaz_epochs)
    wanted = [row for row in ROWS if not arguments.rows or row.name in arguments.rows]
    groups = [(row.name, tasks_of(row, micrographs)) for row in wanted]
    if arguments.leave_one_out:
        groups.append((f"{len(micrographs) - 1}-shot, leave one out", leave_one_out(micrographs)))
    lines = head(settings, topaz)
    print("\n".join(lines), flush=True)
    for name, tasks in groups:
        results = {}
        for method in (*METHODS, TOPAZ):
            chosen = not arguments.methods or method in arguments.methods
            if not chosen or (method == "general" and tasks[0].labels != 0 and not tasks[0].noise):
                continue
            kept = all(kept_of(task, method, settings).is_file() for task in tasks)
            if not kept and (arguments.only_kept or (method == TOPAZ and arguments.topaz is None)):
                continue
            if method == "structloop" and tasks[0].labels == 0:
                continue
            results[method] = [measured(task, method, settings, topaz) for task in tasks]
        if results:
            row = judged_row(name, results, settings)
            lines += row
            print("\n".join(row), flush=True)
    lines += [
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}.",
    ]
    print(f"\n{lines[-1]}")
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
