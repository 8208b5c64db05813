import asyncio
import csv
import json
import math
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.spatial import cKDTree

from structloop.core.errors import SessionFolderError, SimulationError
from structloop.grids.acquisitions.serialem import read_serialem_session
from structloop.grids.acquisitions.simulating import SimulatedOrder, Written, simulate_sessions
from structloop.instruments.epu import read_sessions
from structloop.schema.grids import AcquisitionRecord

ORDER = SimulatedOrder(seed=11, grids=2, squares=1, holes=2, exposures=2, camera_px=128, atlas=(2, 1))


def simulate(folder: Path, layout: str = "epu", order: SimulatedOrder = ORDER) -> Written:
    return asyncio.run(simulate_sessions(order, folder, layout))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return simulate(tmp_path_factory.mktemp("simulated") / "cassette")


@pytest.fixture(scope="module")
def records(written: Written) -> list[AcquisitionRecord]:
    return sorted(read_sessions(written.sessions), key=lambda record: record.session.slot or 0)


def test_a_cassette_written_like_epu_is_read_like_epu(records: list[AcquisitionRecord], written: Written) -> None:
    assert (written.grids, written.squares, written.holes, written.exposures) == (2, 2, 4, 8)
    assert [(record.session.slot, record.session.name) for record in records] == [(1, "grid-1"), (2, "grid-2")]
    for record in records:
        assert record.remarks == ()
        assert [len(atlas.tiles) for atlas in record.atlases] == [2]
        assert len([square for square in record.squares if square.images]) == 1
        assert len([hole for hole in record.holes if hole.images]) == 2
        assert len(record.exposures) == 4


def test_what_is_read_is_where_the_truth_says(records: list[AcquisitionRecord], written: Written) -> None:
    truth = json.loads((written.truth / "truth.json").read_text())
    for record, grid in zip(records, truth["grids"], strict=True):
        told = sorted((square["x_um"], square["y_um"]) for square in grid["squares"])
        assert sorted((s.stage.x_um, s.stage.y_um) for s in record.squares if s.stage) == [
            pytest.approx(place, abs=1e-6) for place in told
        ]
        true = [row for row in rows(written.truth / "holes.csv") if row["grid"] == grid["name"]]
        assert len(record.holes) == len(true)
        assert sum(row["exposed"] == "True" for row in true) == 2
        found = np.array([(hole.stage.x_um, hole.stage.y_um) for hole in record.holes if hole.stage])
        nearest, _ = cKDTree(found).query(np.array([(float(row["x_um"]), float(row["y_um"])) for row in true]))
        assert np.max(nearest) < 2e-4


def test_the_frame_that_holes_imply_is_that_of_the_square_s_image(records: list[AcquisitionRecord]) -> None:
    for record in records:
        (square,) = (square for square in record.squares if square.images)
        assert square.image_to_stage_um is not None
        assert square.images[0].image_to_stage_um is not None
        assert np.allclose(square.image_to_stage_um, square.images[0].image_to_stage_um, rtol=1e-3, atol=1e-5)


def test_pixel_sizes_and_defocus_come_through_the_files(records: list[AcquisitionRecord]) -> None:
    for record in records:
        (atlas,) = record.atlases
        first, last = atlas.tiles[0].image, record.exposures[0].image
        assert first is not None
        assert first.pixel_size_angstrom is not None
        assert atlas.pixel_size_angstrom == pytest.approx(first.pixel_size_angstrom, rel=0.01)
        assert last is not None
        assert last.pixel_size_angstrom == pytest.approx(1.06 * 4096 / 128)
        assert last.defocus_um == pytest.approx(0.8)
        assert (last.width_px, last.height_px) == (128, 128)


def test_exposures_have_their_numbers_and_their_truth(written: Written) -> None:
    images = rows(written.truth / "images.csv")
    particles = rows(written.truth / "particles.csv")
    assert len(images) == 8
    for row in images:
        with mrcfile.open(written.sessions / row["file"]) as file:
            assert file.data.shape == (128, 128)
            assert float(file.voxel_size.x) == pytest.approx(1.06 * 4096 / 128)
        assert len([particle for particle in particles if particle["file"] == row["file"]]) == int(row["particles"])
        defocus = (float(row["defocus_u_um"]) + float(row["defocus_v_um"])) / 2
        assert 0.3 < defocus < 2.5
    assert sum(int(row["particles"]) for row in images) > 0
    quaternion = [float(particles[0][name]) for name in ("qw", "qx", "qy", "qz")]
    assert math.hypot(*quaternion) == pytest.approx(1, abs=1e-3)


def test_the_same_order_makes_the_same_files(written: Written, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again")
    for folder in ("sessions", "truth"):
        one, other = written.sessions.parent / folder, again.sessions.parent / folder
        names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
        for name in names:
            if name.suffix == ".mrc":
                # The header holds the time of writing.
                with mrcfile.open(one / name) as left, mrcfile.open(other / name) as right:
                    assert np.array_equal(left.data, right.data)
            else:
                assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_cassette_written_like_serialem_is_read_like_serialem(tmp_path: Path) -> None:
    written = simulate(tmp_path / "cassette", "serialem")
    truth = json.loads((written.truth / "truth.json").read_text())
    for grid in truth["grids"]:
        record = read_serialem_session(written.sessions / grid["name"])
        assert record.remarks == ()
        true = [row for row in rows(written.truth / "holes.csv") if row["grid"] == grid["name"]]
        assert [len(atlas.tiles) for atlas in record.atlases] == [2]
        (square,) = record.squares
        imaged = [other for other in grid["squares"] if other["imaged"]]
        assert square.stage is not None
        assert (square.stage.x_um, square.stage.y_um) == pytest.approx((imaged[0]["x_um"], imaged[0]["y_um"]), abs=1e-2)
        assert square.images[0].pixel_size_angstrom == pytest.approx(240 * 4096 / 128)
        assert square.images[0].image_to_stage_um is not None
        assert len(record.holes) == len(true)
        assert len([hole for hole in record.holes if hole.images]) == 2
        assert len(record.exposures) == 4
        taken = {hole.key for hole in record.holes if hole.images}
        assert {shot.hole_key for shot in record.exposures} == taken
        assert {shot.square_key for shot in record.exposures} == {square.key}
        assert [shot.image.defocus_um for shot in record.exposures if shot.image] == [0.8, 1.2, 1.2, 1.6]


def test_rows_of_serialem_s_stacks_are_turned_around(tmp_path: Path, written: Written) -> None:
    other = simulate(tmp_path / "cassette", "serialem")
    epu, serialem = (rows(one.truth / "images.csv")[0]["file"] for one in (written, other))
    stack, _, section = serialem.partition("#")
    with mrcfile.open(written.sessions / epu) as one, mrcfile.open(other.sessions / stack) as many:
        assert np.array_equal(one.data, many.data[int(section)][::-1])


def test_sessions_of_other_orders_have_other_ids() -> None:
    assert SimulatedOrder(seed=1).number != SimulatedOrder(seed=2).number
    assert SimulatedOrder(seed=1).number != SimulatedOrder(seed=1, holes=4).number


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SessionFolderError, match="is not empty"):
        simulate(tmp_path)


@pytest.mark.parametrize(
    ("layout", "order", "said"),
    [
        ("leginon", ORDER, "there is no layout 'leginon'"),
        ("epu", SimulatedOrder(seed=1, squares=0), "must be 1 or more"),
        ("epu", SimulatedOrder(seed=1, kinds=("glass",)), "no kind of grid"),
    ],
)
def test_what_cannot_be_made_up_is_said(tmp_path: Path, layout: str, order: SimulatedOrder, said: str) -> None:
    with pytest.raises((SimulationError, ValueError), match=said):
        simulate(tmp_path / "x", layout, order)
