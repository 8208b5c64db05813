"""A typed registry over entry points. Built-ins are registered in `pyproject.toml` exactly as plugins are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from structloop.core.errors import PluginError, UnknownPluginError

T = TypeVar("T")


@dataclass(frozen=True)
class BrokenPlugin:
    """An installed plugin that could not be used, and why."""

    name: str
    distribution: str
    reason: str


class PluginRegistry(Generic[T]):
    """The plugins of one entry-point group.

    Args:
        group: Entry-point group, such as `structloop.crystal_layouts`.
        check: Says whether a loaded object fulfils the group's protocol; usually
            `lambda thing: isinstance(thing, SomeRuntimeCheckableProtocol)`. An entry point may name the object itself
            or a class (or function) that makes it without arguments.
    """

    def __init__(self, group: str, check: Callable[[object], bool]) -> None:
        self.group = group
        self._check = check
        self._loaded: dict[str, T] = {}

    def names(self) -> list[str]:
        """Names of all plugins of the group, sorted; nothing is loaded."""
        return sorted({point.name for point in entry_points(group=self.group)})

    def get(self, name: str) -> T:
        """The plugin of that name, loaded once.

        Raises:
            UnknownPluginError: no plugin of that name; the message lists those there are.
            PluginError: it could not be imported, does not fulfil its protocol, or two distributions claim the name.
        """
        if name not in self._loaded:
            points = [point for point in entry_points(group=self.group) if point.name == name]
            if not points:
                raise UnknownPluginError(
                    f"no plugin '{name}' in group {self.group}; installed: {', '.join(self.names()) or 'none'}"
                )
            if len({point.value for point in points}) > 1:
                owners = ", ".join(sorted(_owner(point) for point in points))
                raise PluginError(f"plugin '{name}' of {self.group} is offered by {owners}; uninstall one of them")
            self._loaded[name] = self._load(points[0])
        return self._loaded[name]

    def _load(self, point: EntryPoint) -> T:
        try:
            thing = point.load()
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"plugin '{point.name}' of {self.group} ({_owner(point)}) cannot be imported: {error}"
            ) from error
        if not self._check(thing) and callable(thing):
            thing = thing()
        if not self._check(thing):
            raise PluginError(
                f"plugin '{point.name}' of {self.group} ({_owner(point)}) is a {type(thing).__name__}, which does not "
                "fulfil the group's protocol"
            )
        return thing  # type: ignore[no-any-return]  # the check above is the type's run-time counterpart

    def usable(self) -> tuple[dict[str, T], list[BrokenPlugin]]:
        """All plugins that load, by name, and those that do not, with the reason: one bad plugin stops nothing."""
        good: dict[str, T] = {}
        broken: list[BrokenPlugin] = []
        for name in self.names():
            try:
                good[name] = self.get(name)
            except PluginError as error:
                owners = {_owner(point) for point in entry_points(group=self.group) if point.name == name}
                broken.append(BrokenPlugin(name, ", ".join(sorted(owners)), str(error)))
        return good, broken

    def __iter__(self) -> Iterator[T]:
        return iter(self.usable()[0].values())


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"


__all__ = ["BrokenPlugin", "PluginRegistry"]
