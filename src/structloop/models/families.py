"""The families of classifiers that are installed: those of structloop and those of plugins, found alike."""

from structloop.core.plugins import PluginRegistry
from structloop.models.classifiers.protocol import ClassifierFamily

FAMILY_GROUP = "structloop.classifier_families"


def _is_family(thing: object) -> bool:
    # A class has the protocol's names too; only an instance can be used.
    return not isinstance(thing, type) and isinstance(thing, ClassifierFamily)


classifier_families: PluginRegistry[ClassifierFamily] = PluginRegistry(FAMILY_GROUP, _is_family)

__all__ = ["FAMILY_GROUP", "classifier_families"]
