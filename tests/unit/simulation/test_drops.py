"""Simulated drops: their truth is true, and their crystals are all that tells them apart."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.simulation.drops import (
    FAMILIES,
    Content,
    DropScene,
    Habit,
    SimulationError,
    render_uv,
    render_uv_with_truth,
    render_visible,
    render_visible_with_truth,
    sample_facility,
    sample_scene,
)

SIDE = 256


def scene_with(habit: Habit | None = None, *, salt: bool = False) -> DropScene:
    """A clear scene with large, sharp crystals of one habit in the middle of its drop."""
    for seed in range(400):
        scene = sample_scene(seed, facility=sample_facility(3, "close-up"), prevalence=1.0)
        if scene.drops and scene.crystals:
            break
    drop = scene.drops[0]
    crystal = replace(
        scene.crystals[0],
        habit=habit or scene.crystals[0].habit,
        x_um=drop.x_um,
        y_um=drop.y_um,
        size_um=0.5 * drop.radius_um,
        index_step=0.15,
        edge=0.8,
        blur_um=0.5,
        fluorescence=0.002 if salt else 1.0,
        salt=salt,
    )
    light = replace(scene.facility.light, level=0.8)
    uv = replace(scene.facility.uv, absorbance=False, border=0.0, gain=1.0)
    bare = replace(scene, facility=replace(scene.facility, light=light, uv=uv), precipitates=(), skins=(), spheres=())
    return replace(bare, sphere_contents=(), focus=1.0, crystals=(crystal,))


def test_the_same_seeds_give_the_same_pixels() -> None:
    one, two = sample_scene(5), sample_scene(5)
    assert one == two
    np.testing.assert_array_equal(render_visible(one, SIDE), render_visible(two, SIDE))
    np.testing.assert_array_equal(render_uv(one, SIDE), render_uv(two, SIDE))


def test_other_seeds_give_other_scenes() -> None:
    assert len({hash(sample_scene(seed).drops) for seed in range(20)}) > 15


@given(seed=st.integers(0, 2**31), prevalence=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_crystals_are_the_only_difference_between_prevalences(seed: int, prevalence: float) -> None:
    always, sometimes = sample_scene(seed, prevalence=1.0), sample_scene(seed, prevalence=prevalence)
    never = sample_scene(seed, prevalence=0.0)
    assert never == always.without_crystals() == sometimes.without_crystals()
    assert sometimes in (never, always)


def test_prevalence_is_met() -> None:
    lab = sample_facility(0)
    with_crystals = sum(
        bool(sample_scene(seed, facility=lab, prevalence=0.3, empty_wells=0.0).crystals) for seed in range(600)
    )
    assert 0.24 < with_crystals / 600 < 0.36


@pytest.mark.parametrize("seed", range(8))
def test_an_image_and_its_twin_differ_only_near_crystals(seed: int) -> None:
    scene = sample_scene(seed, prevalence=1.0, empty_wells=0.0)
    camera = replace(scene.facility.camera, jpeg_quality=100, sharpen=0.0)
    scene = replace(scene, focus=0.5, facility=replace(scene.facility, camera=camera))
    rendered = render_visible_with_truth(scene, SIDE)
    twin = render_visible(scene.without_crystals(), SIDE)
    changed = np.abs(rendered.image.astype(int) - twin.astype(int)).max(axis=2) > 12
    allowed = np.zeros(changed.shape, bool)
    # JPEG halves the colours' resolution and so codes them in blocks of 16 pixels.
    margin = 16 + int(np.ceil(3 * max((c.blur_um for c in scene.crystals), default=0) / rendered.um_per_px))
    for x0, y0, x1, y1 in rendered.truth.boxes:
        allowed[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = True
    assert not (changed & ~allowed).any()


@pytest.mark.parametrize("habit", list(Habit))
def test_every_habit_can_be_seen_where_the_truth_says(habit: Habit) -> None:
    scene = scene_with(habit)
    rendered = render_visible_with_truth(scene, SIDE)
    twin = render_visible(scene.without_crystals(), SIDE)
    assert rendered.truth.crystal
    assert len(rendered.truth.boxes) == 1
    x0, y0, x1, y1 = rendered.truth.boxes[0]
    inside = np.abs(rendered.image.astype(int) - twin.astype(int))[y0:y1, x0:x1]
    assert inside.max() > 15
    assert rendered.truth.contrast > 0.02
    assert rendered.truth.grade == habit.grade


@pytest.mark.parametrize("seed", range(4))
def test_a_twin_is_the_picture_without_crystals(seed: int) -> None:
    scene = sample_scene(seed, prevalence=1.0)
    for with_truth, plain in ((render_visible_with_truth, render_visible), (render_uv_with_truth, render_uv)):
        rendered = with_truth(scene, 128, twin=True)
        assert rendered.twin is not None
        np.testing.assert_array_equal(rendered.twin, plain(scene.without_crystals(), 128))
        np.testing.assert_array_equal(rendered.image, plain(scene, 128))


def test_salt_is_a_crystal_in_visible_light_but_not_in_uv() -> None:
    salt, protein = scene_with(Habit.BLOCK, salt=True), scene_with(Habit.BLOCK)
    assert render_visible_with_truth(salt, SIDE).truth.crystal
    assert not render_uv_with_truth(salt, SIDE).truth.crystal
    assert render_uv_with_truth(protein, SIDE).truth.crystal
    assert Content.SALT in salt.contents
    assert render_uv(protein, SIDE).max() > render_uv(salt, SIDE).max() + 20


def test_hidden_crystals_are_marked() -> None:
    scene = scene_with(Habit.BLOCK)
    assert render_visible_with_truth(scene, SIDE).truth.recognisable
    tiny = scene.with_crystals([replace(scene.crystals[0], size_um=0.8)])
    flat = scene.with_crystals([replace(scene.crystals[0], index_step=0.0, edge=0.0, density=0.0)])
    for hidden in (tiny, flat):
        truth = render_visible_with_truth(hidden, SIDE).truth
        assert not (truth.crystal and truth.recognisable)


def test_growth() -> None:
    scene = scene_with(Habit.BLOCK)
    sizes = [render_visible_with_truth(scene.grown(part), SIDE).truth.largest_px for part in (0.0, 0.3, 1.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 0
    with pytest.raises(SimulationError, match="growth fraction"):
        scene.grown(1.5)


def test_image_shapes() -> None:
    scene = sample_scene(2)
    visible, uv = render_visible(scene, 320), render_uv(scene, 200)
    assert visible.dtype == uv.dtype == np.uint8
    assert max(visible.shape[:2]) == 320
    assert visible.shape[2] == 3
    assert uv.ndim == 2
    assert max(uv.shape) == 200


def test_facilities_differ_and_cover_the_families() -> None:
    labs = [sample_facility(seed) for seed in range(80)]
    assert {lab.family for lab in labs} == set(FAMILIES)
    assert len({lab.camera for lab in labs}) == len(labs)
    means = [render_visible(sample_scene(1, facility=lab), 64).mean() for lab in labs]
    assert np.std(means) > 15


def test_a_scene_names_its_contents_and_grade() -> None:
    scenes = [sample_scene(seed) for seed in range(300)]
    found = {kind for scene in scenes for kind in scene.contents}
    assert found >= {Content.CLEAR, Content.SKIN, Content.HEAVY_PRECIPITATE, Content.PHASE_SEPARATION, Content.NEEDLES}
    assert {scene.grade for scene in scenes} >= {0, 2, 3, 4, 7, 8, 9}
    empty = sample_scene(1, empty_wells=1.0, prevalence=1.0)
    assert Content.EMPTY_WELL in empty.contents
    assert not empty.crystals


@pytest.mark.parametrize("side", [0, 31, 5000])
def test_a_bad_size_is_refused(side: int) -> None:
    scene = sample_scene(0)
    for render in (render_visible, render_uv):
        with pytest.raises(SimulationError, match="long_side"):
            render(scene, side)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(SimulationError, match="prevalence"):
        sample_scene(0, prevalence=1.2)
    with pytest.raises(SimulationError, match="empty_wells"):
        sample_scene(0, empty_wells=-0.1)
    with pytest.raises(SimulationError, match="seed"):
        sample_scene(-1)
    with pytest.raises(SimulationError, match="seed"):
        sample_facility(-1)
    with pytest.raises(SimulationError, match="family"):
        sample_facility(0, "telescope")
