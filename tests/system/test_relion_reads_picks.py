"""RELION itself takes the picks: as many particles as picked, each where it was picked.

The particle is a disc with a smaller one beside it, so that nothing but the right place gives the right mean: a test
below makes the faults that users lose days to, and sees that each would be noticed.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from numpy.typing import NDArray

from structloop.particles.coordinates import described_by, read_coordinates, read_micrograph_list, write_coordinates
from structloop.particles.coordinates.micrograph_lists import with_size
from structloop.particles.coordinates.optics import with_optics
from structloop.schema.particles import MicrographPicks, PickSet
from support.processes import WITHIN_S

pytestmark = pytest.mark.skipif(
    shutil.which("relion_preprocess") is None, reason="relion_preprocess is not there (apt-get install relion)"
)

HEIGHT, WIDTH, BOX = 300, 420, 40
PIXEL_SIZE = 2.0
# The same but for what stands after an underscore: a name that is cut there is another micrograph's.
NAMES = ("FoilHole_01_Data_7.mrc", "FoilHole_01_Data_8.mrc")
MICROGRAPHS_STAR = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnVoltage #4
_rlnSphericalAberration #5
_rlnAmplitudeContrast #6
holes 1 2.0 300 2.7 0.1


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
Micrographs/FoilHole_01_Data_7.mrc 1
Micrographs/FoilHole_01_Data_8.mrc 1
"""


@dataclass(frozen=True)
class Extracted:
    """What RELION cut out: how many particles, and their mean image (y, x)."""

    count: int
    mean: NDArray[np.float64]


def particle(height: int, width: int, x: float, y: float) -> NDArray[np.float64]:
    """A disc of radius 6 at (x, y), a smaller one to its right and below."""
    rows, columns = np.mgrid[:height, :width]
    image = np.zeros((height, width))
    for dx, dy, radius, height_of in ((0, 0, 6, 1.0), (9, 4, 3, 0.8)):
        distance = np.hypot(columns - x - dx, rows - y - dy)
        image += height_of * np.clip(radius + 0.5 - distance, 0, 1)
    return image


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RELION project: two micrographs that are not square, of 14 and 9 particles, and their list."""
    folder = tmp_path_factory.mktemp("relion")
    (folder / "Micrographs").mkdir()
    (folder / "micrographs.star").write_text(MICROGRAPHS_STAR)
    random = np.random.default_rng(4)
    for name, places in zip(NAMES, PLACES, strict=True):
        image = random.normal(0, 0.4, (HEIGHT, WIDTH))
        for x, y in places:
            image += particle(HEIGHT, WIDTH, x, y)
        with mrcfile.new(folder / "Micrographs" / name) as file:
            file.set_data(image.astype(np.float32))
            file.voxel_size = PIXEL_SIZE
    return folder


def _places() -> list[list[tuple[float, float]]]:
    """Whole places, off the borders, no two near each other, and not the same read from below."""
    random = np.random.default_rng(5)
    cells = [(60 + 60 * column, 45 + 52 * row) for row in range(4) for column in range(6)]
    found = []
    for count in (14, 9):
        chosen = random.permutation(len(cells))[:count]
        jitter = random.integers(-8, 9, (count, 2))
        found.append(
            [(float(cells[c][0] + dx), float(cells[c][1] + dy)) for c, (dx, dy) in zip(chosen, jitter, strict=True)]
        )
    return found


PLACES = _places()
PICKED = sum(map(len, PLACES))


def picks(names: tuple[str, ...] = NAMES) -> PickSet:
    """The picks as a picker makes them: names of files, places, scores."""
    micrographs = [
        MicrographPicks(name, np.array(places), np.linspace(0.5, 0.9, len(places)))
        for name, places in zip(names, PLACES, strict=True)
    ]
    return PickSet(tuple(micrographs), origin="test")


def extract(project: Path, name: str, *arguments: str, micrographs: str = "micrographs.star") -> Extracted:
    """Runs RELION's extraction in its project folder."""
    command = ["relion_preprocess", "--i", micrographs, "--part_star", f"{name}.star", "--part_dir", f"{name}/"]
    result = subprocess.run(
        [*command, *arguments, "--extract", "--extract_size", str(BOX)],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    said = re.search(r"STAR file with (\d+) particles", result.stdout)
    assert result.returncode == 0, result.stdout[-500:] + result.stderr[-1500:]
    assert said is not None, "RELION extracted nothing: " + result.stdout[-500:]
    images = [mrcfile.read(path).reshape(-1, BOX, BOX) for path in sorted((project / name).rglob("*.mrcs"))]
    stack = np.concatenate(images).astype(np.float64)
    assert len(stack) == int(said[1])
    return Extracted(len(stack), stack.mean(axis=0))


def check(extracted: Extracted) -> None:
    """As many as picked, and the mean is one particle, upright, in the middle of the box."""
    assert extracted.count == PICKED, f"{extracted.count} of {PICKED} picks were extracted"
    wanted = particle(BOX, BOX, BOX // 2, BOX // 2)
    wanted -= wanted.mean()
    mean = extracted.mean - extracted.mean.mean()
    likeness = np.fft.ifft2(np.fft.fft2(mean) * np.conj(np.fft.fft2(wanted))).real
    off = tuple(int(each) for each in np.unravel_index(int(np.argmax(likeness)), likeness.shape))
    assert off == (0, 0), f"the mean is {off} rows and columns off"
    alike = float(np.corrcoef(mean.ravel(), wanted.ravel())[0, 1])
    assert alike > 0.9, f"the mean is unlike the particle (correlation {alike:.2f})"


def as_folder(project: Path, name: str, picked: PickSet) -> Extracted:
    """Written with a STAR file per micrograph, extracted as RELION 3.1's extraction job does."""
    known = read_micrograph_list(str(project / "micrographs.star"))
    write_coordinates(described_by(picked, known, rename=True), project / f"Picks_{name}")
    return extract(project, name, "--coord_dir", f"Picks_{name}/", "--coord_suffix", "_autopick.star")


def as_file(project: Path, name: str, picked: PickSet) -> Extracted:
    """Written to one STAR file, extracted as RELION's extraction from a file of particles does."""
    known = read_micrograph_list(str(project / "micrographs.star"))
    written = write_coordinates(described_by(picked, known, rename=True), project / f"picks_{name}.star")
    assert written.remarks == ()
    return extract(project, name, "--reextract_data_star", f"picks_{name}.star")


def test_a_folder_for_relion_is_extracted_from_the_right_places(project: Path) -> None:
    check(as_folder(project, "folder", picks()))


def test_one_file_of_all_micrographs_is_extracted_from_the_right_places(project: Path) -> None:
    check(as_file(project, "file", picks()))


def test_what_relion_makes_of_the_picks_is_read_back_with_their_scores(project: Path) -> None:
    as_file(project, "back", picks())
    back = read_coordinates(project / "back.star")
    assert [each.micrograph for each in back] == [f"Micrographs/{name}" for name in NAMES]
    for mine, its in zip(picks(), back, strict=True):
        np.testing.assert_allclose(its.xy_px, mine.xy_px, atol=1e-6)
        assert mine.scores is not None
        assert its.scores is not None
        np.testing.assert_allclose(its.scores, mine.scores, atol=1e-6)
        assert its.pixel_size_angstrom == PIXEL_SIZE
    assert back.optics[0].name == "holes"


def test_optics_from_the_command_line_are_enough_for_relion(project: Path) -> None:
    named = picks(tuple(f"Micrographs/{name}" for name in NAMES))
    described = with_optics(
        named, pixel_size_angstrom=PIXEL_SIZE, voltage_kv=300, spherical_aberration_mm=2.7, amplitude_contrast=0.1
    )
    write_coordinates(described, project / "picks_optics.star")
    # RELION finds a group by its name, which by default is this one.
    (project / "default.star").write_text(MICROGRAPHS_STAR.replace("holes", "opticsGroup1"))
    check(extract(project, "optics", "--reextract_data_star", "picks_optics.star", micrographs="default.star"))


def moved(dx: float, dy: float) -> Callable[[PickSet, Path], PickSet]:
    """Makes the fault that all picks are some pixels off."""
    return lambda faulty, _: PickSet(
        tuple(replace(each, xy_px=each.xy_px + np.array([dx, dy])) for each in faulty.micrographs)
    )


def flipped(faulty: PickSet, folder: Path) -> PickSet:
    """Makes the fault of a file that counts y from the last row and is read as if from the first."""
    write_coordinates(with_size(faulty, (HEIGHT, WIDTH)), folder / "flipped.csv", y_axis="up")
    return read_coordinates(folder / "flipped.csv")


def swapped(faulty: PickSet, _: Path) -> PickSet:
    """Makes the fault of names that lead to another micrograph."""
    first, second = faulty
    return PickSet((replace(first, micrograph=NAMES[1]), replace(second, micrograph=NAMES[0])))


FAULTS = {"right": moved(3, 0), "down": moved(0, 3), "flipped": flipped, "swapped": swapped}


@pytest.mark.parametrize("how", [as_folder, as_file])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_places_is_noticed(
    project: Path, how: Callable[[Path, str, PickSet], Extracted], fault: str
) -> None:
    extracted = how(project, f"{fault}_{how.__name__}", FAULTS[fault](picks(), project))
    assert extracted.count == PICKED
    with pytest.raises(AssertionError, match=r"rows and columns off|unlike"):
        check(extracted)


def test_names_cut_at_an_underscore_are_noticed(project: Path) -> None:
    first, second = picks()
    cut = PickSet((first, replace(second, micrograph="FoilHole_01_Data.mrc")))
    known = read_micrograph_list(str(project / "micrographs.star"))
    described = described_by(cut, known, rename=True)
    assert any("has no micrograph 'FoilHole_01_Data.mrc'" in remark for remark in described.remarks)
    extracted = as_folder(project, "cut", cut)
    assert extracted.count == len(first)
    with pytest.raises(AssertionError, match="14 of 23"):
        check(extracted)
