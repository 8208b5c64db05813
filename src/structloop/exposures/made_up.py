"""A made-up session in the store: what the pages show, without a microscope and without an hour of processing."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import StoreUnavailableError
from structloop.exposures.records import ExposureRecord, close_session, open_session, record_exposures
from structloop.micrographs.judging import Limits
from structloop.simulation.exposure_sessions import MadeUpExposure, make_up_exposures
from structloop.store import Database

LIMITS = Limits(most_total_motion_angstrom=35.0, most_ctf_resolution_angstrom=4.5)
"""Tighter than the defaults, so that a made-up session has something to show."""
PIXEL_SIZE_ANGSTROM = 0.83
SIZE_PX = 4096
DOSE = 45.0
_PATCHES = 3
_BENDS = 40
_KEPT = [each.name for each in fields(MadeUpExposure) if each.name in ExposureRecord.__dataclass_fields__]


def store_made_up_session(
    database: Database,
    folder: Path,
    *,
    name: str = "Made-up session",
    count: int = 1200,
    seed: int = 0,
    pictures: Sequence[tuple[str, str]] = (),
    ended: datetime | None = None,
) -> int:
    """Writes a session of made-up exposures, as if it had just been processed.

    Args:
        database: Where to.
        folder: Of its results; made when needed.
        name: Of the session; another with that name gets a number.
        count: How many exposures.
        seed: Makes another session.
        pictures: Names of pictures in `folder` that its exposures share in turn: micrograph, and power spectrum.
        ended: When the last exposure was processed; now if None.

    Returns:
        The session's key.

    Raises:
        SimulationError: `count` is below 1.
        StoreUnavailableError: the folder or the database cannot be written.
    """
    made = make_up_exposures(count, seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(
            f"{folder} cannot be made: {error.strerror or error}; check the permissions of the home folder"
        ) from error
    ended = ended or datetime.now(UTC)
    started = ended - timedelta(seconds=made[-1].taken_s + 40)
    rng = np.random.default_rng(seed)
    bends = [_bends(rng) for _ in range(_BENDS)]
    key = open_session(
        database,
        name=name,
        source=str(folder / "movies" / "*.tiff"),
        results=folder,
        settings={"made_up": True, "seed": seed, "voltage_kv": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.1},
        watched=False,
        limits=LIMITS,
        limits_origin="made up",
    )
    records = []
    for number, each in enumerate(made):
        shown = pictures[number % len(pictures)] if pictures else (None, None)
        details = {} if each.failed else _details(each, bends[number % _BENDS])
        records.append(_record(each, started, shown, details, rng))
    record_exposures(database, key, records)
    close_session(database, key, "finished")
    return key


def _record(
    made: MadeUpExposure,
    started: datetime,
    pictures: tuple[str | None, str | None],
    details: dict[str, Any],
    rng: np.random.Generator,
) -> ExposureRecord:
    taken = started + timedelta(seconds=made.taken_s)
    values: dict[str, Any] = {name: getattr(made, name) for name in _KEPT}
    values |= {
        "movie": f"/made-up/{made.name}.tiff",
        "fingerprint": f"made-up-{made.name}",
        "taken_at": taken,
        "processed_at": taken + timedelta(seconds=float(rng.uniform(12, 26))),
        "seconds": float(rng.uniform(4.5, 6.5)),
    }
    if made.failed:
        return ExposureRecord(**values, state="failed", reason=made.failed)
    return ExposureRecord(
        **values,
        state="done",
        pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
        dose_e_per_angstrom2=DOSE,
        ice_method="against vacuum, mean free path 395 nm (made up)",
        condition_model="made up",
        picture_file=pictures[0],
        power_file=pictures[1],
        details=details,
    )


def _bends(rng: np.random.Generator) -> NDArray[np.float64]:
    """(patches, 4): place of each patch in pixels, and what its path is stretched and drawn out by, x and y."""
    ticks = (np.arange(_PATCHES) + 0.5) / _PATCHES * SIZE_PX
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    # The specimen bends: its parts go a little differently, smoothly over the field.
    stretched = 1 + (places / SIZE_PX - 0.5) @ rng.normal(0, 0.25, (2, 2))
    return np.concatenate([places, stretched], axis=1)


def _details(made: MadeUpExposure, bends: NDArray[np.float64]) -> dict[str, Any]:
    path = np.asarray(made.track_angstrom)
    local = np.round(path[None] * bends[:, None, 2:], 1).tolist()
    said = {"pixel_size_angstrom": PIXEL_SIZE_ANGSTROM, "voltage_kv": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.1}
    return {
        "tracks": {
            "frames": list(range(1, len(path) + 1)),
            "whole_angstrom": np.round(path, 2).tolist(),
            "local": [
                {"x": round(float(x)), "y": round(float(y)), "angstrom": one}
                for (x, y), one in zip(bends[:, :2], local, strict=True)
            ],
            "width_px": SIZE_PX,
            "height_px": SIZE_PX,
        },
        "ctf": {name: value for name, value in said.items() if name != "pixel_size_angstrom"},
        "metadata": {name: {"value": value, "origin": "made up"} for name, value in said.items()},
        "remarks": [],
    }


__all__ = ["LIMITS", "store_made_up_session"]
