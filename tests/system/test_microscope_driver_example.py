"""The example of a third-party driver, installed as its own distribution, passes structloop's conformance suite."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "microscope_driver"

LOOK = """
from structloop.instruments.drivers import microscope_drivers
import structloop_example_microscope
print(microscope_drivers.get("picture").summary, structloop_example_microscope.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but the example's distribution, installed by pip from a copy of its source."""
    folder = tmp_path_factory.mktemp("driver")
    source = shutil.copytree(EXAMPLE, folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    result = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", folder / "installed", source],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "installed"


def run(installed: Path, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.timeout(300)
def test_the_driver_is_found_through_its_entry_point(installed: Path, tmp_path: Path) -> None:
    found = run(installed, "-c", LOOK, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "a microscope whose specimen is a picture" in found.stdout
    assert str(installed) in found.stdout


@pytest.mark.timeout(300)
def test_it_passes_the_conformance_suite(installed: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    result = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests, tests, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


@pytest.mark.timeout(300)
def test_the_command_line_takes_a_picture_through_it(installed: Path, tmp_path: Path) -> None:
    command = ["-m", "structloop", "grids", "snapshot", "--scope", "picture://?seed=2", "--out", "slide.png"]
    result = run(installed, *command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "preset overview, 128 x 96 pixels" in result.stdout
    assert (tmp_path / "slide.png").stat().st_size > 1000
