"""From a folder to images with a meaning: which layout, which files, what each is of."""

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from structloop.core.errors import LayoutError
from structloop.core.settings import Settings
from structloop.crystals.importing.scanning import (
    FoundFile,
    Report,
    Scan,
    is_text,
    look_at,
    printable,
    sample_of,
    what_noise,
)
from structloop.crystals.layouts.choosing import AUTO, Choice, LayoutCatalog, choose_layout
from structloop.crystals.layouts.manifest import ManifestLayout
from structloop.crystals.layouts.protocol import Layout, ListingLayout, Skip
from structloop.schema.crystals import DropImage, FileProblem
from structloop.schema.images import Modality

# So many files are looked for before the first is read: enough to know how many there are on nearly every import.
LOOKED_AHEAD = 100_000


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file and what its name says."""

    found: FoundFile
    image: DropImage


class Source:
    """A folder (or manifest) to import: its layout and its image files.

    Args:
        path: A folder, or a CSV manifest.
        layout: Name of a layout, or `auto`.
        settings: For the facility's own layouts and the light of profiles.
        report: Called with every file that cannot be used.
        choice: A layout that was chosen before; the folder is then not looked through to recognise one.

    Attributes:
        root: The folder.
        choice: The layout, and why it.
        skipped: How many files were passed over silently, by reason.
        total: How many files there are; None while unknown (more than 100,000).

    Raises:
        LayoutError: there is no such folder, it holds no images, or no layout fits it.
        SettingsError: a layout in the settings is not usable.
    """

    def __init__(
        self, path: Path, layout: str, settings: Settings, report: Report, *, choice: Choice | None = None
    ) -> None:
        self._report = report
        self._lights = {name.lower(): Modality(value) for name, value in settings.profile_modalities.items()}
        path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100  # Path.resolve would follow links
        if not is_text(str(path)):
            raise LayoutError(f"the path {printable(path)} is not valid UTF-8; rename its folders")
        self.root, file = _root_of(path, layout)
        self._scan = Scan(self.root, self._report_once)
        self._reported: set[Path] = set()
        self._first_problem = ""
        self.skipped: Counter[str] = self._scan.skipped
        self.total: int | None = None
        if file is not None:
            self.choice = Choice(ManifestLayout(file), f"{file.name} is a list of images", 1.0)
            self._files: Iterator[FoundFile] = iter(())
            return
        self._files = iter(self._scan)
        if choice is not None:
            self.choice = choice
            return
        ahead = list(itertools.islice(self._files, LOOKED_AHEAD))
        if len(ahead) < LOOKED_AHEAD:
            self.total = len(ahead)
        self._files = itertools.chain(ahead, self._files)
        if not ahead and self._reported and layout == AUTO:
            raise LayoutError(f"{self.root} holds no image files that can be read ({self._first_problem})")
        catalog = LayoutCatalog(settings.crystal_layouts)
        self.choice = choose_layout(catalog, layout, self.root, sample_of(ahead, self.root))

    @property
    def layout(self) -> Layout:
        """The layout that the files are read with."""
        return self.choice.layout

    @property
    def is_complete(self) -> bool:
        """Whether all files below the root are looked at, not only those of a list."""
        return not isinstance(self.layout, ListingLayout)

    def __iter__(self) -> Iterator[NamedFile]:
        """The images with what their names say; the rest is reported or counted. To be used once."""
        return self.named(self._listed(self.layout) if isinstance(self.layout, ListingLayout) else self._files)

    def named(self, files: Iterable[FoundFile]) -> Iterator[NamedFile]:
        """Those of `files` that the layout can read; the rest is reported or counted."""
        for found in files:
            relative = found.path.relative_to(self.root) if found.path.is_relative_to(self.root) else found.path
            read = self.layout.read(self.root, relative)
            if isinstance(read, Skip):
                if read.silent:
                    self.skipped[read.reason] += 1
                else:
                    self._report(FileProblem(found.path, read.reason))
                continue
            # A list says the light of each image itself.
            light = self._lights.get(read.profile.lower()) if read.profile and self.is_complete else None
            yield NamedFile(found, read if light is None else replace(read, path=found.path, modality=light))

    def _listed(self, layout: ListingLayout) -> Iterator[FoundFile]:
        listed = list(layout.list_images(self.root))
        self.total = sum(not isinstance(item, FileProblem) for item in listed)
        for item in listed:
            if isinstance(item, FileProblem):
                self._report(item)
                continue
            found = look_at(self.root / item, self._report)
            if found is not None:
                yield found

    def _report_once(self, problem: FileProblem) -> None:
        if problem.path not in self._reported:
            if not self._reported:
                self._first_problem = f"{problem.path}: {problem.reason}"
            self._reported.add(problem.path)
            self._report(problem)


def _root_of(path: Path, layout: str) -> tuple[Path, Path | None]:
    """The folder to import, and the manifest where `path` is one."""
    try:
        if path.is_dir():
            # Finds out now whether it can be read: of a folder that cannot, nothing can be recognised.
            with os.scandir(path):
                return path, None
        if not path.exists():
            raise LayoutError(f"{path} does not exist; give the folder that your imager writes to")
    except OSError as error:
        raise LayoutError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    if layout not in (AUTO, ManifestLayout.name):
        raise LayoutError(f"{path} is a file; layout '{layout}' reads folders")
    if what_noise(path) is None:
        raise LayoutError(f"{path} is a single image; import the folder it lies in")
    return path.parent, path


__all__ = ["NamedFile", "Source"]
