"""What the loop is worth: three simulated laboratories, simulated experts, three cycles each.

    python benchmarks/loop_facility.py --seeds 8 --out TABLES.md

prints the tables of docs/explanations/the-loop.md. Drops are rendered and their features computed once, below
``--cache`` (about 7 processor seconds per 50 drops; a laboratory needs 1,264); each run of a scenario and a seed
leaves a JSON file there, below a digest of the code that it measures, so that an interrupted benchmark goes on where it
was. ``--rows`` chooses scenarios: ``main``
(the three laboratories), and where the loop does not help: ``twice`` (experts with twice the errors), ``rare`` (2 % of
drops with crystals), ``familiar`` (a laboratory that the embedded default was trained on).

    python benchmarks/loop_facility.py --method lora --rows main --seeds 1

trains LoRA adapters on a tiny DINOv2 instead of fast heads on the embedded default (some ten minutes of one processor).
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from loop_facilities import tables
from loop_facilities.batches import PLATES, TEST_DROPS
from loop_facilities.drops import default_cache, prepare_all
from loop_facilities.keeping import code_digest
from loop_facilities.running import SCENARIOS, Scenario, run


def results(folder: Path, row: str, scenario: Scenario, seeds: int, method: str, jobs: int) -> list[tables.Run]:
    """The runs of a scenario, from disk where they are there.

    Args:
        folder: Of the cache.
        row: Key of the scenario.
        scenario: What is simulated.
        seeds: How many.
        method: What is trained.
        jobs: How many seeds are run at once.
    """
    for name in scenario.labs:
        prepare_all(folder, name, scenario.drops)
    kept = folder / "runs" / code_digest()
    targets = [kept / f"{method}-{row}-{scenario.plates}-{scenario.test_drops}-{seed}.json" for seed in range(seeds)]
    missing = [seed for seed, target in enumerate(targets) if not target.exists()]
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {pool.submit(_one, folder, scenario, seed, method, targets[seed]): seed for seed in missing}
        for done in as_completed(waiting):
            print(f"{row}, seed {waiting[done]}: {done.result():.0f} s", flush=True)
    return [json.loads(target.read_text(encoding="utf-8")) for target in targets]


def _one(folder: Path, scenario: Scenario, seed: int, method: str, target: Path) -> float:
    """Runs a seed and keeps its numbers; returns how many seconds it took."""
    started = time.perf_counter()
    numbers = _run_adapters(folder, scenario, seed) if method == "lora" else run(folder, scenario, seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    unfinished.write_text(json.dumps(numbers), encoding="utf-8")
    unfinished.rename(target)
    return time.perf_counter() - started


def _run_adapters(folder: Path, scenario: Scenario, seed: int) -> tables.Run:
    # torch is not needed for heads.
    from loop_facilities.adapters import run_adapters

    return run_adapters(folder, scenario, seed)


def report(scenario: Scenario, runs: list[tables.Run]) -> str:
    """The tables of a scenario as Markdown."""
    parts = [f"### {scenario.name[0].upper()}{scenario.name[1:]}", f"{len(runs)} seeds. {tables.people_line(runs)}"]
    parts.append(tables.accuracy_table(runs))
    parts.append(tables.difference_table(runs))
    if any(lab["errors"] for run in runs for lab in run["labs"].values()):
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
    parser.add_argument("--method", choices=("fast-head", "lora"), default="fast-head")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once")
    parser.add_argument("--plates", type=int, default=PLATES, help="that a laboratory scores in a cycle")
    parser.add_argument("--test-drops", type=int, default=TEST_DROPS)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, default=None, help="Markdown file for the tables")
    options = parser.parse_args()
    parts = []
    for row in options.rows:
        scenario = replace(SCENARIOS[row], plates=options.plates, test_drops=options.test_drops)
        parts.append(
            report(scenario, results(options.cache, row, scenario, options.seeds, options.method, options.jobs))
        )
    text = "\n\n".join(parts)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
