"""From the files of one session to its record: atlas, squares, holes, exposures.

The record is a pure function of what the files tell, whatever order they came in: nothing is decided when a file
arrives, everything when all that is there is folded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from structloop.instruments.epu.atlas_list import AtlasFile
from structloop.instruments.epu.completeness import missing_remarks, nameless_session
from structloop.instruments.epu.contents import Contents, Damaged, Junk, garbled_in
from structloop.instruments.epu.frames import natural
from structloop.instruments.epu.joining import group_of, join_image
from structloop.instruments.epu.names import FileName
from structloop.instruments.epu.session_list import SessionFile
from structloop.instruments.epu.square_list import SquareFile, with_fitted_frame
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
)


def assemble(root: Path, files: Mapping[str, tuple[FileName, Contents]]) -> AcquisitionRecord:
    """The record of one session.

    Args:
        root: The folder that the paths are relative to.
        files: What each file is and tells, by path.
    """
    return _Assembly(root, [files[path] for path in sorted(files)]).record()


class _Assembly:
    def __init__(self, root: Path, files: list[tuple[FileName, Contents]]) -> None:
        self._root = root
        self._files = files
        self._remarks: list[FileRemark] = []
        self._sessions: list[tuple[str, SessionFile]] = []
        self._atlases: list[tuple[str, AtlasFile]] = []
        self._squares: dict[str, SquareRecord] = {}
        self._holes: dict[str, HoleRecord] = {}
        self._listed: dict[str, ExposureRecord] = {}
        self._square_of_hole: dict[str, str] = {}
        self._images: dict[tuple[ImageLevel, str, str], list[tuple[FileName, Contents]]] = {}
        for name, contents in files:
            self._sort(name, contents)

    def _sort(self, name: FileName, contents: Contents) -> None:
        garbled = garbled_in(contents)
        if garbled:
            reason = f"no number or time: {'; '.join(garbled)}; those values are unknown, the others were used"
            self._remark(name.path, RemarkKind.GARBLED, reason)
        match contents:
            case SessionFile():
                self._sessions.append((name.path, contents))
                for inline in contents.inline:
                    self._take_list(name.path, inline)
            case AtlasFile():
                self._atlases.append((name.path, contents))
            case SquareFile():
                self._take_list(name.path, contents)
            case Junk():
                self._remark(name.path, RemarkKind.IGNORED, contents.reason)
            case Damaged():
                self._remark(name.path, RemarkKind.UNREADABLE, contents.reason)
                if name.key:
                    self._images.setdefault(group_of(name), []).append((name, contents))
            case _:
                self._images.setdefault(group_of(name), []).append((name, contents))

    def _take_list(self, path: str, contents: SquareFile) -> None:
        key = contents.square.key
        if key in self._squares:
            self._remark(path, RemarkKind.DUPLICATE, f"{self._squares[key].metadata_path} lists square {key} already")
            return
        self._squares[key] = contents.square
        for hole in contents.holes:
            self._holes.setdefault(hole.key, hole)
            self._square_of_hole.setdefault(hole.key, hole.square_key or key)
        for exposure in contents.exposures:
            self._listed.setdefault(exposure.key, exposure)

    def _remark(self, path: str, kind: RemarkKind, reason: str) -> None:
        self._remarks.append(FileRemark(path, kind, reason))

    def record(self) -> AcquisitionRecord:
        images = [self._joined(self._images[group]) for group in sorted(self._images)]
        session = self._session(image for _, image in images)
        squares, holes = self._squares_with_images(images), self._holes_with_images(images)
        known = set(squares)
        for _, atlas in self._atlases:
            known.update(atlas.squares)
        for _, contents in self._sessions:
            known.update(contents.squares)
        exposures = self._exposures(images, holes)
        self._orphans(images, known, holes)
        known.update(hole.square_key for hole in holes.values() if hole.square_key is not None)
        known.update(exposure.square_key for exposure in exposures if exposure.square_key is not None)
        for key in known:
            squares.setdefault(key, SquareRecord(key=key))
        targets: dict[str, list[HoleRecord]] = {}
        for hole in self._holes.values():
            targets.setdefault(hole.square_key or "", []).append(hole)
        atlas_images = [item for item in images if item[0].level in {ImageLevel.TILE, ImageLevel.ATLAS}]
        record = AcquisitionRecord(
            root=self._root,
            session=session,
            atlases=tuple(_with_images(path, contents, atlas_images) for path, contents in self._atlases),
            squares=tuple(self._placed(squares[key], targets.get(key, [])) for key in sorted(squares, key=natural)),
            holes=tuple(holes[key] for key in sorted(holes, key=natural)),
            exposures=tuple(exposures),
        )
        self._remarks.extend(missing_remarks(self._files, record))
        return replace(record, remarks=tuple(sorted(self._remarks)))

    def _session(self, images: Iterable[ImageRecord]) -> SessionRecord:
        """The session's own record, with what only its images tell filled in."""
        for path, _ in self._sessions[1:]:
            self._remark(path, RemarkKind.DUPLICATE, f"{self._sessions[0][0]} describes the session already")
        own = self._sessions[0][1].session if self._sessions else None
        versions, microscopes = set(), set()
        for image in images:
            versions.add(image.program_version or "")
            microscopes.add(image.microscope or "")
        version = max(versions, default="") or None
        microscope = max(microscopes, default="") or None
        slots = {contents.atlas.slot for _, contents in self._atlases}
        slot = slots.pop() if len(slots) == 1 else None
        if own is None:
            own = nameless_session(self._root, self._files)
        return replace(
            own,
            slot=own.slot or slot,
            program_version=own.program_version or version,
            microscope=own.microscope or microscope,
        )

    def _joined(self, files: list[tuple[FileName, Contents]]) -> tuple[FileName, ImageRecord]:
        name, image, remarks = join_image(files)
        self._remarks.extend(remarks)
        return name, image

    # --- Squares, holes, exposures -----------------------------------------------------------------------------------

    def _squares_with_images(self, images: list[tuple[FileName, ImageRecord]]) -> dict[str, SquareRecord]:
        squares = dict(self._squares)
        for name, image in _in_time(images, ImageLevel.SQUARE):
            if name.square is None:
                self._remark(name.path, RemarkKind.ORPHAN, "its folder does not say which square it shows")
                continue
            square = squares.get(name.square, SquareRecord(key=name.square))
            squares[name.square] = replace(square, images=(*square.images, image))
        return squares

    def _holes_with_images(self, images: list[tuple[FileName, ImageRecord]]) -> dict[str, HoleRecord]:
        holes = dict(self._holes)
        for name, image in _in_time(images, ImageLevel.HOLE):
            key = name.hole or name.key
            hole = holes.get(key, HoleRecord(key=key, square_key=self._square_of(name)))
            holes[key] = replace(
                hole,
                square_key=hole.square_key or name.square,
                stage=hole.stage if hole.listed and hole.stage else image.stage or hole.stage,
                images=(*hole.images, image),
            )
        return holes

    def _exposures(
        self, images: list[tuple[FileName, ImageRecord]], holes: dict[str, HoleRecord]
    ) -> list[ExposureRecord]:
        exposures = dict(self._listed)
        for name, image in _in_time(images, ImageLevel.EXPOSURE):
            hole = name.hole or ""
            exposures[name.key] = ExposureRecord(
                key=name.key,
                hole_key=hole,
                square_key=self._square_of(name),
                area=name.area,
                number=name.number,
                taken_at=image.taken_at,
                image=image,
            )
            holes.setdefault(hole, HoleRecord(key=hole, square_key=self._square_of(name)))
        return [exposures[key] for key in sorted(exposures, key=lambda key: (_stamp(key), key))]

    def _square_of(self, name: FileName) -> str | None:
        return name.square or self._square_of_hole.get(name.hole or "")

    def _orphans(
        self,
        images: list[tuple[FileName, ImageRecord]],
        known: set[str],
        holes: dict[str, HoleRecord],
    ) -> None:
        for name, _ in images:
            if name.level not in {ImageLevel.HOLE, ImageLevel.EXPOSURE}:
                continue
            square = self._square_of(name)
            if square is None or square not in known:
                what = "its square" if square is None else f"square {square}"
                self._remark(name.path, RemarkKind.ORPHAN, f"{what} has neither list nor image of its own")
            hole = holes.get(name.hole or "")
            if name.level is ImageLevel.EXPOSURE and (hole is None or not (hole.listed or hole.images)):
                self._remark(name.path, RemarkKind.ORPHAN, f"hole {name.hole} has neither list entry nor image")

    def _placed(self, square: SquareRecord, targets: list[HoleRecord]) -> SquareRecord:
        """The square with what the atlas and its holes know of it."""
        for _, contents in self._atlases:
            node = contents.squares.get(square.key)
            if node is not None and square.atlas_key is None:
                square = replace(
                    square,
                    atlas_key=node.atlas_key,
                    category=square.category or node.category,
                    stage=square.stage or node.stage,
                    atlas_center_px=node.atlas_center_px,
                    atlas_size_px=node.atlas_size_px,
                    atlas_center_um=node.atlas_center_um,
                    size_um=node.size_um,
                    atlas_stage=node.atlas_stage,
                    aligned_stage=node.aligned_stage,
                    atlas_quality=node.atlas_quality,
                )
        last = square.images[-1] if square.images else None
        if square.stage is None:
            # Of the latest image that says where it was taken.
            stages = [image.stage for image in square.images if image.stage is not None]
            square = replace(square, stage=stages[-1] if stages else None)
        if last is None or last.width_px is None or last.height_px is None:
            return square
        return with_fitted_frame(square, targets, (last.width_px, last.height_px))


def _with_images(path: str, contents: AtlasFile, images: list[tuple[FileName, ImageRecord]]) -> AtlasRecord:
    folder = path.rpartition("/")[0]
    beside = {name.key.lower(): image for name, image in images if name.folder == folder}
    whole = beside.get(contents.image_name or "")
    if whole is None:
        whole = next((image for image in beside.values() if image.level is ImageLevel.ATLAS), None)
    tiles = (replace(tile, image=beside.get(contents.tile_names.get(tile.key, ""))) for tile in contents.atlas.tiles)
    return replace(contents.atlas, tiles=tuple(tiles), image=whole)


def _in_time(images: list[tuple[FileName, ImageRecord]], level: ImageLevel) -> list[tuple[FileName, ImageRecord]]:
    """The images of a level as they were taken, by the stamps in their names: all files have those."""
    return sorted((item for item in images if item[0].level is level), key=lambda item: (item[0].stamp, item[0].key))


def _stamp(key: str) -> str:
    return "_".join(key.split("_")[-2:])


__all__ = ["assemble"]
