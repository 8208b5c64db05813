"""The documentation's code runs, and every command it names exists with the options it names.

A page's blocks run from top to bottom, Python in one namespace, commands (`$ ...` in a `console` block, or all of a
`bash` block) in bash, in a folder that holds `plates/`, a small simulated plate with the truth about its images in
`plates/labels.csv`. A block after the comment `<!-- not run: why -->` is left out. TOML blocks are settings and must
be valid ones; JSON blocks must parse.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from structloop.core.settings import Settings
from support.processes import WITHIN_S

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, the line it begins on, and whether it is to be run."""

    language: str
    text: str
    line: int
    runs: bool


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    marked = False
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        if line.startswith("```"):
            indent = len(lines[index]) - len(lines[index].lstrip())
            end = next(number for number in range(index + 1, len(lines)) if lines[number].strip() == "```")
            text = "\n".join(item[indent:] for item in lines[index + 1 : end])
            yield Block(line.removeprefix("```").split(" ")[0], text, index + 2, not marked)
            index = end
        if line:
            marked = NOT_RUN.fullmatch(line) is not None
        index += 1


def commands(block: Block) -> list[str]:
    """The commands of a `console` or `bash` block, lines continued with a backslash joined."""
    text = block.text.replace("\\\n", " ")
    prompt = "$ " if block.language == "console" and re.search(r"^\$ ", text, flags=re.MULTILINE) else ""
    return [line.removeprefix(prompt) for line in text.splitlines() if line.startswith(prompt) and line.strip()]


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plates/`: six drops at two inspections in visible light and UV, and `labels.csv`."""
    from structloop.simulation.plates import PlateRecipe, plan_plate, write_images, write_truth

    folder = tmp_path_factory.mktemp("simulated") / "plates"
    recipe = PlateRecipe(rows=2, columns=3, days=(1, 5), prevalence=0.5, long_side=320, seed=3)
    written = list(write_images(recipe, plan_plate(recipe), folder))
    write_truth(recipe, written, folder / "labels.csv")
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if any(block.runs for block in blocks(DOCS / page))])
def test_the_code_of_a_page_runs(page: str, simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    shutil.copytree(simulated, work / "plates")
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    # The files of a page are whole when it looks at them.
    monkeypatch.setenv("STRUCTLOOP_SETTLE_S", "0.2")
    namespace: dict[str, Any] = {"__name__": "documentation"}
    for block in blocks(DOCS / page):
        place = f"docs/{page}:{block.line}"
        if not block.runs:
            continue
        if block.language == "python":
            exec(compile(block.text, place, "exec"), namespace)  # noqa: S102  # the documentation's own code
        elif block.language in {"console", "bash"}:
            script = "\n".join(commands(block))
            command = ["bash", "-euo", "pipefail", "-c", script]
            result = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
            assert result.returncode == 0, f"{place}\n{script}\n{result.stdout}{result.stderr}"
        elif block.language == "toml":
            Settings.model_validate(tomllib.loads(block.text))
        elif block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_language_it_is(page: str) -> None:
    assert [f"docs/{page}:{block.line}" for block in blocks(DOCS / page) if not block.language] == []


def named_commands() -> Iterator[tuple[str, str]]:
    """Every structloop command in the README and the documentation, with its place."""
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(DOCS / page for page in PAGES)]:
        for block in blocks(path):
            if block.language in {"console", "bash"}:
                for line in commands(block):
                    if re.match(r"(\S+=\S+ )*structloop\b", line):
                        yield f"{path.relative_to(ROOT)}:{block.line}", line[line.index("structloop") :]


@pytest.mark.parametrize(("place", "line"), sorted(set(named_commands())))
def test_every_command_that_is_named_exists(place: str, line: str) -> None:
    from typer.main import get_command

    from structloop.cli.main import app

    command: Any = get_command(app)
    options = {name for item in command.params for name in [*item.opts, *item.secondary_opts]} | {"--help"}
    for word in shlex.split(line.split("|")[0].split(" > ")[0], comments=True)[1:]:
        if word.startswith("-"):
            assert word.split("=")[0] in options, f"{place}: {line}: no option {word}"
        elif hasattr(command, "commands"):
            assert word in command.commands, f"{place}: {line}: no command {word}"
            command = command.commands[word]
            options |= {name for item in command.params for name in [*item.opts, *item.secondary_opts]}
