"""What the network is taught: heat and offsets of the nearest centre, nothing where masked or in doubt."""

import numpy as np
import pytest
import torch

from structloop.models.pickers.augmenting import Augmentation, Batch, changed, draw_batch
from structloop.models.pickers.labels import Seen, scene_of
from structloop.models.pickers.learning import Schedule, picking_loss
from structloop.models.pickers.scenes import Targets, stamp
from support.pickers import labelled_discs


def targets(xy: list[tuple[float, float]], value: float = 1.0, certainty: float = 1.0) -> Targets:
    places = np.array(xy, np.float32).reshape(-1, 2)
    given = np.full(len(places), value, np.float32), np.full(len(places), certainty, np.float32)
    return stamp(32, places, *given, np.ones((32, 32), np.float32))


def test_heat_is_highest_at_the_centre_and_offsets_point_there() -> None:
    made = targets([(10.3, 20.6)])
    row, column = np.unravel_index(np.argmax(made.heat), made.heat.shape)
    assert (int(row), int(column)) == (21, 10)
    assert made.offsets[:, 21, 10] == pytest.approx([0.3, -0.4], abs=1e-5)
    assert made.offsets[:, 19, 12] == pytest.approx([-1.7, 1.6], abs=1e-5)
    assert made.near[21, 10] == 1
    assert made.near[0, 0] == 0
    assert targets([]).heat.max() == 0


def test_between_two_particles_the_nearer_one_counts() -> None:
    made = targets([(10, 10), (17, 10)])
    assert made.offsets[0, 10, 12] == pytest.approx(-2)
    assert made.offsets[0, 10, 15] == pytest.approx(2)
    assert made.heat[10, 13] < 0.5


def test_doubtful_and_masked_places_teach_nothing() -> None:
    assert targets([(10, 10)], value=0.0, certainty=0.0).weight[8:13, 8:13].max() == 0
    assert targets([(10, 10)], value=0.0, certainty=0.0).weight[0, 0] == 1
    heat = torch.zeros(1, 1, 32, 32)
    weight = torch.ones(1, 1, 32, 32)
    weight[..., :16] = 0
    batch = Batch(heat, heat, weight, torch.zeros(1, 2, 32, 32), heat)
    output = torch.zeros(1, 3, 32, 32, requires_grad=True)
    (slope,) = torch.autograd.grad(picking_loss(output, batch), output)
    assert slope[..., :16].abs().max() == 0
    assert slope[:, 0, :, 16:].abs().min() > 0


def test_patches_carry_their_particles_however_they_are_turned() -> None:
    labelled = labelled_discs(3)
    scene = scene_of(labelled, None)
    calm = Augmentation(1.0, 0.1, 0.0, (0.1, 0.2), 0.0, (0.2, 0.5), 0.0, 0.0, 0.0)
    for turned in (0.0, 1.0):
        kept = Augmentation(turned, *list(vars(calm).values())[1:])
        batch = draw_batch([scene], np.ones(1), 12, 64, kept, np.random.default_rng(4))
        on = (batch.heat > 0.7) & (batch.weight > 0)
        assert int(on.sum()) > 20
        # Discs are dark: the pixels at the marked centres are far below the others.
        assert float(batch.pixels[on].mean()) < float(batch.pixels[batch.heat < 0.01].mean()) - 1.0


def test_changes_are_decided_by_the_seed_and_keep_contrast() -> None:
    pixels = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    pixels[:, :, 20:30, 20:30] -= 4
    one, again, other = (changed(pixels, Augmentation.strong(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert (one[:, :, 22:28, 22:28].mean(dim=(1, 2, 3)) < one.mean(dim=(1, 2, 3))).all()
    assert one.abs().max() <= 6


def test_what_annotators_may_have_overlooked_counts_less_and_guesses_stand_in_for_labels() -> None:
    labelled = labelled_discs(5, kept=0.5)
    count = len(labelled.xy_px)
    places = np.concatenate([labelled.xy_px, [[100.0, 100.0], [150.0, 100.0]]])
    probability = np.array([0.9] * count + [0.95, 0.4])
    marked = np.array([True] * count + [False, False])
    seen = Seen(places, probability, probability, marked, complete=True)
    complete = scene_of(labelled, seen)
    assert complete.value.tolist() == [1.0] * count + [0.0]
    assert 0 < complete.certainty[-1] < 1
    few = scene_of(labelled, Seen(places, probability, probability, marked, complete=False))
    assert few.value[count:] == pytest.approx([0.95, 0.4])
    assert (few.certainty[:count] == 1).all()
    assert (few.certainty[count:] < 1).all()


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    schedule = Schedule(100, 1e-3, rise=0.1)
    rates = [schedule.rate(step) for step in range(100)]
    assert max(rates) == pytest.approx(1e-3, rel=1e-3)
    assert rates[0] < 2e-4
    assert rates[-1] < 1e-5
