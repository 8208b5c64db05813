"""`auto` says what it recognised and why; manifests and patterns name what is wrong with them, and where."""

from pathlib import Path, PurePath, PurePosixPath

import pytest
from PIL import Image

from structloop.core.errors import LayoutError, SettingsError
from structloop.core.settings import LayoutPattern
from structloop.crystals.layouts import Layout, LayoutCatalog, Recognition, Skip, choose_layout
from structloop.crystals.layouts.choosing import AUTO
from structloop.crystals.layouts.manifest import ManifestLayout
from structloop.crystals.layouts.patterns import PatternLayout
from structloop.schema.crystals import DropImage, FileProblem, Well
from structloop.schema.images import Modality
from structloop.testing import LayoutCase, LayoutTests

BUILT_IN = {"embl", "hwi-1536", "manifest", "minstrel", "rockmaker-export", "rockmaker-store", "vmxi", "xchem"}
MANIFEST = """image,barcode,well,drop,inspection,modality,taken_at,um_per_pixel,note
a/b 1.jpg,P1,A01,2,3,UV,2026-01-02T03:04:05Z,1.5,mine
ä.jpg,P1,h12,,,,,,
"""


def paths(*names: str) -> list[PurePath]:
    return [PurePosixPath(name) for name in names]


class TestManifest(LayoutTests):
    layout = ManifestLayout()
    cases = (
        LayoutCase("a/b 1.jpg", "P1", "A01", 2, 3, modality=Modality.UV, taken_at="2026-01-02T03:04", um_per_pixel=1.5),
        LayoutCase("ä.jpg", "P1", "H12", 1, 1),
    )
    side_files = {"manifest.csv": MANIFEST}  # noqa: RUF012


def test_all_built_in_layouts_are_plugins_and_load() -> None:
    usable, broken = LayoutCatalog().usable()
    assert {layout.name for layout in usable} >= BUILT_IN
    assert broken == []
    assert all(isinstance(layout, Layout) for layout in usable)


def test_auto_says_what_it_recognised(tmp_path: Path) -> None:
    sample = paths(
        "97wo_2021-09-14_RI1000-0276-3drop/97wo_01A_1.jpg", "97wo_2021-09-14_RI1000-0276-3drop/97wo_01A_2.jpg"
    )
    choice = choose_layout(LayoutCatalog(), AUTO, tmp_path, sample)
    assert choice.layout.name == "xchem"
    assert "2 of 2 image names" in choice.why
    assert choice.runners_up == ()


def test_auto_mentions_a_layout_that_fits_nearly_as_well_and_prefers_the_facilitys_own(tmp_path: Path) -> None:
    own = LayoutPattern(name="ours", pattern="{barcode}_{column}{row_letter}_{drop}.jpg")
    choice = choose_layout(LayoutCatalog([own]), AUTO, tmp_path, paths("97wo_01A_1.jpg"))
    assert choice.layout.name == "ours"
    assert choice.runners_up == ("xchem",)
    assert "--layout" in choice.why


def test_where_nothing_fits_the_error_says_what_can_be_done(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"holiday\.jpg.*--layout.*pattern.*manifest"):
        choose_layout(LayoutCatalog(), AUTO, tmp_path, paths("holiday.jpg"))
    with pytest.raises(LayoutError, match="no image files"):
        choose_layout(LayoutCatalog(), AUTO, tmp_path, [])


def test_a_forced_layout_is_taken_and_an_unknown_one_refused(tmp_path: Path) -> None:
    assert choose_layout(LayoutCatalog(), "embl", tmp_path, paths("holiday.jpg")).layout.name == "embl"
    with pytest.raises(LayoutError, match=r"there is no layout 'emble'; there are .*embl"):
        choose_layout(LayoutCatalog(), "emble", tmp_path, [])


def test_a_manifest_wins_over_names(tmp_path: Path) -> None:
    (tmp_path / "list of images.csv").write_text("barcode;well;image\nP1;B02;97wo_01A_1.jpg\n")
    choice = choose_layout(LayoutCatalog(), AUTO, tmp_path, paths("97wo_01A_1.jpg"))
    assert choice.layout.name == "manifest"
    read = choice.layout.read(tmp_path, PurePosixPath("97wo_01A_1.jpg"))
    assert isinstance(read, DropImage)
    assert (read.barcode, read.well) == ("P1", Well(1, 1))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x.jpg,P1,Z99X,,", "line 2, column 'well': 'Z99X' is no well name"),
        ("x.jpg,,A01,,", "line 2, column 'barcode': it is empty"),
        (",P1,A01,,", "line 2, column 'image': it is empty"),
        ("x.jpg,P1,A01,two,", "line 2, column 'drop': 'two' is no whole number from 1"),
        ("x.jpg,P1,A01,,infrared", "line 2, column 'modality': 'infrared' is none of visible, uv"),
    ],
)
def test_a_bad_row_is_named_and_the_others_stay(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "manifest.csv"
    file.write_text(f"image,barcode,well,drop,modality\n{row}\ngood.jpg,P1,A02,,\ngood.jpg,P1,A03,,\n")
    first, second, *images = ManifestLayout().list_images(tmp_path)
    assert isinstance(first, FileProblem)
    assert message in first.reason
    assert isinstance(second, FileProblem)
    assert "line 4, column 'image': good.jpg is listed twice" in second.reason
    assert [str(image) for image in images] == [str(tmp_path / "good.jpg")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,barcode,wel\n", "column 'well' is missing"),
        ("image,barcode,well,modalty\n", "unknown column 'modalty'; did you mean 'modality'"),
        ('image,barcode,well\n"a"b,c,d\n', "line 2"),
    ],
)
def test_a_manifest_that_cannot_be_read_says_where(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "manifest.csv"
    file.write_text(text)
    with pytest.raises(LayoutError, match=message):
        list(ManifestLayout(file).list_images(tmp_path))


def test_a_manifest_in_another_encoding_says_so(tmp_path: Path) -> None:
    file = tmp_path / "manifest.csv"
    file.write_bytes("image,barcode,well\nä.jpg,P1,A01\n".encode("latin-1"))
    with pytest.raises(LayoutError, match="line 2: not UTF-8"):
        list(ManifestLayout(file).list_images(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{barcode}/{wel}.jpg", "unknown field 'wel'; fields are barcode, well"),
        ("{barcode}/{drop}.jpg", "says no well"),
        ("{well}.jpg", "no {barcode}"),
        ("{barcode}/{well.jpg", "brace at position 11"),
    ],
)
def test_a_pattern_that_cannot_work_is_an_error_of_the_settings(pattern: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        LayoutCatalog([LayoutPattern(name="ours", pattern=pattern)])


def test_a_pattern_must_not_take_the_name_of_a_layout() -> None:
    with pytest.raises(SettingsError, match="'embl' is taken"):
        LayoutCatalog([LayoutPattern(name="embl", pattern="{barcode}/{well}.jpg")])


def test_patterns_read_numbers_dates_and_plates_of_any_size(tmp_path: Path) -> None:
    layout = PatternLayout(
        LayoutPattern(
            name="tiny",
            pattern="{barcode}/{date}/{imager}/w{well_number}.jpg",
            plate_rows=4,
            plate_columns=6,
            date_format="%d.%m.%Y",
            default_modality="shg",
        )
    )
    read = layout.read(tmp_path, PurePosixPath("P1/24.12.2025/RI54/w8.jpg"))
    assert isinstance(read, DropImage)
    assert (str(read.well), read.modality, read.imager) == ("B02", Modality.SHG, "RI54")
    assert read.inspection is None
    assert read.inspection_key.startswith("2025-12-24")
    for name, reason in (
        ("P1/24.12.2025/RI54/w25.jpg", "outside a plate of 4 x 6"),
        ("P1/2025/RI54/w8.jpg", "no date"),
    ):
        left_out = layout.read(tmp_path, PurePosixPath(name))
        assert isinstance(left_out, Skip)
        assert reason in left_out.reason


def test_a_field_that_stands_twice_must_say_the_same(tmp_path: Path) -> None:
    layout = PatternLayout(LayoutPattern(name="twice", pattern="{barcode}/{barcode}_{well}_{modality}.jpg"))
    assert isinstance(layout.read(tmp_path, PurePosixPath("P1/P1_A01_uv.jpg")), DropImage)
    assert isinstance(layout.read(tmp_path, PurePosixPath("P1/P2_A01_uv.jpg")), Skip)
    unknown = layout.read(tmp_path, PurePosixPath("P1/P1_A01_moon.jpg"))
    assert isinstance(unknown, Skip)
    assert "'moon' is no light that is known" in unknown.reason


def test_a_recognition_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Recognition(1.5, "too sure")


def test_looking_at_images_is_never_needed(tmp_path: Path) -> None:
    Image.new("L", (40, 40)).save(tmp_path / "97wo_01A_1.jpg")
    (tmp_path / "97wo_01A_1.jpg").chmod(0)
    choice = choose_layout(LayoutCatalog(), AUTO, tmp_path, paths("97wo_01A_1.jpg"))
    assert isinstance(choice.layout.read(tmp_path, PurePosixPath("97wo_01A_1.jpg")), DropImage)
