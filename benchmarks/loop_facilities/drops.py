"""Drops of the simulated laboratories: rendered once, their features computed once, and kept on disk.

Every drop is rendered without crystals, and the first `CRYSTAL_SHARE` of each chunk also with: the same drop, dirt and
light.
A run decides for each of its drops which of the two it is, so that it can have any prevalence, and no run has both.
"""

import argparse
import math
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.loop.training.fast_head_models import HeadBase, open_base
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard
from structloop.simulation.drops import Content, DropScene, render_visible_with_truth, sample_scene
from structloop.simulation.laboratories import DEVELOPMENT, FAMILIAR, LABORATORIES, laboratory

LONG_SIDE = 512
"""Pixels along the longer side of the renderings; the default's network looks at 512 x 416."""

PICTURE = 224
"""Pixels along both sides of the pictures that are kept for networks that are trained here."""

CHUNK = 50
CRYSTAL_SHARE = 0.35
_FIRST_SCENE = 40_000_000
_HALF = 13


@dataclass(frozen=True)
class Drops:
    """The drops of a laboratory, `n` of them.

    Attributes:
        bare: `(n, width)` features of each drop without crystals; the first is the base's log-odds.
        grown: `(n, width)` features of the same drop with crystals; NaN where there is no such picture, or where
            nobody could see the crystals.
        is_micro: `(n,)` whether its largest crystal is smaller than `MICRO` of the drop's radius.
        hardness: `(n,)` how hard its crystals are to see, mean 0 and standard deviation 1; NaN without.
        lookalike: `(n,)` whether the drop without crystals holds what people take for crystals.
    """

    bare: NDArray[np.float32]
    grown: NDArray[np.float32]
    is_micro: NDArray[np.bool_]
    hardness: NDArray[np.float64]
    lookalike: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bare)

    @property
    def can_grow(self) -> NDArray[np.bool_]:
        """Drops of which there is a picture with visible crystals."""
        visible: NDArray[np.bool_] = ~np.isnan(self.grown[:, 0])
        return visible


MICRO = 0.08
_LOOKALIKES = {Content.SPHERULITES, Content.PARTICLES, Content.PHASE_SEPARATION}


def default_cache() -> Path:
    """Where features are kept unless another folder is named."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "structloop-benchmarks" / "loop"


@cache
def card(home: Path) -> ModelCard:
    """The embedded default's card."""
    registry = ModelRegistry(home / "models")
    found: ModelCard = registry.card(registry.default_name)
    return found


@cache
def base(home: Path) -> HeadBase:
    """The embedded default as the base of heads, with one thread."""
    registry = ModelRegistry(home / "models")
    return open_base(registry, registry.default_name, Modality.VISIBLE, Runtime(threads=1))


def prepare_all(folder: Path, name: str, count: int) -> None:
    """Renders what is missing of the first `count` drops of a laboratory; may run in several processes at once."""
    for place in range(math.ceil(count / CHUNK)):
        prepare(folder, name, chunk_at(place))


def chunk_at(place: int) -> int:
    """Number of the chunk that is the `place`-th of a laboratory.

    The first two halves of `_HALF` chunks take turns, so that two processes that render one half each have made the
    first drops of all when they are half done.
    """
    return place // 2 + _HALF * (place % 2) if place < 2 * _HALF else place


def prepare(folder: Path, name: str, chunk: int) -> None:
    """Renders `CHUNK` drops of a laboratory unless they are there."""
    target = _file(folder, name, chunk)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _render(folder, name, chunk, target)


@cache
def read(folder: Path, name: str, count: int) -> Drops:
    """The first `count` drops of a laboratory.

    Raises:
        FileNotFoundError: they were not prepared.
    """
    parts: dict[str, list[NDArray[np.float32]]] = {"bare": [], "grown": [], "prominence": []}
    for place in range(math.ceil(count / CHUNK)):
        with np.load(_file(folder, name, chunk_at(place))) as found:
            for key, values in parts.items():
                values.append(found[key])
    bare, grown, prominence = (np.concatenate(parts[key])[:count] for key in ("bare", "grown", "prominence"))
    log = -np.log(prominence.astype(np.float64))
    hardness = (log - np.nanmean(log)) / np.nanstd(log)
    scenes = [_scene(name, chunk_at(index // CHUNK) * CHUNK + index % CHUNK) for index in range(count)]
    return Drops(
        bare=bare,
        grown=grown,
        is_micro=np.array([_is_micro(scene) for scene in scenes]),
        hardness=hardness,
        lookalike=np.array([bool(_LOOKALIKES & set(scene.contents)) for scene in scenes]),
    )


def pictures(folder: Path, name: str, drops: NDArray[np.intp], crystals: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pictures `(n, PICTURE, PICTURE)` of some of a laboratory's drops, with or without crystals."""
    found = np.empty((len(drops), PICTURE, PICTURE), np.uint8)
    for place in np.unique(drops // CHUNK):
        with np.load(_file(folder, name, chunk_at(int(place)))) as kept:
            bare, grown = kept["bare_pictures"], kept["grown_pictures"]
            of_row = np.cumsum(np.isfinite(kept["grown"][:, 0])) - 1
        for index in np.flatnonzero(drops // CHUNK == place):
            row = int(drops[index]) % CHUNK
            found[index] = grown[of_row[row]] if crystals[index] else bare[row]
    return found


def _has_crystals(index: int) -> bool:
    return index % CHUNK < CRYSTAL_SHARE * CHUNK


def _scene(name: str, index: int) -> DropScene:
    prevalence = float(_has_crystals(index))
    return sample_scene(_FIRST_SCENE + index, facility=laboratory(name), prevalence=prevalence)


def _is_micro(scene: DropScene) -> bool:
    sizes = [crystal.size_um for crystal in scene.crystals]
    return bool(sizes) and max(sizes) < MICRO * scene.drops[0].radius_um


def _file(folder: Path, name: str, chunk: int) -> Path:
    key = card(folder).version
    return folder / f"drops-{key}-{LONG_SIDE}" / name / f"{chunk:04d}.npz"


def _render(folder: Path, name: str, chunk: int, target: Path) -> None:
    extractor = base(folder).extractor
    bare, grown = [], []
    bare_pictures, grown_pictures = [], []
    prominence = np.full(CHUNK, np.nan, np.float32)
    rows: list[int] = []
    for row in range(CHUNK):
        scene = _scene(name, chunk * CHUNK + row)
        picture = render_visible_with_truth(scene, LONG_SIDE, twin=bool(scene.crystals))
        without = picture.image if picture.twin is None else picture.twin
        bare.append(extractor.prepare(Image.fromarray(without)))
        bare_pictures.append(_small(without))
        if picture.truth.crystal and picture.truth.recognisable:
            rows.append(row)
            grown.append(extractor.prepare(Image.fromarray(picture.image)))
            grown_pictures.append(_small(picture.image))
            prominence[row] = picture.truth.prominence
    without_crystals = extractor.features(bare)
    with_crystals = np.full_like(without_crystals, np.nan)
    if rows:
        with_crystals[rows] = extractor.features(grown)
    unfinished = target.with_name(f"{target.stem}-{os.getpid()}.part.npz")
    np.savez_compressed(
        unfinished,
        bare=without_crystals,
        grown=with_crystals,
        prominence=prominence,
        bare_pictures=np.stack(bare_pictures),
        grown_pictures=np.stack(grown_pictures) if rows else np.zeros((0, PICTURE, PICTURE), np.uint8),
    )
    unfinished.rename(target)


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture as networks that are trained here look at it: grey, its aspect squashed."""
    grey = Image.fromarray(picture).convert("L")
    return np.asarray(grey.resize((PICTURE, PICTURE), Image.Resampling.BILINEAR), dtype=np.uint8)


def main() -> None:
    """Renders in advance: `python -m loop_facilities.drops` with PYTHONPATH=benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--drops", type=int, default=2600)
    parser.add_argument("--first", type=int, default=0, help="leave out so many, for another process to render")
    parser.add_argument("names", nargs="*", default=[*LABORATORIES, *DEVELOPMENT, FAMILIAR])
    options = parser.parse_args()
    # All laboratories grow together, so that something can be measured before all is there.
    for chunk in range(options.first // CHUNK, math.ceil(options.drops / CHUNK)):
        for name in options.names:
            prepare(options.cache, name, chunk)


if __name__ == "__main__":
    main()
