"""The lenses: preset, defocus and image shift, each with what it does besides what it is told."""

import math
from dataclasses import dataclass

from structloop.instruments.simulated.draws import draw
from structloop.instruments.simulated.flaws import Flaws
from structloop.instruments.simulated.presets import Mode, SimulatedPreset

SETTLE_S = 0.3
"""Time over which an image shift settles to 1/e."""


@dataclass(frozen=True)
class Astigmatism:
    """Half the difference of the two defoci (um), and the direction of the larger one, in the stage's axes."""

    half_um: float
    angle_deg: float


class Lenses:
    """What the lenses are set to and what they do. Times are seconds of the microscope's clock.

    Args:
        presets: All presets by name; the first is set at the start.
        flaws: Of the microscope.
        seed: Of what a change of lens mode does.
    """

    def __init__(self, presets: dict[str, SimulatedPreset], flaws: Flaws, seed: int) -> None:
        self.presets = presets
        self._flaws = flaws
        self._seed = seed
        self._changes = 0
        self.preset = next(iter(presets.values()))
        self.image_shift_um = (0.0, 0.0)
        self._shifted: tuple[float, float, float] = (0.0, 0.0, 0.0)  # when, and from what the shift came
        self._defocus: dict[Mode, float] = {}
        self._asked: float | None = None
        self._lens = 0.0  # where hysteresis left the objective lens, against what it was set to
        self._mode_error = 0.0
        self._correction = 0.0

    def apply(self, preset: SimulatedPreset) -> float:
        """Set everything to a preset; returns the seconds that it takes."""
        if preset.preset.name == self.preset.preset.name:
            return 0.0
        old, self.preset = self.preset, preset
        if old.mode == preset.mode:
            return 1.0 if old.preset.magnification != preset.preset.magnification else 0.4
        self._changes += 1
        rng = draw(self._seed, "mode", self._changes)
        self._mode_error = float(rng.normal(0, self._flaws.focus_mode_error_um))
        self._lens = self.defocus_um
        return 4.0 if "low" in (old.mode, preset.mode) else 2.0

    def normalise(self) -> None:
        """Take the lenses through a full cycle, which ends what earlier currents left behind."""
        self._mode_error = 0.0
        self._lens = self.defocus_um

    @property
    def defocus_um(self) -> float:
        """What the next image is set to be taken at."""
        if self._asked is not None:
            return self._asked
        return self.defocus_of(self.preset)

    def defocus_of(self, preset: SimulatedPreset) -> float:
        """What an image of a preset would be set to."""
        if self._asked is not None:
            return self._asked
        return self._defocus.get(preset.mode, preset.preset.defocus_um)

    def set_defocus(self, defocus_um: float) -> None:
        """Set it for the next image, whatever its preset; from then on it holds for that preset's lens mode."""
        self._asked = defocus_um
        self._follow(defocus_um)

    def expose(self) -> float:
        """What the image that is taken now is set to."""
        if self._asked is not None:
            self._defocus[self.preset.mode] = self._asked
            self._asked = None
        self._follow(self.defocus_um)
        return self.defocus_um

    def _follow(self, defocus_um: float) -> None:
        half = self._flaws.focus_play_um / 2
        self._lens = min(max(self._lens, defocus_um - half), defocus_um + half)

    def correct(self, by_um: float) -> None:
        """Take a defocus that was measured too large out of all that follow."""
        self._correction -= by_um

    def true_defocus_um(self, now_s: float) -> float:
        """What the lens makes of it, for a specimen at the eucentric height."""
        flaws = self._flaws
        error = flaws.focus_offset_um + self._mode_error + flaws.focus_drift_um_per_h * now_s / 3600
        return self._lens + error + self._correction

    def shift(self, dx_um: float, dy_um: float, now_s: float) -> None:
        """Set the image shift."""
        before = self.true_shift_um(now_s)
        (a, b), (c, d) = self._flaws.image_shift
        after = (a * dx_um + b * dy_um, c * dx_um + d * dy_um)
        # The deflectors reach 99.8 % at once and crawl the rest of the way.
        self._shifted = (now_s, 0.002 * (before[0] - after[0]), 0.002 * (before[1] - after[1]))
        self.image_shift_um = (dx_um, dy_um)

    def true_shift_um(self, now_s: float) -> tuple[float, float]:
        """What the image shift does, in the stage's axes."""
        (a, b), (c, d) = self._flaws.image_shift
        x, y = self.image_shift_um
        when, left_x, left_y = self._shifted
        left = math.exp(-max(now_s - when, 0.0) / SETTLE_S)
        return a * x + b * y + left_x * left, c * x + d * y + left_y * left

    def settling_angstrom_per_s(self, now_s: float) -> tuple[float, float]:
        """How fast the image shift still moves."""
        when, left_x, left_y = self._shifted
        left = -1e4 / SETTLE_S * math.exp(-max(now_s - when, 0.0) / SETTLE_S)
        return left_x * left, left_y * left

    def beam_tilt_mrad(self) -> tuple[float, float]:
        """Beam tilt that the image shift leaves, in the stage's axes."""
        share = self._flaws.tilt_per_shift_mrad_per_um
        return self.image_shift_um[0] * share, self.image_shift_um[1] * share

    def astigmatism(self) -> Astigmatism:
        """Of the lens itself, and what the image shift adds along its own direction."""
        flaws = self._flaws
        x, y = self.image_shift_um
        own, added = math.radians(2 * flaws.astigmatism_deg), 2 * math.atan2(y, x)
        size = flaws.astigmatism_per_shift * math.hypot(x, y)
        along = flaws.astigmatism_um * math.cos(own) + size * math.cos(added)
        across = flaws.astigmatism_um * math.sin(own) + size * math.sin(added)
        return Astigmatism(math.hypot(along, across), math.degrees(math.atan2(across, along)) / 2)


__all__ = ["SETTLE_S", "Astigmatism", "Lenses"]
