"""How long it takes to import a plate of 288 images: checked, hashed, recorded and thumbnailed; and to import it again.

    python benchmarks/import_plate.py FOLDER            # a real plate
    python benchmarks/import_plate.py                   # 288 images made for the purpose, 1024 x 768

Prints a Markdown table, and beside it the plain way: one image after the other, decoded by Pillow at full size, hashed,
and reduced to a thumbnail. Fails where importing takes longer than the limit.
"""

import argparse
import hashlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from structloop.core.log import configure_logging
from structloop.core.settings import load_settings
from structloop.crystals.importing import import_folder
from structloop.imaging import IMAGE_ENDINGS
from structloop.store import Database, DerivedFiles

LIMIT_S = 15.0
IMAGES = 288


def main() -> int:
    """Runs the benchmark; returns 1 where importing takes longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of a plate's images; default: made up")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is done; the median counts")
    arguments = parser.parse_args()
    configure_logging()
    with tempfile.TemporaryDirectory(prefix="structloop-benchmark-") as temporary:
        folder = arguments.folder or make_plate(Path(temporary) / "plate")
        rounds = [one_round(folder, Path(temporary) / f"home{number}") for number in range(arguments.rounds)]
    count = rounds[0][0]
    print(
        f"\n{count} images; {os.cpu_count()} cores, {platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}; median of {len(rounds)} rounds\n"
    )
    print("| what | seconds | images per second |\n|---|---|---|")
    names = ("plain way: Pillow, one by one", "structloop: import with thumbnails", "structloop: import again")
    medians = [float(np.median([row[column] for row in rounds])) for column in (1, 2, 3)]
    for name, seconds in zip(names, medians, strict=True):
        print(f"| {name} | {seconds:.2f} | {count / seconds:.0f} |")
    if medians[1] > LIMIT_S * count / IMAGES:
        print(f"\ntoo slow: more than {LIMIT_S:g} s for {IMAGES} images", file=sys.stderr)
        return 1
    return 0


def one_round(folder: Path, home: Path) -> tuple[int, float, float, float]:
    """How many images, and the seconds of the plain way, of importing, and of importing again."""
    home.mkdir()
    settings = load_settings(home=home)
    database = Database(settings.resolved_database_url)
    files = DerivedFiles(home / "derived")
    plain_s = seconds(lambda: plain_way(folder, home / "plain", settings.thumbnail_px))
    report = None

    def importing() -> None:
        nonlocal report
        report = import_folder(database, folder, settings=settings, files=files)

    first_s = seconds(importing)
    assert report is not None
    assert report.added == report.found > 0, report.to_json()
    count = report.added
    again_s = seconds(importing)
    assert report.unchanged == count
    database.close()
    return count, plain_s, first_s, again_s


def plain_way(folder: Path, target: Path, longest_px: int) -> None:
    """Decodes, hashes and reduces every image below `folder`, one after the other."""
    target.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.suffix.lower() in IMAGE_ENDINGS:
            hashlib.sha256(path.read_bytes()).hexdigest()
            with Image.open(path) as image:
                image.load()
                image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS, reducing_gap=None)
                image.save(target / f"{number}.jpg", quality=85)


def make_plate(folder: Path) -> Path:
    """288 JPEG files with XChem's names and drop-like structure at all scales."""
    random = np.random.default_rng(1)
    place = folder / "97wo_2026-01-31_RI1000-0276-3drop"
    place.mkdir(parents=True)
    for number in range(IMAGES):
        column, row, drop = number // 24 % 12, number // 3 % 8, number % 3
        field = sum(
            np.asarray(
                Image.fromarray(random.normal(0, 1, (3 * 2**k, 4 * 2**k)).astype(np.float32)).resize((1024, 768))
            )
            for k in range(8)
        )
        pixels = np.clip(128 + 20 * np.stack([field] * 3, axis=-1), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"97wo_{column + 1:02d}{'ABCDEFGH'[row]}_{drop + 1}.jpg", quality=85)
    return folder


def seconds(work: Callable[[], None]) -> float:
    """How long `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
