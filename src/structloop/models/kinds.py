"""The two kinds of models, and what is said where one is given for the other."""

from structloop.core.errors import ModelFormatError
from structloop.schema.models import ModelCard, PickerCard

AnyCard = ModelCard | PickerCard


def the_classifier(card: AnyCard) -> ModelCard:
    """`card`, which must be a classifier's.

    Raises:
        ModelFormatError: it is a picker's.
    """
    if isinstance(card, PickerCard):
        raise ModelFormatError(
            f"model '{card.name}' is a particle picker, not a classifier of drop images: `structloop particles pick` "
            "takes it; `structloop models list` says which model is what"
        )
    return card


def the_picker(card: AnyCard) -> PickerCard:
    """`card`, which must be a picker's.

    Raises:
        ModelFormatError: it is a classifier's.
    """
    if isinstance(card, ModelCard):
        raise ModelFormatError(
            f"model '{card.name}' is a classifier of drop images, not a particle picker; `structloop models list` says "
            "which model is what, and `structloop particles train` makes a picker"
        )
    return card


__all__ = ["AnyCard", "the_classifier", "the_picker"]
