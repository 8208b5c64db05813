"""Which model scores which modality, and from which probability a drop is a hit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from structloop.core.errors import UnsupportedModalityError
from structloop.models.classifiers.protocol import Classifier
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

SCORED_MODALITIES = (Modality.VISIBLE, Modality.UV)
"""The modalities that make up an experiment's score; images of others are kept and shown, not scored."""


class ModelSource(Protocol):
    """Where models come from."""

    @property
    def default_name(self) -> str:
        """The model that is used where none is named."""
        ...

    def card(self, name: str) -> ModelCard:
        """The card of a model; its weights are not read."""
        ...

    def load(self, name: str) -> Classifier:
        """The model, ready to run; loaded once, however often it is asked for."""
        ...


@dataclass(frozen=True)
class ModelAssignment:
    """The model of each modality, by name, with its card.

    Attributes:
        visible, uv: The card of the model that scores it; None where no chosen model serves it.
    """

    visible: ModelCard | None
    uv: ModelCard | None

    def card(self, modality: Modality) -> ModelCard | None:
        """The card of the model for that modality."""
        return {Modality.VISIBLE: self.visible, Modality.UV: self.uv}.get(modality)

    @property
    def served(self) -> list[tuple[Modality, ModelCard]]:
        """Every modality that is scored, with its model."""
        return [(modality, card) for modality in SCORED_MODALITIES if (card := self.card(modality)) is not None]

    @property
    def alarm_threshold(self) -> float:
        """The combined probability from which a drop counts as a hit, the same under every rule.

        One model for both modalities: its card's threshold for the combined score. One modality only: the card's
        threshold for that modality. Two models: the lower of their two, because a missed crystal costs a structure and
        a false alarm costs a look.
        """
        if self.visible is not None and self.uv is not None and self.visible.name == self.uv.name:
            return self.visible.alarm_threshold_for()
        return min(card.alarm_threshold_for(modality) for modality, card in self.served)


def assign_models(source: ModelSource, names: Sequence[str]) -> ModelAssignment:
    """Gives every modality its model: each named model takes the modalities that its card lists.

    Args:
        source: Where the models are.
        names: Names; none: the default model.

    Raises:
        ModelNotFoundError: a name is unknown.
        UnsupportedModalityError: two models claim one modality, or one of them serves neither visible nor UV.
    """
    chosen: dict[Modality, ModelCard] = {}
    for name in dict.fromkeys(names or (source.default_name,)):
        card = source.card(name)
        served = [modality for modality in SCORED_MODALITIES if card.serves(modality)]
        if not served:
            listed = ", ".join(card.modalities)
            raise UnsupportedModalityError(f"model '{name}' serves {listed}; a plate is scored in visible light and UV")
        for modality in served:
            if modality in chosen:
                raise UnsupportedModalityError(
                    f"models '{chosen[modality].name}' and '{name}' both serve {modality} images; name one model per "
                    "modality"
                )
            chosen[modality] = card
    return ModelAssignment(chosen.get(Modality.VISIBLE), chosen.get(Modality.UV))


__all__ = ["SCORED_MODALITIES", "ModelAssignment", "ModelSource", "assign_models"]
