"""Picks kept in the database: one blob per micrograph and model version."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.store import Database
from structloop.store.database import upsert
from structloop.store.tables import Micrograph, ModelVersion, ParticleProject, PickedMicrograph
from structloop.store.tables.base import utc_now

ERROR_LENGTH = 1000


@dataclass(frozen=True)
class StoredPicks:
    """Picks of one micrograph by one model version, best first.

    Attributes:
        xy_px: Centres (n, 2), stored pixels.
        probabilities: (n,), from 0 to 1.
    """

    xy_px: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def above(self, threshold: float) -> "StoredPicks":
        """Those that are at least so probable."""
        return self.only(self.probabilities >= threshold)

    def only(self, keep: NDArray[np.bool_]) -> "StoredPicks":
        """Those where `keep` (n,) is True."""
        return StoredPicks(self.xy_px[keep], self.probabilities[keep])

    def counts(self) -> list[int]:
        """How many are at least so probable, for thresholds 0, 0.01, ... 1: what lists show without the picks."""
        return [int(np.count_nonzero(self.probabilities >= step / 100 - 1e-6)) for step in range(101)]

    def to_bytes(self) -> bytes:
        """Little-endian float32 (n, 3): x, y, probability; best first."""
        order = np.argsort(-self.probabilities, kind="stable")
        table = np.column_stack([self.xy_px[order].reshape(-1, 2), self.probabilities[order]])
        return table.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> "StoredPicks":
        """The inverse of `to_bytes`; None holds none."""
        # To what picks are kept to anyway: 0.55 must be 0.55 again, and files of them short.
        table = np.frombuffer(data or b"", "<f4").reshape(-1, 3).astype(np.float64)
        return cls(table[:, :2].round(2), table[:, 2].round(4))


NO_PICKS = StoredPicks(np.zeros((0, 2)), np.zeros(0))


def current_version(session: Session, project: ParticleProject) -> ModelVersion | None:
    """The newest version of the project's model that has picked in this project; None where it has not."""
    statement = (
        select(ModelVersion)
        .join(PickedMicrograph, PickedMicrograph.model_version_id == ModelVersion.id)
        .join(Micrograph, Micrograph.id == PickedMicrograph.micrograph_id)
        .where(Micrograph.project_id == project.id, ModelVersion.name == project.model)
        .order_by(ModelVersion.id.desc())
        .limit(1)
    )
    return session.scalar(statement)


def current_picks(session: Session, micrograph_id: int) -> StoredPicks:
    """What the project's model picked on a micrograph; none where it has not picked there yet."""
    micrograph = session.get_one(Micrograph, micrograph_id)
    version = current_version(session, session.get_one(ParticleProject, micrograph.project_id))
    return open_picks(session, micrograph_id, version)


def open_picks(session: Session, micrograph_id: int, version: ModelVersion | None) -> StoredPicks:
    """What a model version picked on a micrograph; none where it has not picked there."""
    row = None if version is None else session.get(PickedMicrograph, (micrograph_id, version.id))
    return NO_PICKS if row is None else StoredPicks.from_bytes(row.picks)


def mask_of(session: Session, micrograph_id: int, version: ModelVersion | None) -> bytes | None:
    """The PNG of where that version picked nothing on purpose; None where there is none."""
    row = None if version is None else session.get(PickedMicrograph, (micrograph_id, version.id))
    return None if row is None else row.mask


def record_picks(
    database: Database,
    micrograph_id: int,
    model_version_id: int,
    *,
    diameter_px: float,
    fingerprint: str,
    picks: StoredPicks | None,
    mask_png: bytes | None = None,
    traits: dict[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Keeps what a model version picked on a micrograph, or why it could not; what was there before is replaced."""
    row = {
        "micrograph_id": micrograph_id,
        "model_version_id": model_version_id,
        "diameter_px": diameter_px,
        "fingerprint": fingerprint,
        "picks": None if picks is None else picks.to_bytes(),
        "counts": (picks or NO_PICKS).counts(),
        "mask": mask_png,
        "traits": traits,
        "error": None if error is None else error[:ERROR_LENGTH],
        "created_at": utc_now(),
    }
    with database.session() as session:
        session.execute(
            upsert(
                database,
                PickedMicrograph,
                [row],
                key=["micrograph_id", "model_version_id"],
                update=["diameter_px", "fingerprint", "picks", "counts", "mask", "traits", "error", "created_at"],
            )
        )


__all__ = [
    "NO_PICKS",
    "StoredPicks",
    "current_picks",
    "current_version",
    "mask_of",
    "open_picks",
    "record_picks",
]
