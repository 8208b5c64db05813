"""One image from its files: the XML, the picture, the movie, and the XML beside the movie (EPU 2)."""

from collections.abc import Iterable
from dataclasses import fields, replace

from structloop.instruments.epu.contents import Contents, Damaged, FramesFile, FramesMetadata
from structloop.instruments.epu.names import FileName
from structloop.instruments.epu.pictures import PictureFile
from structloop.schema.grids import FileRemark, ImageLevel, ImageRecord, RemarkKind


def group_of(name: FileName) -> tuple[ImageLevel, str, str]:
    """What the files of one image have in common. Atlases of several grids may share names, in different folders."""
    return name.level, name.folder if name.level in {ImageLevel.TILE, ImageLevel.ATLAS} else "", name.key


def join_image(files: Iterable[tuple[FileName, Contents]]) -> tuple[FileName, ImageRecord, list[FileRemark]]:
    """The image that files of one group (`group_of`) are of, and what is to be said of them.

    Of several files of a kind the first by path counts, and before all others one whose folder names its square. Of
    several pictures the whole readout counts before a reduced one.
    """
    files = sorted(files, key=lambda file: (file[0].square is None, file[0].path))
    name = files[0][0]
    remarks: list[FileRemark] = []
    record: ImageRecord | None = None
    others: list[ImageRecord] = []
    movie: ImageRecord | None = None
    picture: tuple[str, PictureFile] | None = None
    frames_path: str | None = None
    for file, contents in files:
        match contents:
            case ImageRecord() if record is not None:
                reason = f"{record.metadata_path} describes this image already"
                remarks.append(FileRemark(file.path, RemarkKind.DUPLICATE, reason))
                others.append(contents)
            case ImageRecord():
                record = contents
            case FramesMetadata():
                movie = movie or contents.image
            case PictureFile() if picture is None or (picture[1].is_reduced and not contents.is_reduced):
                picture = (file.path, contents)
            case FramesFile():
                frames_path = frames_path or file.path
            case _:
                pass
    record = record or movie
    if record is None:
        record = ImageRecord(key=name.key, level=name.level)
        if not any(isinstance(contents, Damaged) for _, contents in files):
            reason = "its XML file is missing: no place, no scale"
            remarks.append(FileRemark(name.path, RemarkKind.INCOMPLETE, reason))
    elif picture is None and frames_path is None:
        path = record.metadata_path or name.path
        remarks.append(FileRemark(path, RemarkKind.INCOMPLETE, "there is no picture beside it"))
    for other in [*others, *([] if movie is None else [movie])]:
        record = _completed(record, other)
    if record.frames is None and movie is not None:
        record = replace(record, frames=movie.frames)
    if picture is not None:
        record = _with_picture(record, *picture)
    return name, record if frames_path is None else replace(record, frames_path=frames_path), remarks


def _completed(record: ImageRecord, other: ImageRecord) -> ImageRecord:
    """Where values of a record are garbled, what another file says of the same image counts instead of nothing."""
    if not record.garbled:
        return record
    missing = {field.name for field in fields(record) if getattr(record, field.name) is None}
    return replace(record, **{name: getattr(other, name) for name in sorted(missing)})


def _with_picture(record: ImageRecord, path: str, picture: PictureFile) -> ImageRecord:
    width, height = record.width_px, record.height_px
    if not picture.is_reduced:
        width, height = width or picture.width_px, height or picture.height_px
    return replace(
        record,
        picture_path=path,
        picture_width_px=picture.width_px,
        picture_height_px=picture.height_px,
        width_px=width,
        height_px=height,
    )


__all__ = ["group_of", "join_image"]
