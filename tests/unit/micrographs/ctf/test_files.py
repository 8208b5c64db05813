"""Tables of fits as files: ours are read back, those of RELION and CTFFIND4 mean the same."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import CtfError
from structloop.micrographs.ctf.files import read_ctf_table, write_micrographs_ctf
from structloop.schema.ctf import CtfEstimate, CtfTable

LOGS = Path(os.environ.get("STRUCTLOOP_TEST_DATA", "../shared/data")) / "grids/logs"
CTFFIND = "\n".join(
    [
        "# Output from CTFFind version 4.1.14, run on 2024-04-30 11:10:42",
        "# Input file: a b.mrc ; Number of micrographs: 1",
        "# Pixel size: 1.060 Angstroms ; acceleration voltage: 300.0 keV ; spherical aberration: 2.70 mm ; "
        "amplitude contrast: 0.07",
        "# Box size: 512 pixels ; min. res.: 30.0 Angstroms ; max. res.: 5.0 Angstroms ; min. def.: 5000.0 um; "
        "max. def. 50000.0 um",
        "# Columns: #1 - micrograph number; #2 - defocus 1 [Angstroms]; #3 - defocus 2; ...",
        "1.000000 12345.678 11222.333 -30.50 1.570796 0.123456 3.870000",
        "",
    ]
)


def row(name: str = "a.mrc", **changed: float | str | None) -> CtfEstimate:
    values: dict[str, float | str | None] = {
        "micrograph": name,
        "defocus_u_um": 1.5,
        "defocus_v_um": 1.4,
        "angle_deg": 30.0,
        "voltage_kv": 300.0,
        "cs_mm": 2.7,
        "amplitude_contrast": 0.1,
        "pixel_size_angstrom": 1.06,
        "fit_resolution_angstrom": 3.4,
        "confidence": 0.99,
    }
    return CtfEstimate(**{**values, **changed})  # type: ignore[arg-type]


@given(
    u=st.floats(0.2, 5), astigmatism=st.floats(0, 0.5), angle=st.floats(0, 179.99), shift=st.sampled_from([0.0, 90.0])
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, u: float, astigmatism: float, angle: float, shift: float
) -> None:
    path = tmp_path_factory.mktemp("ctf") / "micrographs_ctf.star"
    made = row(defocus_u_um=u, defocus_v_um=u - astigmatism, angle_deg=angle, phase_shift_deg=shift)
    write_micrographs_ctf(CtfTable((made, row("Data/b.mrc", voltage_kv=200.0, fit_resolution_angstrom=None))), path)
    first, second = read_ctf_table(path)
    assert first.micrograph == "a.mrc"
    assert first.defocus_u_um == pytest.approx(u, abs=1e-6)
    assert first.defocus_v_um == pytest.approx(u - astigmatism, abs=1e-6)
    assert (first.angle_deg - angle + 90) % 180 - 90 == pytest.approx(0, abs=1e-5)
    assert first.phase_shift_deg == pytest.approx(shift)
    assert (first.voltage_kv, second.voltage_kv) == (300, 200)
    assert second.fit_resolution_angstrom is None
    assert first.figure_of_merit == pytest.approx(0.99)


def test_ctffind_results_become_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "a_ctf.txt"
    path.write_text(CTFFIND)
    (found,) = read_ctf_table(path)
    assert found.program == "CTFFIND4"
    assert found.micrograph == "a b.mrc"
    assert found.defocus_u_um == pytest.approx(1.2345678)
    assert found.defocus_v_um == pytest.approx(1.1222333)
    assert found.angle_deg == pytest.approx(149.5)
    assert found.phase_shift_deg == pytest.approx(90, abs=1e-4)
    assert (found.voltage_kv, found.cs_mm, found.amplitude_contrast, found.pixel_size_angstrom) == (
        300,
        2.7,
        0.07,
        1.06,
    )
    assert found.fit_resolution_angstrom == 3.87
    path.write_text(CTFFIND.replace("12345.678", "10000.0").replace("3.870000", "inf"))
    (turned,) = read_ctf_table(path)
    assert turned.defocus_u_um == pytest.approx(1.1222333)
    assert turned.angle_deg == pytest.approx(59.5)
    assert turned.fit_resolution_angstrom is None


def test_a_flat_file_of_relion_30_says_its_pixel_size_by_the_magnification(tmp_path: Path) -> None:
    path = tmp_path / "old.star"
    names = ["MicrographName", "DefocusU", "DefocusV", "DefocusAngle", "Voltage", "SphericalAberration"]
    names += ["AmplitudeContrast", "Magnification", "DetectorPixelSize"]
    columns = "\n".join(f"_rln{name} #{place}" for place, name in enumerate(names, 1))
    path.write_text(f"data_\n\nloop_\n{columns}\nx.mrc 15000 14000 170 300 2.7 0.1 50000 5.3\n")
    (found,) = read_ctf_table(path)
    assert found.pixel_size_angstrom == pytest.approx(1.06)
    assert (found.defocus_u_um, found.angle_deg) == (1.5, 170)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no data_ block"),
        ('{"id": "1", "result": null}', "is JSON: tasks"),
        (CTFFIND.rsplit("\n", 2)[0] + "\n", "holds no result"),
        (CTFFIND.replace("12345.678", "nan"), "is not finite"),
        (CTFFIND.replace(" 0.123456 3.870000", ""), "cut short"),
        ("data_x\n\nloop_\n_rlnMicrographName #1\na.mrc\n", "_rlnDefocusU"),
        ("data_x\n\nloop_\n_rlnMicrographName #1\n_rlnDefocusU #2\na.mrc 1\n", "_rlnDefocusV is missing"),
        (
            "data_x\n\nloop_\n_rlnMicrographName #1\n_rlnDefocusU #2\n_rlnDefocusV #3\n_rlnDefocusAngle #4\n"
            "a.mrc 1 1 0\na.mrc 1 1 0\n",
            "stands there 2 times",
        ),
        (
            "data_x\n\nloop_\n_rlnMicrographName #1\n_rlnDefocusU #2\n_rlnDefocusV #3\n_rlnDefocusAngle #4\n"
            "a.mrc y 1 0\n",
            "'y' is no number",
        ),
    ],
)
def test_faulty_files_are_told_by_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "faulty.star"
    path.write_text(text)
    with pytest.raises(CtfError, match=said) as raised:
        read_ctf_table(path)
    assert "faulty.star" in str(raised.value)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "out.star"
    with pytest.raises(CtfError, match="no fits"):
        write_micrographs_ctf(CtfTable(()), path)
    with pytest.raises(CtfError, match=r"a\.mrc: pixel size"):
        write_micrographs_ctf(CtfTable((row(cs_mm=None),)), path)
    with pytest.raises(CtfError, match="line break"):
        write_micrographs_ctf(CtfTable((row("a\nb.mrc"),)), path)
    assert not path.exists()


@pytest.mark.real_data
@pytest.mark.skipif(not LOGS.is_dir(), reason="no real data at STRUCTLOOP_TEST_DATA")
def test_relions_own_file_of_a_real_session_is_read() -> None:
    table = read_ctf_table(LOGS / "relion_ctf_estimation_output.star")
    assert len(table) > 30
    first = table.estimates[0]
    assert first.micrograph == "MotionCorr/job002/movies/TS_01_000_0_0.mrc"
    assert first.defocus_u_um == pytest.approx(3.9224277)
    assert first.angle_deg == pytest.approx(180 - 15.47666)
    assert first.pixel_size_angstrom == 1.35
    assert all(0 <= each.angle_deg < 180 and each.defocus_v_um <= each.defocus_u_um for each in table)
    assert all(math.isfinite(each.defocus_um) and each.defocus_um > 0.5 for each in table)


@pytest.mark.real_data
@pytest.mark.skipif(not LOGS.is_dir(), reason="no real data at STRUCTLOOP_TEST_DATA")
def test_tasks_without_results_are_not_results() -> None:
    with pytest.raises(CtfError, match="tasks of a workflow"):
        read_ctf_table(LOGS / "ctffind4_output.json")
