"""Particles and picks: where they lie in their micrographs.

Coordinates are `(x, y)` in pixels of the stored micrograph; the centre of the first stored pixel is (0, 0) and row 0 is
the first stored row. Flips and corners of file formats end in the reader or writer of that format.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

YAxis = Literal["down", "up"]
"""Where y begins in a file: `down` at the first stored row, `up` at the last stored row."""

MAX_COORDINATE_PX = 10_000_000.0
"""Farther from the first pixel than any detector reaches; a coordinate beyond it is a fault of its file."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OpticsGroup:
    """The optics that some micrographs share (RELION 3.1 and later).

    Attributes:
        number: Its number in the file.
        name: Its name, such as `opticsGroup1`.
        columns: Everything else that the file says of it, by column name without the leading underscore, as written.
    """

    number: int
    name: str
    columns: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @property
    def micrograph_pixel_size_angstrom(self) -> float | None:
        """Pixel size of its micrographs, where the file states just that."""
        try:
            size = float(self.columns.get("rlnMicrographPixelSize", "nan"))
        except ValueError:
            return None
        return size if np.isfinite(size) and size > 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class MicrographPicks:
    """The picks of one micrograph.

    Attributes:
        micrograph: Its name as the file writes it (a path, a file name, or a name without ending).
        xy_px: `(n, 2)` float64, the centres; see the module's docstring.
        scores: `(n,)` float64, higher for surer picks, NaN for a pick without one; None where no pick has one.
        extra: Further columns by the name their format gives them, `(n, ...)` each, as the file wrote them.
        size_px: `(n, 2)` float64, width and height of the box round each pick; None where the file says none.
        shape_px: Height and width of the micrograph, where known.
        pixel_size_angstrom: Of the micrograph, where known.
        optics_group: Number of its optics group; None where there is none, or where its picks are in several, which
            then stand in `extra`.
    """

    micrograph: str
    xy_px: NDArray[np.float64]
    scores: NDArray[np.float64] | None = None
    extra: Mapping[str, NDArray[Any]] = field(default_factory=lambda: _NOTHING)
    size_px: NDArray[np.float64] | None = None
    shape_px: tuple[int, int] | None = None
    pixel_size_angstrom: float | None = None
    optics_group: int | None = None

    def __post_init__(self) -> None:
        count = len(self.xy_px)
        if self.xy_px.shape != (count, 2) or self.xy_px.dtype != np.float64:
            raise ValueError(f"xy_px must be (n, 2) float64, got {self.xy_px.shape} {self.xy_px.dtype}")
        if not (np.abs(self.xy_px) <= MAX_COORDINATE_PX).all():
            raise ValueError(f"a coordinate in {self.micrograph} is no number, or lies beyond any micrograph")
        if self.scores is not None and (self.scores.shape != (count,) or np.isinf(self.scores).any()):
            raise ValueError(f"scores of {self.micrograph} must be ({count},) and finite or NaN")
        if self.size_px is not None and self.size_px.shape != (count, 2):
            raise ValueError(f"size_px of {self.micrograph} must be ({count}, 2), got {self.size_px.shape}")
        for name, values in self.extra.items():
            if len(values) != count:
                raise ValueError(f"column {name} of {self.micrograph} has {len(values)} values for {count} picks")

    def __len__(self) -> int:
        return len(self.xy_px)

    def where(self, keep: NDArray[np.bool_]) -> "MicrographPicks":
        """The picks that `keep`, `(n,)`, marks, in their order, with all their columns."""
        return MicrographPicks(
            self.micrograph,
            self.xy_px[keep],
            None if self.scores is None else self.scores[keep],
            {name: values[keep] for name, values in self.extra.items()},
            None if self.size_px is None else self.size_px[keep],
            self.shape_px,
            self.pixel_size_angstrom,
            self.optics_group,
        )


@dataclass(frozen=True, slots=True, eq=False)
class PickSet:
    """Picks of one or more micrographs, as from one file.

    Attributes:
        micrographs: Each micrograph once.
        optics: The optics groups.
        origin: Where they come from: a path, or the name of a picker.
        remarks: What a person should know of how they were read, such as that something was passed over.
    """

    micrographs: tuple[MicrographPicks, ...]
    optics: tuple[OpticsGroup, ...] = ()
    origin: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [each.micrograph for each in self.micrographs]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"micrograph {twice} stands twice in one set of picks")

    def __iter__(self) -> Iterator[MicrographPicks]:
        return iter(self.micrographs)

    @property
    def count(self) -> int:
        """Picks in all micrographs together."""
        return sum(len(each) for each in self.micrographs)


__all__ = ["MAX_COORDINATE_PX", "MicrographPicks", "OpticsGroup", "PickSet", "YAxis"]
