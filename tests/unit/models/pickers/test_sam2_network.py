"""SAM2 with adapters: every published size, what is trained and what is not, how much memory training keeps."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from structloop.models.pickers.architecture import frozen_names, trained_state
from structloop.models.pickers.sam2_base import SIZES
from structloop.models.pickers.sam2_network import Sam2Network, in_colour
from support.sam2 import NARROW, random_encoder

ENCODER_PARAMETERS = {"tiny": 27_219_136, "small": 34_316_992, "base-plus": 69_106_816, "large": 212_703_280}
BLOCKS_BY_WIDTH = {
    "tiny": {96: 2, 192: 2, 384: 7, 768: 1},
    "small": {96: 2, 192: 2, 384: 11, 768: 1},
    "base-plus": {112: 3, 224: 3, 448: 16, 896: 2},
    "large": {144: 3, 288: 6, 576: 36, 1152: 3},
}


def unmade(size: str) -> Sam2Network:
    """The network of a published size without memory for its weights."""
    with torch.device("meta"):
        return Sam2Network(SIZES[size].build().requires_grad_(False), SIZES[size])


def narrow(seed: int = 0) -> Sam2Network:
    encoder = random_encoder(seed=seed)
    torch.manual_seed(seed)
    return Sam2Network(encoder, NARROW)


def bytes_kept(network: Sam2Network, pictures: Tensor) -> int:
    """How much a forward pass keeps for the way back, weights aside."""
    total = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal total
        if not isinstance(tensor, torch.nn.Parameter):
            total += tensor.numel() * tensor.element_size()
        return tensor

    back: Callable[[Tensor], Tensor] = lambda tensor: tensor  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(count, back):
        network(pictures)
    return total


@pytest.mark.parametrize("size", SIZES)
def test_every_published_size_has_its_parameters_and_gives_maps_of_the_pictures_size(size: str) -> None:
    network = unmade(size)
    assert sum(parameter.numel() for parameter in network.frozen.parameters()) == ENCODER_PARAMETERS[size]
    expected = 0
    for width, blocks in BLOCKS_BY_WIDTH[size].items():
        narrow_width = width // 32
        down, own = width * narrow_width + narrow_width, narrow_width * narrow_width + narrow_width
        expected += down + blocks * own + narrow_width * width + width
    assert sum(parameter.numel() for parameter in network.adapters.parameters()) == expected
    with torch.device("meta"):
        assert network(torch.zeros(1, 1, 496, 512)).shape == (1, 3, 496, 512)


@pytest.mark.parametrize("size", SIZES)
def test_training_keeps_a_small_part_of_what_the_blocks_compute(size: str) -> None:
    network = unmade(size)
    with torch.device("meta"):
        pictures = torch.zeros(1, 1, 192, 192)
        kept, all_of_it = bytes_kept(network.train(), pictures), bytes_kept(network.eval(), pictures)
    assert kept < 0.2 * all_of_it
    assert kept < 200e6


@pytest.mark.parametrize("size", SIZES)
def test_a_step_on_every_size_changes_adapters_and_head_only(size: str) -> None:
    encoder = SIZES[size].build().requires_grad_(False)
    network = Sam2Network(encoder, SIZES[size]).train()
    samples = {name: tensor.flatten()[:50].clone() for name, tensor in encoder.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-2)
    # The layers that start at zero hide the others in the first steps.
    for _ in range(3):
        optimiser.zero_grad()
        torch.autograd.backward(network(torch.randn(1, 1, 32, 32)).square().mean())
        optimiser.step()
    learning = [name for name, parameter in network.named_parameters() if parameter.grad is not None]
    assert {name.split(".")[0] for name in learning} == {"adapters", "head"}
    assert set(learning) == set(trained_state(network))
    assert all(bool(network.get_parameter(name).grad.abs().sum() > 0) for name in learning)  # type: ignore[union-attr]
    assert all(torch.equal(tensor.flatten()[:50], samples[name]) for name, tensor in encoder.state_dict().items())


def test_training_starts_from_the_encoder_as_it_was_published() -> None:
    network = narrow().eval()
    seen = in_colour(torch.randn(2, 1, 48, 80))
    with torch.no_grad():
        published = network.frozen(seen).fpn_hidden_states
        found = network.levels(seen)
    assert [tuple(level.shape[2:]) for level in found] == [(6, 10), (12, 20), (24, 40)]
    for ours, theirs in zip(reversed(found), published, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_trained_adapters_change_what_the_encoder_sees() -> None:
    network = narrow().eval()
    seen = in_colour(torch.randn(1, 1, 32, 32))
    with torch.no_grad():
        before = network.levels(seen)
        for adapter in network.adapters:
            torch.nn.init.normal_(adapter.up.weight, std=0.5)  # type: ignore[union-attr,arg-type]
        after = network.levels(seen)
    assert all(not torch.allclose(one, other) for one, other in zip(before, after, strict=True))


def test_gradients_are_those_without_saving_memory() -> None:
    saving, plain = narrow(), narrow()
    for network in (saving, plain):
        torch.manual_seed(5)
        for name, parameter in network.named_parameters():
            if parameter.requires_grad and name.endswith("weight") and parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.1)
    pictures = torch.randn(2, 1, 32, 48)
    for network in (saving.train(), plain.eval()):
        torch.autograd.backward(network(pictures).square().mean())
    for name, parameter in plain.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(saving.get_parameter(name).grad, parameter.grad)


def test_a_picture_is_seen_alone() -> None:
    network = narrow().eval()
    torch.nn.init.normal_(network.head.last[1].weight)  # type: ignore[arg-type]
    pictures = torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        together, alone = network(pictures), network(pictures[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_the_frozen_part_is_told_from_what_is_trained() -> None:
    network = narrow()
    assert {name.split(".")[0] for name in trained_state(network)} == {"adapters", "head"}
    assert frozen_names(network) | set(trained_state(network)) == set(network.state_dict())
    assert not copy.deepcopy(network).train().frozen.training


def test_grey_is_what_sam2_saw_as_grey() -> None:
    seen = in_colour(torch.tensor([[[[-9.0, 0.0], [0.0, 9.0]]]]))
    assert seen.shape == (1, 3, 4, 4)
    assert seen[0, :, 0, 0].tolist() == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    assert seen[0, :, -1, -1].tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])
