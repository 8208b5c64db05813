"""Paints a scene into optical fields, its crystals apart from all else."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.simulation.drops.crystals import crystal_thickness, crystal_window
from structloop.simulation.drops.debris import paint_flake, paint_speck, paint_strand
from structloop.simulation.drops.deposits import paint_precipitate, paint_skin, paint_sphere
from structloop.simulation.drops.fields import Fields
from structloop.simulation.drops.liquid import drop_box, paint_drop, within_well
from structloop.simulation.drops.scene import DropScene
from structloop.simulation.drops.view import FloatImage, View, blur

Box = tuple[int, int, int, int]


def paint_surroundings(scene: DropScene, view: View) -> Fields:
    """Everything but the crystals."""
    fields = Fields.empty(view)
    well = scene.facility.well
    for drop in scene.drops:
        paint_drop(fields, drop, well, scene.well_x_um, scene.well_y_um)
    if scene.drops:
        boxes = [drop_box(drop, 1.4) for drop in scene.drops]
        wet = fields.cut(
            view.window(
                min(box[0] for box in boxes),
                min(box[1] for box in boxes),
                max(box[2] for box in boxes),
                max(box[3] for box in boxes),
            )
        )
        if wet.view.width > 2 and wet.view.height > 2:
            for precipitate in scene.precipitates:
                paint_precipitate(wet, precipitate)
            for skin in scene.skins:
                first = scene.drops[0]
                floor = within_well(view, well, scene.well_x_um, scene.well_y_um)
                paint_skin(fields, skin, (first.x_um, first.y_um), first.radius_um, floor)
    for sphere in scene.spheres:
        paint_sphere(fields, sphere)
    for flake in scene.flakes:
        paint_flake(fields, flake)
    for strand in scene.strands:
        paint_strand(fields, strand)
    for speck in scene.specks:
        paint_speck(fields, speck)
    return fields


@dataclass(slots=True)
class CrystalLayer:
    """The crystals of a scene over one window of a view.

    Attributes:
        window: Rows and columns of the view that the maps cover.
        path: Optical path, micrometres.
        density: Optical density.
        retardation: Birefringent path difference, micrometres.
        glow: Fluorescence times (saturating) thickness.
        mask: 0 to 1, how much of a pixel is crystal.
        boxes: One (x0, y0, x1, y1) in pixels per crystal that lies in the view, upper bounds exclusive.
        widths_px: Size of each of them in pixels.
        salts: Whether each of them is salt.
    """

    window: tuple[slice, slice]
    path: FloatImage
    density: FloatImage
    retardation: FloatImage
    glow: FloatImage
    mask: FloatImage
    boxes: tuple[Box, ...]
    widths_px: NDArray[np.float64]
    salts: NDArray[np.bool_]


def paint_crystals(scene: DropScene, view: View) -> CrystalLayer | None:
    """The crystals, or None if the view shows none."""
    windows = [crystal_window(view, crystal) for crystal in scene.crystals]
    shown = [
        (crystal, window)
        for crystal, window in zip(scene.crystals, windows, strict=True)
        if window[0].stop - window[0].start > 1 and window[1].stop - window[1].start > 1
    ]
    if not shown:
        return None
    margin = 6
    top = max(min(window[0].start for _, window in shown) - margin, 0)
    left = max(min(window[1].start for _, window in shown) - margin, 0)
    bottom = min(max(window[0].stop for _, window in shown) + margin, view.height)
    right = min(max(window[1].stop for _, window in shown) + margin, view.width)
    path, density, retardation, glow, mask = (np.zeros((bottom - top, right - left), np.float32) for _ in range(5))
    boxes, widths, salts = [], [], []
    step = view.um_per_px
    line = np.float32(max(1.5, 0.7 * step))
    for crystal, window in shown:
        thickness = crystal_thickness(view.cut(window), crystal)
        local = (
            slice(window[0].start - top, window[0].stop - top),
            slice(window[1].start - left, window[1].stop - left),
        )
        solid = np.minimum(thickness / line, np.float32(1.0))
        edges = np.float32(4.0) * solid * (1 - solid)
        dark = np.float32(crystal.density / crystal.size_um) * thickness + np.float32(0.7 * crystal.edge) * edges
        shift = np.float32(crystal.index_step) * thickness
        sigma = crystal.blur_um / step
        if sigma > 0.4:
            shift, dark = blur(shift, sigma), blur(dark, sigma)
        path[local] += shift
        density[local] += dark
        turn = math.sin(2 * crystal.angle_rad + crystal.shape_seed % 97) ** 2
        if crystal.birefringence > 0:
            retardation[local] += np.float32(crystal.birefringence * turn) * thickness
        full = 1 - np.exp(-thickness / np.float32(max(0.25 * crystal.size_um, 8.0)))
        glow[local] = np.maximum(glow[local], np.float32(crystal.fluorescence) * (full + np.float32(0.25) * edges))
        mask[local] = np.maximum(mask[local], solid)
        box = _tight_box(solid, window)
        if box is not None:
            boxes.append(box)
            widths.append(crystal.size_um / step)
            salts.append(crystal.salt)
    if not boxes:
        return None
    window = slice(top, bottom), slice(left, right)
    return CrystalLayer(
        window, path, density, retardation, glow, mask, tuple(boxes), np.array(widths), np.array(salts, dtype=np.bool_)
    )


def _tight_box(solid: FloatImage, window: tuple[slice, slice]) -> Box | None:
    rows, columns = np.flatnonzero(solid.max(axis=1) > 0.1), np.flatnonzero(solid.max(axis=0) > 0.1)
    if rows.size == 0 or columns.size == 0:
        return None
    y, x = window[0].start, window[1].start
    return int(x + columns[0]), int(y + rows[0]), int(x + columns[-1] + 1), int(y + rows[-1] + 1)
