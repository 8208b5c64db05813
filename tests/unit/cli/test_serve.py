"""What `structloop serve` says before it serves."""

import pytest

import structloop.api.interface
import structloop.api.serving
from structloop.cli.serve import serve_workspace
from structloop.core.settings import load_settings
from structloop.jobs import Workspace


@pytest.mark.parametrize("built", [True, False])
def test_a_missing_interface_is_told_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], built: bool
) -> None:
    monkeypatch.setattr(structloop.api.interface, "interface_is_built", lambda: built)
    monkeypatch.setattr(structloop.api.serving, "serve", lambda workspace, on_ready: on_ready("http://127.0.0.1:1/"))
    serve_workspace(Workspace(load_settings()), open_browser=False)
    said = capsys.readouterr()
    assert said.out.startswith("structloop is at http://127.0.0.1:1/")
    assert ("interface is not built" in said.err) is not built
    assert ("install Node.js 20.19 or newer" in said.err) is not built
    assert len(said.err.splitlines()) == (0 if built else 1)
