"""Between the axes of the stage, of a grid on it, and of images."""

import math


class Turn:
    """A rotation of axes."""

    def __init__(self, rotation_deg: float) -> None:
        self._cos, self._sin = math.cos(math.radians(rotation_deg)), math.sin(math.radians(rotation_deg))

    def on(self, x: float, y: float) -> tuple[float, float]:
        """Turn a vector."""
        return self._cos * x - self._sin * y, self._sin * x + self._cos * y

    def back(self, x: float, y: float) -> tuple[float, float]:
        """Turn it back."""
        return self._cos * x + self._sin * y, -self._sin * x + self._cos * y


class Flip:
    """From the stage's axes to an image's, whose y points down: `View` of `simulation.grids` without its scale."""

    def __init__(self, rotation_deg: float) -> None:
        self._turn = Turn(rotation_deg)

    def on(self, x: float, y: float) -> tuple[float, float]:
        """The vector along the image's columns and rows."""
        along, up = self._turn.back(x, y)
        return along, -up


__all__ = ["Flip", "Turn"]
