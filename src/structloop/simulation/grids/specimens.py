"""The same place for an exposure: what lies under the beam, as the renderers of micrographs and movies take it."""

import math

import numpy as np

from structloop.simulation.grids.dirt import lumps_in
from structloop.simulation.grids.hashing import key, uniform
from structloop.simulation.grids.materials import Ground
from structloop.simulation.grids.particles import particles_in
from structloop.simulation.grids.scene import SceneGrid
from structloop.simulation.grids.view import Frame, View
from structloop.simulation.specimen import Blob, Specimen

_LONG_SIDE = 192
# Of these points between two nodes of what changes smoothly: some 10 nm, a tenth of its finest detail.
_NODE_STEP = 4


def specimen_at(grid: SceneGrid, view: View) -> Specimen:
    """What an exposure of a view shows; the same place that `render_view` draws.

    Its maps span the image edge to edge on at most 192 points along the longer side. Lumps are blobs of their own and
    not in the ice map. Two views of one place agree to within their maps' spacing.
    """
    height = float(grid.height_um(view.x_um, view.y_um)) + view.z_um
    frame = view.frame(height)
    coarse = _coarse(frame)
    ground = Ground(grid, coarse, step=_NODE_STEP, lumps=False)
    maps = ground.band(0, coarse.rows)
    film = grid.recipe.film
    lumps = lumps_in(grid, frame, 0.02)
    columns, rows = frame.to_index(lumps.x_um, lumps.y_um)
    radius = lumps.radius_um / frame.step_um
    near = (columns > -radius) & (columns < frame.columns + radius) & (rows > -radius) & (rows < frame.rows + radius)
    blobs = tuple(
        Blob(
            float(columns[n]),
            float(rows[n]),
            float(radius[n]),
            float(lumps.thickness_nm[n]),
            "ice",
            float(lumps.roughness[n]),
            int(lumps.seed[n]),
        )
        for n in np.flatnonzero(near)
    )
    # What a bar hides lets nothing through: micrometres of ice do not either.
    ice = np.maximum(maps.ice_nm + maps.lumps_nm * (maps.ice_nm > 0), 0) + (1 - maps.open) * np.float32(5000)
    return Specimen(
        width_px=view.width_px,
        height_px=view.height_px,
        pixel_size_angstrom=view.pixel_size_angstrom,
        ice_nm=np.asarray(ice, np.float32),
        film=maps.film,
        film_nm=film.thickness_nm,
        film_material=film.material,
        crystalline=maps.crystalline,
        stain_nm=maps.stain_nm,
        particles=particles_in(grid, frame, ground),
        blobs=blobs,
        tilt_deg=view.tilt_deg,
        tilt_axis_deg=view.rotation_deg,
        height_um=height,
        debris_per_um2=float(3e3 * 17 ** uniform(key(grid.seed, "debris"), 0)),
        rough_nm=float(0.2 * 10 ** uniform(key(grid.seed, "rough"), 0)),
        seed=key(grid.seed, "place", round(view.x_um * 1e3), round(view.y_um * 1e3)),
    )


def _coarse(frame: Frame) -> Frame:
    """Points in the middles of equal parts of the image."""
    per = max(frame.columns, frame.rows) / _LONG_SIDE
    columns, rows = max(math.ceil(frame.columns / per), 2), max(math.ceil(frame.rows / per), 2)
    wide, high = frame.columns / columns, frame.rows / rows
    first_column, first_row = (wide - 1) / 2, (high - 1) / 2
    return Frame(
        columns,
        rows,
        frame.x0 + frame.a * first_column + frame.b * first_row,
        frame.y0 + frame.c * first_column + frame.d * first_row,
        frame.a * wide,
        frame.b * high,
        frame.c * wide,
        frame.d * high,
    )


__all__ = ["specimen_at"]
