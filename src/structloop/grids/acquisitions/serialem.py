"""A folder of SerialEM's files as one session: its `.mdoc` files say which images there are, its `.nav` files where.

SerialEM does not say what an image shows. It is told by its field of view (see `serialem_images.level_of`), and by
whether it is a piece of a montage. What belongs to which square is told by the label of the Navigator item that an
image was taken at, by the map that an item was drawn on, else by position.
"""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath

from structloop.core.errors import AcquisitionFileError
from structloop.grids.acquisitions.serialem_images import (
    SeenImage,
    images_of,
    map_image,
    microscope_of,
)
from structloop.instruments.serialem.mdoc import Mdoc
from structloop.instruments.serialem.navigator import ItemType, Navigator, NavigatorItem
from structloop.schema.acquisition import StagePosition
from structloop.schema.grids import (
    AcquisitionRecord,
    AtlasRecord,
    ExposureRecord,
    FileRemark,
    HoleRecord,
    ImageLevel,
    RemarkKind,
    SessionRecord,
    SquareRecord,
    TileRecord,
)

# A hole lies in a square whose middle is no further away than that, where nothing else says so.
_SQUARE_REACH_UM = 60.0
_HOLE_REACH_UM = 4.0
# Items of two Navigator files with one label are one place where they lie no further apart.
_SAME_UM = 1.0
_IMAGES = {".mrc", ".mrcs", ".st", ".map", ".tif", ".tiff", ".eer", ".hdf"}


@dataclass
class _Session:
    """What was gathered so far, by key."""

    folder: Path
    images: dict[str, SeenImage] = field(default_factory=dict)
    squares: dict[str, SquareRecord] = field(default_factory=dict)
    holes: dict[str, HoleRecord] = field(default_factory=dict)
    remarks: list[FileRemark] = field(default_factory=list)
    microscopes: list[str] = field(default_factory=list)

    used: set[str] = field(default_factory=set)
    origins: dict[str, str] = field(default_factory=dict)

    def remark(self, path: str, kind: RemarkKind, reason: str) -> None:
        self.remarks.append(FileRemark(path, kind, reason))

    def missing(self, path: str, reason: str) -> None:
        """A file that is not there is told once, by the first that names it."""
        if not any((told.path, told.kind) == (path, RemarkKind.MISSING) for told in self.remarks):
            self.remark(path, RemarkKind.MISSING, reason)

    def label(self, navigator: str, level: ImageLevel, label: str, stage: StagePosition) -> str:
        """The key of a Navigator's item: its label, or with the file's name where another file gave that elsewhere."""
        places = self.squares if level is ImageLevel.SQUARE else self.holes
        before = places.get(label)
        origin = self.origins.setdefault(f"{level} {label}", navigator)
        if origin == navigator or before is None or before.stage is None or _apart_um(before.stage, stage) < _SAME_UM:
            return label
        return f"{navigator}: {label}"


def read_serialem_session(folder: Path, only: str | None = None) -> AcquisitionRecord:
    """The session of a folder. Files that cannot be read are remarked on, and the others count.

    Args:
        only: Name of one file in it, which is a session of its own then: an `.mdoc`, or a `.nav` with the `.mdoc` files
            of its maps.

    Raises:
        AcquisitionFileError: no file of it can be read.
    """
    session = _Session(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    wanted = names if only is None else _with_its_maps(folder, only, names)
    mdocs = [name for name in wanted if name.lower().endswith(".mdoc")]
    # The file that lies beside its stack speaks for it, not a copy under another name.
    mdocs.sort(key=lambda name: (not (folder / name[:-5]).exists(), name))
    read = sum(_read_mdoc(session, name) for name in mdocs)
    read += sum(_read_navigator(session, name) for name in wanted if name.lower().endswith(".nav"))
    if not read:
        told = "; ".join(remark.reason for remark in session.remarks[:3])
        raise AcquisitionFileError(f"{folder} has no file of SerialEM's that can be read: {told or 'none is there'}")
    if only is None:
        for name in names:
            if Path(name).suffix.lower() in _IMAGES and name not in session.used:
                session.remark(name, RemarkKind.IGNORED, "no .mdoc or .nav file here says what it shows")
    return _assembled(session, only)


def _with_its_maps(folder: Path, only: str, names: list[str]) -> list[str]:
    if not only.lower().endswith(".nav"):
        return [only]
    maps = {f"{_base(item.map_file)}.mdoc" for item in Navigator.read(folder / only).items if item.map_file}
    return [only, *(name for name in names if name in maps)]


def _base(path: str) -> str:
    """A file's name without its folders, which are those of SerialEM's computer."""
    return PureWindowsPath(path).name


def _read_mdoc(session: _Session, name: str) -> bool:
    try:
        mdoc = Mdoc.read(session.folder / name)
        found = list(images_of(mdoc, session.folder, name))
    except AcquisitionFileError as error:
        session.remark(name, RemarkKind.UNREADABLE, str(error))
        return False
    session.microscopes += [microscope] if (microscope := microscope_of(mdoc)) else []
    twice = [seen.image.key for seen in found if seen.image.key in session.images]
    if twice:
        first = session.images[twice[0]].image.metadata_path
        session.remark(name, RemarkKind.DUPLICATE, f"{len(twice)} of its images are told by {first} already")
    for seen in found:
        session.images.setdefault(seen.image.key, seen)
    session.used.update({name[:-5], _base(mdoc.image_file or "")})
    session.used.update(_base(seen.image.frames_path) for seen in found if seen.image.frames_path is not None)
    missing = found[0].missing if found else None
    if missing is not None:
        session.missing(missing, f"{name} is about it, and it does not lie beside")
    return True


def _read_navigator(session: _Session, name: str) -> bool:
    try:
        items = Navigator.read(session.folder / name).items
    except AcquisitionFileError as error:
        session.remark(name, RemarkKind.UNREADABLE, str(error))
        return False
    levels: dict[int, ImageLevel] = {}
    labels: dict[int, str] = {}
    for item in items:
        label = _take_map(session, name, item, levels) if item.kind == ItemType.MAP else item.label
        if item.map_id is not None:
            labels[item.map_id] = label
    for item in items:
        if item.kind in (ItemType.POINT, ItemType.POLYGON):
            _take_target(session, name, item, levels, labels)
    return True


def _take_map(session: _Session, name: str, item: NavigatorItem, levels: dict[int, ImageLevel]) -> str:
    """A map is an image, or a montage of which each piece is one; at the level of squares it is of a square.

    Returns:
        Label of the item that it was taken at, else its own.
    """
    if item.map_file is None:
        reason = f"map {item.label} names no image file"
        session.remark(f"{name}#{item.label}", RemarkKind.INCOMPLETE, reason)
    else:
        file = _base(item.map_file)
        session.used.add(file)
        if not (session.folder / file).is_file():
            session.missing(file, f"map {item.label} of {name} names it, and it does not lie beside")
    seen = map_image(item, session.folder, name)
    known = session.images.get(seen.image.key)
    if item.map_is_montage:
        # Its sections are whole montages, those of its .mdoc pieces.
        group = seen.image.key.replace("#", " section ")
        known = next((piece for piece in session.images.values() if piece.group == group), None)
    elif known is None:
        session.images[seen.image.key] = replace(seen, label=item.label)
    else:
        matrix = known.image.image_to_stage_um or seen.image.image_to_stage_um
        image = replace(known.image, image_to_stage_um=matrix)
        session.images[seen.image.key] = replace(known, image=image, label=known.label or item.label)
    level = known.image.level if known is not None else seen.image.level
    label = (known.label if known is not None else None) or item.label
    if item.map_id is not None:
        levels[item.map_id] = ImageLevel.ATLAS if level is ImageLevel.TILE else level
    if level is ImageLevel.SQUARE:
        label = session.label(name, level, label, _position(item))
        session.squares[label] = SquareRecord(key=label, stage=_position(item), metadata_path=name)
    return label


def _take_target(
    session: _Session, name: str, item: NavigatorItem, levels: dict[int, ImageLevel], labels: dict[int, str]
) -> None:
    """What was drawn on an atlas is a square, what was drawn on a square a hole."""
    drawn = item.drawn_id
    on = levels.get(drawn) if drawn is not None else None
    if on is ImageLevel.ATLAS:
        key = session.label(name, ImageLevel.SQUARE, item.label, _position(item))
        before = session.squares.get(key)
        square = SquareRecord(key=key, stage=_position(item), selected=item.acquire, metadata_path=name)
        session.squares[key] = square if before is None else replace(before, selected=item.acquire)
    elif on in (ImageLevel.SQUARE, ImageLevel.HOLE) and item.kind == ItemType.POINT:
        square_key = labels.get(drawn) if drawn is not None and on is ImageLevel.SQUARE else None
        key = session.label(name, ImageLevel.HOLE, item.label, _position(item))
        session.holes[key] = HoleRecord(
            key=key, square_key=square_key, stage=_position(item), selected=item.acquire, listed=True
        )
    else:
        reason = f"item {item.label} was drawn on no map that is known; it was left out"
        session.remark(f"{name}#{item.label}", RemarkKind.ORPHAN, reason)


def _assembled(session: _Session, only: str | None) -> AcquisitionRecord:
    images = sorted(session.images.values(), key=lambda seen: (seen.image.taken_at is not None, seen.order))
    for seen in images:
        if seen.image.level is ImageLevel.SQUARE:
            _into_square(session, seen)
    for seen in images:
        if seen.image.level is ImageLevel.HOLE:
            _into_hole(session, seen)
    exposures = tuple(_exposure(session, seen) for seen in images if seen.image.level is ImageLevel.EXPOSURE)
    times = [seen.image.taken_at for seen in images if seen.image.taken_at is not None]
    root = session.folder
    name = root.resolve().name if only is None else only
    place = hashlib.sha256(str(root.resolve() if only is None else root.resolve() / only).encode()).hexdigest()[:16]
    return AcquisitionRecord(
        root=root,
        session=SessionRecord(
            # SerialEM gives sessions no id; a folder is one, or a file that was asked for alone.
            key=f"{name[:370]} {place}",
            name=name,
            program="SerialEM",
            microscope=session.microscopes[0] if session.microscopes else None,
            started_at=min(times, default=None),
            ended_at=max(times, default=None),
        ),
        atlases=_atlases(images),
        squares=tuple(session.squares.values()),
        holes=tuple(session.holes.values()),
        exposures=exposures,
        others=tuple(seen.image for seen in images if seen.image.level is ImageLevel.OTHER),
        remarks=tuple(sorted(session.remarks)),
    )


def _into_square(session: _Session, seen: SeenImage) -> None:
    key = seen.label or seen.group
    before = session.squares.get(key) or SquareRecord(key=key)
    images = (*before.images, seen.image)
    stages = [image.stage for image in images if image.stage is not None]
    session.squares[key] = replace(before, images=images, stage=before.stage or _middle(stages))


def _into_hole(session: _Session, seen: SeenImage) -> None:
    key = seen.label or seen.group
    before = session.holes.get(key) or HoleRecord(key=key)
    square = before.square_key or _nearest(session.squares, seen.image.stage, _SQUARE_REACH_UM)
    images = (*before.images, seen.image)
    session.holes[key] = replace(before, images=images, square_key=square, stage=before.stage or seen.image.stage)


def _exposure(session: _Session, seen: SeenImage) -> ExposureRecord:
    stage = seen.image.stage
    hole = seen.label if seen.label in session.holes else _nearest(session.holes, stage, _HOLE_REACH_UM)
    square = session.holes[hole].square_key if hole is not None else None
    square = square or _nearest(session.squares, stage, _SQUARE_REACH_UM)
    return ExposureRecord(
        key=seen.image.key, hole_key=hole, square_key=square, taken_at=seen.image.taken_at, image=seen.image
    )


def _nearest(
    places: "dict[str, SquareRecord] | dict[str, HoleRecord]", stage: StagePosition | None, reach_um: float
) -> str | None:
    if stage is None:
        return None
    distances = [(_apart_um(place.stage, stage), key) for key, place in places.items() if place.stage is not None]
    distance, key = min(distances, default=(reach_um + 1, ""))
    return key if distance <= reach_um else None


def _apart_um(one: StagePosition, other: StagePosition) -> float:
    return max(abs(one.x_um - other.x_um), abs(one.y_um - other.y_um))


def _atlases(images: list[SeenImage]) -> tuple[AtlasRecord, ...]:
    """One atlas for each section of a montage; pieces lie in it as SerialEM planned them, y turned downwards."""
    groups: dict[str, list[SeenImage]] = {}
    for seen in images:
        if seen.image.level in (ImageLevel.TILE, ImageLevel.ATLAS):
            groups.setdefault(seen.group, []).append(seen)
    return tuple(_atlas(key, pieces) for key, pieces in sorted(groups.items()))


def _atlas(key: str, pieces: list[SeenImage]) -> AtlasRecord:
    first = pieces[0].image
    if first.level is ImageLevel.ATLAS:
        return AtlasRecord(
            key=key,
            taken_at=first.taken_at,
            pixel_size_angstrom=first.pixel_size_angstrom,
            image_to_stage_um=first.image_to_stage_um,
            stage=first.stage,
            width_px=first.width_px,
            height_px=first.height_px,
            metadata_path=first.metadata_path,
            image=first,
        )
    placed = [piece.corner_px for piece in pieces if piece.corner_px is not None]
    width = None if first.width_px is None or not placed else max(x for x, _ in placed) + first.width_px
    height = None if first.height_px is None or not placed else max(y for _, y in placed) + first.height_px
    tiles = []
    for piece in pieces:
        corner, size = None, None
        if piece.corner_px is not None and first.width_px is not None and first.height_px is not None and height:
            corner = (float(piece.corner_px[0]), float(height - piece.corner_px[1] - first.height_px))
            size = (float(first.width_px), float(first.height_px))
        number = piece.image.key.rpartition("#")[2]
        tiles.append(TileRecord(key=number, corner_px=corner, size_px=size, stage=piece.image.stage, image=piece.image))
    stages = [piece.image.stage for piece in pieces if piece.image.stage is not None]
    return AtlasRecord(
        key=key,
        taken_at=first.taken_at,
        pixel_size_angstrom=first.pixel_size_angstrom,
        stage=_middle(stages),
        width_px=width,
        height_px=height,
        metadata_path=first.metadata_path,
        tiles=tuple(tiles),
    )


def _middle(stages: list[StagePosition]) -> StagePosition | None:
    if not stages:
        return None
    x_um, y_um, z_um = (
        sum(getattr(stage, axis) for stage in stages) / len(stages) for axis in ("x_um", "y_um", "z_um")
    )
    return StagePosition(x_um=x_um, y_um=y_um, z_um=z_um)


def _position(item: NavigatorItem) -> StagePosition:
    x_um, y_um, z_um = item.stage_um
    return StagePosition(x_um=x_um, y_um=y_um, z_um=z_um)


__all__ = ["read_serialem_session"]
