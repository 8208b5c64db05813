"""Training SAM2 pickers by request and by command: what is taken, what is refused, what lands in the registry."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from structloop.cli.main import app
from structloop.core.errors import DownloadRefusedError, ModelFormatError, ParticlesError, StructloopError
from structloop.models.pickers.sam2 import Sam2Family
from structloop.models.pickers.sam2_base import read_base
from structloop.models.pickers.training_plan import TrainingSettings
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.particles.training import LabelledFiles, TrainingRequest, check_request, train_model
from structloop.testing.pickers import discs
from support.pickers import DIAMETER_PX, labelled_discs
from support.sam2 import write_base

SETTINGS = TrainingSettings(steps=1, patch_px=32, threads=1)
RUNTIME = Runtime("auto", "fp32", threads=1)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "sam2-narrow")


def files() -> LabelledFiles:
    return LabelledFiles([labelled_discs(1), labelled_discs(2)], diameter_px=DIAMETER_PX)


def request(name: str, base: Path | None = None, **more: object) -> TrainingRequest:
    told = str(base) if base is not None else None
    return TrainingRequest(name, "sam2", base=told, settings=SETTINGS, **more)  # type: ignore[arg-type]  # the tests' own


def test_a_request_puts_a_picker_into_the_registry_and_another_starts_from_it(
    base: Path, tmp_path: Path, home: Path
) -> None:
    registry = ModelRegistry(home)
    card = train_model(files(), request("first", base), registry, checkpoints=tmp_path / "state", runtime=RUNTIME)
    assert card.family == "sam2"
    assert card.base == str(base)
    assert not (tmp_path / "state" / "first").exists()
    picker = Sam2Family().load(registry.folder("first"), registry.picker_card("first"), RUNTIME)
    maps = picker.score_maps([labelled_discs(3).micrograph])
    assert np.isfinite(maps[0].probability).all()
    further = request("second", start_from="first")
    card = train_model(files(), further, registry, checkpoints=tmp_path / "state", runtime=RUNTIME)
    assert card.base == str(base)
    assert "from first " in card.origin
    other = request("third", write_base(tmp_path / "other", seed=1), start_from="first")
    with pytest.raises(ModelFormatError, match="another SAM2 encoder"):
        train_model(files(), other, registry, checkpoints=tmp_path / "state", runtime=RUNTIME)


def test_requests_that_cannot_be_kept_are_refused_first(
    base: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(home)
    with pytest.raises(ParticlesError, match="needs --base"):
        check_request(request("a"), registry)
    with pytest.raises(ParticlesError, match="'heatmap' has none"):
        check_request(TrainingRequest("a", "heatmap", base=str(base)), registry)
    with pytest.raises(ParticlesError, match="starts from nothing"):
        check_request(TrainingRequest("a", "log", start_from="particles-general"), registry)
    with pytest.raises(ModelFormatError, match="is of family 'heatmap'"):
        check_request(request("a", base, start_from="particles-general"), registry)
    with pytest.raises(ModelFormatError, match="torch only"):
        train_model(files(), request("a", base), registry, checkpoints=tmp_path, runtime=Runtime("openvino"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(DownloadRefusedError, match="allow it"):
        train_model(files(), request("a", Path("facebook/sam2.1-hiera-tiny")), registry, checkpoints=tmp_path)


def train(folder: Path, *more: str) -> Result:
    told = ["--micrographs", str(folder / "in"), "--coordinates", str(folder / "labels.csv"), "--diameter-px", "40"]
    return CliRunner().invoke(app, ["particles", "train", *told, "--name", "mine", *more])


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A micrograph of discs in `in`, and its labels in `labels.csv`."""
    (tmp_path / "in").mkdir()
    stored, centres = discs((400, 500), 40.0, 1)
    with mrcfile.new(tmp_path / "in" / "m0.mrc") as file:
        file.set_data(stored)
    rows = "".join(f"m0.mrc,{x:.1f},{y:.1f}\n" for x, y in centres)
    (tmp_path / "labels.csv").write_text(f"micrograph,x,y\n{rows}")
    return tmp_path


def test_the_command_trains_on_a_base(work: Path, base: Path, home: Path) -> None:
    done = train(work, "--backend", "sam2", "--base", str(base), "--steps", "1", "--complete")
    assert done.exit_code == 0, done.output
    card = ModelRegistry(home).picker_card("mine")
    assert card.family == "sam2"
    assert card.parameters["base_sha256"] == read_base(str(base)).sha256


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--backend", "sam2"), "needs --base"),
        (("--base", "somewhere"), "'heatmap' has none"),
        (("--allow-download",), "fetches nothing"),
        (("--backend", "sam2", "--base", "nowhere"), "neither a folder"),
        (("--backend", "sam3"), "there is no backend"),
    ],
)
def test_the_command_refuses_what_it_cannot_honour(options: tuple[str, ...], said: str, work: Path, home: Path) -> None:
    refused = train(work, *options)
    assert refused.exit_code != 0
    told = str(refused.exception) if isinstance(refused.exception, StructloopError) else refused.output
    assert said in told
    assert "mine" not in ModelRegistry(home).names()
