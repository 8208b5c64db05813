"""The workspace: settings, database, derived files and models of one home folder, each opened when first needed."""

import threading
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from structloop.core.errors import SettingsError
from structloop.core.settings import Settings, load_settings
from structloop.schema.models import ModelCard
from structloop.store import Database, DerivedFiles, KeptFiles

if TYPE_CHECKING:
    from structloop.models.classifiers.protocol import Classifier
    from structloop.models.pickers import Picker
    from structloop.models.registry import ModelRegistry


class Workspace:
    """Everything that lives under one home folder. Making one opens nothing.

    Args:
        settings: The settings that hold for this workspace.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def home(self) -> Path:
        """The folder of all state."""
        return self.settings.home

    @cached_property
    def database(self) -> Database:
        """The database, migrated to the newest schema.

        Raises:
            SettingsError, StoreUnavailableError, SchemaVersionError: see `Database`.
        """
        return Database(self.settings.resolved_database_url)

    @cached_property
    def files(self) -> DerivedFiles:
        """Thumbnails, tiles, compiled networks: all that can be deleted and made again."""
        return DerivedFiles(self.home / "derived")

    @cached_property
    def kept(self) -> KeptFiles:
        """Manifests of data sets: what nothing can make again."""
        return KeptFiles(self.home / "datasets")

    @cached_property
    def models(self) -> "ModelRegistry":
        """The models that ship with structloop and those added to this home."""
        from structloop.models.registry import ModelRegistry

        return ModelRegistry(self.home, default=self.settings.default_model)

    @cached_property
    def classifiers(self) -> "LoadedModels":
        """Models ready to run, each loaded once per process."""
        return LoadedModels(self.models, self.settings)

    @cached_property
    def pickers(self) -> "LoadedPickers":
        """Pickers ready to run, each loaded once per process."""
        return LoadedPickers(self.models, self.settings)

    def close(self) -> None:
        """Closes the connections to the database; the workspace can still be used and opens them anew."""
        database = self.__dict__.pop("database", None)
        if database is not None:
            database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class LoadedModels:
    """Classifiers of a registry, loaded at first use and kept for the life of the process.

    Safe to use from several threads. A model that was replaced in the registry by another version is loaded again.
    """

    def __init__(self, registry: "ModelRegistry", settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._loaded: dict[str, Classifier] = {}
        self._lock = threading.Lock()

    @property
    def default_name(self) -> str:
        """The model that scores where none is named (setting `default_model`)."""
        return self._registry.default_name

    def card(self, name: str) -> ModelCard:
        """The card of a model.

        Raises:
            ModelNotFoundError: there is no model of that name.
        """
        return self._registry.card(name)

    def load(self, name: str) -> "Classifier":
        """The model, ready to run.

        Raises:
            ModelNotFoundError, ModelFormatError: it is missing, damaged, or of a family that is not installed.
        """
        from structloop.models.runtime import Runtime

        with self._lock:
            version = self._registry.card(name).version
            loaded = self._loaded.get(name)
            if loaded is None or loaded.card.version != version:
                runtime = Runtime(
                    engine=self._settings.runtime,
                    precision=self._settings.precision,
                    threads=self._settings.threads,
                )
                loaded = self._registry.load(name, runtime=runtime)
                self._loaded[name] = loaded
            return loaded


class LoadedPickers:
    """Pickers of a registry, loaded at first use and kept for the life of the process.

    Safe to use from several threads. A picker that was replaced in the registry by another version is loaded again.
    """

    def __init__(self, registry: "ModelRegistry", settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._loaded: dict[str, Picker] = {}
        self._lock = threading.Lock()

    def load(self, name: str) -> "Picker":
        """The picker, ready to run.

        Raises:
            ModelNotFoundError, ModelFormatError: it is missing, damaged, or of a family that is not installed.
        """
        from structloop.models.runtime import Runtime
        from structloop.particles.picking.models import any_picker_card, load_any_picker

        with self._lock:
            version = any_picker_card(self._registry, name).version
            loaded = self._loaded.get(name)
            if loaded is None or loaded.card.version != version:
                runtime = Runtime(
                    engine=self._settings.runtime,
                    precision=self._settings.precision,
                    threads=self._settings.threads,
                )
                loaded = load_any_picker(name, self._settings.home, runtime)
                self._loaded[name] = loaded
            return loaded


def open_workspace(home: Path | None = None, **overrides: Any) -> Workspace:
    """The workspace of `home` (None: what STRUCTLOOP_HOME or the default says), its folder made where missing.

    Args:
        home: Folder of all state.
        overrides: Further settings from the command line; those that are None are left out.

    Raises:
        SettingsError: an unknown key, a bad value, or a home folder that cannot be made.
    """
    settings = load_settings(home=home, **overrides)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"setting 'home': the folder {settings.home} cannot be made ({error.strerror}); set STRUCTLOOP_HOME or "
            "--home to a folder you may write to"
        ) from error
    return Workspace(settings)


__all__ = ["LoadedModels", "LoadedPickers", "Workspace", "open_workspace"]
