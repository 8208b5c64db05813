import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from structloop import __version__
from structloop.cli.main import app, main
from structloop.core.errors import AddressInUseError, AddressRefusedError
from structloop.store import Database
from support.stored_plates import store_plate

runner = CliRunner()


def run(*arguments: str) -> str:
    result = runner.invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_version_and_help() -> None:
    assert run("--version").strip() == f"structloop {__version__}"
    shown = run("--help")
    for name in ("demo", "serve", "settings", "openapi", "crystals", "models", "jobs", "Examples"):
        assert name in shown


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "demo",
        "settings",
        "openapi",
        "crystals",
        "crystals import",
        "crystals score",
        "crystals plates",
        "jobs",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    assert "Usage" in run(*command.split(), "--help")


def test_the_command_line_starts_without_heavy_libraries() -> None:
    heavy = ["torch", "openvino", "transformers", "sklearn", "matplotlib", "fastapi", "uvicorn", "dbos", "pyvips"]
    program = f"import sys, structloop.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=150)
    assert result.stdout.strip() == "[]"


def test_settings_say_where_each_value_comes_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "structloop.toml").write_text("batch_size = 4\nport = 9000\n", encoding="utf-8")
    monkeypatch.setenv("STRUCTLOOP_PORT", "9001")
    monkeypatch.setenv("STRUCTLOOP_DATABASE_URL", "postgresql://me:secret@db/x")
    shown = json.loads(run("settings", "--json"))
    assert shown["batch_size"] == {"value": 4, "origin": "file"}
    assert shown["port"] == {"value": 9001, "origin": "environment"}
    assert shown["combination_rule"]["origin"] == "default"
    assert shown["home"]["origin"] == "environment"
    assert shown["database_url"]["value"] == "postgresql://me:***@db/x"
    assert json.loads(run("--home", str(home), "settings", "--json"))["home"]["origin"] == "command line"
    assert "secret" not in run("settings")


def test_errors_are_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRUCTLOOP_PROT", "1")
    monkeypatch.setattr(sys, "argv", ["structloop", "settings"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "STRUCTLOOP_PORT" in line


def test_usage_errors_have_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["structloop", "serve", "--port", "many"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


def test_openapi_is_printed() -> None:
    assert json.loads(run("openapi"))["openapi"].startswith("3.1")


def test_plates_are_listed(home: Path, tmp_path: Path) -> None:
    assert "No plates were imported yet" in run("crystals", "plates")
    database = Database(f"sqlite:///{home / 'structloop.db'}")
    store_plate(database, tmp_path / "images", "PLATE7", probabilities={("A01", 1, 1): 0.8})
    database.close()
    shown = run("crystals", "plates")
    assert "PLATE7" in shown
    assert "0.800" in shown
    assert json.loads(run("crystals", "plates", "--json"))["total"] == 1
    assert "No plates." in run("crystals", "plates", "--state", "unscored")


def test_the_server_listens_on_this_machine_only() -> None:
    result = runner.invoke(app, ["serve", "--host", "0.0.0.0"])
    assert isinstance(result.exception, AddressRefusedError)


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = runner.invoke(app, ["serve", "--port", str(port)])
    assert isinstance(result.exception, AddressInUseError)
    assert f"port {port}" in str(result.exception)
    assert "--port" in str(result.exception)
