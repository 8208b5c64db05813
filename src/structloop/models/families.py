"""The families of classifiers and pickers that are installed: those of structloop and those of plugins, found alike."""

from structloop.core.plugins import PluginRegistry
from structloop.models.classifiers.protocol import ClassifierFamily
from structloop.models.pickers.protocol import PickerFamily

FAMILY_GROUP = "structloop.classifier_families"
PICKER_FAMILY_GROUP = "structloop.picker_families"


def _is_family(thing: object) -> bool:
    # A class has the protocol's names too; only an instance can be used.
    return not isinstance(thing, type) and isinstance(thing, ClassifierFamily)


def _is_picker_family(thing: object) -> bool:
    return not isinstance(thing, type) and isinstance(thing, PickerFamily)


classifier_families: PluginRegistry[ClassifierFamily] = PluginRegistry(FAMILY_GROUP, _is_family)
picker_families: PluginRegistry[PickerFamily] = PluginRegistry(PICKER_FAMILY_GROUP, _is_picker_family)

__all__ = ["FAMILY_GROUP", "PICKER_FAMILY_GROUP", "classifier_families", "picker_families"]
