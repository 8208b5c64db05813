"""What an image shows of a grid: where, how large, how turned, how tilted."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import SimulationError

FloatArray = NDArray[np.float32]
Matrix = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class View:
    """One image of a place.

    Positions are micrometres in the stage's axes: the specimen that lies at (x, y) is what the camera's centre shows
    when the stage stands at (x, y), untilted and without image shift. At rotation 0 the image's x (columns, to the
    right) is the stage's +x and the image's y (rows, *down*) is the stage's -y, so that a displayed image looks like a
    map with y up. A positive rotation turns the image's axes counter-clockwise on that map. The stage tilts about its x
    axis; what lies above the eucentric plane then moves in y.

    Attributes:
        x_um, y_um: What the centre of the image, pixel ((width - 1) / 2, (height - 1) / 2), shows.
        width_px, height_px: Of the image.
        pixel_size_angstrom: On the specimen.
        rotation_deg: Of the image's axes against the stage's.
        tilt_deg: Of the stage.
        dose_e_per_px: Electrons that reach a pixel where nothing is in their way.
        defocus_um: Positive for underfocus; widens the fringes at edges.
        exposure_seed: Of what differs between two images of the same place: shot noise.
        z_um: Of the stage. The specimen is in the eucentric plane where `grid.height_um(x, y) + z_um` is 0.

    Raises:
        SimulationError: an image without pixels, or a pixel size, dose or tilt that cannot be.
    """

    x_um: float
    y_um: float
    width_px: int
    height_px: int
    pixel_size_angstrom: float
    rotation_deg: float = 0.0
    tilt_deg: float = 0.0
    dose_e_per_px: float = 100.0
    defocus_um: float = 0.0
    exposure_seed: int = 0
    z_um: float = 0.0

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1:
            raise SimulationError(
                f"view: width_px and height_px must be 1 or more, not {self.width_px}, {self.height_px}"
            )
        if not self.pixel_size_angstrom > 0:
            raise SimulationError(f"view: pixel_size_angstrom must be above 0, not {self.pixel_size_angstrom}")
        if not self.dose_e_per_px >= 0:
            raise SimulationError(f"view: dose_e_per_px must be 0 or more, not {self.dose_e_per_px}")
        if not abs(self.tilt_deg) <= 80:
            raise SimulationError(f"view: tilt_deg must be within -80 to 80, not {self.tilt_deg}")

    @property
    def pixel_um(self) -> float:
        """Pixel size in micrometres."""
        return self.pixel_size_angstrom * 1e-4

    @property
    def image_to_stage_um(self) -> Matrix:
        """Micrometres on the specimen per pixel, as `schema.acquisition.ImageFacts` defines it."""
        cos, sin = math.cos(math.radians(self.rotation_deg)), math.sin(math.radians(self.rotation_deg))
        step, stretch = self.pixel_um, 1.0 / max(math.cos(math.radians(self.tilt_deg)), 0.05)
        return ((step * cos, step * sin), (step * sin * stretch, -step * cos * stretch))

    def to_stage(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Where on the specimen a pixel looks, micrometres (of a specimen in the eucentric plane)."""
        (a, b), (c, d) = self.image_to_stage_um
        dx, dy = x_px - (self.width_px - 1) / 2, y_px - (self.height_px - 1) / 2
        return self.x_um + a * dx + b * dy, self.y_um + c * dx + d * dy

    def to_image(self, x_um: float, y_um: float) -> tuple[float, float]:
        """The pixel that shows a place of the specimen; the inverse of `to_stage`."""
        (a, b), (c, d) = self.image_to_stage_um
        determinant = a * d - b * c
        dx, dy = x_um - self.x_um, y_um - self.y_um
        return (
            (d * dx - b * dy) / determinant + (self.width_px - 1) / 2,
            (a * dy - c * dx) / determinant + (self.height_px - 1) / 2,
        )

    def frame(self, height_um: float = 0.0) -> "Frame":
        """The pixels' places on a specimen that lies `height_um` above the eucentric plane."""
        (a, b), (c, d) = self.image_to_stage_um
        x0, y0 = self.to_stage(0.0, 0.0)
        return Frame(
            self.width_px, self.height_px, x0, y0 - height_um * math.tan(math.radians(self.tilt_deg)), a, b, c, d
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """Points on a regular lattice: column i, row j lies at (x0 + a i + b j, y0 + c i + d j), micrometres."""

    columns: int
    rows: int
    x0: float
    y0: float
    a: float
    b: float
    c: float
    d: float

    @property
    def step_um(self) -> float:
        """Distance of neighbouring points."""
        return math.sqrt(abs(self.a * self.d - self.b * self.c))

    @property
    def xs(self) -> FloatArray:
        """Shape (rows, columns)."""
        return self._places(self.x0, self.a, self.b)

    @property
    def ys(self) -> FloatArray:
        """Shape (rows, columns)."""
        return self._places(self.y0, self.c, self.d)

    def _places(self, start: float, per_column: float, per_row: float) -> FloatArray:
        across = (start + per_column * np.arange(self.columns)).astype(np.float32)
        down = (per_row * np.arange(self.rows)).astype(np.float32)
        return np.asarray(down[:, None] + across[None, :])

    def band(self, first: int, last: int) -> "Frame":
        """Rows `first` to `last` (exclusive)."""
        return replace(self, rows=last - first, x0=self.x0 + self.b * first, y0=self.y0 + self.d * first)

    def nodes(self, step: int) -> "Frame":
        """Every `step`-th point, to one beyond the last."""
        return Frame(
            (self.columns - 1) // step + 2,
            (self.rows - 1) // step + 2,
            self.x0,
            self.y0,
            self.a * step,
            self.b * step,
            self.c * step,
            self.d * step,
        )

    def to_index(self, x_um: FloatArray, y_um: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Columns and rows (fractions) of places."""
        determinant = self.a * self.d - self.b * self.c
        dx, dy = x_um - self.x0, y_um - self.y0
        return (
            np.asarray((self.d * dx - self.b * dy) / determinant),
            np.asarray((self.a * dy - self.c * dx) / determinant),
        )

    def box(self, margin_um: float = 0.0) -> tuple[float, float, float, float]:
        """Smallest (x_low, y_low, x_high, y_high) that holds all points, and a margin."""
        last_column, last_row = self.columns - 1, self.rows - 1
        xs = [self.x0 + self.a * i + self.b * j for i in (0, last_column) for j in (0, last_row)]
        ys = [self.y0 + self.c * i + self.d * j for i in (0, last_column) for j in (0, last_row)]
        return min(xs) - margin_um, min(ys) - margin_um, max(xs) + margin_um, max(ys) + margin_um


def enlarge(nodes: FloatArray, step: int, first: int, last: int, columns: int) -> FloatArray:
    """Rows `first` to `last` of a map known at every `step`-th pixel (`Frame.nodes`), linear in between.

    Returns:
        Shape (last - first, columns).
    """
    if step == 1:
        # A copy, as in every other case: callers add to it.
        return nodes[first:last, :columns].copy()
    low, high = first // step, (last - 1) // step + 2
    share = (np.arange(step) / step).astype(np.float32)
    part = nodes[low:high]
    # Columns first, while there are few rows; then rows, whole ones at a time.
    wide = (part[:, :-1, None] * (1 - share) + part[:, 1:, None] * share).reshape(len(part), -1)[:, :columns]
    grown = (wide[1:] - wide[:-1])[:, None, :] * share[None, :, None]
    grown += wide[:-1, None, :]
    return np.asarray(grown.reshape(-1, columns)[first - low * step : last - low * step])


__all__ = ["Frame", "Matrix", "View", "enlarge"]
