"""The optical fields of a scene: what light meets on its way through each pixel.

Everything transparent adds to the optical path (refractive index step times thickness); its gradient is the angle by
which a ray is bent, and so decides how much of the light source the pixel sees. Everything that absorbs or scatters
adds to the density.
"""

from dataclasses import dataclass

import numpy as np

from structloop.simulation.drops.view import FloatImage, View


@dataclass(slots=True)
class Fields:
    """Maps over one view, each of shape (h, w), filled by the painters.

    Attributes:
        view: The pixel grid.
        path: Optical path in micrometres.
        density: Optical density (natural logarithm) without colour.
        brown: Further density, of blue three times that of red.
        glow: Fluorescence in UV.
        retardation: Birefringent path difference in micrometres, times how well it is oriented.
        drop: 1 inside liquid, 0 outside.
        depth: Height of the liquid over its largest height.
    """

    view: View
    path: FloatImage
    density: FloatImage
    brown: FloatImage
    glow: FloatImage
    retardation: FloatImage
    drop: FloatImage
    depth: FloatImage

    @classmethod
    def empty(cls, view: View) -> "Fields":
        """Fields of nothing."""
        maps = [np.zeros((view.height, view.width), np.float32) for _ in range(7)]
        return cls(view, *maps)

    def cut(self, window: tuple[slice, slice]) -> "Fields":
        """The fields of one window; painting into them paints into these."""
        return Fields(
            self.view.cut(window),
            self.path[window],
            self.density[window],
            self.brown[window],
            self.glow[window],
            self.retardation[window],
            self.drop[window],
            self.depth[window],
        )
