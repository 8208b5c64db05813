"""Exposures judged: motion, CTF, what must not be called good, leaving a square; the whole table in one command.

    python benchmarks/exposures.py --folder DIR                        # hours on two cores: movies of 4096 x 4096
    python benchmarks/exposures.py --folder DIR --quick --size 2048    # some minutes
    python benchmarks/exposures.py --folder DIR --only motion --again motion
    python benchmarks/exposures.py --folder DIR --pictures docs/images --details

Each line has its floor, what is hoped for, ours, and RELION's own implementation where it does the same, on the same
simulated movies. Movies and results (results.json, with time and load) are kept in DIR: a run that was stopped goes on,
and --again computes parts anew. Returns 1 where a floor is not reached.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import exposures_ctf as ctf
import exposures_ctf_telling as telling
import exposures_leaving as leaving
import exposures_motion as motion
from exposures_pictures import draw_ctf
from exposures_results import Kept, Result, Row, Settings, Unit, loads, machine

Results = dict[str, Result]
PARTS = ("motion", "rings", "elsewhere", "nothing", "film", "rendered", "faint", "seconds", "leaving")
TITLES = {
    "motion": "Motion",
    "rings": "CTF fits",
    "elsewhere": "CTF fits of microscopes unlike those of development",
    "nothing": "Without rings",
    "film": "Film",
    "rendered": "CTF fits of the physical renderer's exposures",
    "faint": "What a confidence is worth",
    "leaving": "Leaving a square",
}
DETAILS: dict[str, Callable[[Results], str]] = {
    "motion": motion.details,
    "rings": lambda found: telling.rings_details(list(found.values())),
    "elsewhere": lambda found: telling.elsewhere_details(list(found.values())),
    "nothing": lambda found: telling.nothing_details(list(found.values())),
    "film": lambda found: telling.film_details(list(found.values())),
    "rendered": lambda found: telling.rendered_details(list(found.values())),
    "faint": lambda found: telling.faint_details(list(found.values())),
    "leaving": leaving.details,
}


def units_of(part: str, given: Settings) -> list[Unit]:
    """What a part has to compute."""
    if part == "motion":
        return motion.units(given)
    return leaving.units(given) if part == "leaving" else ctf.units(given, part)


def rows_of(part: str, given: Settings, found: Results) -> list[Row]:
    """A part's lines of the table; some parts are told in the details alone."""
    some = list(found.values())
    if part == "rings":
        return telling.rings_rows(given, some)
    if part == "nothing":
        return telling.nothing_rows(some)
    if part == "film":
        return telling.film_rows(some)
    if part == "seconds":
        return telling.seconds_rows(given, some)
    if part == "leaving":
        return leaving.rows(found)
    return motion.rows(given, found) if part == "motion" else []


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where movies and results are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", type=int, default=4096, help="pixels a side of movies and of what is timed")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--again", nargs="*", choices=PARTS, default=[], help="parts to compute anew")
    parser.add_argument("--quick", action="store_true", help="a tenth of the exposures, one movie for each seed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without-relion", action="store_true")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures of the documentation")
    parser.add_argument("--details", action="store_true", help="condition by condition, with what failed")
    given = parser.parse_args()
    if not given.without_relion and "motion" in given.only and shutil.which("relion_run_motioncorr") is None:
        parser.error("relion_run_motioncorr is not there (apt-get install relion); or give --without-relion")
    given.folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        given.folder,
        tuple(given.seeds),
        given.size,
        quick=given.quick,
        threads=given.threads,
        peer=not given.without_relion,
    )
    kept = Kept(given.folder / "results.json")
    if given.again:
        kept.forget(given.again)
    found = {part: kept.of(units_of(part, settings)) for part in PARTS if part in given.only}
    everything = [row for results in found.values() for row in results.values()]
    rows = [row for part, results in found.items() for row in rows_of(part, settings, results)]
    print(f"\n{machine()}. {loads(everything)}; seeds {', '.join(map(str, settings.seeds))}.\n")
    print("| what | floor | hoped for | structloop | RELION 3.1.3 | reached |\n|---|---|---|---|---|---|")
    print("\n".join(row.cells() for row in rows))
    if given.details:
        for part, results in found.items():
            if part in DETAILS:
                print(f"\n## {TITLES[part]}\n\n{DETAILS[part](results)}")
    if given.pictures is not None:
        if "motion" in found:
            motion.draw(settings, found["motion"], given.pictures / "motion-tracks.png")
        fits = {part: list(results.values()) for part, results in found.items()}
        draw_ctf(given.pictures, fits, settings.ctf_size)
    return 0 if all(row.reached is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
