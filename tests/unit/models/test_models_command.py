"""`structloop models`: what people and scripts read, and importing a checkpoint as they would."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from structloop.cli.models import app
from structloop.core.errors import ModelFormatError
from structloop.testing.checkpoints import dinov2_weights, lora_weights, write_adapter, write_base


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    weights = dinov2_weights(1)
    base = write_base(tmp_path / "base", weights)
    return (
        write_adapter(tmp_path / "AXIS-test-vis", lora_weights(weights, 2), str(base)),
        write_adapter(tmp_path / "AXIS-test-uv", lora_weights(weights, 3), str(base)),
    )


def test_a_pair_of_checkpoints_becomes_one_model(home: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert "axis-pair" in run("import", pair[0], "--uv", pair[1], "--name", "axis-pair", "--alarm-threshold", "0.4")
    lines = run("show", "axis-pair").splitlines()
    assert "alarm threshold: 0.4" in lines
    assert "images: visible, uv" in lines
    assert any("not calibrated" in line for line in lines[lines.index("where it fails:") :])
    shown = json.loads(run("show", "axis-pair", "--json"))
    assert [file["path"] for file in shown["files"] if file["path"].endswith("safetensors")] == [
        "uv/model.safetensors",
        "visible/model.safetensors",
    ]
    run("export", "axis-pair", tmp_path / "pair.zip")
    assert "copy" in run("import", tmp_path / "pair.zip", "--name", "copy")


def test_the_default_is_marked(home: Path, pair: tuple[Path, Path]) -> None:
    run("import", pair[0])
    listed = json.loads(run("list", "--json"))["models"]
    assert [model["name"] for model in listed if model["default"]] == ["drops-compact"]
    own = next(model for model in listed if model["name"] == "axis-test-vis")
    assert (own["modalities"], own["shipped"]) == (["visible"], False)
    starred = [line for line in run("list").splitlines() if line.startswith("* ")]
    assert "drops-compact" in starred[0]


def test_what_a_card_says_itself_is_not_asked_again(home: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    run("import", pair[0])
    run("export", "axis-test-vis", tmp_path / "out")
    result = CliRunner().invoke(app, ["import", str(tmp_path / "out"), "--modality", "uv"])
    assert result.exit_code == 2
    with pytest.raises(ModelFormatError, match="other way round"):
        run("import", pair[1], "--labels", "other,crystal")
