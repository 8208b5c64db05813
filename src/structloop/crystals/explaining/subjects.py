"""What is explained: an image, of the store or a file, and the model whose score it is."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from structloop.core.errors import ModelNotFoundError, NotFoundError, UnsupportedModalityError
from structloop.crystals.drops import drop_detail, image_view
from structloop.crystals.scoring.assignment import ModelSource
from structloop.crystals.scoring.production import production_models
from structloop.imaging.reading import decode, read_file
from structloop.imaging.sources import read_unchanged
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard
from structloop.store import Database


@dataclass(frozen=True, slots=True)
class Subject:
    """An image whose score is explained.

    Attributes:
        path: Where it lies.
        sha256: Of its contents; what lies there later is not explained for it.
        modality: How it was taken.
        name: What people call it.
        image_id, drop_id: Of the store; None for a file that was not imported.
    """

    path: Path
    sha256: str
    modality: Modality
    name: str
    image_id: int | None = None
    drop_id: int | None = None

    def open(self) -> Image.Image:
        """The decoded image.

        Raises:
            ImageError: it is missing, damaged, or not what was imported.
        """
        return decode(read_unchanged(self.path, self.sha256), self.path)


def stored_subject(database: Database, image_id: int) -> Subject:
    """An image of the store.

    Raises:
        NotFoundError: there is no such image.
    """
    image = image_view(database, image_id)
    return Subject(
        Path(image.path), image.sha256, image.modality, Path(image.path).name, image_id=image.id, drop_id=image.drop_id
    )


def drop_subject(
    database: Database, drop_id: int, *, inspection: int | None = None, modality: Modality | None = None
) -> Subject:
    """The scored image of a drop.

    Args:
        database: Where it is.
        drop_id: Which drop.
        inspection: Its number; None: the one with the highest probability, else the newest with an image.
        modality: None: the one that says more of a crystal, else visible.

    Raises:
        NotFoundError: there is no such drop, inspection or image.
    """
    detail = drop_detail(database, drop_id)
    name = f"{detail.barcode} {detail.well}.{detail.drop}"
    number = inspection if inspection is not None else detail.best_inspection
    rounds = [each for each in detail.inspections if each.images and number in (None, each.number)]
    if not rounds:
        raise NotFoundError(
            f"{name} has no image at inspection {number}; `structloop crystals plates` shows what is there"
        )
    looked_at = rounds[-1]
    score = looked_at.score
    known = {} if score is None else {Modality.VISIBLE: score.visible_probability, Modality.UV: score.uv_probability}
    scored = {light: value for light, value in known.items() if value is not None}
    wanted = modality or (max(scored, key=lambda light: scored[light]) if scored else looked_at.images[0].modality)
    image = next((each for each in looked_at.images if each.modality is wanted), None)
    if image is None:
        raise NotFoundError(
            f"{name} has no {wanted.value} image at inspection {looked_at.number}; choose another light"
        )
    return Subject(
        Path(image.path),
        image.sha256,
        wanted,
        f"{name}, inspection {looked_at.number}, {wanted.value}",
        image_id=image.id,
        drop_id=drop_id,
    )


def file_subject(path: Path, modality: Modality) -> Subject:
    """An image file, imported or not.

    Raises:
        ImageError: it cannot be read.
    """
    return Subject(path, hashlib.sha256(read_file(path)).hexdigest(), modality, path.name)


def chosen_model(
    database: Database, source: ModelSource, subject: Subject, *, name: str | None = None, version: str | None = None
) -> ModelCard:
    """The model whose score of an image is explained.

    Args:
        database: Where scores and roles are.
        source: Where models are.
        subject: The image.
        name: Of the model; None: what made the score that is shown, else what would score it now.
        version: The version that made the score; None: whichever is there.

    Raises:
        ModelNotFoundError: it is not here, or not in that version.
        UnsupportedModalityError: it does not serve the image's light.
        ModelFormatError: what is in production cannot be used.
    """
    if name is None:
        shown = _shown(database, subject)
        if shown is None:
            card = production_models(database, source).assignment.card(subject.modality)
            if card is None:
                raise UnsupportedModalityError(
                    f"no model here scores {subject.modality.value} images; name one that does"
                )
            return card
        name, version = shown
    try:
        card = source.card(name)
    except ModelNotFoundError as error:
        raise ModelNotFoundError(
            f"model '{name}' is not here any more; score the plate again with one that is"
        ) from error
    if version is not None and card.version != version:
        raise ModelNotFoundError(
            f"the score was made by {name}@{version}, of which there is another version by now ({card.version}); score "
            "the plate again to explain what the model says now"
        )
    if not card.serves(subject.modality):
        raise UnsupportedModalityError(
            f"model '{name}' does not score {subject.modality.value} images; name one that does"
        )
    return card


def _shown(database: Database, subject: Subject) -> tuple[str, str] | None:
    if subject.drop_id is None:
        return None
    scoring = drop_detail(database, subject.drop_id).scoring
    if scoring is None:
        return None
    model = scoring.model_uv if subject.modality is Modality.UV else scoring.model_visible
    return None if model is None else (model.name, model.version)


__all__ = ["Subject", "chosen_model", "drop_subject", "file_subject", "stored_subject"]
