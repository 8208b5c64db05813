"""Which layouts there are, and which one fits a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from structloop.core.errors import LayoutError, SettingsError, UnknownPluginError
from structloop.core.plugins import BrokenPlugin, PluginRegistry
from structloop.core.settings import LayoutPattern
from structloop.crystals.layouts.patterns import PatternLayout
from structloop.crystals.layouts.protocol import LAYOUT_GROUP, Layout, Recognition

AUTO = "auto"
# Below this part of fitting images, a layout is a coincidence.
SMALLEST_SCORE = 0.25
# How much better the chosen layout must be than the next one, or else the next one is mentioned.
CLOSE = 0.2


@dataclass(frozen=True, slots=True)
class Choice:
    """The layout that a folder is read with.

    Attributes:
        layout: It.
        why: Why it, for people: what was recognised, and which others nearly fit.
        score: How well it fits, 0 to 1.
        runners_up: Names of other layouts that fit nearly as well.
    """

    layout: Layout
    why: str
    score: float
    runners_up: tuple[str, ...] = ()


class LayoutCatalog:
    """The layouts of one installation: plugins (the built-in ones among them) and the patterns of the settings.

    Args:
        patterns: `crystal_layouts` of the settings.

    Raises:
        SettingsError: a pattern is not usable, or has the name of another layout.
    """

    def __init__(self, patterns: Sequence[LayoutPattern] = ()) -> None:
        self._plugins: PluginRegistry[Layout] = PluginRegistry(
            LAYOUT_GROUP, lambda thing: not isinstance(thing, type) and isinstance(thing, Layout)
        )
        self._patterns: dict[str, Layout] = {}
        taken = {AUTO, *self._plugins.names()}
        for pattern in patterns:
            if pattern.name in taken:
                raise SettingsError(f"setting 'crystal_layouts': the name '{pattern.name}' is taken; choose another")
            taken.add(pattern.name)
            self._patterns[pattern.name] = PatternLayout(pattern)

    def names(self) -> list[str]:
        """Names of all layouts, those of the settings first."""
        return [*self._patterns, *self._plugins.names()]

    def usable(self) -> tuple[list[Layout], list[BrokenPlugin]]:
        """All layouts that load, those of the settings first; and the plugins that do not, with the reason."""
        plugins, broken = self._plugins.usable()
        return [*self._patterns.values(), *plugins.values()], broken

    def get(self, name: str) -> Layout:
        """The layout of that name.

        Raises:
            LayoutError: there is none; the message lists those there are.
            PluginError: it is a plugin that cannot be loaded.
        """
        if name in self._patterns:
            return self._patterns[name]
        try:
            return self._plugins.get(name)
        except UnknownPluginError as error:
            raise LayoutError(f"there is no layout '{name}'; there are {', '.join(self.names())}") from error


def choose_layout(catalog: LayoutCatalog, name: str, root: Path, sample: Sequence[PurePath]) -> Choice:
    """The layout called `name`, or for `auto` the one that fits best.

    Of layouts that fit equally well, one of the settings comes first.

    Args:
        sample: Paths of some of the image files below `root`, relative to it.

    Raises:
        LayoutError: no layout of that name; for `auto`, none fits.
    """
    if name != AUTO:
        layout = catalog.get(name)
        seen = layout.recognise(root, sample)
        return Choice(layout, f"--layout {name} was asked for ({seen.why})", seen.score)
    layouts, broken = catalog.usable()
    seen_by = [(layout, layout.recognise(root, sample)) for layout in layouts]
    if not seen_by:
        raise LayoutError("no layout is installed; install structloop again")
    seen_by.sort(key=lambda item: -item[1].score)
    best, recognition = seen_by[0]
    if recognition.score < SMALLEST_SCORE:
        raise LayoutError(_nothing_fits(root, sample, seen_by, broken))
    close = [
        (layout, seen) for layout, seen in seen_by[1:] if seen.score > 0 and recognition.score - seen.score < CLOSE
    ]
    why = recognition.why
    if close:
        others = "; ".join(f"{layout.name}: {seen.why}" for layout, seen in close)
        why += f". Others fit nearly as well ({others}): force one with --layout"
    return Choice(best, why, recognition.score, tuple(layout.name for layout, _ in close))


def _nothing_fits(
    root: Path,
    sample: Sequence[PurePath],
    seen_by: Sequence[tuple[Layout, Recognition]],
    broken: Sequence[BrokenPlugin],
) -> str:
    if not sample:
        return f"{root} holds no image files; point to the folder that your imager writes to"
    best, recognition = seen_by[0]
    nearest = f"nearest is '{best.name}': {recognition.why}. " if recognition.score else ""
    failed = f" Not usable: {'; '.join(plugin.reason for plugin in broken)}." if broken else ""
    return (
        f"no layout fits {root}: an image there is {sample[0]}. {nearest}Force a layout with --layout "
        f"({', '.join(layout.name for layout, _ in seen_by)}), describe the names by a pattern in the settings "
        f"(crystal_layouts), or list the images in a manifest.csv.{failed}"
    )


__all__ = ["AUTO", "SMALLEST_SCORE", "Choice", "LayoutCatalog", "choose_layout"]
