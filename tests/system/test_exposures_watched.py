"""A folder of simulated movies with mixed faults fills while it is watched; the watch is killed and started again."""

import json
import random
import signal
from collections import Counter
from contextlib import AbstractContextManager, closing
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest

from structloop.exposures.journal import JOURNAL
from structloop.exposures.listing import list_sessions
from structloop.micrographs.motion.relion import read_corrected_micrographs
from structloop.simulation.micrographs import Recipe, make_up_optics, make_up_specimen
from structloop.simulation.movies import Motion, render_movie
from structloop.store import Database
from structloop.store.tables import ProcessedExposure
from support.exposures import write_no_frames, write_not_numbers
from support.movies import write_mrc_movie
from support.processes import WITHIN_S, started, until

SIDE_PX, FRAMES, PIXEL_ANGSTROM = 288, 6, 1.5
FINE = 7
PLAIN = Recipe(
    film_edge=0, film_below=0, contamination=0, aggregates=0, crystalline=0, beads=0, tilted=0, drifting=0, empty=0
)


def simulated(path: Path, seed: int, angstrom: float | None = PIXEL_ANGSTROM) -> Path:
    """A movie of the physical renderer."""
    side = SIDE_PX
    made = make_up_specimen(seed, width_px=side, height_px=side, pixel_size_angstrom=PIXEL_ANGSTROM, recipe=PLAIN)
    motion = Motion.realistic(seed, FRAMES, side, side, drift_px=6.0, bend_px=0.2)
    frames = render_movie(made.specimen, make_up_optics(seed, voltage_kv=300.0), 8.0, FRAMES, motion, seed)
    return write_mrc_movie(path, np.stack(list(frames)).astype(np.int16), angstrom)


def watching(output: Path, folder: Path, out: Path, gain: Path, *more: str) -> AbstractContextManager[Popen[bytes]]:
    where = ("micrographs", "watch", str(folder), "--out", str(out), "--gain", str(gain))
    how = ("--threads", "1", "--no-condition", "--workers", "2")
    return started(output, *where, *how, *more, STRUCTLOOP_SETTLE_S="0.5")


def lines(out: Path) -> list[dict[str, object]]:
    path = out / JOURNAL
    if not path.exists():
        return []
    return [json.loads(line)["record"] for line in path.read_text().split("\n")[:-1]]


def rename_in(source: Path, folder: Path) -> None:
    source.replace(folder / source.name)


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_nothing_twice_nothing_lost(home: Path, tmp_path: Path) -> None:
    made, folder, out = tmp_path / "made", tmp_path / "raw", tmp_path / "out"
    made.mkdir()
    folder.mkdir()
    gain = write_mrc_movie(tmp_path / "gain.mrc", np.ones((SIDE_PX, SIDE_PX), np.float32))
    fine = [simulated(made / f"m{seed}.mrcs", seed) for seed in range(FINE)]
    whole = fine[0].read_bytes()
    # Movies on their way in, and such as never will be any good.
    (made / "cut.mrcs").write_bytes(whole[: len(whole) // 2])
    (made / "zero.mrcs").touch()
    write_mrc_movie(made / "small.mrcs", np.ones((4, 128, 128), np.int16), PIXEL_ANGSTROM)
    simulated(made / "unknown.mrcs", 30, angstrom=None)
    write_no_frames(made / "none.mrcs")
    write_not_numbers(made / "nan.mrcs", side=SIDE_PX)
    faulty = [made / f"{name}.mrcs" for name in ("cut", "zero", "small", "unknown", "none", "nan")]
    order = [*fine, *faulty]
    random.Random(5).shuffle(order)

    for path in order[:4]:
        rename_in(path, folder)
    output, refused = tmp_path / "output.txt", tmp_path / "refused.txt"
    with watching(output, folder, out, gain) as process:
        until(lambda: len(lines(out)) >= 2, process, output)
        for path in order[4:7]:
            rename_in(path, folder)
        # A slow copy: the file stops growing for longer than a file must be still.
        (folder / "slow.mrcs").write_bytes(whole[:200_000])
        with watching(refused, folder, out, gain) as second:
            assert second.wait(WITHIN_S) == 1
        until(lambda: "slow" in [each["name"] for each in lines(out)], process, output)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert f"{out} is being filled by another process" in refused.read_text()

    # It dies with half a line, the rest comes, a movie that was done is written again, and one is not there any more.
    before = lines(out)
    with (out / JOURNAL).open("a") as file:
        file.write('{"format": 1, "rec')
    (folder / "slow.mrcs").write_bytes(whole)
    changed = next(str(each["name"]) for each in before if each["state"] == "done")
    write_mrc_movie(
        folder / f"{changed}.mrcs", np.frombuffer(whole[1024:], np.int16).reshape(FRAMES, SIDE_PX, -1)[1:], 1.5
    )
    for path in order[7:]:
        rename_in(path, folder)
    with watching(output, folder, out, gain, "--until-idle", "2") as process:
        assert process.wait(WITHIN_S) == 0, output.read_text()

    assert lines(out)[: len(before)] == before
    times = Counter(str(each["name"]) for each in lines(out))
    assert {name for name, count in times.items() if count > 1} == {changed, "slow"}
    assert max(times.values()) == 2
    with closing(Database(f"sqlite:///{home / 'structloop.db'}")) as database:
        (session,) = list_sessions(database)
        with database.reading() as reading:
            rows = {row.name: row for row in reading.query(ProcessedExposure)}
    good = {*(f"m{seed}" for seed in range(FINE)), "slow"}
    assert {name for name, row in rows.items() if row.state == "done"} == good
    assert {name: (row.reason or "") for name, row in rows.items() if row.state == "failed"}.keys() == {
        path.stem for path in faulty
    }
    for name, words in {
        "cut": "is cut off",
        "zero": "is empty (0 bytes)",
        "small": "the gain reference is",
        "unknown": "its pixel size is not known",
        "none": "holds no frames (0 sections of",
        "nan": "pixels of frame 3 are no numbers",
    }.items():
        assert words in (rows[name].reason or "")
    assert "the file changed after it was processed first" in rows[changed].details["remarks"][0]
    assert "the file changed after it failed first" in rows["slow"].details["remarks"][0]
    assert (session.state, session.done, session.failed, session.waiting) == ("finished", len(good), len(faulty), 0)
    assert {one.name for one in read_corrected_micrographs(out / "corrected_micrographs.star")} == {
        f"{name}.mrc" for name in good
    }
    assert [path.name for path in out.rglob("*.part")] == []
