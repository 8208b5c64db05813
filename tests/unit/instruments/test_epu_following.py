"""Live EPU sessions: whatever order files come in, half written or not, the same is known in the end."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.epu import PlacedImage, SessionFollower, follow_session, read_session
from structloop.instruments.epu.following import is_share
from structloop.instruments.epu.scanning import scan
from structloop.schema.grids import ImageLevel, RemarkKind
from support import epu_trees
from support.epu_trees import EPU_3, HOLES, SQUARE


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = epu_trees.write_session(tmp_path_factory.mktemp("whole"))
    folder = root / "Images-Disc1" / f"GridSquare_{SQUARE}"
    epu_trees.write_image(folder / "Data", epu_trees.exposure_stem(hole="903"), epu_trees.image_xml())
    epu_trees.write_image(folder.parent / "GridSquare_777" / "FoilHoles", "FoilHole_1_20230102_123000", "broken")
    epu_trees.write_text(root / "junk.bin", "x")
    return root


def paths_below(root: Path) -> list[str]:
    return sorted(seen.path for seen in scan(root))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_shuffled_arrival_gives_the_same_record(whole: Path, data: st.DataObject) -> None:
    paths = data.draw(st.permutations(paths_below(whole)))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(paths) - 1), max_size=4)))
    follower = SessionFollower(whole, settle_s=0, patience_s=1e9)
    placed: list[PlacedImage] = []
    for at, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(paths)], strict=True)):
        placed += follower.look(at, paths[start:stop]).images
    placed += follower.look(99, [], final=True).images
    assert follower.records() == (read_session(whole),)
    assert len({item.image.key for item in placed}) == len(placed) == 5
    assert {item.shows for item in placed if item.orphan} == {"1", epu_trees.exposure_stem(hole="903")}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_without_lists_images_wait_for_the_images_of_what_they_lie_in(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "Images-Disc1" / f"GridSquare_{SQUARE}"
    images = {
        SQUARE: folder / f"GridSquare_{EPU_3.stamp}",
        HOLES[0]: folder / "FoilHoles" / epu_trees.hole_stem(),
        HOLES[1]: folder / "FoilHoles" / epu_trees.hole_stem(hole=HOLES[1]),
        "first": folder / "Data" / epu_trees.exposure_stem(),
        "second": folder / "Data" / epu_trees.exposure_stem(hole=HOLES[1]),
    }
    for stem in images.values():
        epu_trees.write_image(stem.parent, stem.name, epu_trees.image_xml())
    follower = SessionFollower(tmp_path, settle_s=0, patience_s=1e9)
    shown: list[str] = []
    for at, path in enumerate(data.draw(st.permutations(paths_below(tmp_path)))):
        for item in follower.look(at, [path]).images:
            assert item.image.level is ImageLevel.SQUARE or item.parent in shown
            assert not item.orphan
            shown.append(item.shows)
    assert len(shown) == len(images)


def test_what_was_seen_so_far_is_a_record_too(whole: Path) -> None:
    follower = SessionFollower(whole, settle_s=0)
    assert follower.records() == ()
    follower.look(0, [f"Images-Disc1/GridSquare_{SQUARE}/Data"])
    [record] = follower.records()
    assert [exposure.hole_key for exposure in record.exposures] == ["901", "903"]
    assert {remark.kind for remark in record.remarks} == {RemarkKind.ORPHAN, RemarkKind.MISSING}


def test_an_exposure_waits_for_its_hole_and_that_for_its_square(tmp_path: Path) -> None:
    root = tmp_path
    folder = root / "Images-Disc1" / f"GridSquare_{SQUARE}"
    follower = SessionFollower(root, settle_s=0, patience_s=100)
    epu_trees.write_image(folder / "Data", epu_trees.exposure_stem(), epu_trees.image_xml())
    assert follower.look(0).images == ()
    epu_trees.write_image(folder / "FoilHoles", epu_trees.hole_stem(), epu_trees.image_xml())
    assert follower.look(1).images == ()
    epu_trees.write_image(folder, f"GridSquare_{EPU_3.stamp}", epu_trees.image_xml())
    images = follower.look(2).images
    assert [(item.image.level, item.shows, item.parent, item.orphan) for item in images] == [
        (ImageLevel.SQUARE, SQUARE, None, False),
        (ImageLevel.HOLE, HOLES[0], SQUARE, False),
        (ImageLevel.EXPOSURE, epu_trees.exposure_stem(), HOLES[0], False),
    ]
    assert follower.look(3).images == (), "each is told once"


def test_patience_ends(tmp_path: Path) -> None:
    follower = SessionFollower(tmp_path, settle_s=0, patience_s=100)
    folder = tmp_path / "Images-Disc1" / f"GridSquare_{SQUARE}" / "Data"
    epu_trees.write_image(folder, epu_trees.exposure_stem(), epu_trees.image_xml())
    assert follower.look(0).images == ()
    assert follower.look(99).images == ()
    [orphan] = follower.look(101).images
    assert orphan.orphan


def test_files_are_read_once_they_have_settled(tmp_path: Path) -> None:
    epu_trees.write_text(tmp_path / "EpuSession.dm", epu_trees.session_xml())
    folder = tmp_path / "Images-Disc1" / f"GridSquare_{SQUARE}"
    stem = folder / f"GridSquare_{EPU_3.stamp}"
    xml = epu_trees.image_xml()
    follower = SessionFollower(tmp_path, settle_s=2, patience_s=100)
    assert follower.look(0).changed == ()
    epu_trees.write_text(stem.with_suffix(".xml"), xml[:300])
    assert follower.look(2).changed == ("EpuSession.dm",)
    epu_trees.write_text(stem.with_suffix(".xml"), xml[:500])
    assert follower.look(3).changed == (), "it has grown since"
    assert follower.look(5).changed == (stem.with_suffix(".xml").relative_to(tmp_path).as_posix(),)
    told = follower.records()[0].remarks
    assert [remark.kind for remark in told if remark.kind is not RemarkKind.MISSING] == [RemarkKind.UNREADABLE]
    epu_trees.write_text(stem.with_suffix(".xml"), xml)
    epu_trees.write_jpeg(stem.with_suffix(".jpg"))
    assert follower.look(6).images == ()
    [image] = follower.look(8).images
    assert image.shows == SQUARE
    assert image.image.pixel_size_angstrom == pytest.approx(400)
    assert {remark.kind for remark in follower.records()[0].remarks} == {RemarkKind.MISSING}


def test_old_files_have_settled_when_they_are_first_seen(whole: Path) -> None:
    follower = SessionFollower(whole, settle_s=60)
    newest = max((whole / path).stat().st_mtime for path in paths_below(whole))
    assert follower.look(0, wall_s=newest + 1).changed == ()
    again = SessionFollower(whole, settle_s=60)
    assert len(again.look(0, wall_s=newest + 61).changed) == len(paths_below(whole))


def test_changed_and_deleted_files_are_noticed_and_half_written_ones_change_nothing(tmp_path: Path) -> None:
    epu_trees.write_session(tmp_path)
    follower = SessionFollower(tmp_path, settle_s=0)
    follower.look(0)
    square = tmp_path / "Metadata" / f"GridSquare_{SQUARE}.dm"
    whole = epu_trees.square_xml(state="Completed")
    epu_trees.write_text(square, whole[:700])
    follower.look(1)
    assert follower.records()[0].squares[0].state == "Defined", "the old still holds"
    epu_trees.write_text(square, whole)
    assert follower.look(2).changed == (f"Metadata/GridSquare_{SQUARE}.dm",)
    assert follower.records()[0].squares[0].state == "Completed"
    square.unlink()
    follower.look(3)
    assert follower.records()[0].squares[0].state is None


def test_following_tells_what_is_there_and_what_comes_and_ends_when_told(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path / "session")
    folder = root / "Images-Disc1" / f"GridSquare_{SQUARE}"
    late = epu_trees.exposure_stem(hole=HOLES[1])

    async def follow(*, poll: bool) -> list[str]:
        stop = asyncio.Event()
        shown: list[str] = []
        async with asyncio.timeout(30):
            async for update in follow_session(root, stop=stop, settle_s=0.05, poll=poll):
                shown += [item.shows for item in update.images]
                if late in shown:
                    stop.set()
                elif epu_trees.exposure_stem() in shown:
                    epu_trees.write_image(folder / "Data", late, epu_trees.image_xml())
        return shown

    for poll in (False, True):
        assert asyncio.run(follow(poll=poll)) == [SQUARE, HOLES[0], epu_trees.exposure_stem(), late]
        for ending in (".xml", ".jpg"):
            (folder / "Data" / f"{late}{ending}").unlink()


def test_a_quiet_session_ends(tmp_path: Path) -> None:
    root = epu_trees.write_session(tmp_path)

    async def follow() -> list[bool]:
        async with asyncio.timeout(30):
            return [update.final async for update in follow_session(root, settle_s=0, quiet_s=0.1)]

    assert asyncio.run(follow())[-1] is True


def test_a_folder_that_is_not_there_cannot_be_followed(tmp_path: Path) -> None:
    async def follow() -> None:
        async for _ in follow_session(tmp_path / "nowhere"):
            pass

    with pytest.raises(AcquisitionFileError, match="no folder"):
        asyncio.run(follow())


def test_shares_are_told_from_disks(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    (tmp_path / "share" / "disk").mkdir(parents=True)
    mounts.write_text(
        f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path}/share nfs4 rw 0 0\n/dev/b {tmp_path}/share/disk xfs rw 0 0\n"
    )
    assert is_share(tmp_path / "share", mounts)
    assert not is_share(tmp_path / "share" / "disk", mounts)
    assert not is_share(tmp_path, mounts)
    assert not is_share(tmp_path, tmp_path / "no-such-list")


def test_the_follower_never_leaves_its_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    epu_trees.write_image(outside, f"GridSquare_{EPU_3.stamp}", epu_trees.image_xml())
    root = tmp_path / "session"
    epu_trees.write_text(root / "EpuSession.dm", epu_trees.session_xml())
    (root / f"GridSquare_{EPU_3.stamp}.xml").symlink_to(outside / f"GridSquare_{EPU_3.stamp}.xml")
    follower = SessionFollower(root, settle_s=0)
    follower.look(0, ["EpuSession.dm", f"GridSquare_{EPU_3.stamp}.xml", f"../outside/GridSquare_{EPU_3.stamp}.xml"])
    [record] = follower.records()
    assert all(not square.images for square in record.squares)
    assert {remark.kind for remark in record.remarks} == {RemarkKind.IGNORED, RemarkKind.MISSING}
