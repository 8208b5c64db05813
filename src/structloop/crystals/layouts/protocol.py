"""What a layout is: it recognises a folder and reads the facts of an image from its path."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol, runtime_checkable

from structloop.schema.crystals import DropImage, FileProblem

LAYOUT_GROUP = "structloop.crystal_layouts"


@dataclass(frozen=True, slots=True)
class Recognition:
    """How well a folder fits a layout.

    Attributes:
        score: From 0 (not at all) to 1 (every image fits).
        why: What was seen, for people, such as "12 of 12 image names are ...".
    """

    score: float
    why: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"recognition score {self.score} must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class Skip:
    """An image file that is not imported.

    Attributes:
        reason: Why, for people; where `silent` is false, also what to do.
        silent: True for files that are expected among the images, such as thumbnails: they are counted, not listed.
    """

    reason: str
    silent: bool = False


@runtime_checkable
class Layout(Protocol):
    """How one kind of imager names its files.

    A layout only looks: it never writes, moves or opens the images themselves. It may read side files (XML, CSV). It is
    asked about files with an image's ending only; hidden files, temporary files and thumbnails by name are left out
    before. It is used from one thread at a time.
    """

    @property
    def name(self) -> str:
        """Name for `--layout`: lower case, digits and dashes."""
        ...

    @property
    def title(self) -> str:
        """Name for people."""
        ...

    @property
    def description(self) -> str:
        """The convention in one or two sentences."""
        ...

    def recognise(self, root: Path, sample: Sequence[PurePath]) -> Recognition:
        """How well `root` fits, judged by a sample of the image files below it.

        Args:
            root: The folder that is imported: a plate's own, or any above it.
            sample: Paths of image files relative to `root`.
        """
        ...

    def read(self, root: Path, path: PurePath) -> DropImage | Skip:
        """The facts of one image.

        Args:
            root: The folder that is imported.
            path: The image, relative to `root`; folders above `root` may be looked at through `root / path`.

        Returns:
            What is known of the image; its `path` is `root / path`. Or why it is left out.

        Raises:
            LayoutError: a side file that describes all images is not usable.
        """
        ...


@runtime_checkable
class ListingLayout(Layout, Protocol):
    """A layout that knows its images from a list and needs no search through folders."""

    def list_images(self, root: Path) -> Iterable[PurePath | FileProblem]:
        """The listed images, relative to `root` (or absolute), and the rows of the list that are not usable.

        Raises:
            LayoutError: the list itself cannot be read.
        """
        ...


__all__ = ["LAYOUT_GROUP", "Layout", "ListingLayout", "Recognition", "Skip"]
