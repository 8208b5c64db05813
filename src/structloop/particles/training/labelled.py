"""From a folder of micrographs and a file of coordinates to labelled micrographs, with everything odd told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from structloop.core.errors import ImageError, ParticlesError
from structloop.models.pickers import LabelledMicrograph
from structloop.models.pickers.preparing import WORKING_DIAMETER_PX
from structloop.particles.coordinates import match_names, read_coordinates
from structloop.particles.picking.finding import FoundMicrograph
from structloop.particles.picking.preparing import Scale, prepare_file
from structloop.schema.particles import MicrographPicks, YAxis


@dataclass
class LabelledFiles:
    """Labelled micrographs, ready to learn from, and what was odd about them.

    Attributes:
        labelled: Of every micrograph that the coordinate file names and that could be read.
        diameter_px: Of the particle; the median where micrographs differ in pixel size.
        pixel_size_angstrom: Where all that is known agrees.
        problems: Name and reason: missing files, unreadable micrographs, coordinates outside.
        remarks: What people should know of how the files were read.
    """

    labelled: list[LabelledMicrograph] = field(default_factory=list)
    diameter_px: float = 0.0
    pixel_size_angstrom: float | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def labels(self) -> int:
        """Particles in all of them."""
        return sum(len(each.xy_px) for each in self.labelled)


def read_labelled(
    micrographs: Sequence[FoundMicrograph],
    coordinates: Path,
    scale: Scale,
    *,
    contrast: str = "dark",
    complete: bool | None = None,
    y_axis: YAxis = "down",
    masking: bool = True,
    working_diameter_px: float = WORKING_DIAMETER_PX,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> LabelledFiles:
    """The micrographs that a coordinate file names, prepared, with their labels.

    Names are matched without folders and endings. A name without a file, a micrograph that cannot be read, and
    coordinates outside their micrograph are listed, and the rest is used.

    Args:
        micrographs: Where to look for the micrographs.
        coordinates: A coordinate file of any format, or a folder of them.
        scale: Size of the particle.
        contrast: Particles are `dark` or `bright`.
        complete: Whether every particle is marked; None judges by the numbers.
        y_axis: Where y begins in the file.
        masking: Whether film, lumps and crystalline ice are left out of what is learned.
        working_diameter_px: Of the picker.
        on_progress: Called with micrographs done and micrographs there are.

    Raises:
        CoordinateFileError: the file cannot be understood.
        MicrographNameError: a name could be several files.
        ParticlesError: no micrograph with a label is left.
    """
    picks = read_coordinates(coordinates)
    files = LabelledFiles(remarks=list(picks.remarks))
    by_name = {each.name: each for each in micrographs}
    matches = match_names([each.micrograph for each in picks], by_name)
    files.problems += [
        (name, f"{coordinates.name} names it, and no micrograph given is called so") for name in matches.unmatched
    ]
    named = [each for each in picks if each.micrograph in matches.pairs]
    if not named:
        example = ", ".join(f"'{each.micrograph}'" for each in picks.micrographs[:2]) or "no micrograph at all"
        there = ", ".join(f"'{each.name}'" for each in micrographs[:2])
        raise ParticlesError(
            f"none of the {len(picks.micrographs)} micrographs that {coordinates} names is among the "
            f"{len(micrographs)} given: it names {example}, and given are {there}"
        )
    diameters, sizes = [], []
    for number, each in enumerate(named):
        found = by_name[matches.pairs[each.micrograph]]
        try:
            prepared = prepare_file(
                found, scale, contrast=contrast, working_diameter_px=working_diameter_px, masking=masking
            )
        except (ImageError, ParticlesError, OSError) as error:
            files.problems.append((found.name, str(error)))
            continue
        finally:
            on_progress(number + 1, len(named))
        xy = _inside(each, prepared.mask.native_shape, y_axis, found.name, files)
        diameters.append(prepared.diameter_px)
        sizes.append(prepared.pixel_size_angstrom)
        files.remarks += [f"{found.name}: {remark}" for remark in prepared.header.remarks]
        files.labelled.append(LabelledMicrograph(prepared.micrograph, xy, complete, found.name))
    if files.labels == 0:
        reasons = "; ".join(reason for _, reason in files.problems[:3])
        raise ParticlesError(
            f"{coordinates} leaves no labelled particle to learn from{': ' if reasons else ''}{reasons}"
        )
    files.diameter_px = float(np.median(diameters))
    known = {size for size in sizes if size is not None}
    files.pixel_size_angstrom = known.pop() if len(known) == 1 and None not in sizes else None
    return files


def _inside(
    picks: MicrographPicks, shape: tuple[int, int], y_axis: YAxis, name: str, files: LabelledFiles
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    height, width = shape
    xy = picks.xy_px.copy()
    if y_axis == "up":
        xy[:, 1] = height - 1 - xy[:, 1]
    inside = (xy > -0.5).all(axis=1) & (xy[:, 0] < width - 0.5) & (xy[:, 1] < height - 0.5)
    outside = int((~inside).sum())
    if outside:
        x, y = picks.xy_px[~inside][0]
        files.problems.append(
            (
                name,
                f"{outside} of {len(xy)} coordinates lie outside of its {width} x {height} pixels, such as "
                f"({x:g}, {y:g}); they are left out. Are they of another binning?",
            )
        )
    return np.asarray(xy[inside], np.float64)


__all__ = ["LabelledFiles", "read_labelled"]
