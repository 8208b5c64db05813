"""The models of this installation, classifiers and pickers: those shipped with structloop and the user's, by name.

Shipped models are package data; the user's lie in ``STRUCTLOOP_HOME/models/<name>/``. A name of the user's own comes
first, and importing refuses the name of a shipped model, so that nothing is hidden by accident. Every file is compared
with its card's SHA-256 each time a model is loaded.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from structloop.core.errors import (
    DownloadRefusedError,
    ModelError,
    ModelExistsError,
    ModelFormatError,
    ModelNotFoundError,
    StoreUnavailableError,
)
from structloop.models import archives, hub
from structloop.models.classifiers.protocol import Checkpoint, CheckpointConverter, Classifier, ConversionRequest
from structloop.models.families import classifier_families, picker_families
from structloop.models.kinds import AnyCard, the_classifier, the_picker
from structloop.models.model_folders import (
    CARD_FILE,
    FULL_DISK,
    describe_files,
    drop_repository_pages,
    is_model_there,
    model_names_in,
    read_card,
    verify_files,
    write_card,
)
from structloop.models.model_names import checked_name, modalities_in_name, model_name_from
from structloop.models.pickers.protocol import Picker
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard, PickerCard, is_model_name

DEFAULT_MODEL = "drops-compact"
"""The model that is used where none is named and the settings name none."""

GENERAL_PICKER = "particles-general"
"""The picker that comes with structloop, for particles that nobody labelled yet."""

_C = TypeVar("_C", ModelCard, PickerCard)

_SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class BrokenModel:
    """A folder among the models that cannot be used, and why."""

    name: str
    reason: str


class ModelRegistry:
    """Finds, checks, loads, adds and exports models.

    Args:
        home: STRUCTLOOP_HOME; nothing is created before something is added.
        default: name of the model used where none is named.
        shipped: folder of the models that come with the program; tests give their own.
    """

    def __init__(self, home: Path, *, default: str = DEFAULT_MODEL, shipped: Path = _SHIPPED) -> None:
        self._own = home / "models"
        self._cache = home / "cache" / "networks"
        self._shipped = shipped
        self._default = default

    @property
    def default_name(self) -> str:
        """The model used where none is named."""
        return self._default

    def names(self) -> list[str]:
        """Names of all models, sorted; their cards may still turn out broken."""
        return sorted({*model_names_in(self._shipped), *model_names_in(self._own)})

    def all_cards(self) -> tuple[list[AnyCard], list[BrokenModel]]:
        """The cards of all classifiers and pickers that can be read, and the models whose cannot."""
        good, broken = [], []
        for name in self.names():
            try:
                good.append(self.any_card(name))
            except ModelError as error:
                broken.append(BrokenModel(name, str(error)))
        return good, broken

    def cards(self) -> tuple[list[ModelCard], list[BrokenModel]]:
        """The classifiers among `all_cards`, and the models whose cards cannot be read."""
        cards, broken = self.all_cards()
        return [card for card in cards if isinstance(card, ModelCard)], broken

    def picker_cards(self) -> tuple[list[PickerCard], list[BrokenModel]]:
        """The pickers among `all_cards`, and the models whose cards cannot be read."""
        cards, broken = self.all_cards()
        return [card for card in cards if isinstance(card, PickerCard)], broken

    def is_shipped(self, name: str) -> bool:
        """Whether `name` is a model that came with structloop."""
        return name in model_names_in(self._shipped) and name not in model_names_in(self._own)

    def folder(self, name: str) -> Path:
        """Where the files of `name` lie.

        Raises:
            ModelNotFoundError: no such model; the message lists those there are.
        """
        if is_model_name(name):
            for root in (self._own, self._shipped):
                if (root / name / CARD_FILE).is_file():
                    return root / name
        known = ", ".join(self.names()) or "none"
        raise ModelNotFoundError(f"no model '{name}'; there are: {known} (`structloop models import|pull` adds one)")

    def card(self, name: str) -> ModelCard:
        """The card of classifier `name`; its weights are not read.

        Raises:
            ModelNotFoundError: no such model.
            ModelFormatError: its card is not valid, or a picker's.
        """
        return the_classifier(self.any_card(name))

    def picker_card(self, name: str) -> PickerCard:
        """The card of picker `name`; its weights are not read.

        Raises:
            ModelNotFoundError: no such model.
            ModelFormatError: its card is not valid, or a classifier's.
        """
        return the_picker(self.any_card(name))

    def any_card(self, name: str) -> AnyCard:
        """The card of `name`, classifier or picker; its weights are not read.

        Raises:
            ModelNotFoundError: no such model.
            ModelFormatError: its card is not valid.
        """
        folder = self.folder(name)
        card = read_card(folder)
        if card.name != name:
            raise ModelFormatError(f"{folder / CARD_FILE} names '{card.name}' but lies in the folder of '{name}'")
        return card

    def verify(self, name: str) -> AnyCard:
        """Compares every file of `name` with its card and returns the card.

        Raises:
            ModelFormatError: a file is missing, damaged or foreign.
        """
        card = self.any_card(name)
        verify_files(card, self.folder(name))
        return card

    def resolve(self, name: str, *, allow_download: bool = False) -> str:
        """The name in this registry that `name` (a name, or a hub id ``owner/name``) stands for.

        Raises:
            ModelNotFoundError: no such model.
            DownloadRefusedError: a hub id that was not pulled yet, and downloads are not allowed.
        """
        if not hub.is_repository_id(name):
            self.folder(name)
            return name
        address = f"https://huggingface.co/{name} at "
        for card in self.all_cards()[0]:
            if address in card.origin:
                return card.name
        if not allow_download:
            raise DownloadRefusedError(
                f"model '{name}' is not on this machine, and downloads happen only when asked for: run "
                f"`structloop models pull {name}`, or give --allow-download"
            )
        return self.pull(name).name

    def load(self, name: str, runtime: Runtime | None = None, *, allow_download: bool = False) -> Classifier:
        """The classifier `name` (or hub id), its files verified, ready to score.

        Raises:
            ModelNotFoundError: no such model.
            ModelFormatError: a file is damaged, or weights and card do not fit together.
            DownloadRefusedError: see `resolve`.
            UnknownPluginError: no installed family is called as the card says.
        """
        name = self.resolve(name, allow_download=allow_download)
        card = self.card(name)
        self.verify(name)
        return classifier_families.get(card.family).load(self.folder(name), card, self.caching(runtime))

    def load_picker(self, name: str, runtime: Runtime | None = None, *, allow_download: bool = False) -> Picker:
        """The picker `name` (or hub id), its files verified, ready to pick.

        Raises:
            ModelNotFoundError, DownloadRefusedError, UnknownPluginError: as `load` says.
            ModelFormatError: a file is damaged, weights and card do not fit together, or it is a classifier.
        """
        name = self.resolve(name, allow_download=allow_download)
        card = self.picker_card(name)
        self.verify(name)
        return picker_families.get(card.family).load(self.folder(name), card, self.caching(runtime))

    def caching(self, runtime: Runtime | None = None) -> Runtime:
        """`runtime` (None: the default one), with converted networks kept in the home folder unless it says where."""
        runtime = runtime or Runtime()
        return runtime if runtime.cache_folder is not None else replace(runtime, cache_folder=self._cache)

    def add(self, card: _C, files: Path, *, replace_existing: bool = False) -> _C:
        """Takes the files of folder `files` in under `card`, whose list of files (and version) is made anew.

        Adding the same model again changes nothing. Another process may read or add models meanwhile.

        Raises:
            ModelExistsError: another model has that name (or a shipped one has).
            ModelFormatError: a file does not belong in a model.
            StoreUnavailableError: the disk is full.
        """
        described = describe_files(files)
        if not any(file.path.endswith(".safetensors") for file in described):
            raise ModelFormatError(f"{files} holds no .safetensors file, so there are no weights to take in")
        card = card.updated(files=described)
        with self._staging() as scratch:
            folder = scratch / "model"
            folder.mkdir()
            archives.copy_plain(files, folder, tuple(file.path for file in described))
            return self._install(card, folder, replace_existing)

    def import_(self, source: Path, *, name: str | None = None, replace_existing: bool = False) -> AnyCard:
        """Takes in a model that has a card, from a folder or a .zip, .tar, .tar.gz or .tgz archive.

        Args:
            source: folder or archive.
            name: a name of its own here; None keeps the card's.
            replace_existing: whether a model of that name is replaced.

        Raises:
            ModelNotFoundError: nothing there, or no card in it (a checkpoint of another program needs `convert`).
            ModelFormatError: card, checksums or archive are not in order.
            ModelExistsError: another model has that name.
        """
        with archives.opened(source) as folder:
            card = read_card(folder)
            verify_files(card, folder)
            if name is not None:
                card = card.updated(name=checked_name(name))
            return self._add_any(card, folder, replace_existing)

    def _add_any(self, card: AnyCard, files: Path, replace_existing: bool) -> AnyCard:
        if isinstance(card, PickerCard):
            return self.add(card, files, replace_existing=replace_existing)
        return self.add(card, files, replace_existing=replace_existing)

    def convert(self, request: ConversionRequest, *, replace_existing: bool = False) -> ModelCard:
        """Makes a model of checkpoints without a card, by the family that recognises them.

        Raises:
            ModelFormatError: no family recognises them, or its conversion refuses them.
            ModelNotFoundError, DownloadRefusedError, ModelExistsError: as the family or `add` say.
        """
        checked_name(request.name)
        self._refuse_taken(request.name, replace_existing)
        first = request.checkpoints[0].folder
        for family in classifier_families:
            if isinstance(family, CheckpointConverter) and family.recognises(first):
                with self._staging() as scratch:
                    folder = scratch / "model"
                    folder.mkdir()
                    card = family.convert(request, folder)
                    return self._install(card.updated(files=describe_files(folder)), folder, replace_existing)
        families = ", ".join(classifier_families.names())
        raise ModelFormatError(
            f"{first} holds neither {CARD_FILE} nor a checkpoint that a family here ({families}) recognises"
        )

    def pull(
        self,
        repository: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        modalities: tuple[Modality, ...] | None = None,
        request: ConversionRequest | None = None,
        replace_existing: bool = False,
    ) -> AnyCard:
        """Downloads a model from the Hugging Face hub; asking for it is the permission.

        Args:
            repository: ``owner/name``.
            revision: branch, tag or commit; None for the newest. The commit is recorded in the card's origin.
            name: name here; None makes one of the repository's.
            modalities: what a checkpoint without a card is for; None reads it from a name that ends in vis or uv.
            request: further answers for a checkpoint without a card; its name, checkpoints and origin are replaced.
            replace_existing: whether a model of that name is replaced.

        Raises:
            DownloadRefusedError, ModelNotFoundError, ModelFormatError, ModelExistsError: as `hub.fetch`, `import_` and
                `convert` say.
        """
        snapshot = hub.fetch(repository, revision)
        with hub.without_links(snapshot.folder) as folder:
            if (folder / CARD_FILE).is_file():
                card = read_card(folder)
                drop_repository_pages(folder, card)
                verify_files(card, folder)
                origin = f"{card.origin}; pulled from {snapshot.origin}"
                card = card.updated(name=checked_name(name or card.name), origin=origin)
                return self._add_any(card, folder, replace_existing)
            found = modalities or modalities_in_name(repository)
            base = request or ConversionRequest(name="", checkpoints=(), origin="", allow_download=True)
            wanted = replace(
                base,
                name=name or model_name_from(repository),
                checkpoints=(Checkpoint(folder, found),),
                origin=snapshot.origin,
                allow_download=True,
            )
            return self.convert(wanted, replace_existing=replace_existing)

    def export(self, name: str, target: Path) -> Path:
        """Writes model `name` to the new folder or archive `target` (by its ending) and returns `target`.

        Raises:
            ModelNotFoundError: no such model.
            ModelFormatError: its files are damaged.
            ModelExistsError: `target` exists.
        """
        card = self.verify(name)
        folder = self.folder(name)
        if archives.is_archive(target):
            archives.pack(folder, target, name)
            return target
        if target.exists():
            raise ModelExistsError(f"{target} exists; choose another name or remove it")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".structloop-export-", dir=target.parent) as scratch:
            made = Path(scratch) / "model"
            made.mkdir()
            archives.copy_plain(folder, made, (CARD_FILE, *(file.path for file in card.files)))
            made.rename(target)
        return target

    def _refuse_taken(self, name: str, replace_existing: bool) -> None:
        if name in model_names_in(self._shipped):
            raise ModelExistsError(f"'{name}' is the name of a model that comes with structloop; give another --name")
        if name in model_names_in(self._own) and not replace_existing:
            raise ModelExistsError(f"there is another model '{name}'; give another --name, or --replace it")

    def _install(self, card: _C, folder: Path, replace_existing: bool) -> _C:
        checked_name(card.name)
        write_card(card, folder)
        target = self._own / card.name
        with FileLock(self._own / ".lock"):
            if not replace_existing and target.exists() and is_model_there(target, card):
                return card
            self._refuse_taken(card.name, replace_existing)
            if target.exists():
                target.rename(folder.parent / "replaced")
            folder.rename(target)
        return card

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        # Beside the models, so that the last step is a rename within one file system.
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=self._own) as scratch:
                yield Path(scratch)
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            raise StoreUnavailableError(
                f"the model cannot be written to {self._own}: {error.strerror}; free some space and try again; the "
                "models that were there are unchanged"
            ) from error


__all__ = [
    "DEFAULT_MODEL",
    "GENERAL_PICKER",
    "AnyCard",
    "BrokenModel",
    "ModelRegistry",
    "modalities_in_name",
    "model_name_from",
]
