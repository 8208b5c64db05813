from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.loop.curation import curator_rates, krippendorff_alpha
from structloop.loop.curation.tally import Counts, Given, counts_of
from structloop.store.tables import CurationItem

# The worked examples of Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), sections A to C.
BINARY = ("0100000010", "1110010000")
NOMINAL = ("aabbdcccedda", "babbbccceddd")
WITH_GAPS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")

answers = st.sampled_from("abc")
units = st.lists(st.lists(answers, min_size=0, max_size=4), max_size=12)


def columns(rows: tuple[str, ...]) -> list[list[str]]:
    return [[value for value in column if value != "."] for column in zip(*rows, strict=True)]


def test_alpha_of_binary_data_is_the_published_one() -> None:
    assert krippendorff_alpha(columns(BINARY)) == pytest.approx(0.095, abs=5e-4)


def test_alpha_of_nominal_data_is_the_published_one() -> None:
    assert krippendorff_alpha(columns(NOMINAL)) == pytest.approx(0.692, abs=5e-4)


def test_alpha_of_data_with_gaps_is_the_published_one() -> None:
    assert krippendorff_alpha(columns(WITH_GAPS)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_one_where_all_agree_and_undefined_where_nothing_varies() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b", "b"]]) == 1.0
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([["a"], ["b"], []]) is None


@given(units, st.randoms())
def test_who_answers_and_in_which_order_changes_nothing(rows: list[list[str]], random: object) -> None:
    shuffled = [sorted(row, key=lambda _: random.random()) for row in rows]  # type: ignore[attr-defined]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    expected = krippendorff_alpha(rows)
    assert krippendorff_alpha(shuffled) == (None if expected is None else pytest.approx(expected))


@given(units)
def test_other_names_of_the_answers_change_nothing_and_one_is_the_most(rows: list[list[str]]) -> None:
    renamed = [[{"a": "x", "b": "y", "c": "z"}[value] for value in row] for row in rows]
    alpha = krippendorff_alpha(rows)
    assert krippendorff_alpha(renamed) == alpha
    assert alpha is None or alpha <= 1


@given(units)
def test_what_one_person_alone_says_does_not_count(rows: list[list[str]]) -> None:
    assert krippendorff_alpha([*rows, ["a"], []]) == krippendorff_alpha(rows)


def test_rates_of_curators() -> None:
    def item(state: str, *, label: str | None = None, gold: str | None = None) -> CurationItem:
        return CurationItem(task="t", state=state, reason="audit", label=label, gold_label=gold)

    counts: Counts = Counter()
    for row, answers in (
        (item("settled", label="crystal"), [Given("ada", "crystal", 2.0), Given("bob", "unusable", None)]),
        (item("settled", label="crystal"), [Given("ada", "other", 4.0)]),
        (item("open"), [Given("ada", "uncertain", None)]),
        (item("open", gold="crystal"), [Given("ada", "crystal", 6.0)]),
        (item("open", gold="other"), [Given("ada", "crystal", 1.0)]),
    ):
        counts.update(counts_of(row, answers))
    ada, bob = curator_rates(counts, "crystal")
    assert (ada.curator, ada.answers, ada.agreement, ada.undecided) == ("ada", 5, 0.5, 1)
    assert (ada.gold_accuracy, ada.gold_positive_found, ada.gold_positives, ada.median_seconds) == (0.5, 1, 1, 3.0)
    assert (bob.agreement, bob.gold_accuracy, bob.median_seconds, bob.undecided) == (0.0, None, None, 1)
