"""What the loop is worth: three simulated laboratories, simulated experts, three cycles each.

    python benchmarks/loop_facility.py --seeds 8 --out TABLES.md

prints the tables of docs/explanations/the-loop.md. Drops are rendered and their features computed once, below
``--cache`` (about 7 processor seconds per 50 drops; a laboratory needs 1,264); each run of a scenario and a seed
leaves a JSON file there, so that an interrupted benchmark goes on where it was. ``--rows`` chooses scenarios: ``main``
(the three laboratories), and where the loop does not help: ``twice`` (experts with twice the errors), ``rare`` (2 % of
drops with crystals), ``familiar`` (a laboratory that the embedded default was trained on).
"""

import argparse
import json
import time
from pathlib import Path

from loop_facilities import tables
from loop_facilities.drops import default_cache, prepare_all
from loop_facilities.running import DROPS, SCENARIOS, run


def results(folder: Path, row: str, seeds: int) -> list[tables.Run]:
    """The runs of a scenario, from disk where they are there.

    Args:
        folder: Of the cache.
        row: Key of the scenario.
        seeds: How many.
    """
    scenario = SCENARIOS[row]
    for name in scenario.labs:
        prepare_all(folder, name, DROPS)
    found = []
    for seed in range(seeds):
        target = folder / "runs" / f"{row}-{seed}.json"
        if not target.exists():
            started = time.perf_counter()
            numbers = run(folder, scenario, seed)
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_suffix(".part")
            unfinished.write_text(json.dumps(numbers), encoding="utf-8")
            unfinished.rename(target)
            print(f"{row}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
        found.append(json.loads(target.read_text(encoding="utf-8")))
    return found


def report(row: str, runs: list[tables.Run]) -> str:
    """The tables of a scenario as Markdown."""
    scenario = SCENARIOS[row]
    parts = [f"### {scenario.name[0].upper()}{scenario.name[1:]}", f"{len(runs)} seeds. {tables.people_line(runs)}"]
    parts.append(tables.accuracy_table(runs))
    parts.append(tables.difference_table(runs))
    parts.append(tables.error_table(runs))
    if scenario.full:
        parts.append(tables.curation_table(runs))
    if len(scenario.labs) > 1:
        parts.append(tables.shared_table(runs))
    return "\n\n".join(parts)


def main() -> None:
    """Runs what is missing and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rows", nargs="+", choices=sorted(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, default=None, help="Markdown file for the tables")
    options = parser.parse_args()
    text = "\n\n".join(report(row, results(options.cache, row, options.seeds)) for row in options.rows)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
