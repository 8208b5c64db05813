"""EPU's list of a square (`GridSquare_<id>.dm`): its state, its holes, and the exposures taken in them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.epu.documents import (
    Element,
    child,
    expect,
    flag,
    integer,
    micrometres,
    number,
    pair,
    parts,
    positive,
    set_position,
    text,
)
from structloop.instruments.epu.frames import fit_frame
from structloop.schema.grids import ExposureRecord, HoleRecord, SquareRecord

_OF_HOLE = ("pixelcenter", "stageposition", "isneargridbar")


@dataclass(frozen=True, slots=True)
class SquareFile:
    """What `GridSquare_<id>.dm` tells: the square, its holes, and the exposures that EPU says it took in them.

    Attributes:
        garbled: Elements that should say a number or a time and do not, in words; their values are unknown.
    """

    square: SquareRecord
    holes: tuple[HoleRecord, ...] = ()
    exposures: tuple[ExposureRecord, ...] = ()
    garbled: tuple[str, ...] = ()


def square_of(root: Element, path: str, key: str | None = None) -> SquareFile:
    """A square and its holes.

    Args:
        key: The square's id, as the file's name has it.

    Raises:
        AcquisitionFileError: it is no such file.
    """
    expect(root, path, "gridsquarexml", "targetlocations", "position")
    key = key or text(root, "id")
    if key is None:
        raise AcquisitionFileError(f"{path} does not say which square it is of")
    holes: dict[str, HoleRecord] = {}
    exposures: list[ExposureRecord] = []
    for parent in root.iter():
        for element in parent:
            if all(child(element, part) is None for part in _OF_HOLE):
                continue
            hole_key = text(element, "id") or text(parent, "key")
            if hole_key is not None and hole_key not in holes:
                holes[hole_key] = _hole_record(element, hole_key, key)
                exposures.extend(_listed_exposures(element, hole_key, key))
    square = SquareRecord(
        key=key,
        state=text(root, "state"),
        selected=flag(root, "selected"),
        unusable=flag(root, "unusable"),
        order=integer(root, "order"),
        category=text(root, "categoryname") or text(root, "categorynumber"),
        stage=set_position(child(root, "position")),
        hole_spacing_um=positive(micrometres(number(root, "holespacing"))),
        lattice_rotation_rad=number(root, "rotation"),
        outline_px=tuple(
            point for vertex in parts(root, "gridsquareshape", "vertices") if (point := pair(vertex)) is not None
        ),
        targets=len(holes),
        metadata_path=path,
    )
    return SquareFile(square, tuple(holes.values()), tuple(exposures))


def with_fitted_frame(square: SquareRecord, holes: Iterable[HoleRecord], size_px: tuple[int, int]) -> SquareRecord:
    """The square with the frame of its image, as the positions of its holes give it."""
    fit = fit_frame([(hole.center_px, hole.stage) for hole in holes if hole.listed], size_px)
    return square if fit is None else replace(square, image_to_stage_um=fit[0], image_stage=fit[1])


def _hole_record(element: Element, key: str, square_key: str) -> HoleRecord:
    # A position that was not corrected is written as zeros.
    corrected = flag(element, "ispositioncorrected")
    return HoleRecord(
        key=key,
        square_key=text(element, "gridsquareid") or square_key,
        state=text(element, "state"),
        selected=flag(element, "selected"),
        order=integer(element, "order"),
        center_px=pair(child(element, "pixelcenter")),
        diameter_px=positive(number(element, "pixelwidthheight", "width")),
        stage=set_position(child(element, "stageposition")),
        corrected_stage=set_position(child(element, "correctedstageposition")) if corrected else None,
        near_bar=flag(element, "isneargridbar"),
        quality=number(element, "quality"),
        rotation_rad=number(element, "rotation"),
        intensity_mean=number(element, "filterproperties", "pixelintensitymean"),
        intensity_deviation=number(element, "filterproperties", "pixelintensitystdev"),
        listed=True,
    )


def _listed_exposures(element: Element, hole_key: str, square_key: str) -> Iterator[ExposureRecord]:
    acquisitions = child(element, "particleacquisitions")
    for part in (element if acquisitions is None else acquisitions).iter():
        area = text(part, "dataacquisitionareaid")
        name = text(part, "image", "basefilename")
        if name is not None and area is not None:
            yield ExposureRecord(key=name, hole_key=hole_key, square_key=square_key, area=area)


__all__ = ["SquareFile", "square_of", "with_fitted_frame"]
