"""Reading SAM2 encoders: every packing gives the same one, and what is not one is refused with its reason."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from structloop.core.errors import DownloadRefusedError, ModelFormatError, ModelNotFoundError
from structloop.models.pickers.sam2_base import SIZES, Sam2Shape, read_base
from support.sam2 import NARROW, random_encoder, write_base


def changed(folder: Path, **changes: object) -> Path:
    """The base in `folder` with other numbers in its configuration's backbone."""
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["backbone_config"] |= changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_an_encoder_is_the_same_however_it_was_packed(tmp_path: Path) -> None:
    bases = [
        read_base(str(write_base(tmp_path / kind, kind=kind))) for kind in ("sam2", "sam2_video", "sam2_vision_model")
    ]
    assert len({base.sha256 for base in bases}) == 1
    assert bases[0].shape == NARROW
    other = read_base(str(write_base(tmp_path / "other", seed=1)))
    assert other.sha256 != bases[0].sha256
    seen = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found = bases[1].encoder()(seen).fpn_hidden_states
        expected = random_encoder()(seen).fpn_hidden_states
    assert all(torch.equal(one, wanted) for one, wanted in zip(found, expected, strict=True))
    assert not any(parameter.requires_grad for parameter in bases[0].encoder().parameters())


def test_weights_in_several_files_are_one_base(tmp_path: Path) -> None:
    whole = write_base(tmp_path / "base")
    expected = read_base(str(whole)).sha256
    weights = load_file(whole / "model.safetensors")
    (whole / "model.safetensors").unlink()
    names = sorted(weights)
    for part, some in (("a.safetensors", names[::2]), ("b.safetensors", names[1::2])):
        save_file({name: weights[name] for name in some}, whole / part)
    index = {name: ("a" if number % 2 == 0 else "b") + ".safetensors" for number, name in enumerate(names)}
    (whole / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert read_base(str(whole)).sha256 == expected


def test_what_decides_the_features_decides_the_checksum(tmp_path: Path) -> None:
    plain = read_base(str(write_base(tmp_path / "one"))).sha256
    windows = changed(write_base(tmp_path / "two"), window_size_per_stage=[8, 4, 7, 7])
    assert read_base(str(windows)).sha256 != plain


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embed_dim_per_stage": [32, 64, 96, 160]}, "the network needs"),
        ({"blocks_per_stage": [1, 1, 3, 1]}, "missing 'backbone.blocks.5"),
        ({"blocks_per_stage": [1, 1, 1, 1]}, "unexpected 'backbone.blocks.4"),
        ({"blocks_per_stage": [1, 1, 2]}, "four stages"),
        ({"patch_stride": [2, 2]}, "patch_stride is"),
        ({"window_size_per_stage": [6, 4, 14, 7]}, "begins with 6"),
        ({"num_attention_heads_per_stage": [3, 1, 1, 1]}, "not divisible"),
        ({"mlp_ratio": "much"}, "mlp_ratio"),
    ],
)
def test_a_configuration_that_is_not_the_weights_is_refused(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelFormatError, match=said):
        read_base(str(changed(write_base(tmp_path / "base"), **changes)))


def test_weights_that_are_no_encoders_are_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    lacking = {name: tensor for name, tensor in weights.items() if not name.endswith("neck.convs.0.bias")}
    save_file(lacking, base / "model.safetensors")
    with pytest.raises(ModelFormatError, match=r"missing 'neck.convs.0.bias'"):
        read_base(str(base))
    save_file({"image_encoder.trunk.pos_embed": torch.zeros(3)}, base / "model.safetensors")
    with pytest.raises(ModelFormatError, match="original checkpoints are not read"):
        read_base(str(base))
    (base / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelFormatError, match="safetensors"):
        read_base(str(base))


def test_another_network_a_lost_folder_and_an_unfetched_repository_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_base(tmp_path / "base")
    (base / "config.json").write_text('{"model_type": "dinov2"}')
    with pytest.raises(ModelFormatError, match="model_type is 'dinov2'"):
        read_base(str(base))
    with pytest.raises(ModelNotFoundError, match="neither a folder"):
        read_base(str(tmp_path / "lost"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(DownloadRefusedError, match=r"hf download facebook/sam2\.1-hiera-tiny"):
        read_base("facebook/sam2.1-hiera-tiny")


def test_the_library_calls_tiny_its_default() -> None:
    assert SIZES["tiny"] == Sam2Shape()
