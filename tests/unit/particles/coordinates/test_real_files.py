"""Files that other programs wrote: each is read, or refused with what is wrong with it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import CoordinateFileError
from structloop.particles.coordinates import read_coordinates, write_coordinates

pytestmark = pytest.mark.real_data

# Per file: micrographs, picks, whether there are scores, the first place.
READ = {
    "2d_center.box": (1, 3, False, (24, 40)),
    "2d_left.box": (1, 3, False, (24, 40)),
    "2d_particles.cbox": (1, 3, False, (24.1877, 40.459892)),
    "ActLifeact_02885.cbox": (1, 223, True, (83.5926053042125, 2540.425803432137)),
    "TcdA1-0018_frames_sum.cbox": (1, 120, True, (3810.3671875, 3984.455551147461)),
    "relion31.star": (1, 5, False, (3277, 983)),
    "relion5.star": (2, 17, True, (1736, 228)),
    "sample.box": (1, 440, False, (3651, 3033)),
    "sample.coord": (1, 440, False, (3523, 2905)),
    "sample_particles_relion30.star": (1, 17, True, (2158.111921, 3073.912046)),
    "sample_particles_relion31.star": (1, 17, True, (2158.111921, 3073.912046)),
}
REFUSED = {
    "2d_corrupt_has_string.box": "line 2: x 'sixty_three' is not a finite number",
    "cryosparc_P12_J24_001_particles.cs": "no field location/center_x_frac",
    "empiar_10076_7.cs": "no field location/center_x_frac",
    "empiar_10076_7.star": "does not say where its particles are",
    "sample_relion_autopick.star": "'relion_coord.star' of its list is not there",
}


def test_every_file_is_known_here(real_data: Path) -> None:
    assert {path.name for path in (real_data / "particles/formats").iterdir()} == {*READ, *REFUSED}


@pytest.mark.parametrize("name", READ)
def test_it_is_read(real_data: Path, name: str) -> None:
    micrographs, count, scored, first = READ[name]
    picks = read_coordinates(real_data / "particles/formats" / name)
    assert (len(picks.micrographs), picks.count) == (micrographs, count)
    assert all((each.scores is not None) == scored for each in picks)
    np.testing.assert_allclose(picks.micrographs[0].xy_px[0], first, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(real_data: Path, name: str) -> None:
    with pytest.raises(CoordinateFileError, match=REFUSED[name]):
        read_coordinates(real_data / "particles/formats" / name)


@pytest.mark.parametrize("name", [name for name in READ if name.endswith((".star", ".cbox", ".box"))])
def test_it_survives_being_written_in_its_own_format(real_data: Path, name: str, tmp_path: Path) -> None:
    picks = read_coordinates(real_data / "particles/formats" / name)
    report = write_coordinates(picks, tmp_path / name, box_size_px=0 if name == "2d_center.box" else None)
    assert report.left_out == ()
    again = read_coordinates(tmp_path / name)
    assert again.optics == picks.optics
    for mine, its in zip(picks, again, strict=True):
        np.testing.assert_allclose(its.xy_px, mine.xy_px, rtol=0, atol=1e-9)
        assert its.optics_group == mine.optics_group
        assert {key: list(values) for key, values in its.extra.items()} == {
            key: list(values) for key, values in mine.extra.items()
        }


def test_the_labels_of_empiar_10017_are_counted_per_micrograph(real_data: Path) -> None:
    file = real_data / "particles/empiar_10017/truth.star"
    rows = (line.split() for line in file.read_text().splitlines())
    counted = Counter(row[0] for row in rows if len(row) == 3 and row[0].endswith(".mrc"))
    picks = read_coordinates(file)
    assert {each.micrograph: len(each) for each in picks} == counted
    assert len(picks.micrographs) == 10
    assert picks.count == 6241
    assert picks.micrographs[0].micrograph == "Falcon_2012_06_12-14_33_35_0.mrc"
