"""Parameters that several routes take."""

from typing import Annotated

from fastapi import Header, Path, Query

_LARGEST_KEY = 2**63 - 1

PlateId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of a plate.")]
DropId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of a drop.")]
ImageId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of an image.")]
AnnotationId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of an annotation.")]
CurationItemId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of an item of the curators' queue.")]
DatasetId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of a version of a data set.")]
JobId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$", description="Id of a job.")]
ScoringId = Annotated[
    int | None, Query(ge=1, le=_LARGEST_KEY, description="One way of scoring; none: the plate's newest.")
]
ParticleProjectId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of a particle project.")]
MicrographId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of a micrograph.")]
ExposureSessionId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of a session of exposures.")]
ExposureId = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="Key of a processed exposure.")]
ShownThreshold = Annotated[
    float, Query(ge=0, le=1, allow_inf_nan=False, description="Picks that are at least so probable are counted.")
]
IfNoneMatch = Annotated[str | None, Header(include_in_schema=False)]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="How many to leave out from the start.")]

__all__ = [
    "AnnotationId",
    "CurationItemId",
    "DatasetId",
    "DropId",
    "ExposureId",
    "ExposureSessionId",
    "IfNoneMatch",
    "ImageId",
    "JobId",
    "Limit",
    "MicrographId",
    "Offset",
    "ParticleProjectId",
    "PlateId",
    "ScoringId",
    "ShownThreshold",
]
