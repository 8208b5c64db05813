import io
import json
import subprocess
import sys

import pytest

from structloop.core.log import configure_logging, get_logger, mask_secrets


def test_passwords_in_urls_are_masked() -> None:
    assert mask_secrets("postgresql+psycopg://me:hunter2@db/x") == "postgresql+psycopg://me:***@db/x"


def test_secrets_never_reach_a_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    get_logger(__name__).info("connected", url="postgresql://me:hunter2@db/x", api_token="abc123", plate="P1")
    line = json.loads(capsys.readouterr().err)
    assert line["api_token"] == "***"
    assert "hunter2" not in line["url"]
    assert line["plate"] == "P1"


def test_lines_below_the_level_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("error")
    get_logger(__name__).warning("nothing to see")
    assert capsys.readouterr().err == ""


def test_a_program_that_uses_the_library_sees_warnings_only_and_on_standard_error() -> None:
    code = (
        "from structloop.core.log import get_logger; log = get_logger('x'); "
        "log.info('quiet', url='s://me:hunter2@db'); log.warning('loud', url='s://me:hunter2@db')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=True)
    assert result.stdout == ""
    assert "loud" in result.stderr
    assert "quiet" not in result.stderr
    assert "hunter2" not in result.stderr


def test_lines_go_to_what_standard_error_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier, later = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", earlier)
    configure_logging("info", "json")
    earlier.close()
    monkeypatch.setattr(sys, "stderr", later)
    get_logger(__name__).info("still heard")
    assert "still heard" in later.getvalue()
