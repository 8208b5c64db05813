"""Exposures as the API shows them."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from structloop.api.exposure_shapes import ExposureDetail, ExposureView, FactView, PathView, ReasonView
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession


def exposure_view(row: ProcessedExposure) -> ExposureView:
    """An exposure without its details."""
    named = {name: getattr(row, name) for name in ExposureView.model_fields if name != "reasons"}
    return ExposureView(**named, reasons=[ReasonView(**each) for each in row.reasons])


def exposure_detail(row: ProcessedExposure, owner: ProcessingSession) -> ExposureDetail:
    """An exposure with all that is known of it."""
    details: Mapping[str, Any] = row.details or {}
    tracks: Mapping[str, Any] = details.get("tracks") or {}
    particles: Mapping[str, Any] = details.get("particles") or {}
    ctf: Mapping[str, Any] = details.get("ctf") or {}
    return ExposureDetail(
        exposure=exposure_view(row),
        session_id=owner.id,
        session_name=owner.name,
        movie=row.movie,
        micrograph=f"{owner.results}/{row.micrograph_file}" if row.micrograph_file else None,
        has_picture=bool(row.picture_file or row.micrograph_file),
        has_power=bool(row.power_file),
        width_px=tracks.get("width_px"),
        height_px=tracks.get("height_px"),
        path_angstrom=tracks.get("whole_angstrom", []),
        local_paths=[
            PathView(x_px=each["x"], y_px=each["y"], path_angstrom=each["angstrom"]) for each in tracks.get("local", [])
        ],
        particles=_table(particles.get("xyp", [])),
        picker=particles.get("picker"),
        particle_diameter_angstrom=particles.get("diameter_angstrom"),
        ice_rings_angstrom=[each["spacing_angstrom"] for each in ctf.get("ice_rings", [])],
        facts=[_fact(name, each) for name, each in (details.get("metadata") or {}).items()],
        remarks=details.get("remarks", []),
    )


def _table(rows: list[list[float]]) -> str:
    table = np.asarray(sorted(rows, key=lambda row: -row[2]), "<f4").reshape(-1, 3)
    return base64.b64encode(table.tobytes()).decode()


def _fact(name: str, said: Mapping[str, Any]) -> FactView:
    others = [f"{_text(each['value'])} ({each['origin']})" for each in said.get("others", [])]
    return FactView(name=name, value=_text(said["value"]), origin=said["origin"], others=others)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


__all__ = ["exposure_detail", "exposure_view"]
