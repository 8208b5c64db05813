from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.loop.datasets import GroupBy, ManifestRow, draw_groups, split_groups
from structloop.loop.datasets.splitting import group_name, labels_by_group, resolve_grouping
from structloop.schema.images import Modality
from structloop.schema.loop import LabelSource, Partition

group_labels = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.tuples(st.integers(0, 5), st.integers(0, 30)).filter(any).map(lambda n: Counter(crystal=n[0], other=n[1])),
    min_size=1,
    max_size=12,
)
shares = st.floats(0, 0.6)
parts = st.sampled_from([Partition.TRAIN, Partition.VALIDATION])


def row(key: str, project: str = "", group: str = "P", label: str = "other") -> ManifestRow:
    return ManifestRow(
        key, Partition.TRAIN, label, "", LabelSource.CURATED, project, group, f"/{key}", key, Modality.VISIBLE
    )


@given(group_labels, shares, st.integers(0, 99), st.dictionaries(st.text("abcdef", min_size=1, max_size=3), parts))
def test_every_group_is_placed_once_and_stays_where_it_was(
    labels: dict[str, Counter[str]], share: float, seed: int, fixed: dict[str, Partition]
) -> None:
    placed = split_groups(labels, positive="crystal", validation_share=share, seed=seed, fixed=fixed)
    assert set(placed) == set(labels)
    assert set(placed.values()) <= {Partition.TRAIN, Partition.VALIDATION}
    assert all(placed[name] is part for name, part in fixed.items() if name in labels)
    assert placed == split_groups(labels, positive="crystal", validation_share=share, seed=seed, fixed=fixed)


@given(group_labels, st.floats(0.05, 0.5), st.integers(0, 99))
def test_positives_are_on_both_sides_where_two_groups_have_them(
    labels: dict[str, Counter[str]], share: float, seed: int
) -> None:
    placed = split_groups(labels, positive="crystal", validation_share=share, seed=seed)
    assert Partition.TRAIN in placed.values()
    with_positives = [name for name, counts in labels.items() if counts["crystal"]]
    if len(with_positives) >= 2:
        assert {placed[name] for name in with_positives} == {Partition.TRAIN, Partition.VALIDATION}


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 30)), shares, st.integers(0, 99))
def test_a_draw_of_groups_reaches_its_share_and_leaves_some(sizes: dict[str, int], share: float, seed: int) -> None:
    drawn = draw_groups(sizes, share, seed, leave=2)
    assert drawn <= set(sizes)
    enough = sum(sizes[name] for name in drawn) >= share * sum(sizes.values())
    assert enough or len(sizes) - len(drawn) <= 2
    assert not drawn or len(sizes) - len(drawn) >= 2
    assert draw_groups(sizes, 0, seed) == set()


def test_a_drawn_test_set_has_the_prevalence_of_all_on_average() -> None:
    positives = {f"plate {number}": number % 7 for number in range(40)}
    sizes = dict.fromkeys(positives, 96)
    shares_drawn = []
    for seed in range(300):
        drawn = draw_groups(sizes, 0.2, seed)
        shares_drawn.append(sum(positives[name] for name in drawn) / (96 * len(drawn)))
    expected = sum(positives.values()) / (96 * 40)
    assert sum(shares_drawn) / 300 == pytest.approx(expected, rel=0.03)


def test_validation_is_about_as_large_as_asked() -> None:
    labels = {f"plate {number}": Counter(crystal=2, other=94) for number in range(40)}
    placed = split_groups(labels, positive="crystal", validation_share=0.15, seed=3)
    assert 5 <= sum(part is Partition.VALIDATION for part in placed.values()) <= 7


def test_projects_stay_whole_where_there_are_enough_of_them() -> None:
    few = [row(str(number), project=f"p{number % 2}", group=f"plate{number}") for number in range(10)]
    many = [row(str(number), project=f"p{number % 6}", group=f"plate{number}") for number in range(10)]
    assert resolve_grouping(GroupBy.AUTO, few) is GroupBy.PLATE
    assert resolve_grouping(GroupBy.AUTO, many) is GroupBy.PROJECT
    assert resolve_grouping(GroupBy.PLATE, many) is GroupBy.PLATE
    assert group_name(many[0], GroupBy.PROJECT) == "project p0"
    assert group_name(row("x"), GroupBy.PROJECT) == group_name(row("x"), GroupBy.PLATE) == "plate P"
    assert labels_by_group(few, GroupBy.PROJECT) == {"project p0": {"other": 5}, "project p1": {"other": 5}}


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_that_make_no_sense_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        draw_groups({"a": 1}, share, 0)
    with pytest.raises(ValueError, match="share"):
        split_groups({"a": Counter(other=1)}, positive="crystal", validation_share=share, seed=0)
