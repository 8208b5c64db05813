"""Shapes of requests and answers about sessions of processed exposures."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from structloop.api.shapes import Request
from structloop.crystals.views import View

Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Range = tuple[Positive | None, Positive | None]


class ExposureSessionView(View):
    """A session: movies of one place, processed into one folder."""

    id: int
    name: str
    source: str
    """The movie, folder or pattern."""
    results: str
    """Folder of the results."""
    state: Literal["running", "finished", "stopped", "killed"]
    """`killed`: it should run, and nobody has heard of its process for a minute."""
    watched: bool
    """Whether more movies are waited for."""
    made_up: bool
    waiting: int
    """Movies found and not yet processed."""
    done: int
    failed: int
    problematic: int
    """Of those that are done: probably, by the session's limits."""
    squares: int
    grids: int
    created_at: datetime
    heartbeat_at: datetime | None
    last_at: datetime | None
    arriving_per_hour: float | None
    done_per_hour: float | None
    behind: str | None
    """That and how it falls behind; null while it keeps up."""
    remarks: list[str]
    limits_origin: str | None
    """Who set the limits; null: the defaults hold."""


class LimitsFields(Request):
    """What the operator wants; null is no limit, ranges are the lowest and the highest value."""

    most_total_motion_angstrom: Positive | None
    most_early_motion_angstrom: Positive | None
    defocus_um: Range
    most_astigmatism_um: Positive | None
    most_ctf_resolution_angstrom: Positive | None
    least_ctf_confidence: Positive | None
    ice_nm: Range
    crystalline_ice_allowed: bool
    film_posing_allowed: bool
    most_tilt_deg: Positive | None
    particles_per_um2: Range
    most_particle_overlap: Positive | None
    most_empty_fraction: Positive | None
    poor_condition_allowed: bool


class ExposureSessionDetail(View):
    """A session with its limits."""

    session: ExposureSessionView
    limits: LimitsFields
    default_limits: LimitsFields
    settings: dict[str, Any]
    """How its movies are processed."""


class SetLimitsRequest(Request):
    """Limits for a session; all of its exposures are judged by them at once."""

    limits: LimitsFields
    origin: Annotated[str, Field(max_length=160)] = ""
    """What they were learned from; empty: the person at the browser set them."""


class RejudgedView(View):
    """What new limits changed."""

    exposures: int
    problematic: int
    before: int
    """How many were problematic by the limits before."""


class NamedColumn(View):
    """Texts that repeat: each one's place among `names` as int32 in base64, -1 for none."""

    names: list[str]
    places: str


class ExposureColumnsView(View):
    """Exposures as columns, in the order in which they were taken."""

    whole: bool
    """Whether these are all; else those that are new or have changed since the cursor was given."""
    cursor: str
    """To be given back as `since`."""
    total: int
    ids: list[int]
    names: list[str]
    numbers: dict[str, str]
    """By indicator: little-endian float32 in base64; NaN where not known, infinite where no rings are seen."""
    times: str
    """Seconds from `origin`, as `numbers`."""
    origin: datetime
    flags: str
    """A byte each, in base64: 1 failed, 2 the film poses, 4 crystalline ice, 8 has a picture, 16 has a spectrum,
    32 only a least thickness of the ice is known."""
    texts: dict[str, NamedColumn]
    """`grid`, `square` and `condition`."""
    failures: dict[int, str]
    """Why those failed that did, by id."""


class ReasonView(View):
    """Why an exposure may be problematic."""

    indicator: str
    probability: float
    words: str


class ExposureView(View):
    """An exposure and what was found of it; null where it is not known."""

    id: int
    name: str
    state: Literal["done", "failed"]
    reason: str | None
    """Why it failed."""
    grid: str | None
    square: str | None
    hole: str | None
    taken_at: datetime | None
    processed_at: datetime
    seconds: float | None
    pixel_size_angstrom: float | None
    dose_e_per_angstrom2: float | None
    total_motion_angstrom: float | None
    early_motion_angstrom: float | None
    late_motion_angstrom: float | None
    defocus_u_um: float | None
    defocus_v_um: float | None
    astigmatism_angle_deg: float | None
    phase_shift_deg: float | None
    rings_seen: bool | None
    ctf_resolution_angstrom: float | None
    ctf_confidence: float | None
    tilt_deg: float | None
    film_poses: bool | None
    crystalline_ice: bool | None
    ice_nm: float | None
    ice_relative: float | None
    ice_method: str | None
    particles: int | None
    particles_per_um2: float | None
    particle_overlap: float | None
    empty_fraction: float | None
    condition: str | None
    condition_probability: float | None
    condition_model: str | None
    poor_condition: float | None
    problematic: float | None
    reasons: list[ReasonView]


class ExposurePage(View):
    """Some of a session's exposures."""

    total: int
    items: list[ExposureView]


class PathView(View):
    """Where a part of the specimen went from the first frame on."""

    x_px: float
    y_px: float
    """Middle of the part, pixels of the stored frame."""
    path_angstrom: list[tuple[float, float]]


class FactView(View):
    """A value of an exposure's metadata, and who says it."""

    name: str
    value: str
    origin: str
    others: list[str]
    """What further sources say, where they say something else."""


class ExposureDetail(View):
    """All that is known of one exposure."""

    exposure: ExposureView
    session_id: int
    session_name: str
    movie: str
    micrograph: str | None
    """Path of the aligned micrograph."""
    has_picture: bool
    has_power: bool
    width_px: int | None
    height_px: int | None
    """Of the stored frames, in whose pixels paths are."""
    path_angstrom: list[tuple[float, float]]
    """Where the whole went from the first frame on."""
    local_paths: list[PathView]
    particles: str
    """Rows of x, y (pixels of the micrograph) and probability, best first: little-endian float32 in base64."""
    picker: str | None
    particle_diameter_angstrom: float | None
    ice_rings_angstrom: list[float]
    """Spacings of the reflections of crystalline ice."""
    facts: list[FactView]
    remarks: list[str]


class ReasonCountView(View):
    """An indicator, and how many exposures of a place it makes problematic."""

    indicator: str
    exposures: int
    words: str


class PlaceView(View):
    """A grid or a square, pooled."""

    kind: Literal["grid", "square"]
    grid: str | None
    square: str | None
    exposures: int
    share: float
    """Expected share of problematic exposures, with its 90 % interval."""
    low: float
    high: float
    leave: bool
    """Whether the evidence suffices to leave it."""
    after: int
    """After how many of its exposures it did."""
    reason: str
    why: list[ReasonCountView]


class ExportRequest(Request):
    """Which exposures, and as what."""

    format: Literal["csv", "parquet", "ctf-star", "corrected-star"]
    ids: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=100_000)]


class MarkView(View):
    """What a person says of an exposure: to be used, or not."""

    id: int
    exposure_id: int
    label: Literal["good", "bad"]
    annotator: str


class MarkRequest(Request):
    """Marks for some exposures."""

    exposure_ids: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=500)]
    label: Literal["good", "bad"]


class WithdrawMarksRequest(Request):
    """Marks to be taken back."""

    mark_ids: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=500)]


class LearnedLimitView(View):
    """A limit that marks move."""

    name: str
    """Field of the limits; of a range with `.low` or `.high`."""
    before: float | None
    after: float | None
    low: float | None
    """Where it lies with 90 % probability."""
    high: float | None
    probability: float
    """That it is not where it was."""
    words: str


class LearnedLimitsView(View):
    """Limits that fit what people marked; nothing is set yet."""

    limits: LimitsFields
    moved: list[LearnedLimitView]
    marks: int
    good: int
    agreed_before: int
    agreed_after: int
    """With how many marks the limits agree, as by default and as learned."""
    remarks: list[str]
