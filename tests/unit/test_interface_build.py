"""The build hook: builds the browser interface, uses one that is there, and says in one line why it could not."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """`hatch_build.py`, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A source folder with an interface to build."""
    web = tmp_path / "checkout" / "web"
    (web / "src").mkdir(parents=True)
    (web / "package.json").write_text("{}", encoding="utf-8")
    (web / "src" / "main.tsx").write_text("", encoding="utf-8")
    return web.parent


def stand_in_tools(folder: Path, node_version: str = "v22.12.0", npm_script: str = "") -> None:
    """Programs named node and npm; npm run build writes an index.html as the real one does."""
    folder.mkdir()
    for name, script in (("node", f"echo {node_version}"), ("npm", npm_script)):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)


def put_build(hook: ModuleType, checkout: Path) -> Path:
    output: Path = checkout / hook.OUTPUT
    output.mkdir(parents=True)
    (output / "index.html").write_text("<!doctype html>", encoding="utf-8")
    return output


def test_without_node_it_says_what_to_install_in_one_line(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    message = hook.build_interface(checkout)
    assert "Node is missing, install Node 20.19 or newer with npm" in message
    assert "built without it" in message
    assert "\n" not in message


def test_an_old_node_is_named(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in_tools(tmp_path / "bin", node_version="v18.20.1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert "Node v18.20.1 is too old" in hook.build_interface(checkout)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")
def test_it_builds_once_and_again_when_a_source_changes(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    output = put_build(hook, checkout)
    calls = tmp_path / "calls"
    stand_in_tools(tmp_path / "bin", npm_script=f'echo "$1" >> "{calls}"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert hook.build_interface(checkout) is None
    assert calls.read_text(encoding="utf-8").split() == ["ci", "run"]
    assert hook.build_interface(checkout) is None
    assert len(calls.read_text(encoding="utf-8").split()) == 2
    (checkout / "web/src/main.tsx").write_text("changed", encoding="utf-8")
    assert hook.build_interface(checkout) is None
    assert len(calls.read_text(encoding="utf-8").split()) == 4
    assert set(json.loads((output / hook.RECORD).read_text(encoding="utf-8"))) == {"sources"}


def test_a_failing_build_is_told_in_one_line(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in_tools(
        tmp_path / "bin", npm_script="echo 'npm warn something' >&2; echo 'npm error no network' >&2; exit 1"
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    message = hook.build_interface(checkout)
    assert "npm error no network" in message
    assert "built without it" in message
    assert "\n" not in message


@pytest.mark.parametrize("failing", ["ci", "run"])
def test_an_older_build_that_is_used_after_a_failure_is_told(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failing: str
) -> None:
    output = put_build(hook, checkout)
    stand_in_tools(tmp_path / "bin", npm_script=f'[ "$1" != {failing} ] || {{ echo "npm error broken" >&2; exit 1; }}')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    message = hook.build_interface(checkout)
    assert "npm error broken" in message
    assert "the older build in src/structloop/api/web is used" in message
    assert "without" not in message
    assert (output / "index.html").is_file()
    assert not (output / hook.RECORD).exists()


def test_a_build_that_fails_half_way_leaves_nothing_to_use(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    output = put_build(hook, checkout)
    emptied = f'[ "$1" = ci ] || {{ {shutil.which("rm")} "{output}/index.html"; exit 1; }}'
    stand_in_tools(tmp_path / "bin", npm_script=emptied)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert "built without it" in hook.build_interface(checkout)


def test_an_archive_without_sources_keeps_the_interface_it_brings(hook: ModuleType, tmp_path: Path) -> None:
    assert "the folder web is not here" in hook.build_interface(tmp_path)
    put_build(hook, tmp_path)
    assert hook.build_interface(tmp_path) is None
