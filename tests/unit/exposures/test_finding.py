"""Which movies are meant, what tells of them, and when they are whole."""

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import ExposureError, ImageMissingError
from structloop.exposures.finding import Source
from structloop.exposures.metadata import gather
from structloop.exposures.options import ExposureOptions
from structloop.exposures.throughput import Throughput
from structloop.exposures.watching import Watch
from structloop.micrographs.movies import MovieHeader
from support.exposures import epu_xml, mdoc

PLAIN = ExposureOptions()


def header(path: Path, angstrom: float | None = 1.5, width: int = 384, frames: int = 6) -> MovieHeader:
    return MovieHeader(path, "MRC", width, width, frames, np.dtype(np.int16), angstrom)


def touch(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_which_movies_are_meant(tmp_path: Path) -> None:
    for name in ("b.tiff", "a.mrcs", "a.xml", "notes.txt", ".hidden.mrc", "below/c.eer", "out/a.mrc", "gain.mrc"):
        touch(tmp_path / name)
    leave_out = (tmp_path / "out", tmp_path / "gain.mrc")

    def names(where: str, *, recursive: bool = False) -> list[str]:
        found = Source(str(tmp_path / where), recursive, leave_out=leave_out).look()
        return [each.path.relative_to(tmp_path).as_posix() for each in found]

    assert names("") == ["a.mrcs", "b.tiff"]
    assert names("", recursive=True) == ["a.mrcs", "b.tiff", "below/c.eer"]
    assert names("b.tiff") == ["b.tiff"]
    assert names("*.mrcs") == ["a.mrcs"]
    assert names("**/c.*") == ["below/c.eer"]
    assert [path.name for path, _ in Source(str(tmp_path / "a.mrcs")).look()[0].beside] == ["a.xml"]
    with pytest.raises(ImageMissingError, match="is no movie, no folder of movies, and no pattern that fits one"):
        Source(str(tmp_path / "none*")).look_once()


def test_what_files_say_and_where_they_disagree(tmp_path: Path) -> None:
    movie = touch(
        tmp_path / "krios2" / "Images-Disc1" / "GridSquare_7" / "Data" / "FoilHole_11_Data_2_3_20261121_101500_EER.eer"
    )
    touch(movie.with_name("FoilHole_11_Data_2_3_20261121_101500.xml"), epu_xml(pixel_angstrom=1.2, dose=30))
    (found,) = Source(str(movie.parent)).look()
    told = gather(found, header(movie), PLAIN)
    assert told.value("pixel_size_angstrom") == pytest.approx(1.2)
    assert told.value("voltage_kv") == 200.0
    assert told.value("dose_per_frame") == pytest.approx(5.0)
    assert (told.grid, told.square, told.hole) == ("krios2", "7", "11")
    assert told.stage_um == pytest.approx((10, -20))
    assert told.known["cs_mm"].origin == "default"
    xml = found.beside[0][0].name
    assert told.remarks == (f"pixel size: {xml} says 1.2 Å, header says 1.5 Å; the first counts",)
    # A header's 1 Angstrom says nothing; an option overrules all, and says so.
    assert gather(found, header(movie, 1.0), PLAIN).remarks == ()
    options = ExposureOptions(pixel_size_angstrom=0.9, voltage_kv=200.0)
    told = gather(found, header(movie, None), options)
    assert told.remarks == (
        f"pixel size: the options say 0.9 Å, {found.beside[0][0].name} says 1.2 Å; the first counts",
    )
    assert told.to_json()["pixel_size_angstrom"]["others"][0]["origin"] == xml
    # Super-resolution: twice as many pixels as the readout that EPU tells of.
    assert gather(found, header(movie, None, 768), PLAIN).value("pixel_size_angstrom") == pytest.approx(0.6)
    pattern = re.compile(r"(?P<grid>krios)\d/.*Square_(?P<square>\d)")
    assert (gather(found, header(movie), PLAIN, pattern).grid, told.square) == ("krios", "7")


def test_serialem_and_what_cannot_be_read(tmp_path: Path) -> None:
    movie = touch(tmp_path / "s_001.tif")
    touch(tmp_path / "s_001.tif.mdoc", mdoc("s_001.tif", dose=24))
    (found,) = Source(str(movie)).look()
    told = gather(found, header(movie, None), PLAIN)
    assert {name: known.value for name, known in told.known.items()} == {
        "pixel_size_angstrom": 1.5,
        "voltage_kv": 300.0,
        "cs_mm": 2.7,
        "amplitude_contrast": 0.1,
        "dose_per_frame": pytest.approx(4.0),
    }
    assert (told.hole, told.target_defocus_um, told.tilt_deg) == ("7-3", 1.4, 0.5)
    assert told.taken_at is not None
    assert told.taken_at.isoformat() == "2026-11-21T10:15:00+00:00"
    touch(tmp_path / "s_001.tif.mdoc", "nothing of SerialEM")
    told = gather(found, header(movie, None), PLAIN)
    assert told.value("pixel_size_angstrom") is None
    assert told.remarks[0].startswith("s_001.tif.mdoc was not used, for it cannot be read")
    with pytest.raises(ExposureError, match="dose_per_frame is -1"):
        ExposureOptions(dose_per_frame=-1)


def test_metadata_in_another_folder(tmp_path: Path) -> None:
    movie = touch(tmp_path / "raw" / "FoilHole_1_Data_2_3_20261121_101500_Fractions.mrc")
    touch(tmp_path / "epu" / "GridSquare_4" / "Data" / "FoilHole_1_Data_2_3_20261121_101500.xml", epu_xml())
    (found,) = Source(str(movie.parent), metadata=tmp_path / "epu").look()
    assert gather(found, header(movie, None), PLAIN).value("pixel_size_angstrom") == pytest.approx(1.5)


def test_a_movie_is_given_when_it_is_whole(tmp_path: Path) -> None:
    old = touch(tmp_path / "old.mrcs")
    os.utime(old, (time.time() - 60, time.time() - 60))
    watch = Watch(Source(str(tmp_path)), settle_s=0.3)
    fresh = touch(tmp_path / "fresh.mrcs")
    assert [each.name for each in watch.look()] == ["old"]
    assert watch.settling == 1
    time.sleep(0.2)
    fresh.write_text("longer")
    watch.look()
    time.sleep(0.2)
    # It changed meanwhile, and so waits again.
    assert [each.name for each in watch.look()] == ["old"]
    time.sleep(0.2)
    assert [each.name for each in watch.look()] == ["fresh", "old"]
    touch(tmp_path / "old.xml")
    assert [each.name for each in watch.look()] == ["fresh"]
    old.unlink()
    assert watch.look()[0].name == "fresh"
    assert watch.settling == 0


def test_it_says_when_it_falls_behind() -> None:
    rates = Throughput(0.0)
    assert rates.rates(0.0, 0).behind is None
    for minute in range(20):
        rates.came(60.0 * minute)
        rates.came(60.0 * minute + 20)
        rates.done(60.0 * minute + 59)
    told = rates.rates(1200.0, 20)
    assert (told.arriving_per_hour, told.done_per_hour, told.backlog_s) == (120, 60, 1200)
    assert told.behind == (
        "falling behind: 120 exposures an hour come, 60 are done; 20 wait, about 20 min of work, and 60 more each hour"
    )
    # Later, nothing came for half an hour: it catches up.
    for minute in range(20):
        rates.done(1200.0 + 60 * minute)
    told = rates.rates(3300.0, 2)
    assert (told.arriving_per_hour, told.behind) == (None, None)
