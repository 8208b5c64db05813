"""Limits that hold: also at a montage's last tile, after an alignment, and with numbers that are none."""

import math
from datetime import UTC, datetime

import pytest

from structloop.core.errors import InterlockError
from structloop.instruments.interlocks import Interlocks
from structloop.schema.acquisition import (
    AcquireMontage,
    MicroscopeDescription,
    MicroscopeState,
    Preset,
    Range,
    ShiftImage,
    StageLimits,
    StagePosition,
    Tier,
)

MICROSCOPE = MicroscopeDescription(
    name="Ours",
    driver="ours",
    tier=Tier.COMMAND,
    operations=frozenset({"acquire-montage", "shift-image"}),
    presets=(
        Preset(name="atlas", magnification=1, pixel_size_angstrom=10_000, width_px=100, height_px=60, exposure_s=1),
    ),
    limits=StageLimits(x_um=Range(low=-1000, high=1000), y_um=Range(low=-1000, high=1000)),
    largest_image_shift_um=10.0,
)
FIVE = AcquireMontage(preset="atlas", columns=5, rows=3)


def at(x_um: float, y_um: float = 0.0) -> MicroscopeState:
    return MicroscopeState(at=datetime.now(UTC), stage=StagePosition(x_um=x_um, y_um=y_um))


@pytest.mark.parametrize("place", [(801.0, 0.0), (-980.0, 0.0), (0.0, 850.0)])
def test_a_montage_beyond_the_stage_is_refused_before_it_begins(place: tuple[float, float]) -> None:
    with pytest.raises(InterlockError, match=r"montage of 5 x 3 .* -1000 to 1000"):
        Interlocks().check_state(FIVE, at(*place), MICROSCOPE)


def test_a_montage_within_the_stage_is_not() -> None:
    Interlocks().check_state(FIVE, at(800.0, -800.0), MICROSCOPE)
    Interlocks().check_state(AcquireMontage(preset="atlas", columns=1, rows=1), at(1000.2), MICROSCOPE)
    Interlocks().check_state(FIVE, MicroscopeState(at=datetime.now(UTC)), MICROSCOPE)


def test_a_montage_beyond_the_sessions_own_limits_is_refused() -> None:
    narrow = Interlocks(stage=StageLimits(x_um=Range(low=-100, high=100), y_um=Range(low=-100, high=100)))
    with pytest.raises(InterlockError, match="-100 to 100"):
        narrow.check_state(FIVE, at(0.0), MICROSCOPE)


@pytest.mark.parametrize("dx_um", [2.1, math.nan, math.inf])
def test_a_shift_that_an_alignment_has_set_is_checked_like_one_that_is_asked_for(dx_um: float) -> None:
    with pytest.raises(InterlockError, match="longer than the limit"):
        Interlocks(largest_image_shift_um=2.0).check_shift(dx_um, 0.0, MICROSCOPE)
    Interlocks(largest_image_shift_um=2.0).check(ShiftImage(dx_um=1.9, dy_um=0.0), MICROSCOPE)


@pytest.mark.parametrize("limit", [math.nan, math.inf, -1.0])
def test_a_shift_limit_that_holds_nothing_back_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="largest_image_shift_um"):
        Interlocks(largest_image_shift_um=limit)


@pytest.mark.parametrize("idle_s", [math.nan, 0.0, -5.0])
def test_a_time_that_never_ends_is_refused(idle_s: float) -> None:
    with pytest.raises(ValueError, match="idle_s"):
        Interlocks(idle_s=idle_s)
