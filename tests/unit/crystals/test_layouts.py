"""Every built-in layout reads its imager's names; patterns of the settings do what no code is needed for."""

from datetime import date
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.settings import LayoutPattern
from structloop.crystals.layouts import Skip
from structloop.crystals.layouts.embl import EmblLayout
from structloop.crystals.layouts.hwi import HwiLayout
from structloop.crystals.layouts.minstrel import MinstrelLayout
from structloop.crystals.layouts.patterns import PatternLayout
from structloop.crystals.layouts.rockmaker import RockMakerExportLayout, RockMakerStoreLayout
from structloop.crystals.layouts.vmxi import VmxiLayout
from structloop.crystals.layouts.xchem import XChemLayout
from structloop.schema.crystals import DropImage, Well
from structloop.schema.images import Focus, Modality
from structloop.testing import LayoutCase, LayoutTests

MINSTREL_NAME = "RMM3_01_222_ROBO_Test1_Clon1_CI_0000CI022987_003_121121_{:02d}_{:02d}_{:02d}_HF_99_030_001_RDI.jpg"


class TestRockMakerStore(LayoutTests):
    layout = RockMakerStoreLayout()
    cases = (
        LayoutCase(
            "WellImages/69/plateID_1069/batchID_77/wellNum_1/profileID_1/d1_r510_ef.jpg",
            "1069",
            "A01",
            1,
            inspection_key="77",
        ),
        LayoutCase(
            "WellImages/69/plateID_1069/batchID_77/wellNum_13/profileID_2/d3_r512_ef.jpg",
            "1069",
            "B01",
            3,
            inspection_key="77",
        ),
        LayoutCase(
            "WellImages/70/plateID1070/batchID_9/wellNum_96/profileID_1/d2_r1_ef.jpg",
            "1070",
            "H12",
            2,
            inspection_key="9",
        ),
    )

    def test_a_384_well_plate_is_known_by_its_highest_well(self, root: Path) -> None:
        batch = root / "WellImages" / "69" / "plateID_1071" / "batchID_1"
        (batch / "wellNum_384").mkdir(parents=True)
        read = self.layout.read(batch, PurePosixPath("wellNum_25/profileID_1/d1_r1_ef.jpg"))
        assert isinstance(read, DropImage)
        assert (str(read.well), read.plate_rows, read.plate_columns) == ("B01", 16, 24)

    def test_single_planes_are_passed_over_where_the_extended_focus_is_there(self, root: Path) -> None:
        folder = root / "WellImages/69/plateID_1069/batchID_77/wellNum_1/profileID_1"
        assert self.layout.read(folder, PurePosixPath("d1_r510_z3.jpg")) == Skip(
            "single focal planes, where the extended focus is there", silent=True
        )
        alone = self.layout.read(folder, PurePosixPath("d2_r511_z3.jpg"))
        assert isinstance(alone, DropImage)
        assert alone.focus is Focus.SINGLE


class TestRockMakerExport(LayoutTests):
    layout = RockMakerExportLayout()
    cases = (
        LayoutCase("1069_A1_Visible_v_77.jpg", "1069", "A01", 2, inspection_key="77", taken_at="2026-02-03T09:30"),
        LayoutCase("1069_H12_UV 300 ms_u_77.jpg", "1069", "H12", 1, inspection_key="77", modality=Modality.UV),
        LayoutCase("CD_0042_B03.2_SHG_s_8.jpg", "CD_0042", "B03", 2, inspection_key="8", modality=Modality.SHG),
        LayoutCase("CD_0042_B3c_Extended Focus__8.jpg", "CD_0042", "B03", 3, inspection_key="8"),
    )
    side_files = {"report.csv": "Image Name;Drop;Date Imaged\nC:\\x\\1069_A1_Visible_v_77.jpg;2;2026-02-03 09:30:00\n"}  # noqa: RUF012


class TestXChem(LayoutTests):
    layout = XChemLayout()
    cases = (
        LayoutCase(
            "97wo_2021-09-14_RI1000-0276-3drop/97wo_01A_1.jpg",
            "97wo",
            "A01",
            1,
            inspection_key="2021-09-14 RI1000-0276",
            um_per_pixel=2.837,
        ),
        LayoutCase(
            "97wo_2021-09-14_RI1000-0276-3drop/97wo_12H_3.jpg",
            "97wo",
            "H12",
            3,
            inspection_key="2021-09-14 RI1000-0276",
            taken_at="2021-09-14",
        ),
        LayoutCase(
            "90j8_2018-04-11_RI1000-0081-2drop/90j8_04C_2.jpg",
            "90j8",
            "C04",
            2,
            inspection_key="2018-04-11 RI1000-0081",
        ),
    )
    foreign = ("holiday.jpg", "97wo_13A_1.jpg", "97wo_01J_1.jpg")

    def test_a_copied_file_without_its_folder_is_of_the_first_inspection(self, tmp_path: Path) -> None:
        read = self.layout.read(tmp_path, PurePosixPath("97wo_01A_2.jpg"))
        assert isinstance(read, DropImage)
        assert (read.inspection, read.um_per_pixel) == (1, None)

    def test_a_file_in_another_plates_folder_is_left_out(self, tmp_path: Path) -> None:
        read = self.layout.read(tmp_path, PurePosixPath("97wo_2021-09-14_RI1000-0276-3drop/90j8_01A_1.jpg"))
        assert isinstance(read, Skip)
        assert "90j8" in read.reason

    def test_foreign_images_are_left_out_with_a_reason(self, root: Path, tmp_path: Path) -> None:
        for name in self.foreign:
            assert isinstance(self.layout.read(root, PurePosixPath(name)), Skip)


class TestMinstrel(LayoutTests):
    layout = MinstrelLayout()
    cases = (
        LayoutCase(
            "plate_ci022987/" + MINSTREL_NAME.format(1, 1, 1), "0000CI022987", "A01", 1, 3, taken_at="2012-11-21"
        ),
        LayoutCase("plate_ci022987/" + MINSTREL_NAME.format(4, 3, 3), "0000CI022987", "C04", 3, 3),
        LayoutCase("plate_ci022987/" + MINSTREL_NAME.format(12, 8, 4), "0000CI022987", "H12", 4, 3),
    )

    @pytest.mark.parametrize(("column", "row"), [(13, 1), (1, 9), (0, 1)])
    def test_a_place_outside_the_plate_is_left_out(self, tmp_path: Path, column: int, row: int) -> None:
        read = self.layout.read(tmp_path, PurePosixPath(MINSTREL_NAME.format(column, row, 1)))
        assert isinstance(read, Skip)
        assert "outside a plate" in read.reason


def vmxi_xml(drop: str, imaging: str = "54321-1", extra: str = "") -> str:
    return (
        '<?xml version="1.0"?><oppfImage xmlns="http://www.oppf.ox.ac.uk/oppf"><ImagingId>'
        f"{imaging}</ImagingId><Drop>{drop}</Drop>{extra}<SizeInPixels><Width>2500</Width><Height>2000</Height>"
        "</SizeInPixels><SizeInMicrons><Width>5000</Width><Height>4000</Height></SizeInMicrons></oppfImage>"
    )


class TestVmxi(LayoutTests):
    layout = VmxiLayout()
    cases = (
        LayoutCase("VMXI-AB1234/a.jpg", "VMXI-AB1234", "A01", 1, inspection_key="54321", um_per_pixel=2.0),
        LayoutCase("VMXI-AB1234/b.jpg", "VMXI-AB1234", "H12", 2, inspection_key="54321"),
        LayoutCase("VMXI-AB1235/777/c.jpg", "VMXI-AB1235", "D07", 1, inspection_key="777"),
        LayoutCase("dump/d.jpg", "P9", "B02", 1, inspection_key="778", modality=Modality.UV),
    )
    side_files = {  # noqa: RUF012
        "VMXI-AB1234/a.xml": vmxi_xml("A01.1"),
        "VMXI-AB1234/b.xml": vmxi_xml("H12.2"),
        "VMXI-AB1235/777/c.xml": vmxi_xml("D07.1", "777"),
        "dump/d.xml": vmxi_xml("B02.1", "778", "<Barcode>P9</Barcode><Profile>UV 300ms</Profile>"),
    }

    @pytest.mark.parametrize("text", ["", "<open>", "<a><Drop>A01.1</Drop></a>", vmxi_xml("nonsense")])
    def test_an_xml_that_says_too_little_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "x.xml").write_text(text)
        read = self.layout.read(tmp_path, PurePosixPath("x.jpg"))
        assert isinstance(read, Skip)
        assert "XML" in read.reason or "x.xml" in read.reason

    def test_an_image_whose_xml_is_late_may_come_later(self, tmp_path: Path) -> None:
        read = self.layout.read(tmp_path, PurePosixPath("x.jpg"))
        assert isinstance(read, Skip)
        assert "import again" in read.reason


class TestEmbl(LayoutTests):
    layout = EmblLayout()
    cases = (
        LayoutCase(
            "rawimages/2026/SL000001/2/FORMULATRIX_SL000001_2_08-01-2026_A01_1_Vis.jpg",
            "SL000001",
            "A01",
            1,
            2,
            taken_at="2026-01-08",
        ),
        LayoutCase(
            "rawimages/2026/SL000001/2/FORMULATRIX_SL000001_2_08-01-2026_H12_1_UV.jpg",
            "SL000001",
            "H12",
            1,
            2,
            modality=Modality.UV,
        ),
        LayoutCase(
            "rawimages/2025/CD028445/11/FORMULATRIX_CD028445_11_31-12-2025_77_C4.2_EF_Vis.jpg", "CD028445", "C04", 2, 11
        ),
    )

    @pytest.mark.parametrize(
        ("middle", "well", "drop"),
        [
            ("A12", "A12", 1),
            ("A11", "A11", 1),
            ("A1", "A01", 1),
            ("P12_A01_1", "A01", 1),
            ("A12_3", "A12", 3),
            ("A12_03", "A12", 3),
            ("A1-2", "A01", 2),
            ("A12.2", "A12", 2),
            ("A_12_2", "A12", 2),
            ("A12d2", "A12", 2),
            ("A12_drop2", "A12", 2),
            ("A12-drop_2", "A12", 2),
            ("77_af48_4_EF", "AF48", 4),
        ],
    )
    def test_wells_and_drops_are_told_apart(self, tmp_path: Path, middle: str, well: str, drop: int) -> None:
        read = self.layout.read(tmp_path, PurePosixPath(f"FORMULATRIX_CD028445_11_31-12-2025_{middle}_Vis.jpg"))
        assert isinstance(read, DropImage)
        assert (str(read.well), read.drop) == (well, drop)

    @pytest.mark.parametrize(
        ("middle", "reason"),
        [
            ("P12_A11", "P12 or A11"),
            ("A01_1_B02", "A01 or B02"),
            ("A12_480", "'480' after well A12"),
            ("A123", "no well and drop"),
            ("A00_1", "'A00' is no well name"),
            ("ZZ99_1", "outside every plate"),
        ],
    )
    def test_what_may_mean_several_drops_is_left_out(self, tmp_path: Path, middle: str, reason: str) -> None:
        read = self.layout.read(tmp_path, PurePosixPath(f"FORMULATRIX_CD028445_11_31-12-2025_{middle}_Vis.jpg"))
        assert isinstance(read, Skip)
        assert reason in read.reason

    def test_a_name_without_a_well_asks_for_a_pattern(self, tmp_path: Path) -> None:
        read = self.layout.read(tmp_path, PurePosixPath("FORMULATRIX_CD028445_11_31-12-2025_0042_Vis.jpg"))
        assert isinstance(read, Skip)
        assert "crystal_layouts" in read.reason


class TestHwi(LayoutTests):
    layout = HwiLayout()
    cases = (
        LayoutCase(
            "X000012345202103041530-jpg/X0000123450001202103041.jpg",
            "X000012345",
            "A01",
            1,
            inspection_key="20210304",
            taken_at="2021-03-04T15:30",
        ),
        LayoutCase(
            "X000012345202103041530-jpg/X000012345153620210304.jpg", "X000012345", "AF48", 1, inspection_key="20210304"
        ),
        LayoutCase(
            "X000012345202103041610-uvt/X000012345004920210304.jpg",
            "X000012345",
            "B01",
            1,
            inspection_key="20210304",
            modality=Modality.UV_TPEF,
        ),
        LayoutCase(
            "X000012345202103041640-shg/X000012345004920210304.jpg",
            "X000012345",
            "B01",
            1,
            inspection_key="20210304",
            modality=Modality.SHG,
        ),
    )
    foreign = ("holiday.jpg", "X000012345153720210304.jpg", "X000012345000120211399.jpg")

    def test_foreign_images_are_left_out_with_a_reason(self, root: Path, tmp_path: Path) -> None:
        for name in self.foreign:
            assert isinstance(self.layout.read(root, PurePosixPath(name)), Skip)


class TestPattern(LayoutTests):
    layout = PatternLayout(
        LayoutPattern(
            name="our-imager",
            pattern="{barcode}/insp{inspection}/{any}-{row_letter}{column}-{drop_letter}_{profile}.jpg",
            modalities={"P7": "uv"},
            um_per_pixel=1.5,
        )
    )
    cases = (
        LayoutCase("Plate 7/insp2/xx-B02-a_P1.jpg", "Plate 7", "B02", 1, 2, um_per_pixel=1.5),
        LayoutCase("Plate 7/insp10/-H12-c_p7.JPG", "Plate 7", "H12", 3, 10, modality=Modality.UV),
    )


@given(row=st.integers(0, 31), column=st.integers(0, 47))
def test_a_wells_name_reads_back_as_the_well(row: int, column: int) -> None:
    well = Well(row, column)
    assert Well.parse(str(well)) == well
    assert Well.parse(str(well).lower()) == well
    assert Well.from_number(row * 48 + column + 1, 48) == well


@given(
    row=st.integers(0, 7),
    column=st.integers(0, 11),
    drop=st.integers(1, 9),
    inspection=st.integers(1, 9999),
    day=st.dates(date(2000, 1, 1), date(2068, 1, 1)),
    barcode=st.from_regex(r"[A-Z]{2}[0-9]{4,8}", fullmatch=True),
)
def test_names_written_by_the_conventions_read_back(
    row: int, column: int, drop: int, inspection: int, day: date, barcode: str
) -> None:
    well = Well(row, column)
    names = {
        EmblLayout(): f"FORMULATRIX_{barcode}_{inspection}_{day:%d-%m-%Y}_{well}_{drop}_Vis.jpg",
        MinstrelLayout(): f"a_{barcode}_{inspection:03d}_{day:%y%m%d}_{column + 1:02d}"
        f"_{row + 1:02d}_{drop:02d}_HF_1.jpg",
    }
    for layout, name in names.items():
        read = layout.read(Path("/nowhere"), PurePosixPath(name))
        assert isinstance(read, DropImage)
        assert (read.barcode, read.well, read.drop, read.inspection) == (barcode, well, drop, inspection)
        assert read.taken_at is not None
        assert read.taken_at.date() == day
