"""Movies of a session, one after the other: what came of each in a journal, so that a killed run goes on where it was.

What is done with a corrected movie beyond motion (CTF, ice) is a *stage*: a function of the movie and its micrograph's
file that returns values by name; they stand in the journal beside the motion.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from structloop.core.errors import ImageError, ImageMissingError, MotionError, StructloopError
from structloop.imaging.mrc_writing import write_mrc
from structloop.micrographs.motion import CorrectedMovie, MotionOptions, correct_motion
from structloop.micrographs.motion.relion import write_corrected_micrographs
from structloop.micrographs.movies import (
    MOVIE_ENDINGS,
    Correction,
    EerGrouping,
    open_movie,
    read_defects,
    read_gain,
)
from structloop.micrographs.movies.files import identity_of
from structloop.micrographs.movies.gain import Flip, Rotation
from structloop.schema.motion import CorrectedMicrograph, MotionSummary

JOURNAL = "journal.jsonl"
STAR = "corrected_micrographs.star"

Values = Mapping[str, float | str | None]
Stage = Callable[[CorrectedMovie, Path], Values]


@dataclass(frozen=True)
class ProcessingOptions:
    """How movies are processed.

    Attributes:
        motion: How they are corrected.
        gain, gain_rotate, gain_flip: See `read_gain`.
        defects: See `read_defects`.
        eer: How EER files are grouped.
        voltage_kv, cs_mm, amplitude_contrast: Written to RELION's STAR file.
    """

    motion: MotionOptions = field(default_factory=MotionOptions)
    gain: Path | None = None
    gain_rotate: Rotation = 0
    gain_flip: Flip = "none"
    defects: Path | None = None
    eer: EerGrouping | None = None
    voltage_kv: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.1

    def digest(self) -> str:
        """Of all that changes a result, the contents of gain and defects included."""
        said = asdict(self)
        for name in ("threads", "raw_bytes"):
            said["motion"].pop(name)
        for name in ("gain", "defects"):
            path = said[name]
            said[name] = None if path is None else [str(path), *identity_of(path)[:2]]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """What came of a movie.

    Attributes:
        movie: Its path, absolute.
        state: `done` or `failed`.
        reason: Why it failed, in words; empty where it did not.
        micrograph, dose_weighted: Names of the files in the folder of results; empty where there is none.
        motion: Total, early and late, Angstrom (None where not known), by name.
        pixel_size_angstrom: Of the micrograph, where known.
        remarks: What people should know.
        values: What the stages found, by name.
        known: Whether it was found in the journal rather than worked out now.
    """

    movie: str
    state: str
    reason: str = ""
    micrograph: str = ""
    dose_weighted: str = ""
    motion: Mapping[str, float | None] = field(default_factory=dict)
    pixel_size_angstrom: float | None = None
    remarks: Sequence[str] = ()
    values: Values = field(default_factory=dict)
    known: bool = False


def find_movies(where: str) -> list[Path]:
    """The movies that a path, a folder or a pattern means, in the order of their names.

    Raises:
        ImageMissingError: there are none.
        MotionError: two have the same name but for folder and ending, so that their results would be one file.
    """
    path = Path(where)
    if path.is_dir():
        found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in MOVIE_ENDINGS and entry.is_file())
    elif path.is_file():
        found = [path]
    else:
        start = Path(path.anchor)
        found = sorted(entry for entry in start.glob(str(path.relative_to(start))) if entry.is_file())
    if not found:
        raise ImageMissingError(f"{where} is no movie, no folder of movies, and no pattern that fits one")
    by_name: dict[str, Path] = {}
    for movie in found:
        other = by_name.setdefault(movie.stem, movie)
        if other != movie:
            raise MotionError(f"{other} and {movie} would have the same result {movie.stem}.mrc; process them apart")
    return found


def process_movies(
    movies: Sequence[Path], out: Path, options: ProcessingOptions, stages: Sequence[Stage] = ()
) -> Iterator[Outcome]:
    """Processes movies, each with an entry of the journal in `out`; what it holds already is not done again.

    A movie that fails is told with its reason, and the rest goes on. It is tried again when its file has changed, or
    with other options. The STAR file is written when all are through.

    Raises:
        ImageError: the folder cannot be written; a gain reference or a list of defects is none.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{out} cannot be made: {error.strerror or error}; give another folder") from error
    digest = options.digest()
    known = _journal(out)
    gain = None
    if options.gain is not None:
        gain = read_gain(options.gain, rotate=options.gain_rotate, flip=options.gain_flip)
    done = []
    for path in movies:
        found = _known(known.get(str(path.absolute())), path, digest, out)
        if found is None:
            found = _processed(path, out, options, gain, stages)
            _append(out, found, path, digest)
        done.append(found)
        yield found
    _write_star(out, [one for one in done if one.state == "done"], options)


def _processed(path: Path, out: Path, options: ProcessingOptions, gain: Any, stages: Sequence[Stage]) -> Outcome:
    name = str(path.absolute())
    try:
        with open_movie(path, eer=options.eer) as movie:
            defects = None if options.defects is None else read_defects(options.defects, movie.header.shape)
            correction = Correction.of(movie.header, gain=gain, defects=defects)
            corrected = correct_motion(movie, correction, options.motion)
        micrograph = out / f"{path.stem}.mrc"
        write_mrc(micrograph, corrected.micrograph, corrected.pixel_size_angstrom)
        weighted = ""
        if corrected.dose_weighted is not None:
            weighted = f"{path.stem}_DW.mrc"
            write_mrc(out / weighted, corrected.dose_weighted, corrected.pixel_size_angstrom)
        values: dict[str, float | str | None] = {}
        for stage in stages:
            values.update(stage(corrected, micrograph))
    except StructloopError as error:
        return Outcome(name, "failed", str(error))
    return Outcome(
        name,
        "done",
        micrograph=micrograph.name,
        dose_weighted=weighted,
        motion=_told(corrected.summary),
        pixel_size_angstrom=corrected.pixel_size_angstrom,
        remarks=corrected.remarks,
        values=values,
    )


def _told(summary: MotionSummary | None) -> dict[str, float | None]:
    if summary is None:
        return {}
    lengths = (summary.total_angstrom, summary.early_angstrom, summary.late_angstrom)
    return {
        name: value if value == value else None
        for name, value in zip(("total_angstrom", "early_angstrom", "late_angstrom"), lengths, strict=True)
    }


def _journal(out: Path) -> dict[str, dict[str, Any]]:
    """The last entry of each movie; a line that was cut off by a kill is as if it were not there."""
    path = out / JOURNAL
    if not path.exists():
        return {}
    entries: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict) and "movie" in entry:
            entries[entry["movie"]] = entry
    return entries


def _known(entry: dict[str, Any] | None, path: Path, digest: str, out: Path) -> Outcome | None:
    if entry is None or entry.get("options") != digest:
        return None
    try:
        size, changed, _ = identity_of(path)
    except ImageError:
        return None
    if (entry.get("size_bytes"), entry.get("changed_ns")) != (size, changed):
        return None
    names = {one for one in Outcome.__dataclass_fields__ if one != "known"}
    outcome = Outcome(**{name: value for name, value in entry.items() if name in names}, known=True)
    files = [name for name in (outcome.micrograph, outcome.dose_weighted) if name]
    return outcome if all((out / name).exists() for name in files) else None


def _append(out: Path, outcome: Outcome, path: Path, digest: str) -> None:
    entry = asdict(outcome)
    entry.pop("known")
    try:
        size, changed, _ = identity_of(path)
    except ImageError:
        size, changed = 0, 0
    entry |= {"options": digest, "size_bytes": size, "changed_ns": changed}
    journal = out / JOURNAL
    try:
        # A line that a kill cut off must not swallow the next.
        torn = journal.exists() and journal.stat().st_size > 0 and not journal.read_bytes().endswith(b"\n")
        with journal.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ImageError(f"{journal} cannot be written: {error.strerror or error}; check the disk") from error


def _write_star(out: Path, done: Sequence[Outcome], options: ProcessingOptions) -> None:
    done = [one for one in done if one.pixel_size_angstrom is not None]
    sizes = {one.pixel_size_angstrom for one in done if one.pixel_size_angstrom is not None}
    # RELION has one pixel size per optics group, and no word for one that is not known.
    if len(sizes) != 1:
        return
    (size,) = sizes
    rows = []
    for one in done:
        lengths = {name: float("nan") if value is None else value for name, value in one.motion.items()}
        summary = MotionSummary(one.movie, "structloop", **lengths, pixel_size_angstrom=size)
        rows.append(CorrectedMicrograph(Path(one.dose_weighted or one.micrograph), summary))
    write_corrected_micrographs(
        out / STAR,
        rows,
        pixel_size_angstrom=size,
        voltage_kv=options.voltage_kv,
        cs_mm=options.cs_mm,
        amplitude_contrast=options.amplitude_contrast,
    )


__all__ = ["JOURNAL", "STAR", "Outcome", "ProcessingOptions", "Stage", "find_movies", "process_movies"]
