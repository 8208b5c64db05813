"""What an occlusion map says, in a sentence, and what it does not say."""

from structloop.crystals.explaining.kept_maps import Strongest, strongest
from structloop.crystals.explaining.occlusion import OcclusionMap

CAVEAT = (
    "The map shows where hiding a part changes this model's probability, one part at a time. It does not show what a "
    "crystal is, nor what is true: a model may be right for a wrong reason, and where two parts say the same, hiding "
    "one changes little."
)
LITTLE = 0.02


def in_words(found: OcclusionMap) -> str:
    """What hiding which place does, in one or two sentences."""
    lowers, raises = strongest(found)
    told = []
    for place, verb in ((lowers, "lowers"), (raises, "raises")):
        if place is not None and abs(place.change) >= LITTLE:
            hidden = found.probability - place.change
            told.append(
                f"Hiding the {_where(place)} {verb} the probability from {found.probability:.0%} to {hidden:.0%}."
            )
    if told:
        return " ".join(told)
    return (
        f"No single part decides: hiding any of them changes the probability of {found.probability:.0%} by less than "
        f"{LITTLE:.0%}."
    )


def _where(place: Strongest) -> str:
    down = "top" if place.y < 1 / 3 else "bottom" if place.y > 2 / 3 else ""
    across = "left" if place.x < 1 / 3 else "right" if place.x > 2 / 3 else ""
    return f"part at the {' '.join(each for each in (down, across) if each) or 'middle'}"


__all__ = ["CAVEAT", "LITTLE", "in_words"]
