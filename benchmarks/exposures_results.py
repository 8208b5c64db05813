"""What parts of benchmarks/exposures.py share: settings, units of work whose results are kept, rows of the table."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

Result = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What the command was given.

    Attributes:
        folder: Where movies and RELION's output are kept.
        seeds: Of specimens, motions and noise.
        size: Pixels a side of movies, and of exposures whose time is taken.
        ctf_size: Pixels a side of exposures that are fitted.
        quick: A tenth of the exposures.
        threads: For both programs.
        peer: Whether RELION is run.
    """

    folder: Path
    seeds: tuple[int, ...] = (1, 2)
    size: int = 4096
    ctf_size: int = 2048
    quick: bool = False
    threads: int = 2
    peer: bool = True

    def count(self, usual: int) -> int:
        """How many of something for each seed."""
        return max(8, usual // 10) if self.quick else usual


@dataclass(frozen=True)
class Unit:
    """A piece of work whose result is kept under its key."""

    key: str
    compute: Callable[[], Result]


@dataclass(frozen=True)
class Row:
    """A line of the table: what was aimed at and what was found."""

    what: str
    floor: str
    hoped: str
    ours: str
    peer: str
    reached: bool | None
    hoped_reached: bool | None = None

    def cells(self) -> str:
        """As Markdown."""
        said = {True: "yes", False: "**no**", None: "-"}
        verdict = said[self.reached] if not self.hoped_reached else "yes, hoped for too"
        return f"| {self.what} | {self.floor} | {self.hoped} | {self.ours} | {self.peer} | {verdict} |"


class Kept:
    """Results in a JSON file: what is there is not computed again, so that a run that was stopped goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.results = self._read()

    def _read(self) -> dict[str, Result]:
        found: dict[str, Result] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return found

    def _write(self, results: dict[str, Result]) -> None:
        unfinished = self._path.with_suffix(f".{os.getpid()}.part")
        unfinished.write_text(json.dumps(results, default=float, indent=0))
        unfinished.rename(self._path)
        self.results = results

    def forget(self, parts: Sequence[str]) -> None:
        """Drops the results of parts, to compute them again."""
        self._write({key: value for key, value in self._read().items() if key.split("/")[0] not in parts})

    def of(self, units: Sequence[Unit]) -> dict[str, Result]:
        """The results of units, those that are not there computed and written at once."""
        for number, unit in enumerate(units, 1):
            if unit.key not in self.results:
                load, when = os.getloadavg()[0], datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
                start = time.perf_counter()
                found = unit.compute()
                # Another run may have added others meanwhile.
                self._write({**self._read(), unit.key: {**found, "load": round(load, 1), "at": when}})
                print(f"  {number}/{len(units)} {unit.key}: {time.perf_counter() - start:.0f} s", flush=True)
        return {unit.key: self.results[unit.key] for unit in units}


def machine() -> str:
    """Processor, cores, system."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores; Python {platform.python_version()}, {platform.system()} {platform.release()}"


def loads(results: Sequence[Result]) -> str:
    """The least and largest load at which results were taken, and when."""
    if not results:
        return "nothing was run"
    values, days = [row["load"] for row in results], sorted(row["at"] for row in results)
    return f"{days[0]} to {days[-1]} UTC, load {min(values):.0f} to {max(values):.0f}"


def share(values: Sequence[bool]) -> str:
    """How many are true, and of how many."""
    return f"{sum(values)}/{len(values)} ({np.mean(values):.1%})" if len(values) else "-"


def at_most(values: Sequence[float], quantile: float) -> float:
    """What a share of the absolute values stays within."""
    return float(np.quantile(np.abs(values), quantile)) if len(values) else float("nan")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
