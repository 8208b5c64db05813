"""Data sets of drops: which labels they rest on."""

from enum import StrEnum

from structloop.crystals.annotations import TASK
from structloop.crystals.curation.candidates import candidates_in, human_labels
from structloop.loop.datasets.labels import ItemLabel, settled_labels
from structloop.schema.loop import ItemKey, LabelSource
from structloop.store import Database


class LabelChoice(StrEnum):
    """Which labels a data set rests on.

    Attributes:
        CURATED: Only what curators settled.
        STANDING: That, and people's labels, but for items that wait for curators or that they could not settle. A
            disputed label of which no curator was asked stands: most are right, and what a model takes for a crystal
            and is none is what it has to learn. A test set without them would flatter the model.
        AGREED: What curators settled, and people's labels with which the model agrees.
        ANNOTATED: What curators settled, and every label that a person gave, whatever curators have in hand.
    """

    CURATED = "curated"
    STANDING = "standing"
    AGREED = "agreed"
    ANNOTATED = "annotated"


def drop_labels(database: Database, choice: LabelChoice = LabelChoice.STANDING) -> list[ItemLabel]:
    """The labels of drops at inspections, all as they were at one moment.

    What curators settled comes before what others said. What waits for curators, or could not be settled by them, joins
    no data set, unless every annotation is asked for.
    """
    with database.snapshot() as session:
        settled, unsettled = settled_labels(session, TASK)
        if choice is LabelChoice.CURATED:
            return settled
        said = human_labels(session)
        agreeing: set[ItemKey] = set()
        if choice is not LabelChoice.ANNOTATED:
            candidates = candidates_in(session)
            items = candidates.items
            # NaN is above no threshold, and agrees with nobody.
            positive = items.probability >= items.threshold
            negative = items.probability < items.threshold
            agrees = ((items.human == 1) & positive) | ((items.human == 0) & negative)
            agreeing = {candidates.key(int(place)) for place in agrees.nonzero()[0]}
    curated = {each.item for each in settled}
    if choice is LabelChoice.ANNOTATED:
        joining = said.keys() - curated
    elif choice is LabelChoice.AGREED:
        joining = (said.keys() & agreeing) - curated - unsettled
    else:
        joining = said.keys() - curated - unsettled
    others = [
        ItemLabel(
            key,
            label.label,
            label.detail,
            LabelSource.AGREED if key in agreeing else LabelSource.ANNOTATED,
            annotation_id=label.annotation_id,
        )
        for key, label in said.items()
        if key in joining
    ]
    return [*settled, *others]


__all__ = ["LabelChoice", "drop_labels"]
