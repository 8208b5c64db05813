from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import LabelsError
from structloop.crystals.schemes import AXIS_SCHEME, GRADE_SCHEME, MARCO_SCHEME, SCHEMES, TYPE_SCHEME
from structloop.loop.annotations import LabelScheme, LabelSchemes

PLACES = [(name, label) for name in SCHEMES.names() for label in SCHEMES.get(name).meanings]


@given(st.sampled_from(PLACES), st.sampled_from(SCHEMES.names()))
def test_a_translation_never_changes_what_a_label_means(place: tuple[str, str], target: str) -> None:
    source, label = place
    translated = SCHEMES.translate(label, source, target)
    if translated is not None:
        assert SCHEMES.meaning(target, translated) == SCHEMES.meaning(source, label)


@given(st.sampled_from(PLACES), st.sampled_from(SCHEMES.names()))
def test_there_and_back_is_the_same_label_or_none_is_sure(place: tuple[str, str], target: str) -> None:
    source, label = place
    there = SCHEMES.translate(label, source, target)
    back = None if there is None else SCHEMES.translate(there, target, source)
    finer = len({s for s in SCHEMES.get(source).meanings if SCHEMES.translate(s, source, target) == there}) == 1
    if back is not None and finer:
        assert back == label


@pytest.mark.parametrize(
    ("label", "source", "target", "expected"),
    [
        ("9", GRADE_SCHEME, AXIS_SCHEME, "crystal"),
        ("5", GRADE_SCHEME, AXIS_SCHEME, "other"),
        ("3", GRADE_SCHEME, MARCO_SCHEME, "precipitate"),
        ("precipitate", MARCO_SCHEME, GRADE_SCHEME, None),
        ("clear", MARCO_SCHEME, GRADE_SCHEME, "0"),
        ("crystals", MARCO_SCHEME, TYPE_SCHEME, None),
        ("7", GRADE_SCHEME, TYPE_SCHEME, "1d"),
        ("2d", TYPE_SCHEME, GRADE_SCHEME, "8"),
        ("crystal", AXIS_SCHEME, MARCO_SCHEME, "crystals"),
        ("other", AXIS_SCHEME, MARCO_SCHEME, None),
        ("uncertain", AXIS_SCHEME, GRADE_SCHEME, None),
    ],
)
def test_only_sound_translations_are_made(label: str, source: str, target: str, expected: str | None) -> None:
    assert SCHEMES.translate(label, source, target) == expected


@pytest.mark.parametrize(
    ("scheme", "text", "label"),
    [
        (MARCO_SCHEME, "Crystals", "crystals"),
        (MARCO_SCHEME, "precip", "precipitate"),
        (AXIS_SCHEME, "No_Crystal", "other"),
        (GRADE_SCHEME, "Phase-Separation", "4"),
        (GRADE_SCHEME, " 9 ", "9"),
        (GRADE_SCHEME, "10", None),
        (TYPE_SCHEME, "3D crystals", "3d"),
    ],
)
def test_spellings_of_published_sets_are_understood(scheme: str, text: str, label: str | None) -> None:
    assert SCHEMES.get(scheme).find(text) == label


@pytest.mark.parametrize(
    ("texts", "scheme"),
    [
        (["crystal", "other"], AXIS_SCHEME),
        (["Clear", "Crystals", "Other", "Precipitate"], MARCO_SCHEME),
        (["0", "9"], GRADE_SCHEME),
        (["nonsense", "other"], None),
        ([], None),
    ],
)
def test_the_scheme_of_a_set_of_labels_is_recognised(texts: list[str], scheme: str | None) -> None:
    found = SCHEMES.recognise(texts)
    assert (found and found.name) == scheme


def test_unknown_schemes_and_labels_are_told() -> None:
    with pytest.raises(LabelsError, match="no label scheme 'x'"):
        SCHEMES.get("x")
    with pytest.raises(LabelsError, match="not in the scheme axis"):
        SCHEMES.translate("x", AXIS_SCHEME, MARCO_SCHEME)
    assert SCHEMES.meaning("x", "y") is None


def test_unsound_translations_cannot_be_declared() -> None:
    one, two = (LabelScheme(name, name, {"a": "crystal", "b": "other"}) for name in ("one", "two"))
    with pytest.raises(ValueError, match="mean different things"):
        LabelSchemes((one, two), {("one", "two"): {"a": "b"}})
    with pytest.raises(ValueError, match="no labels of them"):
        LabelSchemes((one, two), {("one", "two"): {"a": "c"}})
    with pytest.raises(ValueError, match="none of its labels"):
        LabelScheme("x", "x", {"a": None}, aliases={"b": "c"})


def test_every_pair_of_schemes_can_be_asked() -> None:
    for (source, label), target in product(PLACES, SCHEMES.names()):
        SCHEMES.translate(label, source, target)
