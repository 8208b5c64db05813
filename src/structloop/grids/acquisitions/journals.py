"""A session's journal as what was seen of its grids: one record per grid, by the images that were taken.

What an image shows follows from the preset it was taken with; which square or hole it belongs to follows from its key
where that says so (`slot1/square02/hole01/...`), else from what was imaged last at the level above.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from structloop.core.errors import JournalError
from structloop.instruments.entries import (
    ActionDone,
    ActionIntended,
    ActionSkipped,
    Entry,
    ImageObserved,
    SessionBegan,
    SessionStopped,
    TileTaken,
)
from structloop.instruments.journal import JOURNAL_NAME, read_journal
from structloop.instruments.replay.sessions import LEVEL_OF_PRESET
from structloop.schema.acquisition import Imaged, LoadGrid, MontageImaged, StagePosition, UnloadGrid
from structloop.schema.grids import (
    AcquisitionRecord,
    AtlasRecord,
    ExposureRecord,
    FileRemark,
    HoleRecord,
    ImageLevel,
    ImageRecord,
    RemarkKind,
    SessionRecord,
    SquareRecord,
    TileRecord,
)


@dataclass
class _Grid:
    """What was seen of the grid of one slot."""

    slot: int | None
    tiles: dict[str, list[TileRecord]] = field(default_factory=dict)
    squares: dict[str, SquareRecord] = field(default_factory=dict)
    holes: dict[str, HoleRecord] = field(default_factory=dict)
    exposures: dict[str, ExposureRecord] = field(default_factory=dict)
    others: dict[str, ImageRecord] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)


def read_journal_session(folder: Path) -> tuple[AcquisitionRecord, ...]:
    """What a session of structloop's own saw, one record per grid.

    Raises:
        JournalError: the folder has no journal, or a damaged or empty one.
    """
    entries = read_journal(folder).entries
    began = next((entry for entry in entries if isinstance(entry, SessionBegan)), None)
    if began is None:
        raise JournalError(f"{folder / JOURNAL_NAME} has no session in it yet; nothing was ever run there")
    ended = [entry.at for entry in entries if isinstance(entry, SessionStopped)]
    remarks = tuple(
        FileRemark(f"{JOURNAL_NAME}#{entry.key}", RemarkKind.MISSING, f"skipped: {entry.reason}")
        for entry in entries
        if isinstance(entry, ActionSkipped)
    )
    grids = _grids(entries)
    return tuple(
        _record(folder, began, ended[-1] if ended else None, grid, remarks if number == 0 else ())
        for number, grid in enumerate(grids)
    )


def _grids(entries: tuple[Entry, ...]) -> list[_Grid]:
    """One grid per slot that images were taken of, in that order; at least one."""
    grids: dict[int | None, _Grid] = {}
    actions: dict[str, ActionIntended] = {}
    slot: int | None = None
    finished = {entry.key for entry in entries if isinstance(entry, ActionDone)}

    def here() -> _Grid:
        return grids.setdefault(slot, _Grid(slot))

    for entry in entries:
        match entry:
            case SessionBegan() if entry.state is not None and entry.state.slot is not None:
                slot = entry.state.slot
            case ActionIntended():
                actions[entry.key] = entry
            case ActionDone():
                action = actions[entry.key].action if entry.key in actions else None
                if isinstance(action, LoadGrid):
                    slot = action.slot
                elif isinstance(action, UnloadGrid):
                    slot = None
                elif isinstance(entry.result, Imaged):
                    _take(here(), entry.key, entry.result, None)
                elif isinstance(entry.result, MontageImaged):
                    for number, tile in enumerate(entry.result.tiles):
                        _take(here(), entry.key, tile, number)
            case TileTaken() if entry.key not in finished:
                _take(here(), entry.key, entry.imaged, entry.tile)
            case ImageObserved() if entry.imaged is not None:
                level = ImageLevel(entry.level)
                # A place may be seen twice, an image only once.
                image = _image(entry.imaged.image.image_id, level, entry.imaged)
                _place(here(), level, entry.name, entry.parent, image)
            case _:
                pass
    return list(grids.values()) or [_Grid(slot)]


def _take(grid: _Grid, key: str, imaged: Imaged, tile: int | None) -> None:
    level = ImageLevel(LEVEL_OF_PRESET.get(imaged.image.preset, "other"))
    if level is ImageLevel.ATLAS:
        number = 0 if tile is None else tile
        image = _image(f"{key}#{number}", ImageLevel.TILE, imaged)
        tiles = grid.tiles.setdefault(key, [])
        tiles.append(TileRecord(key=str(number), stage=_seen(imaged), image=image))
        return
    own = key if tile is None else f"{key}#{tile}"
    _place(grid, level, own, None, _image(own, level, imaged))


def _place(grid: _Grid, level: ImageLevel, key: str, parent: str | None, image: ImageRecord) -> None:
    """Put an image where it belongs; squares and holes that were not imaged themselves are made for it."""
    match level:
        case ImageLevel.ATLAS:
            tile = TileRecord(key=image.key, stage=_centre(image), image=image)
            grid.tiles.setdefault(parent or key.partition("~")[0], []).append(tile)
        case ImageLevel.SQUARE:
            square = grid.last["square"] = _ancestor(key, "square") or key
            before = grid.squares.get(square)
            images = (*(before.images if before else ()), image)
            grid.squares[square] = SquareRecord(key=square, stage=_centre(image), images=images)
        case ImageLevel.HOLE:
            hole = grid.last["hole"] = _ancestor(key, "hole") or key
            within = parent or _ancestor(key, "square") or grid.last.get("square")
            _make_square(grid, within)
            seen = grid.holes.get(hole)
            images = (*(seen.images if seen else ()), image)
            grid.holes[hole] = HoleRecord(key=hole, square_key=within, stage=_centre(image), images=images)
        case ImageLevel.EXPOSURE:
            hole_key = parent or _ancestor(key, "hole") or grid.last.get("hole")
            square_key = _ancestor(key, "square")
            if square_key is None and hole_key in grid.holes:
                square_key = grid.holes[hole_key].square_key
            _make_square(grid, square_key)
            if hole_key is not None and hole_key not in grid.holes:
                grid.holes[hole_key] = HoleRecord(key=hole_key, square_key=square_key, stage=_centre(image))
            grid.exposures[image.key] = ExposureRecord(
                key=image.key, hole_key=hole_key, square_key=square_key, taken_at=image.taken_at, image=image
            )
        case _:
            grid.others[image.key] = image


def _make_square(grid: _Grid, key: str | None) -> None:
    if key is not None and key not in grid.squares:
        grid.squares[key] = SquareRecord(key=key)


def _ancestor(key: str, word: str) -> str | None:
    """The key up to the part that begins with a word and a number: `a/square2/x` is in `a/square2`."""
    parts = key.split("#")[0].split("/")
    for number, part in enumerate(parts, start=1):
        if re.fullmatch(rf"{word}[-_]?\d+", part):
            return "/".join(parts[:number])
    return None


def _seen(imaged: Imaged) -> StagePosition:
    """Where on the specimen the middle of an image is."""
    dx_um, dy_um = imaged.image.image_shift_um
    stage = imaged.image.stage
    return stage.model_copy(update={"x_um": stage.x_um + dx_um, "y_um": stage.y_um + dy_um})


def _centre(image: ImageRecord) -> StagePosition | None:
    if image.stage is None or image.image_shift is None:
        return image.stage
    dx_um, dy_um = image.image_shift
    return image.stage.model_copy(update={"x_um": image.stage.x_um + dx_um, "y_um": image.stage.y_um + dy_um})


def _image(key: str, level: ImageLevel, imaged: Imaged) -> ImageRecord:
    facts, kept = imaged.image, imaged.kept
    return ImageRecord(
        key=key,
        level=level,
        picture_path=None if kept is None else kept.path,
        frames_path=facts.frames_path,
        taken_at=facts.taken_at,
        width_px=facts.width_px,
        height_px=facts.height_px,
        picture_width_px=None if kept is None else facts.width_px // kept.binning,
        picture_height_px=None if kept is None else facts.height_px // kept.binning,
        pixel_size_angstrom=facts.pixel_size_angstrom,
        image_to_stage_um=facts.image_to_stage_um,
        stage=facts.stage,
        defocus_um=facts.defocus_um,
        exposure_s=facts.exposure_s,
        dose_e_per_angstrom2=facts.dose_e_per_angstrom2,
        image_shift=facts.image_shift_um,
    )


def _record(
    folder: Path, began: SessionBegan, ended: datetime | None, grid: _Grid, remarks: tuple[FileRemark, ...]
) -> AcquisitionRecord:
    microscope = began.microscope
    atlases = tuple(_atlas(key, grid.slot, tiles) for key, tiles in grid.tiles.items())
    session = SessionRecord(
        key=_session_key(folder, began)[:390],
        name=folder.resolve().name,
        program="structloop",
        program_version=began.versions.get("structloop"),
        microscope=microscope.name,
        slot=grid.slot,
        started_at=began.at,
        ended_at=ended,
        presets=tuple((preset.name, preset.magnification) for preset in microscope.presets),
        metadata_path=JOURNAL_NAME,
    )
    return AcquisitionRecord(
        root=folder,
        session=session,
        atlases=atlases,
        squares=tuple(grid.squares.values()),
        holes=tuple(grid.holes.values()),
        exposures=tuple(grid.exposures.values()),
        others=tuple(grid.others.values()),
        remarks=remarks,
    )


def _session_key(folder: Path, began: SessionBegan) -> str:
    """When it began at which microscope: wherever the folder is moved, that stays.

    On a virtual clock all sessions begin at the same time; there, the folder tells them apart.
    """
    key = f"{began.microscope.driver} {began.microscope.name} {began.at.isoformat()}"
    if not began.microscope.simulated:
        return key
    return f"{key} {hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"


def _atlas(key: str, slot: int | None, tiles: list[TileRecord]) -> AtlasRecord:
    images = [tile.image for tile in tiles if tile.image is not None]
    stages = [tile.stage for tile in tiles if tile.stage is not None]
    middle = StagePosition(
        x_um=sum(stage.x_um for stage in stages) / len(stages), y_um=sum(stage.y_um for stage in stages) / len(stages)
    )
    return AtlasRecord(
        key=key,
        slot=slot,
        taken_at=images[0].taken_at,
        pixel_size_angstrom=images[0].pixel_size_angstrom,
        stage=middle,
        tiles=tuple(tiles),
    )


__all__ = ["read_journal_session"]
