"""Models are found, verified, taken in and given away; nothing unsafe or damaged gets through."""

import io
import json
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from structloop.core.errors import (
    DownloadRefusedError,
    ModelExistsError,
    ModelFormatError,
    ModelNotFoundError,
    UnknownPluginError,
)
from structloop.models import hub
from structloop.models.registry import DEFAULT_MODEL, ModelRegistry, modalities_in_name, model_name_from
from structloop.schema.images import Modality
from structloop.schema.models import InputSpecification, ModelCard, TrainingDataset


def card(name: str = "test-model", **changes: object) -> ModelCard:
    made = ModelCard(
        name=name,
        summary="a model of the tests",
        family="of-the-tests",
        input=InputSpecification(width_px=8, height_px=8, colour="grayscale", resize="squash", mean=(0.5,), std=(0.5,)),
        labels=("crystal", "other"),
        modalities=(Modality.VISIBLE,),
        alarm_threshold=0.25,
        licence="Apache-2.0",
        origin="the tests",
        training=TrainingDataset(name="none", version="1", description="nothing", synthetic=True),
    )
    return made.updated(**changes) if changes else made


def weights_folder(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    values = np.random.default_rng(seed).standard_normal((4, 4)).astype(np.float32)
    save_file({"layer.weight": values}, folder / "model.safetensors")
    return folder


@pytest.fixture
def registry(home: Path, tmp_path: Path) -> ModelRegistry:
    shipped = ModelRegistry(tmp_path / "shipping", shipped=tmp_path / "none")
    shipped.add(card("shipped-model"), weights_folder(tmp_path / "shipped-weights"))
    return ModelRegistry(home, shipped=tmp_path / "shipping" / "models")


def test_own_and_shipped_models_are_listed(registry: ModelRegistry, tmp_path: Path) -> None:
    assert registry.names() == ["shipped-model"]
    added = registry.add(card(), weights_folder(tmp_path / "weights"))
    assert registry.names() == ["shipped-model", "test-model"]
    assert registry.card("test-model") == added
    assert registry.is_shipped("shipped-model")
    assert not registry.is_shipped("test-model")
    assert registry.default_name == DEFAULT_MODEL


def test_an_unknown_model_is_named_with_those_there_are(registry: ModelRegistry) -> None:
    with pytest.raises(ModelNotFoundError, match="no model 'nothing'; there are: shipped-model"):
        registry.card("nothing")


@pytest.mark.parametrize("name", ["../evil", "a/b", "A", "", ".hidden", "a..b", "x" * 65, "con\\x", "a b"])
def test_names_never_leave_the_folder(name: str, registry: ModelRegistry, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        registry.folder(name)
    registry.add(card(), weights_folder(tmp_path / "weights"))
    registry.export("test-model", tmp_path / "out")
    with pytest.raises(ModelFormatError, match="cannot name a model"):
        registry.import_(tmp_path / "out", name=name)


@pytest.mark.parametrize("ending", ["", ".zip", ".tar", ".tar.gz", ".tgz"])
def test_export_then_import_gives_the_same_model(ending: str, registry: ModelRegistry, tmp_path: Path) -> None:
    weights = weights_folder(tmp_path / "weights")
    (weights / "extra").mkdir()
    (weights / "extra" / "notes.md").write_text("notes")
    added = registry.add(card(), weights)
    target = registry.export("test-model", tmp_path / f"exported{ending}")
    elsewhere = ModelRegistry(tmp_path / "elsewhere", shipped=tmp_path / "none")
    assert elsewhere.import_(target) == added
    assert elsewhere.verify("test-model").files == added.files
    renamed = elsewhere.import_(target, name="other-name")
    assert (renamed.name, renamed.version) == ("other-name", added.version)
    with pytest.raises(ModelExistsError, match="exists"):
        registry.export("test-model", target)


def test_importing_again_changes_nothing_and_another_model_needs_a_word(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    first = registry.add(card(), weights_folder(tmp_path / "weights"))
    assert registry.add(card(), tmp_path / "weights") == first
    other = weights_folder(tmp_path / "other", seed=1)
    with pytest.raises(ModelExistsError, match="--replace"):
        registry.add(card(), other)
    replaced = registry.add(card(), other, replace_existing=True)
    assert replaced.version != first.version
    assert registry.verify("test-model") == replaced
    with pytest.raises(ModelExistsError, match="comes with structloop"):
        registry.add(card("shipped-model"), other, replace_existing=True)


def test_two_writers_leave_one_whole_model(registry: ModelRegistry, tmp_path: Path) -> None:
    folders = [weights_folder(tmp_path / f"weights-{seed}", seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda folder: registry.add(card(), folder, replace_existing=True), folders))
    assert registry.verify("test-model") in added
    assert [path.name for path in (registry.folder("test-model").parent).glob(".incoming*")] == []


@pytest.mark.parametrize("damage", ["changed", "missing", "foreign", "pickle", "link"])
def test_damage_is_found_and_named(damage: str, registry: ModelRegistry, tmp_path: Path) -> None:
    registry.add(card(), weights_folder(tmp_path / "weights"))
    folder = registry.folder("test-model")
    weights = folder / "model.safetensors"
    match damage:
        case "changed":
            weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
        case "missing":
            weights.unlink()
        case "foreign":
            (folder / "more.safetensors").write_bytes(b"")
        case "pickle":
            (folder / "model.pt").write_bytes(b"")
        case _:
            (folder / "link.json").symlink_to(tmp_path / "weights" / "model.safetensors")
    named = {"changed": "model.safetensors is damaged", "missing": "model.safetensors is missing"}
    named |= {"foreign": "more.safetensors is not on its card", "pickle": "pickle", "link": "link"}
    with pytest.raises(ModelFormatError, match=named[damage]):
        registry.load("test-model")


def test_a_card_with_an_unknown_field_is_refused_and_listed(registry: ModelRegistry, tmp_path: Path) -> None:
    registry.add(card(), weights_folder(tmp_path / "weights"))
    path = registry.folder("test-model") / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"treshold": 1}))
    with pytest.raises(ModelFormatError, match=r"card.json: treshold"):
        registry.card("test-model")
    good, broken = registry.cards()
    assert [each.name for each in good] == ["shipped-model"]
    assert [each.name for each in broken] == ["test-model"]


def test_a_family_that_is_not_installed_is_named(registry: ModelRegistry, tmp_path: Path) -> None:
    registry.add(card(), weights_folder(tmp_path / "weights"))
    with pytest.raises(UnknownPluginError, match="of-the-tests"):
        registry.load("test-model")


def test_a_folder_without_weights_or_with_pickles_is_not_taken_in(registry: ModelRegistry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFormatError, match=r"no \.safetensors"):
        registry.add(card(), tmp_path / "empty")
    pickled = weights_folder(tmp_path / "pickled")
    (pickled / "model.bin").write_bytes(b"")
    with pytest.raises(ModelFormatError, match="pickle"):
        registry.add(card(), pickled)


@pytest.mark.parametrize("member", ["../evil.json", "/evil/evil.json", "a/../../evil.json", "a\\..\\evil.json"])
def test_archives_that_would_write_elsewhere_are_refused(member: str, registry: ModelRegistry, tmp_path: Path) -> None:
    packed = tmp_path / "evil.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, "{}")
    with pytest.raises(ModelFormatError, match="would leave the folder"):
        registry.import_(packed)
    tarred = tmp_path / "evil.tar"
    with tarfile.open(tarred, "w") as archive_tar:
        archive_tar.addfile(tarfile.TarInfo(member), io.BytesIO())
    with pytest.raises(ModelFormatError, match="would leave the folder"):
        registry.import_(tarred)


def test_archives_with_links_pickles_or_nonsense_are_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    linked = tmp_path / "linked.tar"
    with tarfile.open(linked, "w") as archive:
        member = tarfile.TarInfo("card.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ModelFormatError, match="not a plain file"):
        registry.import_(linked)
    pickled = tmp_path / "pickled.zip"
    with zipfile.ZipFile(pickled, "w") as archive_zip:
        archive_zip.writestr("model.pkl", b"")
    with pytest.raises(ModelFormatError, match="pickle"):
        registry.import_(pickled)
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ModelFormatError, match="not a readable archive"):
        registry.import_(tmp_path / "torn.zip")
    with pytest.raises(ModelFormatError, match="neither a folder nor"):
        registry.import_(Path(__file__))
    with pytest.raises(ModelNotFoundError, match="no such file"):
        registry.import_(tmp_path / "nothing.zip")


def test_a_hub_id_is_not_fetched_unless_allowed(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked without permission")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_network)
    with pytest.raises(DownloadRefusedError, match="structloop models pull somebody/some-model"):
        registry.load("somebody/some-model")


def test_without_network_the_message_says_what_to_do(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadRefusedError, match=r"(?s)cannot be reached .*structloop models import FOLDER"):
        registry.load("somebody/some-model", allow_download=True)


def test_a_pulled_model_remembers_its_revision(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add(card(), weights_folder(tmp_path / "weights"))
    registry.export("test-model", tmp_path / "snapshot")
    (tmp_path / "snapshot" / "README.md").write_text("a page of the hub")
    snapshot = hub.Snapshot(tmp_path / "snapshot", "somebody/some-model", "0123abcd")
    monkeypatch.setattr(hub, "fetch", lambda repository, revision: snapshot)
    pulled = registry.pull("somebody/some-model", name="pulled")
    assert pulled.origin.endswith("https://huggingface.co/somebody/some-model at 0123abcd")
    assert registry.verify("pulled") == pulled
    assert registry.resolve("somebody/some-model") == "pulled"


def test_names_of_published_checkpoints_say_their_images() -> None:
    assert modalities_in_name("Marquez-Group-EMBL/AXIS-CRIMS_v3-uv") == (Modality.UV,)
    assert modalities_in_name("Marquez-Group-EMBL/AXIS-CRIMS_v3-vis") == (Modality.VISIBLE,)
    assert model_name_from("Marquez-Group-EMBL/AXIS-CRIMS_v3-vis") == "axis-crims_v3-vis"
    with pytest.raises(ModelFormatError, match="--modality"):
        modalities_in_name("somebody/some-model")


def deflated(path: Path) -> tuple[bytearray, int, int]:
    """The bytes of a .zip with one deflated member; where its data begin, and where its entry in the directory does."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", json.dumps(list(range(1000))))
    data = bytearray(path.read_bytes())
    return data, 30 + len("card.json"), data.index(b"PK\x01\x02")


def test_a_corrupt_zip_is_said_to_be_unreadable(registry: ModelRegistry, tmp_path: Path) -> None:
    packed = tmp_path / "corrupt.zip"
    data, start, _ = deflated(packed)
    data[start : start + 20] = b"\xff" * 20
    packed.write_bytes(data)
    with pytest.raises(ModelFormatError, match="not a readable archive"):
        registry.import_(packed)


@pytest.mark.parametrize(("offset", "value", "message"), [(8, 1, "is encrypted"), (10, 97, "compressed by method 97")])
def test_a_zip_that_cannot_be_unpacked_here_says_why(
    registry: ModelRegistry, tmp_path: Path, offset: int, value: int, message: str
) -> None:
    packed = tmp_path / "foreign.zip"
    data, _, directory = deflated(packed)
    for field in (directory + offset, offset - 2):
        data[field : field + 2] = value.to_bytes(2, "little")
    packed.write_bytes(data)
    with pytest.raises(ModelFormatError, match=message):
        registry.import_(packed)
