"""What an unattended screening does: frozen data, recorded in the session's journal."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    Autofocus,
    FindEucentricHeight,
    LoadGrid,
    MoveStage,
    SetBeam,
    SetValves,
    ShiftImage,
    WaitDrift,
    WaitReady,
)

NEEDED: tuple[type[Action], ...] = (
    LoadGrid,
    WaitReady,
    SetValves,
    SetBeam,
    MoveStage,
    FindEucentricHeight,
    AcquireMontage,
    Acquire,
    ShiftImage,
    Autofocus,
    WaitDrift,
)
"""What a screening asks of a microscope."""


class ScreeningPlan(BaseModel):
    """A screening of some grids: a few exposures of each, over good and differing places.

    Attributes:
        slots: Autoloader slots to screen, in this order, each once.
        squares_per_grid, holes_per_square, exposures_per_hole: How many to take, where there are so many.
        atlas_preset, atlas_columns, atlas_rows: The overview montage of a grid.
        square_preset: Of the image of a square in which holes are found.
        hole_preset: Of an image at the hole, by which the hole is centred before it is exposed; None leaves it out.
        exposure_preset: Of the exposures themselves.
        save_frames: Whether exposures are movies.
        defocus_um: Target of the autofocus, underfocus positive.
        exposure_spacing_um: How far apart the exposures within one hole lie: less in small holes, more where their
            fields would overlap. Of more exposures than fit, the rest is given up.
        focus_clearance_um: Free film between a hole's edge and the place of the autofocus, at least.
        image_shift_up_to_um: A hole no further than this from the stage is reached by image shift, others by the stage.
        settle_s: Wait after an image shift.
        drift_angstrom_per_s, drift_timeout_s: Exposures wait for this drift, no longer than that. A specimen that does
            not come to rest is exposed all the same, and the report says so.
        ready_timeout_s: How long to wait for vacuum and dewars.
        unload_at_end: Whether the last grid goes back into its slot.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slots: tuple[int, ...] = Field(min_length=1)
    squares_per_grid: int = Field(default=3, ge=1)
    holes_per_square: int = Field(default=3, ge=1)
    exposures_per_hole: int = Field(default=2, ge=1)
    atlas_preset: str = "atlas"
    atlas_columns: int = Field(default=5, ge=1)
    atlas_rows: int = Field(default=5, ge=1)
    square_preset: str = "square"
    hole_preset: str | None = "view"
    exposure_preset: str = "record"
    save_frames: bool = False
    defocus_um: float = 1.5
    exposure_spacing_um: float = Field(default=0.5, gt=0)
    focus_clearance_um: float = Field(default=0.5, ge=0)
    image_shift_up_to_um: float = Field(default=0.0, ge=0)
    settle_s: float = Field(default=0.5, ge=0)
    drift_angstrom_per_s: float = Field(default=2.0, gt=0)
    drift_timeout_s: float = Field(default=120.0, gt=0)
    ready_timeout_s: float = Field(default=1800.0, gt=0)
    unload_at_end: bool = True

    @field_validator("slots")
    @classmethod
    def _each_once(cls, slots: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(slots)) < len(slots):
            raise ValueError(f"slots {', '.join(map(str, slots))}: name each slot once")
        return slots


__all__ = ["NEEDED", "ScreeningPlan"]
