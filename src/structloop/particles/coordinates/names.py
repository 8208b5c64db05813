"""Names of micrographs: which name in one place is which name in another.

Programs write the same micrograph as a path, a file name, or a name without its ending, and some add a fixed beginning
or end of their own. Names are compared without the endings of image files; nothing else is ever cut off a name, above
all not at underscores. Where a name could be two others, it is refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from structloop.core.errors import MicrographNameError

IMAGE_ENDINGS = frozenset(
    [".mrc", ".mrcs", ".map", ".st", ".rec", ".tif", ".tiff", ".jpg", ".jpeg", ".png", ".eer", ".dm3", ".dm4", ".ser"]
)
_PACKED = frozenset([".gz", ".bz2", ".xz"])
# What programs add of their own, tried only where nothing fits without: RELION's jobs, cryoSPARC's jobs and its number.
_ADDED_ENDS = (
    "_autopick",
    "_manualpick",
    "_topazpicks",
    "_patch_aligned_doseweighted",
    "_patch_aligned",
    "_rigid_aligned_doseweighted",
    "_rigid_aligned",
)
_ADDED_BEGINNING = re.compile(r"^\d{18,21}_")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class NameMatches:
    """Which names are which.

    Attributes:
        pairs: The other name of each name that has one.
        unmatched: Names that fit none of the others.
        unused: Others that no name fits.
    """

    pairs: Mapping[str, str]
    unmatched: tuple[str, ...]
    unused: tuple[str, ...]


def plain_name(name: str) -> str:
    """The last part of a path, without the ending of an image file: `a/b_1.2.mrc` is `b_1.2`."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    for endings in (_PACKED, IMAGE_ENDINGS):
        stem, dot, ending = last.rpartition(".")
        if dot and stem and f".{ending.lower()}" in endings:
            last = stem
    return last


def has_image_ending(name: str) -> bool:
    """Whether a name ends as an image file does, so that another program can find that file."""
    return plain_name(name) != name.replace("\\", "/").rsplit("/", 1)[-1]


def match_names(names: Iterable[str], others: Iterable[str]) -> NameMatches:
    """For each name the other that is the same micrograph.

    Same text is tried first, then the same file name without its ending (of several, the one that shares most folders),
    then the same without what RELION's and cryoSPARC's jobs add.

    Raises:
        MicrographNameError: a name fits several others, or several names fit the same other.
    """
    wanted, available = list(dict.fromkeys(names)), list(dict.fromkeys(others))
    pairs: dict[str, str] = {}
    for key in (str, plain_name, _undecorated):
        groups: dict[str, list[str]] = {}
        taken = set(pairs.values())
        for other in available:
            if other not in taken:
                groups.setdefault(key(other), []).append(other)
        claims: dict[str, list[str]] = {}
        for name in wanted:
            if name not in pairs and key(name) in groups:
                claims.setdefault(_nearest(name, groups[key(name)]), []).append(name)
        pairs.update({_claimant(other, owners): other for other, owners in claims.items()})
    used = set(pairs.values())
    return NameMatches(
        {name: pairs[name] for name in wanted if name in pairs},
        tuple(name for name in wanted if name not in pairs),
        tuple(other for other in available if other not in used),
    )


def _undecorated(name: str) -> str:
    plain = _ADDED_BEGINNING.sub("", plain_name(name), count=1)
    for end in _ADDED_ENDS:
        if plain.endswith(end) and len(plain) > len(end):
            return plain.removesuffix(end)
    return plain


def _nearest(name: str, others: Sequence[str]) -> str:
    best = _most_shared(name, others)
    if len(best) > 1:
        raise MicrographNameError(
            f"'{name}' could be {_listed(best)}; give the folders in the names too, or make the file names differ"
        )
    return best[0]


def _claimant(other: str, names: Sequence[str]) -> str:
    best = _most_shared(other, names)
    if len(best) > 1:
        raise MicrographNameError(
            f"'{best[0]}' and '{best[1]}' could both be '{other}': either one micrograph stands there under two names, "
            "or two micrographs need their folders in their names; correct the names"
        )
    return best[0]


def _most_shared(name: str, others: Sequence[str]) -> list[str]:
    """Those of some paths that share most of the folders above the file with `name`."""
    shared = [_shared_folders(name, other) for other in others]
    return [other for other, folders in zip(others, shared, strict=True) if folders == max(shared)]


def _shared_folders(name: str, other: str) -> int:
    count = 0
    folders = [list(reversed(PurePosixPath(each.replace("\\", "/")).parts[:-1])) for each in (name, other)]
    for mine, its in zip(*folders, strict=False):
        if mine != its:
            break
        count += 1
    return count


def _listed(names: Sequence[str]) -> str:
    listed = " or ".join(f"'{name}'" for name in names[:_SHOWN])
    return listed + (f" or {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


__all__ = ["IMAGE_ENDINGS", "NameMatches", "has_image_ending", "match_names", "plain_name"]
