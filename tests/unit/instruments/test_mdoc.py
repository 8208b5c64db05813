"""SerialEM's image metadata: stacks, montages, tilt series and movies."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.serialem.mdoc import Mdoc

STACK = """PixelSpacing = 5.4
Voltage = 300
ImageFile = TS_01.mrc
ImageSize = 924 958
DataMode = 1

[T = SerialEM: Digitized on EMBL Krios                       30-Nov-15  15:14:20    ]

[T =     Tilt axis angle = 85.3, binning = 4  spot = 8  camera = 2]

[ZValue = 0]
TiltAngle = 30.000999877
StagePosition = 20.7936 155.287
StageZ = 163.803
Magnification = 105000
ExposureDose = 0
PixelSpacing = 5.4
Defocus = 2.68083
ImageShift = -0.0108126 -0.121079
RotationAngle = 175.3
ExposureTime = 0.8
Binning = 4
MinMaxMean = 5 1403 623.699
TargetDefocus = -4
SubFramePath = D:\\DATA\\frames\\TS_01_000_0.0.mrc
NumSubFrames = 8
DateTime = 30-Nov-15  15:21:38
NewKey = of another version

[ZValue = 1]
TiltAngle = -3.00113
StagePosition = 20.7926 155.267
DateTime = 30-Nov-2015  15:22:01
"""
MONTAGE = """PixelSpacing = 2312
ImageFile = gm.mrc
ImageSize = 2048 2048
Montage = 1

[ZValue = 0]
PieceCoordinates = 0 0 0
StagePosition = -834.368 -856.901
AlignedPieceCoordsVS = 2 46 0

[ZValue = 1]
PieceCoordinates = 0 1844 0
StagePosition = -836.364 -415.786

[ZValue = 2]
PieceCoordinates = 1844 1844 0
StagePosition = -400 -415.786
"""
MOVIE = """T = SerialEM: UMass_Krios Camera -> 0:Ceta 1:GIF-K3         08-Oct-21  07:38:24    \r
Voltage = 300\r
\r
[FrameSet = 0]\r
TiltAngle = 32.984\r
ExposureDose = 7.65892\r
SubFramePath = X:\\frames\\s_mmm_00993_33.0_Oct08_07.39.05.tif\r
NumSubFrames = 12\r
DateTime = 08-Oct-21  07:39:08\r
"""


def test_a_tilt_series_says_what_it_is() -> None:
    mdoc = Mdoc.parse(STACK.encode())
    assert mdoc.is_tilt_series
    assert not mdoc.is_montage
    assert (mdoc.image_file, mdoc.image_size_px, mdoc.pixel_size_angstrom, mdoc.voltage_kv) == (
        "TS_01.mrc",
        (924, 958),
        5.4,
        300,
    )
    assert mdoc.titles[1] == "Tilt axis angle = 85.3, binning = 4  spot = 8  camera = 2"
    assert [image.index for image in mdoc.tilts()] == [1, 0]
    image = mdoc.images[0]
    assert image.stage_um == (20.7936, 155.287, 163.803)
    assert (image.tilt_deg, image.magnification, image.exposure_s, image.binning) == (30.000999877, 105000, 0.8, 4)
    assert (image.defocus_um, image.target_defocus_um, image.dose_e_per_angstrom2) == (-2.68083, 4, None)
    assert (image.frames, image.frames_name) == (8, "TS_01_000_0.0.mrc")
    assert image.minimum_maximum_mean == (5, 1403, 623.699)
    assert image.image_shift_um == (-0.0108126, -0.121079)
    assert image.rotation_deg == 175.3
    assert image.taken_at == datetime(2015, 11, 30, 15, 21, 38)  # noqa: DTZ001  # the file tells no time zone
    assert mdoc.images[1].taken_at == datetime(2015, 11, 30, 15, 22, 1)  # noqa: DTZ001
    assert mdoc.images[1].stage_um == (20.7926, 155.267, None)


def test_a_montage_has_its_pieces_in_columns_and_rows() -> None:
    mdoc = Mdoc.parse(MONTAGE.encode())
    assert mdoc.is_montage
    assert not mdoc.is_tilt_series
    assert {place: piece.index for place, piece in mdoc.pieces().items()} == {(0, 0, 0): 0, (0, 1, 0): 1, (1, 1, 0): 2}
    assert mdoc.images[0].aligned_piece_px == (2, 46, 0)


def test_a_movie_is_a_frame_set() -> None:
    mdoc = Mdoc.parse(MOVIE.encode())
    (movie,) = mdoc.frame_sets
    assert mdoc.images == ()
    assert mdoc.titles[0].startswith("SerialEM: UMass_Krios")
    assert (movie.frames, movie.dose_e_per_angstrom2) == (12, 7.65892)
    assert movie.frames_name == "s_mmm_00993_33.0_Oct08_07.39.05.tif"


@pytest.mark.parametrize("text", [STACK, MONTAGE, MOVIE, STACK.rstrip("\n")])
def test_what_is_read_is_written_byte_for_byte(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mdoc"
    path.write_bytes(text.encode())
    Mdoc.read(path).write(tmp_path / "b.mdoc")
    assert (tmp_path / "b.mdoc").read_bytes() == text.encode()


def test_a_changed_value_leaves_the_others_as_they_were() -> None:
    mdoc = Mdoc.parse(MOVIE.encode())
    mdoc.frame_sets[0].section["TiltAngle"] = "33"
    mdoc.frame_sets[0].section["Note"] = "good"
    assert mdoc.text() == MOVIE.replace("32.984", "33") + "Note = good\r\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("PixelSpacing = 1\n", "no section"),
        (STACK[: STACK.index("StagePosition") + 5], "line 13: 'Stage'"),
        (STACK[: STACK.index("155.287")], "1 numbers, not 2"),
        (STACK.replace("[ZValue = 1]", "[ZValue = one]"), "no number"),
        (STACK.replace("TiltAngle = -3.00113", "TiltAngle = steep"), r"ZValue = 1.*no number"),
        (STACK[: STACK.rindex("[ZValue") + 5], "no heading"),
    ],
)
def test_damaged_files_are_told_with_their_line(text: str, message: str) -> None:
    with pytest.raises(AcquisitionFileError, match=message):
        Mdoc.parse(text.encode())


@pytest.mark.parametrize("told", ["yesterday", "45-Feb-20  14:42:35", "05-Foo-20  14:42:35"])
def test_impossible_times_are_told(told: str) -> None:
    mdoc = Mdoc.parse(STACK.replace("30-Nov-15  15:21:38", told).encode())
    with pytest.raises(AcquisitionFileError, match="DateTime"):
        _ = mdoc.images[0].taken_at


@given(st.integers(0, len(STACK)))
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes_or_told(length: int) -> None:
    try:
        mdoc = Mdoc.parse(STACK[:length].encode())
    except AcquisitionFileError:
        return
    assert mdoc.text() == STACK[:length]


@pytest.mark.real_data
def test_real_files_come_back_byte_for_byte(real_data: Path, tmp_path: Path) -> None:
    paths = sorted((real_data / "grids/sessions/serialem").glob("*.mdoc"))
    assert len(paths) >= 8
    for path in paths:
        Mdoc.read(path).write(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == path.read_bytes(), path.name


@pytest.mark.real_data
def test_real_files_say_what_they_say(real_data: Path) -> None:
    folder = real_data / "grids/sessions/serialem"
    montage = Mdoc.read(folder / "gm.mrc.mdoc")
    assert montage.is_montage
    assert montage.images[0].pixel_size_angstrom == 2312
    assert len(montage.pieces()) == len(montage.images)
    series = Mdoc.read(folder / "tilt_series.mdoc")
    assert series.is_tilt_series
    assert series.images[1].tilt_deg == 3.00113
    movie = Mdoc.read(folder / "frame_set_multiple.mdoc")
    assert (len(movie.frame_sets), movie.frame_sets[0].frames) == (1, 243)
    assert len(movie.images) > 5
