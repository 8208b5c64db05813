"""EPU's list of an atlas (`Atlas.dm`): its tiles, and the squares that were found on it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from structloop.instruments.epu.documents import (
    Element,
    child,
    expect,
    moment,
    name_of,
    number,
    pair,
    pair_um,
    set_position,
    stage_position,
    text,
)
from structloop.instruments.epu.frames import fit_frame, length_angstrom, natural
from structloop.schema.grids import AtlasRecord, SquareRecord, TileRecord


@dataclass(frozen=True, slots=True)
class AtlasFile:
    """What `Atlas.dm` tells.

    Attributes:
        atlas: Without its images.
        squares: By key, as far as an atlas knows them.
        image_name, tile_names: Of the files of its images without their endings, in lower case; of tiles by key.
        garbled: Elements that should say a number or a time and do not, in words; their values are unknown.
    """

    atlas: AtlasRecord
    squares: Mapping[str, SquareRecord]
    image_name: str | None = None
    tile_names: Mapping[str, str] = field(default_factory=dict)
    garbled: tuple[str, ...] = ()


def atlas_of(root: Element, path: str) -> AtlasFile:
    """The atlas and its squares.

    Raises:
        AcquisitionFileError: it is no such file.
    """
    expect(root, path, "atlassessionxml", "atlas", "tiles", "tilesefficient")
    atlas = child(root, "atlas")
    if atlas is None:
        atlas = root
    key = text(atlas, "id") or text(root, "id") or path
    tiles: list[TileRecord] = []
    tile_names: dict[str, str] = {}
    for element in _holding(root, "atlaspixelposition"):
        tile, name = _tile(element)
        tiles.append(tile)
        tile_names[tile.key] = name.lower()
    squares: dict[str, SquareRecord] = {}
    for parent in root.iter():
        for element in parent:
            if child(element, "positionontheatlas") is not None:
                square = _node(element, text(parent, "key"), key)
                squares.setdefault(square.key, square)
    image_name = (text(atlas, "atlasimagereference", "basefilename") or "").lower() or None
    alignment = child(atlas, "atlasalignmenttransformation")
    places = [
        ((tile.corner_px[0] + tile.size_px[0] / 2, tile.corner_px[1] + tile.size_px[1] / 2), tile.stage)
        for tile in tiles
        if tile.corner_px is not None and tile.size_px is not None
    ]
    fit = fit_frame(places, _extent(tiles))
    written = _written_pixel_size(tuple(squares.values()))
    width, height = _extent(tiles) or (None, None)
    record = AtlasRecord(
        key=key,
        name=text(root, "name") or text(atlas, "name"),
        slot=_slot_of_folder(path) or _slot_of_description(text(root, "description")),
        taken_at=moment(atlas, "acquisitiondatetime") or moment(root, "startdatetime"),
        metadata_path=path,
        pixel_size_angstrom=length_angstrom(fit[0]) if fit is not None else written,
        written_pixel_size_angstrom=written,
        image_to_stage_um=fit[0] if fit is not None else None,
        stage=fit[1] if fit is not None else None,
        width_px=None if width is None else round(width),
        height_px=None if height is None else round(height),
        rotation_rad=number(alignment, "rotation"),
        translation_um=pair_um(child(alignment, "translation"), "width", "height"),
        tiles=tuple(sorted(tiles, key=lambda tile: natural(tile.key))),
    )
    return AtlasFile(record, squares, image_name, tile_names)


def _holding(root: Element, name: str) -> Iterator[Element]:
    return (element for element in root.iter() if any(name_of(part) == name for part in element))


def _tile(element: Element) -> tuple[TileRecord, str]:
    at = child(element, "atlaspixelposition")
    name = text(element, "tileimagereference", "basefilename") or ""
    tile = TileRecord(
        key=text(element, "id") or name,
        corner_px=pair(at),
        size_px=pair(at, "width", "height"),
        stage=stage_position(child(element, "stageposition")),
    )
    return tile, name


def _node(element: Element, key: str | None, atlas_key: str) -> SquareRecord:
    at = child(element, "positionontheatlas")
    aligned = set_position(child(element, "alignedstageposition"))
    stage = set_position(child(element, "stageposition"))
    return SquareRecord(
        key=text(element, "id") or key or "",
        atlas_key=atlas_key,
        category=text(element, "category"),
        stage=aligned or stage,
        atlas_center_px=pair(child(at, "center")),
        atlas_size_px=pair(child(at, "size"), "width", "height"),
        atlas_center_um=pair_um(child(at, "physical")),
        size_um=pair_um(child(at, "physical"), "width", "height"),
        atlas_stage=stage,
        aligned_stage=aligned,
        atlas_quality=number(at, "quality"),
    )


def _slot_of_folder(path: str) -> int | None:
    for part in reversed(path.split("/")[:-1]):
        match = re.fullmatch(r"Sample(\d{1,3})", part, re.IGNORECASE)
        if match is not None:
            return int(match[1])
    return None


def _slot_of_description(description: str | None) -> int | None:
    match = re.search(r"slot (\d{1,3})\b", description or "", re.IGNORECASE)
    return int(match[1]) if match is not None else None


def _extent(tiles: list[TileRecord]) -> tuple[float, float] | None:
    ends = [
        (tile.corner_px[0] + tile.size_px[0], tile.corner_px[1] + tile.size_px[1])
        for tile in tiles
        if tile.corner_px is not None and tile.size_px is not None
    ]
    return (max(x for x, _ in ends), max(y for _, y in ends)) if ends else None


def _written_pixel_size(squares: tuple[SquareRecord, ...]) -> float | None:
    sizes = sorted(
        square.size_um[0] / square.atlas_size_px[0] * 1e4
        for square in squares
        if square.size_um is not None and square.atlas_size_px is not None and square.atlas_size_px[0] > 0
    )
    return sizes[len(sizes) // 2] if sizes else None


__all__ = ["AtlasFile", "atlas_of"]
