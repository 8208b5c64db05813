"""Where bars, squares and holes lie: geometry alone, nothing random."""

import math
from typing import Any

import numpy as np

from structloop.simulation.grids.hashing import FloatArray
from structloop.simulation.grids.recipes import Film, Mesh

_HEX = math.sqrt(3.0) / 2


def in_mesh(mesh: Mesh, x_um: Any, y_um: Any) -> tuple[Any, Any, FloatArray, FloatArray]:
    """The square each place belongs to, and where in it.

    Returns:
        Column and row of the square (0, 0 is the grid's centre) and the offset from its centre along the mesh's axes,
        micrometres.
    """
    cos, sin = math.cos(math.radians(mesh.rotation_deg)), math.sin(math.radians(mesh.rotation_deg))
    dx, dy = x_um - np.float32(mesh.x_um), y_um - np.float32(mesh.y_um)
    u = dx * np.float32(cos) + dy * np.float32(sin)
    v = dy * np.float32(cos) - dx * np.float32(sin)
    column, row = np.rint(u / np.float32(mesh.pitch_um)), np.rint(v / np.float32(mesh.pitch_um))
    u = u - column * np.float32(mesh.pitch_um)
    v = v - row * np.float32(mesh.pitch_um)
    return column.astype(np.int32), row.astype(np.int32), u, v


def square_centre(mesh: Mesh, column: Any, row: Any) -> tuple[Any, Any]:
    """Stage position of a square's centre."""
    cos, sin = math.cos(math.radians(mesh.rotation_deg)), math.sin(math.radians(mesh.rotation_deg))
    u, v = column * mesh.pitch_um, row * mesh.pitch_um
    return mesh.x_um + u * cos - v * sin, mesh.y_um + u * sin + v * cos


def outside_square(mesh: Mesh, u: FloatArray, v: FloatArray) -> FloatArray:
    """Distance to the edge of the opening, negative inside; corners are round."""
    inner = np.float32((mesh.pitch_um - mesh.bar_um) / 2 - mesh.corner_um)
    p, q = np.abs(u) - inner, np.abs(v) - inner
    beyond = np.hypot(np.maximum(p, 0), np.maximum(q, 0))
    return np.asarray(beyond + np.minimum(np.maximum(p, q), 0) - np.float32(mesh.corner_um))


def nearest_hole(film: Film, x_um: Any, y_um: Any) -> tuple[Any, Any, FloatArray, FloatArray]:
    """The lattice point nearest to each place: its two indices, and the offset from it (stage axes, micrometres)."""
    (ax, ay), (bx, by) = lattice_vectors(film)
    determinant = ax * by - ay * bx
    u = x_um * np.float32(by / determinant) - y_um * np.float32(bx / determinant) - np.float32(film.shift[0])
    v = y_um * np.float32(ax / determinant) - x_um * np.float32(ay / determinant) - np.float32(film.shift[1])
    k, m = np.rint(u), np.rint(v)
    du, dv = u - k, v - m
    if film.lattice == "hexagonal":
        # Of three rounded coordinates that must add to zero, the one that was rounded furthest gives way.
        dw = -du - dv
        dw = dw - np.rint(dw)
        whole = np.rint(du + dv + dw)
        errors = np.abs(du), np.abs(dv), np.abs(dw)
        first = (whole != 0) & (errors[0] >= errors[1]) & (errors[0] >= errors[2])
        second = (whole != 0) & ~first & (errors[1] >= errors[2])
        k, m = k + np.where(first, whole, 0), m + np.where(second, whole, 0)
        du, dv = u - k, v - m
    dx = du * np.float32(ax) + dv * np.float32(bx)
    dy = du * np.float32(ay) + dv * np.float32(by)
    return k.astype(np.int32), m.astype(np.int32), np.asarray(dx, np.float32), np.asarray(dy, np.float32)


def hole_centre(film: Film, k: Any, m: Any) -> tuple[Any, Any]:
    """Stage position of a lattice point."""
    (ax, ay), (bx, by) = lattice_vectors(film)
    u, v = k + film.shift[0], m + film.shift[1]
    return u * ax + v * bx, u * ay + v * by


def lattice_vectors(film: Film) -> tuple[tuple[float, float], tuple[float, float]]:
    """The two vectors of the hole lattice, micrometres in the stage's axes."""
    cos, sin = math.cos(math.radians(film.rotation_deg)), math.sin(math.radians(film.rotation_deg))
    first = (film.pitch_um * cos, film.pitch_um * sin)
    if film.lattice == "hexagonal":
        return first, (
            film.pitch_um * (0.5 * cos - _HEX * sin),
            film.pitch_um * (0.5 * sin + _HEX * cos),
        )
    return first, (-film.pitch_um * sin, film.pitch_um * cos)


__all__ = ["hole_centre", "in_mesh", "lattice_vectors", "nearest_hole", "outside_square", "square_centre"]
