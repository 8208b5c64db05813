"""The README's two commands are what the gate runs, and pip is constrained wherever it is named."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = dict(re.findall(r"<!-- command: (\w+) -->\n```console\n(.*?)\n```", README, flags=re.DOTALL))


def test_the_readme_has_two_commands_each_one_line() -> None:
    assert set(COMMANDS) == {"demo", "test"}
    assert [name for name, command in COMMANDS.items() if "\n" in command] == []
    assert COMMANDS["demo"].endswith("structloop demo")
    assert COMMANDS["test"].endswith("pytest")


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_gate_takes_the_command_from_the_readme(name: str) -> None:
    assert f"$(readme_command {name})" in GATE
    assert f'bash -euo pipefail -c "${name}_command"' in GATE


def test_every_installation_is_constrained() -> None:
    places = [README, GATE, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))]
    lines = [line for text in places for line in text.splitlines() if re.search(r"pip install\b.*[ '\"]\.", line)]
    assert lines
    assert [line for line in lines if "-c constraints.txt" not in line] == []


def test_every_set_of_tests_is_one_that_the_gate_counts() -> None:
    sets = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}
    counted = re.search(r"SETS = \((.*)\)", (ROOT / ".ci" / "check_report.py").read_text(encoding="utf-8"))
    assert counted is not None
    assert sets <= set(re.findall(r"\"(\w+)\"", counted[1]))
