"""What the distribution promises: light start-up, entry points that load, dependencies free to use, one licence."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# What a person waits for when it is imported; help and completion must not.
HEAVY = {"torch", "transformers", "peft", "openvino", "sklearn", "matplotlib", "fastapi", "dbos", "pyvips", "skimage"}
ENTRY_POINTS = sorted(
    (point.group, point.name)
    for point in distribution("structloop").entry_points
    if point.group.startswith("structloop.") or point.group == "console_scripts"
)

MODULES_AFTER_HELP = """
import json, sys
from structloop.cli.main import main
sys.argv = ["structloop", *sys.argv[1:]]
try:
    main()
except SystemExit as leaving:
    code = leaving.code
else:
    code = 0
print("MODULES " + json.dumps([code or 0, sorted({name.split(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize("arguments", [[], ["crystals"], ["crystals", "score"], ["models"], ["jobs"], ["serve"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", MODULES_AFTER_HELP, *arguments, "--help"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    last = result.stdout.splitlines()[-1] if result.stdout else ""
    assert last.startswith("MODULES "), result.stdout + result.stderr
    code, modules = json.loads(last.removeprefix("MODULES "))
    assert code == 0, result.stdout + result.stderr
    assert sorted(HEAVY & set(modules)) == []


@pytest.mark.parametrize(("group", "name"), ENTRY_POINTS)
def test_every_entry_point_loads(group: str, name: str) -> None:
    (point,) = distribution("structloop").entry_points.select(group=group, name=name)
    assert point.load() is not None


def test_the_installed_entry_points_are_those_of_the_source() -> None:
    declared = {("console_scripts", name) for name in PYPROJECT["project"]["scripts"]}
    for group, points in PYPROJECT["project"].get("entry-points", {}).items():
        declared |= {(group, name) for name in points}
    assert set(ENTRY_POINTS) == declared, "install structloop again: its entry points have changed"


def licence_of(found: Distribution) -> str:
    """What a distribution says of its licence: the expression, or else classifiers and the free text's beginning."""
    expression = found.metadata.get_all("License-Expression", [])
    classifiers = [item for item in found.metadata.get_all("Classifier", []) if item.startswith("License ::")]
    free_text = [text[:200] for text in found.metadata.get_all("License", [])]
    return " ".join(expression or classifiers + free_text)


def required_distributions() -> dict[str, str]:
    """Licence of every distribution that structloop needs at run time here, direct or not, by name."""
    licences: dict[str, str] = {}
    queue: list[tuple[str, frozenset[str]]] = [("structloop", frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while queue:
        name, extras = queue.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            # A requirement for another platform or interpreter.
            continue
        licences[name] = licence_of(found)
        for line in found.requires or []:
            requirement = Requirement(line)
            environments = [{"extra": extra} for extra in extras | {""}]
            if requirement.marker is None or any(requirement.marker.evaluate(item) for item in environments):
                queue.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return licences


def forbids_free_use(licence: str) -> bool:
    """Whether a licence is GPL or AGPL (not LGPL, not the linking exceptions) or forbids commercial use."""
    choices = re.split(r"\s+OR\s+", licence)
    return all(
        re.search(r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License|NonCommercial|\bNC\b", choice)
        and not re.search(r"LGPL|Lesser General Public|exception", choice, flags=re.IGNORECASE)
        for choice in choices
    )


@pytest.mark.parametrize(
    ("licence", "forbidden"),
    [
        ("GPL-3.0-only", True),
        ("License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("AGPL-3.0-or-later", True),
        ("CC BY-NC 4.0", True),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("GPL-2.0-or-later OR MIT", False),
        ("BSD-3-Clause", False),
    ],
)
def test_the_rule_on_licences_sees_what_it_should(licence: str, forbidden: bool) -> None:
    assert forbids_free_use(licence) is forbidden


def test_no_required_dependency_restricts_its_users() -> None:
    licences = required_distributions()
    assert len(licences) > len(PYPROJECT["project"]["dependencies"])
    assert [name for name, text in licences.items() if not text] == []
    assert {name: text for name, text in licences.items() if forbids_free_use(text)} == {}


def test_the_constraints_keep_the_plain_build_of_torch() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert any(line.startswith("torch==") for line in pins)
    assert not any("+" in line for line in pins), "a local version such as +cpu is not on the package index"


def test_torchvision_and_timm_stay_out() -> None:
    assert {"torchvision", "timm"} & set(required_distributions()) == set()


def test_the_licence_is_apache() -> None:
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
