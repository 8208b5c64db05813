"""The loop's vocabulary: what is reviewed, what curators answer, and where the images of a data set come from."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from structloop.schema.images import Modality

UNCERTAIN = "uncertain"
"""A curator's answer: it cannot be told. Such an item joins no data set."""
UNUSABLE = "unusable"
"""A curator's answer: the picture shows nothing that could be judged. Such an item joins no data set."""


class CurationReason(StrEnum):
    """Why an item is in the queue of curators.

    Attributes:
        DISAGREEMENT: A person and the model say different things.
        NEAR_THRESHOLD: The model's probability is close to the threshold.
        CONFLICT: The model says different things of the visible and the UV image.
        LABEL_ERROR: A person's label is suspected to be wrong, from out-of-sample probabilities.
        DRIFT: It comes from an imager or a plate type that looks new.
        AUDIT: A random draw among the items on which person and model agree, shown blind.
        GOLD: Its answer is known; it tells how well a curator does.
        CHOSEN: A person put it there.
    """

    DISAGREEMENT = "disagreement"
    NEAR_THRESHOLD = "near-threshold"
    CONFLICT = "conflict"
    LABEL_ERROR = "label-error"
    DRIFT = "drift"
    AUDIT = "audit"
    GOLD = "gold"
    CHOSEN = "chosen"

    @property
    def is_blind(self) -> bool:
        """Whether curators see neither the model's probability nor an earlier label."""
        return self in (CurationReason.AUDIT, CurationReason.GOLD)


class CurationState(StrEnum):
    """Where an item of the queue stands.

    Attributes:
        OPEN: It waits for answers.
        SETTLED: Enough curators agree on a label.
        UNCERTAIN: Curators agree that it cannot be told, or cannot agree.
        UNUSABLE: Curators agree that it shows nothing that could be judged.
        WITHDRAWN: It was taken out of the queue.
    """

    OPEN = "open"
    SETTLED = "settled"
    UNCERTAIN = "uncertain"
    UNUSABLE = "unusable"
    WITHDRAWN = "withdrawn"


class LabelSource(StrEnum):
    """What a label in a data set rests on.

    Attributes:
        CURATED: Curators settled it.
        AGREED: A person's label with which the model agreed.
        ANNOTATED: A person's label as it is, whatever the model says.
        IMPORTED: It came with a published data set.
    """

    CURATED = "curated"
    AGREED = "agreed"
    ANNOTATED = "annotated"
    IMPORTED = "imported"


class Partition(StrEnum):
    """The part of a data set that an item is in."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class ItemKey(NamedTuple):
    """What is reviewed: for crystals, a drop at an inspection."""

    item_id: int
    occasion_id: int


@dataclass(frozen=True, slots=True)
class TaskImage:
    """An image that a review task learns from.

    Attributes:
        key: What people call it; unique within its task and the same on every server, such as
            `PLATE1/A01/1/3/visible`.
        item: What is reviewed.
        project: Name of the project it belongs to; empty where it belongs to none.
        group: Name of what it must never be parted from in a split: for crystals the plate's barcode.
        path: The source image.
        sha256: Hex digest of its contents.
        modality: How it was taken.
        source: What took it, such as the imager; empty where not known.
        kind: What it was taken of, such as the plate type; empty where not known.
    """

    key: str
    item: ItemKey
    project: str
    group: str
    path: Path
    sha256: str
    modality: Modality
    source: str = ""
    kind: str = ""


__all__ = [
    "UNCERTAIN",
    "UNUSABLE",
    "CurationReason",
    "CurationState",
    "ItemKey",
    "LabelSource",
    "Partition",
    "TaskImage",
]
