"""The layers of the architecture hold, and the check that says so fails when they are broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# One forbidden import per contract: a new file, what it imports, and the contract that must notice.
VIOLATIONS = [
    ("schema/broken_upwards.py", "import structloop.store", "Layers"),
    ("store/broken_beside.py", "import structloop.models", "Layers"),
    ("crystals/broken_testing.py", "import structloop.testing", "Nothing imports the conformance suites"),
    ("jobs/broken_network.py", "import torch", "Networks are loaded in models"),
    ("crystals/broken_web.py", "import fastapi", "The web framework stays in the API"),
    ("api/broken_queue.py", "import dbos", "The queue's library stays in jobs"),
    ("imaging/broken_database.py", "import sqlalchemy", "The database stays in the store"),
]


def lint_imports(source: Path, configuration: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter on the package below `source`, with the contracts of `configuration`."""
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [tool, "--config", configuration, "--no-cache"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def verdicts(output: str) -> dict[str, str]:
    """KEPT or BROKEN by the contract's name."""
    found = {}
    for line in output.splitlines():
        for verdict in ("KEPT", "BROKEN"):
            if line.rstrip().endswith(f" {verdict}"):
                found[line.rstrip().removesuffix(verdict).strip()] = verdict
    return found


def test_the_import_contracts_are_kept() -> None:
    result = lint_imports(ROOT / "src", ROOT / "pyproject.toml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert set(verdicts(result.stdout).values()) == {"KEPT"}


def test_each_contract_notices_a_forbidden_import(tmp_path: Path) -> None:
    package = tmp_path / "structloop"
    shutil.copytree(
        ROOT / "src" / "structloop", package, ignore=shutil.ignore_patterns("web", "weights", "__pycache__")
    )
    for name, statement, _ in VIOLATIONS:
        (package / name).write_text(f"{statement}\n")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    result = lint_imports(tmp_path, tmp_path / "pyproject.toml")

    assert result.returncode != 0
    found = verdicts(result.stdout)
    for name, _, contract in VIOLATIONS:
        states = [state for title, state in found.items() if title.startswith(contract)]
        assert states == ["BROKEN"], f"{contract} is not broken; the output was:\n{result.stdout}"
        assert f"structloop.{name.removesuffix('.py').replace('/', '.')}" in result.stdout


def test_a_folder_outside_the_layers_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "structloop"
    shutil.copytree(
        ROOT / "src" / "structloop", package, ignore=shutil.ignore_patterns("web", "weights", "__pycache__")
    )
    (package / "helpers").mkdir()
    (package / "helpers" / "__init__.py").write_text("")
    result = lint_imports(tmp_path, ROOT / "pyproject.toml")
    assert result.returncode != 0
    assert "structloop.helpers" in result.stdout + result.stderr


@pytest.mark.parametrize("folder", ["grids", "particles", "loop", "micrographs", "instruments"])
def test_layers_that_are_planned_have_their_place_already(folder: str) -> None:
    assert f"({folder})" in (ROOT / "pyproject.toml").read_text() or (ROOT / "src" / "structloop" / folder).is_dir()
