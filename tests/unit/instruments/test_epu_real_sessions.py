"""The numbers of real sessions, counted and copied by hand (grep, not our parser) from the files of EPU 3.7 and 3.9."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structloop.instruments.epu import SessionFollower, read_session
from structloop.instruments.epu.scanning import scan
from structloop.schema.acquisition import StagePosition
from structloop.schema.grids import AcquisitionRecord, HoleRecord, ImageRecord, RemarkKind, SquareRecord

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def sessions(real_data: Path) -> Path:
    folder = real_data / "grids" / "sessions"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(scope="module")
def epu_37(sessions: Path) -> AcquisitionRecord:
    return read_session(sessions / "epu_3.7")


@pytest.fixture(scope="module")
def epu_39(sessions: Path) -> AcquisitionRecord:
    return read_session(sessions / "epu_3.9")


def square(record: AcquisitionRecord, key: str) -> SquareRecord:
    return next(item for item in record.squares if item.key == key)


def hole(record: AcquisitionRecord, key: str) -> HoleRecord:
    return next(item for item in record.holes if item.key == key)


def at_um(stage: StagePosition | None) -> tuple[float, float, float]:
    assert stage is not None
    return stage.x_um, stage.y_um, stage.z_um


def test_epu_37_has_the_counts_of_its_files(epu_37: AcquisitionRecord) -> None:
    assert epu_37.session.program_version == "3.7.0.6930"
    assert epu_37.session.name == "Supervisor_20240405_115113_0_SmartEPU_ApoF"
    assert epu_37.session.slot == 4, "AutoloaderSlot is 3, and its atlas lies in Sample4"
    assert [len(items) for items in (epu_37.atlases, epu_37.squares, epu_37.holes)] == [1, 222, 570]
    assert len(epu_37.atlases[0].tiles) == 35
    assert sum(item.near_bar is True for item in epu_37.holes) == 291
    states = [item.state for item in epu_37.holes]
    assert [states.count(state) for state in ("Completed", "Defined", "InProgress")] == [217, 352, 1]
    assert len(epu_37.exposures) == 868, "its list says so; their files are not there"
    assert not any(exposure.image for exposure in epu_37.exposures)


def test_epu_37_has_the_positions_of_its_files(epu_37: AcquisitionRecord) -> None:
    imaged = square(epu_37, "4590776")
    assert at_um(imaged.stage) == pytest.approx((-49.194160965, -561.967724934, 92.991027588))
    assert (imaged.state, imaged.selected, imaged.order, imaged.targets) == ("InProgress", True, 5, 570)
    assert imaged.hole_spacing_um == pytest.approx(4.1280022158)
    assert imaged.atlas_center_px == pytest.approx((1894.62585, 852.104736))

    other = square(epu_37, "4590878")
    assert other.atlas_center_px == pytest.approx((737.4361, 1169.38257))
    assert other.atlas_center_um == pytest.approx((539.7423, -452.097738))
    assert other.size_um == pytest.approx((53.31474, 41.7582))
    assert at_um(other.aligned_stage)[:2] == pytest.approx((510.220823344, -516.262080055))
    assert other.category == "0"

    first, last = hole(epu_37, "5665438"), hole(epu_37, "5666007")
    assert (first.center_px, first.diameter_px, first.near_bar) == ((1396, 972), 51.28809, False)
    assert at_um(first.stage) == pytest.approx((-42.565477385, -559.457644542, 92.991027588))
    assert (first.intensity_mean, first.quality, first.selected) == (723.8662041625372, 1, True)
    assert (last.center_px, last.near_bar, last.selected) == ((2826.3916, 1986.7616), True, False)
    assert at_um(last.stage) == pytest.approx((-96.983776011, -513.859735926, 92.991027588))
    assert last.intensity_mean == 11.337254901960783


def test_epu_37_has_the_scales_of_its_files(epu_37: AcquisitionRecord) -> None:
    [image] = square(epu_37, "4590776").images
    assert image.pixel_size_angstrom == pytest.approx(415.62760344504568)
    assert (image.width_px, image.height_px, image.binning) == (2880, 2046, 2)
    [atlas] = epu_37.atlases
    assert atlas.written_pixel_size_angstrom == pytest.approx(3411.54, abs=0.01), "53.31474 um are 156.277 px"
    # Two tiles, 792 pixels apart, whose stage positions are 370.2 um apart (Atlas.dm): 0.4674 um per pixel.
    assert atlas.pixel_size_angstrom == pytest.approx(4750, abs=30)


def test_the_frame_of_a_square_gives_the_stage_of_each_hole(epu_37: AcquisitionRecord) -> None:
    imaged = square(epu_37, "4590776")
    assert imaged.image_to_stage_um is not None
    assert imaged.image_stage is not None
    (a, b), (c, d) = imaged.image_to_stage_um
    for item in epu_37.holes:
        assert item.center_px is not None
        dx, dy = item.center_px[0] - 2880 / 2, item.center_px[1] - 2046 / 2
        x_um, y_um = imaged.image_stage.x_um + a * dx + b * dy, imaged.image_stage.y_um + c * dx + d * dy
        assert at_um(item.stage)[:2] == pytest.approx((x_um, y_um), abs=1e-4)
    assert at_um(imaged.image_stage)[:2] == pytest.approx((-44.1801755, -557.234008)), "the image's own XML says so"
    own = imaged.images[0].image_to_stage_um
    assert own is not None
    for fitted, written in zip((a, b, c, d), (*own[0], *own[1]), strict=True):
        assert fitted == pytest.approx(written, abs=0.0015), "EPU's matrix, turned about and binned, within 4 %"


def test_the_matrix_says_where_the_stage_goes_when_epu_centres_on_a_hole(epu_39: AcquisitionRecord) -> None:
    for key in ("9015889", "9028276"):
        before, after = hole(epu_39, key).images
        assert before.image_to_stage_um is not None
        assert before.found_hole is not None
        (a, b), (c, d) = before.image_to_stage_um
        dx, dy = before.found_hole.center_px[0] - 1440, before.found_hole.center_px[1] - 1023
        moved = [late - early for early, late in zip(at_um(before.stage), at_um(after.stage), strict=True)]
        assert moved[:2] == pytest.approx([a * dx + b * dy, c * dx + d * dy], abs=0.02)


def test_epu_39_has_the_counts_and_orphans_of_its_files(epu_39: AcquisitionRecord) -> None:
    assert epu_39.session.program_version == "3.9.1.8206"
    assert epu_39.session.slot == 7, "AutoloaderSlot is 6, and its atlas lay in Sample7"
    assert epu_39.session.hole_size_um == pytest.approx(1.3438822911617223)
    assert len(epu_39.squares) == 228
    assert {item.key for item in epu_39.squares if item.images} == {"8999138", "8999186"}
    assert [item.key for item in epu_39.holes] == ["9015883", "9015889", "9028219", "9028276", "9028325"]
    assert [len(item.images) for item in epu_39.holes] == [0, 2, 0, 2, 1]
    assert [(item.hole_key, item.area, item.number) for item in epu_39.exposures] == [
        ("9015883", "9017347", 6),
        ("9015883", "9017354", 6),
        ("9028219", "9017347", 50),
        ("9028219", "9017354", 50),
    ]
    kinds = [remark.kind for remark in epu_39.remarks]
    assert kinds.count(RemarkKind.ORPHAN) == 4, "no list and no image of the holes that were exposed"
    [incomplete] = [remark for remark in epu_39.remarks if remark.kind is RemarkKind.INCOMPLETE]
    assert incomplete.path.endswith("FoilHole_9028325_20250109_063110.jpg")


def test_epu_39_has_the_numbers_of_its_images(epu_39: AcquisitionRecord) -> None:
    [image] = square(epu_39, "8999138").images
    assert at_um(image.stage) == pytest.approx((-98.8056647, -164.716208, 85.6972616))
    assert image.pixel_size_angstrom == pytest.approx(415.62760344504568)
    assert image.picture_pixel_size_angstrom == pytest.approx(415.62760344504568 * 2880 / 512)

    first = hole(epu_39, "9015889").images[0]
    assert first.pixel_size_angstrom == pytest.approx(16.359115173614214)
    assert first.picture_pixel_size_angstrom == pytest.approx(16.359115173614214 * 5.625)
    assert at_um(first.stage) == pytest.approx((-97.2571444, -152.31732, 85.710844035))
    assert first.found_hole is not None
    assert first.found_hole.center_px == (1495.524, 1275.29517)
    assert first.found_hole.quality == pytest.approx(0.80907285213)

    exposure = epu_39.exposures[0].image
    assert exposure is not None
    assert_first_exposure(exposure)


def assert_first_exposure(image: ImageRecord) -> None:
    assert image.pixel_size_angstrom == pytest.approx(1.0558814239614023)
    assert image.picture_pixel_size_angstrom == pytest.approx(1.0558814239614023 * 5.625)
    assert (image.picture_width_px, image.picture_height_px) == (512, 364)
    assert at_um(image.stage) == pytest.approx((-97.152028, -152.721848, 85.710844035))
    assert (image.defocus_um, image.measured_defocus_um) == pytest.approx((2.7, -0.48416022919657485))
    assert image.dose_e_per_angstrom2 == pytest.approx(14.410836806690226)
    assert image.dose_e_per_px == pytest.approx(16.066434172649398)
    assert (image.exposure_s, image.frames, image.voltage_kv, image.magnification) == (0.89, 50, 300, 165000)
    assert image.beam_shift == (0.060867246240377426, -0.15422800183296204)
    assert image.beam_diameter_um == pytest.approx(0.83)
    assert (image.detector, image.slit_width_ev, image.spot_size) == ("BioQuantum K3", 20, 5)
    apertures = (("C1", "2000"), ("C2", "50"), ("C3", "None"), ("OBJ", "100"), ("SA", "None"))
    assert image.apertures == apertures
    assert image.taken_at is not None
    assert image.taken_at.isoformat() == "2025-01-08T15:49:18.115828+00:00"


def test_the_large_list_of_a_square_is_read_whole(sessions: Path, tmp_path: Path) -> None:
    shutil.copytree(sessions / "epu_3.7" / "EPU_session" / "Metadata", tmp_path / "Metadata")
    record = read_session(tmp_path)
    assert len(record.holes) == 570


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_shuffled_arrival_gives_the_same_session(
    sessions: Path, epu_39: AcquisitionRecord, data: st.DataObject
) -> None:
    root = sessions / "epu_3.9"
    paths = data.draw(st.permutations(sorted(seen.path for seen in scan(root))))
    cut = data.draw(st.integers(0, len(paths)))
    follower = SessionFollower(root, settle_s=0)
    follower.look(0, paths[:cut])
    follower.records()
    follower.look(1, paths[cut:], final=True)
    assert follower.records() == (epu_39,)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_shuffled_arrival_finds_the_atlas_too(sessions: Path, epu_37: AcquisitionRecord, data: st.DataObject) -> None:
    root = sessions / "epu_3.7"
    follower = SessionFollower(root, settle_s=0)
    for at, path in enumerate(data.draw(st.permutations(sorted(seen.path for seen in scan(root))))):
        follower.look(at, [path])
        follower.records()
    assert follower.records() == (epu_37,)
