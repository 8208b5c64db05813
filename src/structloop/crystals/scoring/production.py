"""Which models score where none is named: those in production for each modality, else the one that the settings name.

A model in production that is gone, damaged or replaced by another version of its name is never passed over in silence:
scoring refuses, and says which version to go back to.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from structloop.core.errors import ModelError, ModelFormatError
from structloop.crystals.scoring.assignment import SCORED_MODALITIES, ModelAssignment, ModelSource
from structloop.loop.promotion.roles import RoleEvent, Standing, standing
from structloop.models.classifiers.protocol import Classifier
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard
from structloop.store import Database


def task_of(modality: Modality) -> str:
    """The review task whose models score images of `modality`."""
    return f"crystals/{modality.value}"


@dataclass(frozen=True)
class ProductionModels:
    """The models that score where none is named.

    Attributes:
        assignment: The model of each modality.
        standings: By modality, where something was promoted.
        shadows: Models that score silently beside, with their modality.
        problems: Why a shadow cannot score.
    """

    assignment: ModelAssignment
    standings: dict[Modality, Standing] = field(default_factory=dict)
    shadows: tuple[tuple[Modality, ModelCard], ...] = ()
    problems: tuple[str, ...] = ()

    def load(self, source: ModelSource, modality: Modality, card: ModelCard) -> Classifier:
        """The model of a modality, ready to run.

        Raises:
            ModelFormatError: it is in production and cannot be used; the message says what to go back to.
        """
        held = self.standings.get(modality)
        if held is None or held.production is None:
            return source.load(card.name)
        with _explained(held):
            return source.load(card.name)


def production_models(database: Database, source: ModelSource) -> ProductionModels:
    """The models in production, and those in their shadow.

    Raises:
        ModelFormatError: a model in production is gone, or is another version; the message says what to go back to.
        ModelNotFoundError: the model that the settings name is not there.
    """
    chosen: dict[Modality, ModelCard] = {}
    standings: dict[Modality, Standing] = {}
    shadows: list[tuple[Modality, ModelCard]] = []
    problems: list[str] = []
    for modality in SCORED_MODALITIES:
        held = standing(database, task_of(modality))
        if held.production is not None:
            standings[modality] = held
            with _explained(held):
                chosen[modality] = _card_of(source, held.production, modality)
        for shadow in held.shadows:
            try:
                shadows.append((modality, _card_of(source, shadow, modality)))
            except ModelError as error:
                problems.append(f"shadow {shadow.model}: {error}")
    if len(chosen) < len(SCORED_MODALITIES):
        default = source.card(source.default_name)
        for modality in SCORED_MODALITIES:
            if modality not in chosen and default.serves(modality):
                chosen[modality] = default
    assignment = ModelAssignment(chosen.get(Modality.VISIBLE), chosen.get(Modality.UV))
    return ProductionModels(assignment, standings, tuple(shadows), tuple(problems))


def _card_of(source: ModelSource, event: RoleEvent, modality: Modality) -> ModelCard:
    name, _, version = event.model.rpartition("@")
    card = source.card(name)
    if card.version != version:
        raise ModelFormatError(f"model '{name}' is version {card.version} by now, not {version}")
    if not card.serves(modality):
        raise ModelFormatError(f"model '{name}' does not serve {modality.value} images")
    return card


@contextmanager
def _explained(held: Standing) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        back = f"to {held.before[0].model}" if held.before else "to the model that the settings name"
        model = "" if held.production is None else held.production.model
        raise ModelFormatError(
            f"{model}, which is in production for {held.task}, cannot be used: {error}. Put its files back, or go back "
            f"{back} with `structloop loop rollback {held.task}`"
        ) from error


__all__ = ["ProductionModels", "production_models", "task_of"]
