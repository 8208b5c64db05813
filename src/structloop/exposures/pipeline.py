"""One movie from its file to all that is said of it: motion, CTF, ice, particles, condition, pictures."""

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import (
    CtfError,
    ExposureError,
    IceError,
    ImageError,
    NoSignalError,
    ParticlesError,
)
from structloop.exposures.finding import FoundMovie
from structloop.exposures.metadata import ExposureMetadata, gather
from structloop.exposures.options import ExposureOptions
from structloop.exposures.records import ExposureRecord
from structloop.exposures.tools import Tools
from structloop.exposures.writing import no_space_told, write_whole
from structloop.imaging.micrograph_pictures import to_picture
from structloop.imaging.mrc_writing import write_mrc
from structloop.micrographs.ctf import CtfOptions, Lens
from structloop.micrographs.ctf.picture import thon_picture
from structloop.micrographs.ctf.regions import RegionFit, fit_regions
from structloop.micrographs.ice import ice_of, transmitted
from structloop.micrographs.motion import CorrectedMovie, Dose, MotionOptions, add_unaligned, correct_motion
from structloop.micrographs.movies import Correction, open_movie, read_defects
from structloop.store.tables.base import utc_now

PICTURES = "pictures"
PICTURE_PX, POWER_PX = 1024, 512
_QUALITY = 88
_TRACKS_A_SIDE = 4

FloatArray = NDArray[np.float32]


@dataclass
class _Work:
    """What is found out about one movie, step by step; values are columns of its row."""

    movie: FoundMovie
    metadata: ExposureMetadata
    values: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def fingerprint_of(movie: FoundMovie, digest: str, metadata: ExposureMetadata | None) -> str:
    """What a result rests on: the movie's file, the options, and what other files say that changes it."""
    said = None if metadata is None else metadata.of_results()
    return hashlib.sha256(json.dumps([str(movie.path), movie.stamp, digest, said]).encode()).hexdigest()


def process_exposure(
    movie: FoundMovie,
    out: Path,
    options: ExposureOptions,
    tools: Tools,
    places: re.Pattern[str] | None = None,
    on_step: Callable[[str], None] = lambda _step: None,
) -> ExposureRecord:
    """Processes a movie and writes its micrographs and pictures to `out`.

    Args:
        movie: Which.
        out: Folder of the results.
        options: How.
        tools: What was loaded for all movies.
        places: See `gather`.
        on_step: Told what is done next: motion, ctf, particles, pictures.

    Raises:
        StructloopError: the movie cannot be processed; the message says why, and what to do.
        NoSpaceError: the disk is full; nothing is wrong with the movie.
    """
    start = time.perf_counter()
    with open_movie(movie.path, eer=options.eer) as file:
        metadata = gather(movie, file.header, options, places)
        work = _Work(movie, metadata, remarks=list(metadata.remarks))
        size = metadata.value("pixel_size_angstrom")
        if size is None:
            raise ExposureError(
                f"{movie.path}: its pixel size is not known: neither its header nor EPU's XML or SerialEM's mdoc "
                "beside it says one; give --pixel-size-angstrom"
            )
        defects = None if options.defects is None else read_defects(options.defects, file.header.shape)
        correction = Correction.of(file.header, gain=tools.gain, defects=defects)
        on_step("motion")
        with work.step("motion"):
            wanted = _motion_options(options, metadata, size)
            try:
                corrected = correct_motion(file, correction, wanted)
            except NoSignalError as error:
                # An empty hole is no fault of the movie's; that it is of no use is for the judgement to say.
                work.remarks.append(f"frames were added up unaligned: {error}")
                corrected = add_unaligned(file, correction, wanted)
    _tell_motion(work, corrected, file.header.frames, size)
    on_step("ctf")
    with work.step("ctf"):
        region = _ctf(work, corrected.micrograph, size, options)
    film = None if region is None else region.film
    _tell_ice(work, corrected, film, options, tools)
    best = corrected.micrograph if corrected.dose_weighted is None else corrected.dose_weighted
    if tools.counter is not None:
        on_step("particles")
        with work.step("particles"):
            _tell_particles(work, best, size, film, tools)
    if tools.condition is not None:
        with work.step("condition"):
            found = tools.condition(corrected.micrograph, size)
        work.values |= {
            "condition": found.label,
            "condition_probability": found.probability,
            "poor_condition": found.poor,
            "condition_model": found.model,
        }
    on_step("pictures")
    with work.step("pictures"), no_space_told(out):
        _write(work, corrected, best, region, out, size)
    work.details |= {
        "metadata": told_metadata(metadata, movie),
        "remarks": [*work.remarks, *corrected.remarks],
        "seconds": work.seconds,
    }
    return ExposureRecord(
        name=movie.name,
        movie=str(movie.path),
        fingerprint=fingerprint_of(movie, options.digest(), metadata),
        state="done",
        processed_at=utc_now(),
        seconds=round(time.perf_counter() - start, 3),
        **places_of(metadata, movie),
        **work.values,
        details=work.details,
    )


def places_of(metadata: ExposureMetadata, movie: FoundMovie) -> dict[str, Any]:
    """Columns of where and when an exposure was taken; without any word of it, when its file was changed last."""
    taken = metadata.taken_at or _time_of(movie)
    x, y = metadata.stage_um or (None, None)
    where = {"grid": metadata.grid, "square": metadata.square, "hole": metadata.hole}
    return {**where, "stage_x_um": x, "stage_y_um": y, "taken_at": taken}


def told_metadata(metadata: ExposureMetadata, movie: FoundMovie) -> dict[str, Any]:
    """What is known with who says it, for a row's details."""
    said = metadata.to_json()
    said.setdefault("taken_at", {"value": _time_of(movie).isoformat(), "origin": "time of the file's last change"})
    return said


def _time_of(movie: FoundMovie) -> datetime:
    return datetime.fromtimestamp(movie.stamp[1] / 1e9, UTC)


def _motion_options(options: ExposureOptions, metadata: ExposureMetadata, size: float) -> MotionOptions:
    per_frame, voltage = metadata.value("dose_per_frame"), metadata.value("voltage_kv")
    dose = None if per_frame is None or voltage is None else Dose(per_frame, voltage)
    return MotionOptions(
        pixel_size_angstrom=size,
        dose=dose,
        skip_first=options.skip_first,
        skip_last=options.skip_last,
        threads=options.threads,
    )


def _tell_motion(work: _Work, corrected: CorrectedMovie, frames: int, size: float) -> None:
    summary, motion = corrected.summary, corrected.field
    if summary is not None:
        for name in ("total", "early", "late"):
            value = getattr(summary, f"{name}_angstrom")
            work.values[f"{name}_motion_angstrom"] = value if math.isfinite(value) else None
    per_frame = work.metadata.value("dose_per_frame")
    work.values["pixel_size_angstrom"] = corrected.pixel_size_angstrom
    work.values["dose_e_per_angstrom2"] = None if per_frame is None else per_frame * frames
    if corrected.signal == 0:
        return
    across = (np.arange(_TRACKS_A_SIDE) + 0.5) / _TRACKS_A_SIDE
    local = [
        {"x": round(x * motion.width_px), "y": round(y * motion.height_px), "angstrom": _rounded(path * size)}
        for y in across
        for x in across
        for path in [motion.track(float(x * motion.width_px), float(y * motion.height_px))]
    ]
    work.details["tracks"] = {
        "frames": [int(number) + 1 for number in motion.frames],
        "whole_angstrom": _rounded(motion.whole(work.movie.name).shifts_px * size),
        "local": local,
        "precision_angstrom": round(float(np.median(motion.precision_px)) * size, 3),
        "width_px": motion.width_px,
        "height_px": motion.height_px,
    }


def _rounded(path: NDArray[np.float64]) -> list[list[float]]:
    rounded: list[list[float]] = np.round(path, 2).tolist()
    return rounded


def _ctf(work: _Work, pixels: FloatArray, size: float, options: ExposureOptions) -> RegionFit | None:
    known = work.metadata.value
    wanted = CtfOptions(
        defocus_um=options.defocus_um,
        phase_shift_deg=None if work.metadata.phase_plate else 0.0,
        finest_angstrom=max(2.5, 2.05 * size),
        threads=options.threads,
    )
    try:
        lens = Lens(known("voltage_kv") or 0, known("cs_mm") or 0.0, known("amplitude_contrast") or 0.0)
        region = fit_regions(pixels, size, lens, wanted)
    except CtfError as error:
        work.remarks.append(f"no CTF was fitted: {error}")
        return None
    fit = region.fit
    estimate = fit.estimate(work.movie.name)
    tilt = None if fit.local is None else fit.local.tilt
    work.values |= {
        "defocus_u_um": estimate.defocus_u_um,
        "defocus_v_um": estimate.defocus_v_um,
        "astigmatism_angle_deg": estimate.angle_deg,
        "phase_shift_deg": estimate.phase_shift_deg,
        "rings_seen": fit.good,
        "ctf_resolution_angstrom": estimate.fit_resolution_angstrom if fit.good else None,
        "ctf_confidence": estimate.confidence,
        "tilt_deg": tilt.tilt_deg if tilt is not None and tilt.believed and fit.good else None,
        "film_poses": region.posing if fit.good or region.film is not None else None,
        "crystalline_ice": None if fit.crystalline is None else fit.crystalline.present,
    }
    if region.reason:
        work.remarks.append(region.reason)
    work.details["ctf"] = _ctf_details(region)
    return region


def _ctf_details(region: RegionFit) -> dict[str, Any]:
    fit = region.fit
    said: dict[str, Any] = {
        "spread_um": round(fit.spread_um, 4) if math.isfinite(fit.spread_um) else None,
        "voltage_kv": fit.lens.voltage_kv,
        "cs_mm": fit.lens.cs_mm,
        "amplitude_contrast": fit.lens.amplitude_contrast,
        "film_share": round(region.film_share, 3),
        "lacking_share": round(region.lacking_share, 3),
    }
    if region.film_fit is not None and region.film_fit.good:
        on_film = region.film_fit
        said["film_resolution_angstrom"] = on_film.fit_resolution_angstrom
        said["film_defocus_um"] = round(on_film.defocus.mean_um, 4)
    if fit.crystalline is not None and fit.crystalline.present:
        said["ice_rings"] = [
            {"spacing_angstrom": each.spacing_angstrom, "strength": round(each.strength, 3)}
            for each in fit.crystalline.rings
        ]
    if fit.local is not None and fit.good:
        tilt = fit.local.tilt
        said["tilt"] = {"deg": round(tilt.tilt_deg, 2), "axis_deg": round(tilt.axis_deg, 1), "believed": tilt.believed}
        said["local"] = [
            {"x": round(float(x)), "y": round(float(y)), "defocus_um": round(float(value), 3)}
            for (x, y), value in zip(fit.local.centres_px, fit.local.defocus_um, strict=True)
            if math.isfinite(value)
        ]
    return said


def _tell_ice(
    work: _Work, corrected: CorrectedMovie, film: NDArray[np.bool_] | None, options: ExposureOptions, tools: Tools
) -> None:
    try:
        seen = transmitted(corrected.micrograph, film)
    except IceError as error:
        work.remarks.append(f"ice was not measured: {error}")
        return
    frames = len(corrected.field.frames)
    work.values["intensity"] = seen.intensity
    work.details["ice"] = {"uneven": round(seen.uneven, 4), "intensity_spread": seen.spread, "frames": frames}
    reference = tools.ice_reference(frames)
    if reference is None:
        return
    ice = ice_of(seen, reference, mean_free_path_nm=options.mean_free_path_nm)
    work.values |= {"ice_relative": ice.relative, "ice_nm": ice.thickness_nm, "ice_method": ice.method}
    work.details["ice"]["spread_nm"] = ice.spread_nm
    work.remarks += ice.remarks


def _tell_particles(work: _Work, pixels: FloatArray, size: float, film: NDArray[np.bool_] | None, tools: Tools) -> None:
    counter = tools.counter
    if counter is None:
        return
    try:
        found = counter.count(pixels, size, film)
    except (ParticlesError, ImageError) as error:
        work.remarks.append(f"no particles were looked for: {error}")
        return
    work.values |= {
        "particles": len(found.xy_px),
        "particles_per_um2": found.per_um2,
        "particle_overlap": found.overlap,
        "empty_fraction": found.empty_fraction,
    }
    work.details["particles"] = {
        "picker": counter.name,
        "diameter_angstrom": counter.diameter_angstrom,
        "threshold": counter.threshold,
        "xyp": [
            [round(float(x), 1), round(float(y), 1), round(float(p), 3)]
            for (x, y), p in zip(found.xy_px, found.probability, strict=True)
        ],
    }


def _write(
    work: _Work, corrected: CorrectedMovie, best: FloatArray, region: RegionFit | None, out: Path, size: float
) -> None:
    name = work.movie.name
    (out / PICTURES).mkdir(exist_ok=True)
    write_mrc(out / f"{name}.mrc", corrected.micrograph, size)
    work.values["micrograph_file"] = f"{name}.mrc"
    if corrected.dose_weighted is not None:
        write_mrc(out / f"{name}_DW.mrc", corrected.dose_weighted, size)
        work.values["dose_weighted_file"] = f"{name}_DW.mrc"
    picture = f"{PICTURES}/{name}.jpg"
    shown = to_picture(best, PICTURE_PX)
    write_whole(out / picture, lambda path: shown.save(path, "JPEG", quality=_QUALITY))
    work.values["picture_file"] = picture
    if region is not None:
        power = f"{PICTURES}/{name}_power.png"
        rings = thon_picture(region.fit, POWER_PX)
        write_whole(out / power, lambda path: rings.save(path, "PNG"))
        work.values["power_file"] = power


__all__ = ["PICTURES", "fingerprint_of", "places_of", "process_exposure", "told_metadata"]
