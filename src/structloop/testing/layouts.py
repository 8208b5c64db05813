"""The conformance suite of layouts: subclass `LayoutTests`, say what your imager writes, and run it with pytest.

class TestOurImager(LayoutTests):
    layout = OurImagerLayout()
    cases = [LayoutCase("P1/3/B02_1.jpg", barcode="P1", well="B02", drop=1, inspection=3)]
    foreign = ["holiday.jpg"]
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pytest
from PIL import Image

from structloop.crystals.layouts import Layout, ListingLayout, Recognition, Skip
from structloop.schema.crystals import DropImage, FileProblem, Well
from structloop.schema.images import Modality


@dataclass(frozen=True, slots=True)
class LayoutCase:
    """One image, and what the layout must read from it. What is None is not compared.

    Attributes:
        path: Relative to the folder that is imported, with `/`.
        inspection: Its number; None together with `inspection_key` where the imager has only an identifier.
    """

    path: str
    barcode: str
    well: str
    drop: int
    inspection: int | None = None
    inspection_key: str | None = None
    modality: Modality = Modality.VISIBLE
    taken_at: str | None = None
    um_per_pixel: float | None = None


class LayoutTests:
    """What every layout must do.

    Attributes:
        layout: The layout, or a fixture of that name.
        cases: Images with what they mean; together one folder as the imager leaves it.
        side_files: Further files of that folder, by path.
        foreign: Names of images that do not follow the layout.
    """

    layout: ClassVar[Layout]
    cases: ClassVar[Sequence[LayoutCase]]
    side_files: ClassVar[Mapping[str, str]] = {}
    foreign: ClassVar[Sequence[str]] = ("holiday.jpg", "IMG_0001.jpg")

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A folder with all images and side files of the class."""
        root = tmp_path / "imäger store"
        for case in self.cases:
            _make_image(root / case.path)
        for name, text in self.side_files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    def test_it_is_a_layout_with_a_usable_name(self) -> None:
        assert isinstance(self.layout, Layout)
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.layout.name)
        assert self.layout.name != "auto"
        assert self.layout.title
        assert self.layout.description

    def test_it_reads_what_each_image_is_of(self, root: Path) -> None:
        for case in self.cases:
            read = self.layout.read(root, PurePosixPath(case.path))
            assert isinstance(read, DropImage), f"{case.path}: {read}"
            _compare(case, read, root)

    def test_it_reads_the_same_from_every_folder_above(self, root: Path) -> None:
        if isinstance(self.layout, ListingLayout):
            pytest.skip("a list says where its images are")
        for case in self.cases:
            path = PurePosixPath(case.path)
            for depth in range(len(path.parts)):
                lower = root.joinpath(*path.parts[:depth])
                read = self.layout.read(lower, PurePosixPath(*path.parts[depth:]))
                assert isinstance(read, DropImage), f"{path} read from {lower}: {read}"
                _compare(case, read, root)

    def test_it_recognises_its_own_folder(self, root: Path) -> None:
        seen = self.layout.recognise(root, [PurePosixPath(case.path) for case in self.cases])
        assert isinstance(seen, Recognition)
        assert seen.score > 0.9
        assert seen.why

    def test_foreign_images_are_left_out_with_a_reason(self, root: Path, tmp_path: Path) -> None:
        for name in self.foreign:
            _make_image(root / name)
            read = self.layout.read(root, PurePosixPath(name))
            assert isinstance(read, Skip), f"{name}: {read}"
            assert read.reason
        elsewhere = tmp_path / "elsewhere"
        for name in self.foreign:
            _make_image(elsewhere / name)
        seen = self.layout.recognise(elsewhere, [PurePosixPath(name) for name in self.foreign])
        assert seen.score < 0.25, "it recognises a folder that is not its own"

    def test_an_empty_folder_is_not_recognised(self, tmp_path: Path) -> None:
        folder = tmp_path / "empty"
        folder.mkdir()
        assert self.layout.recognise(folder, []).score == 0

    def test_it_writes_nothing(self, root: Path) -> None:
        before = _state(root)
        self.layout.recognise(root, [PurePosixPath(case.path) for case in self.cases])
        for case in self.cases:
            self.layout.read(root, PurePosixPath(case.path))
        assert _state(root) == before

    def test_a_list_names_every_image_once(self, root: Path) -> None:
        if not isinstance(self.layout, ListingLayout):
            pytest.skip("it looks through folders")
        listed = [item for item in self.layout.list_images(root) if not isinstance(item, FileProblem)]
        assert sorted(root / item for item in listed) == sorted(root / case.path for case in self.cases)


def _compare(case: LayoutCase, read: DropImage, root: Path) -> None:
    expected: dict[str, Any] = {
        "path": root / case.path,
        "barcode": case.barcode,
        "well": Well.parse(case.well),
        "drop": case.drop,
        "inspection": case.inspection,
        "modality": case.modality,
    }
    if case.inspection_key is not None:
        expected["inspection_key"] = case.inspection_key
    found: dict[str, Any] = {name: getattr(read, name) for name in expected}
    assert found == expected, case.path
    assert read.inspection is not None or read.inspection_key, f"{case.path}: no inspection"
    if case.taken_at is not None:
        assert read.taken_at is not None
        assert read.taken_at.tzinfo is not None
        assert read.taken_at.isoformat().startswith(case.taken_at), case.path
    if case.um_per_pixel is not None:
        assert read.um_per_pixel == pytest.approx(case.um_per_pixel)


def _make_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (64, 48), 128).save(path, "JPEG")


def _state(root: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in root.rglob("*"))


__all__ = ["LayoutCase", "LayoutTests"]
