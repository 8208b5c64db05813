"""What is wrong with a microscope, hidden from its user: drawn from the seed once, true for its whole life."""

import math
from dataclasses import dataclass

from structloop.instruments.simulated.draws import draw

Matrix = tuple[tuple[float, float], tuple[float, float]]


def similarity(scale: float, rotation_deg: float) -> Matrix:
    """The matrix that scales and turns."""
    c, s = scale * math.cos(math.radians(rotation_deg)), scale * math.sin(math.radians(rotation_deg))
    return ((c, -s), (s, c))


@dataclass(frozen=True)
class Flaws:
    """Errors that a user can find out only by measuring.

    The sizes follow what users of side-entry stages with an autoloader report: a move ends within a micrometre, less if
    it always ends in the same direction; the image shift is calibrated to within a per cent; a defocus is set to within
    some tens of nanometres, and by a tenth of a micrometre or two after a change of lens mode.

    Attributes:
        backlash_um: Play of x, y, z: the specimen follows the motor only once the play is used up.
        move_error_um, move_error_share: Standard deviation of a move's end: fixed, and per distance (up to 1 um).
        reading_error_um: Standard deviation of what the stage reads.
        tilt_error_deg: Standard deviation of an angle.
        creep_angstrom_per_s, creep_decay_s: Drift right after a move of 10 um, and the time over which it falls to 1/e.
        load_drift_angstrom_per_s, load_decay_s: The same for a grid that was just loaded.
        thermal_angstrom_per_s: Drift that stays.
        image_shift: What an image shift that is asked for does.
        tilt_per_shift_mrad_per_um: Beam tilt left at an image shift (coma), after the correction for it.
        astigmatism_um, astigmatism_deg, astigmatism_per_shift: Of the objective lens: half the difference of the two
            defoci, its direction, and what an image shift adds, um per um.
        focus_offset_um: What the lens' calibrated zero is wrong by.
        focus_play_um: Hysteresis of the objective lens.
        focus_mode_error_um: Standard deviation of what a change of lens mode adds.
        focus_drift_um_per_h: How the lens' zero wanders.
        eucentric_z_um: How far the tilt axis lies from where the stage reads 0 in z.
        eucentric_wobble_um: By how much the tilt axis itself wanders, per full swing.
        beam_loss_per_h, beam_ripple: Share of the beam lost per hour, and how it wavers.
        slit_drift_ev_per_h: How the zero-loss peak moves away from the slit.
        scale_error, rotation_error_deg: Standard deviations of the presets' calibrations.
        preset_offset: Share of the usual offset of each preset's image centre that is there.
        load_offset_um, load_rotation_deg: Standard deviations of how a grid lies after each load; the slot's own
            rotation is up to ten times that.
    """

    backlash_um: tuple[float, float, float]
    move_error_um: float
    move_error_share: float
    reading_error_um: float
    tilt_error_deg: float
    creep_angstrom_per_s: float
    creep_decay_s: float
    load_drift_angstrom_per_s: float
    load_decay_s: float
    thermal_angstrom_per_s: tuple[float, float]
    image_shift: Matrix
    tilt_per_shift_mrad_per_um: float
    astigmatism_um: float
    astigmatism_deg: float
    astigmatism_per_shift: float
    focus_offset_um: float
    focus_play_um: float
    focus_mode_error_um: float
    focus_drift_um_per_h: float
    eucentric_z_um: float
    eucentric_wobble_um: float
    beam_loss_per_h: float
    beam_ripple: float
    slit_drift_ev_per_h: float
    scale_error: float
    rotation_error_deg: float
    preset_offset: float
    load_offset_um: float
    load_rotation_deg: float

    @classmethod
    def from_seed(cls, seed: int) -> "Flaws":
        """The flaws of one microscope."""
        rng = draw(seed, "flaws")
        heading, drift = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.2)
        return cls(
            backlash_um=(float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.1, 0.3))),
            move_error_um=float(rng.uniform(0.08, 0.2)),
            move_error_share=0.0005,
            reading_error_um=0.01,
            tilt_error_deg=0.02,
            creep_angstrom_per_s=float(rng.uniform(4.0, 9.0)),
            creep_decay_s=float(rng.uniform(7.0, 12.0)),
            load_drift_angstrom_per_s=float(rng.uniform(2.0, 5.0)),
            load_decay_s=float(rng.uniform(80.0, 150.0)),
            thermal_angstrom_per_s=(drift * math.cos(heading), drift * math.sin(heading)),
            image_shift=similarity(1 + float(rng.normal(0, 0.006)), float(rng.normal(0, 0.5))),
            tilt_per_shift_mrad_per_um=float(rng.uniform(0.02, 0.05)),
            astigmatism_um=float(rng.uniform(0.005, 0.025)),
            astigmatism_deg=float(rng.uniform(0, 180)),
            astigmatism_per_shift=float(rng.uniform(0.001, 0.003)),
            focus_offset_um=float(rng.normal(0, 0.6)),
            focus_play_um=float(rng.uniform(0.02, 0.06)),
            focus_mode_error_um=float(rng.uniform(0.05, 0.12)),
            focus_drift_um_per_h=float(rng.normal(0, 0.05)),
            eucentric_z_um=float(rng.uniform(-10, 10)),
            eucentric_wobble_um=float(rng.uniform(0.02, 0.15)),
            beam_loss_per_h=float(rng.uniform(0.002, 0.012)),
            beam_ripple=float(rng.uniform(0.003, 0.01)),
            slit_drift_ev_per_h=float(rng.choice([-1, 1]) * rng.uniform(1.0, 3.0)),
            scale_error=0.003,
            rotation_error_deg=0.15,
            preset_offset=1.0,
            load_offset_um=8.0,
            load_rotation_deg=0.3,
        )

    @classmethod
    def none(cls) -> "Flaws":
        """No flaws at all."""
        return cls(
            backlash_um=(0.0, 0.0, 0.0),
            move_error_um=0.0,
            move_error_share=0.0,
            reading_error_um=0.0,
            tilt_error_deg=0.0,
            creep_angstrom_per_s=0.0,
            creep_decay_s=1.0,
            load_drift_angstrom_per_s=0.0,
            load_decay_s=1.0,
            thermal_angstrom_per_s=(0.0, 0.0),
            image_shift=((1.0, 0.0), (0.0, 1.0)),
            tilt_per_shift_mrad_per_um=0.0,
            astigmatism_um=0.0,
            astigmatism_deg=0.0,
            astigmatism_per_shift=0.0,
            focus_offset_um=0.0,
            focus_play_um=0.0,
            focus_mode_error_um=0.0,
            focus_drift_um_per_h=0.0,
            eucentric_z_um=0.0,
            eucentric_wobble_um=0.0,
            beam_loss_per_h=0.0,
            beam_ripple=0.0,
            slit_drift_ev_per_h=0.0,
            scale_error=0.0,
            rotation_error_deg=0.0,
            preset_offset=0.0,
            load_offset_um=0.0,
            load_rotation_deg=0.0,
        )


__all__ = ["Flaws", "Matrix", "similarity"]
