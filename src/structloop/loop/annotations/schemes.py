"""Label schemes: the labels people use, what each means for a review task, and which translate into which.

A label translates only where that is sound, that is where every item so labelled would get the same label in the
other scheme. Everything else stays untranslated: a drop called `precipitate` is no crystal, but nobody knows whether
it would be graded as light or heavy precipitate.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from structloop.core.errors import LabelsError


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """A set of labels and what each means.

    Attributes:
        name: As it stands in the table `annotation`, such as `ispyb-grade`.
        title: For people.
        meanings: Each label, with the review task's label it stands for; None: it says neither.
        details: The kind within that label, where the scheme's label tells it.
        aliases: Other spellings of labels, as published data sets write them.
    """

    name: str
    title: str
    meanings: Mapping[str, str | None]
    details: Mapping[str, str] = field(default_factory=_nothing)
    aliases: Mapping[str, str] = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        strangers = (set(self.details) | set(self.aliases.values())) - set(self.meanings)
        if strangers:
            raise ValueError(f"label scheme {self.name}: {sorted(strangers)} are none of its labels")

    def find(self, text: str) -> str | None:
        """The label that a text means, whatever its case and separators; None where it means none."""
        wanted = _plain(text)
        known = {_plain(alias): label for alias, label in self.aliases.items()}
        known.update({_plain(label): label for label in self.meanings})
        return known.get(wanted)

    def meaning(self, label: str) -> str | None:
        """The review task's label that a label of this scheme stands for; None where it says neither, or is unknown."""
        return self.meanings.get(label)


class LabelSchemes:
    """Schemes and the sound translations between them.

    Args:
        schemes: The schemes.
        translations: For pairs of scheme names, the labels that translate.
    """

    def __init__(
        self, schemes: Iterable[LabelScheme], translations: Mapping[tuple[str, str], Mapping[str, str]]
    ) -> None:
        self._schemes = {scheme.name: scheme for scheme in schemes}
        self._translations = dict(translations)
        for (source, target), labels in self._translations.items():
            strangers = (set(labels) - set(self.get(source).meanings)) | (
                set(labels.values()) - set(self.get(target).meanings)
            )
            if strangers:
                raise ValueError(f"translation from {source} to {target}: {sorted(strangers)} are no labels of them")
            for label, other in labels.items():
                if self.get(source).meaning(label) != self.get(target).meaning(other):
                    raise ValueError(f"{source} '{label}' and {target} '{other}' mean different things")

    def get(self, name: str) -> LabelScheme:
        """The scheme of that name.

        Raises:
            LabelsError: there is none.
        """
        scheme = self._schemes.get(name)
        if scheme is None:
            raise LabelsError(f"there is no label scheme '{name}'; use one of {', '.join(self._schemes)}")
        return scheme

    def names(self) -> list[str]:
        """Names of all schemes."""
        return list(self._schemes)

    def meaning(self, scheme: str, label: str) -> str | None:
        """What a label means for the review task; None where it says neither, or is not known any more."""
        known = self._schemes.get(scheme)
        return None if known is None else known.meaning(label)

    def translate(self, label: str, source: str, target: str) -> str | None:
        """A label in another scheme; None where no single label of it is sure to be right.

        Raises:
            LabelsError: there is no such scheme, or the scheme has no such label.
        """
        scheme, other = self.get(source), self.get(target)
        if label not in scheme.meanings:
            raise LabelsError(f"label '{label}' is not in the scheme {source}; use one of {', '.join(scheme.meanings)}")
        if source == target:
            return label
        known = self._translations.get((source, target), {}).get(label)
        if known is not None:
            return known
        # Where only one label of the other scheme means the same, it must be that one.
        meaning = scheme.meaning(label)
        same = [name for name, what in other.meanings.items() if meaning is not None and what == meaning]
        return same[0] if len(same) == 1 else None

    def recognise(self, texts: Iterable[str]) -> LabelScheme | None:
        """The first scheme that knows all of these labels; None where none does."""
        wanted = set(texts)
        return next((s for s in self._schemes.values() if wanted and all(s.find(text) for text in wanted)), None)


def _plain(text: str) -> str:
    return re.sub(r"[\s_\-./]+", " ", text).strip().casefold()


__all__ = ["LabelScheme", "LabelSchemes"]
