"""Names of micrographs are matched without their endings, never cut, and refused where they could be two."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import MicrographNameError
from structloop.particles.coordinates import match_names, plain_name

STEMS = st.lists(
    st.text("ab12_.-", min_size=1, max_size=6).filter(lambda t: plain_name(t) == t), unique=True, max_size=8
)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("m_001.mrc", "m_001"),
        ("a/b/m.MRC", "m"),
        ("m_1.2_3", "m_1.2_3"),
        ("m_1.2_3.tif", "m_1.2_3"),
        ("m.mrc.gz", "m"),
        ("C:\\data\\m.tiff", "m"),
        (".mrc", ".mrc"),
        ("m_EER.mrc", "m_EER"),
    ],
)
def test_only_endings_of_images_are_left_away(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_folders_and_endings_do_not_matter() -> None:
    found = match_names(["m_1", "m_2.jpg", "m_4"], ["Movies/m_1.mrc", "m_2.mrc", "m_3.mrc"])
    assert found.pairs == {"m_1": "Movies/m_1.mrc", "m_2.jpg": "m_2.mrc"}
    assert found.unmatched == ("m_4",)
    assert found.unused == ("m_3.mrc",)


def test_names_are_never_cut_at_underscores() -> None:
    assert match_names(["hole_01"], ["hole_01_2.mrc", "hole.mrc"]).pairs == {}


def test_a_name_that_could_be_two_is_refused_unless_a_folder_tells() -> None:
    with pytest.raises(MicrographNameError, match=r"'m.mrc' could be 'a/m.mrc' or 'b/m.mrc'"):
        match_names(["m.mrc"], ["a/m.mrc", "b/m.mrc"])
    found = match_names(["x/b/m.tif", "x/a/m.tif"], ["a/m.mrc", "b/m.mrc"])
    assert found.pairs == {"x/b/m.tif": "b/m.mrc", "x/a/m.tif": "a/m.mrc"}


def test_one_micrograph_under_two_names_is_refused() -> None:
    with pytest.raises(MicrographNameError, match=r"'m.mrc' and 'm.tif' could both be 'x/m.mrc'"):
        match_names(["m.mrc", "m.tif"], ["x/m.mrc"])


def test_what_relion_and_cryosparc_add_is_looked_through_last() -> None:
    names = ["m_1_autopick", "004567890123456789012_m_2_patch_aligned_doseweighted.mrc"]
    assert match_names(names, ["m_1.mrc", "m_2.mrc"]).pairs == {names[0]: "m_1.mrc", names[1]: "m_2.mrc"}
    # A micrograph that is really called so is found first.
    assert match_names(["m_autopick.mrc"], ["m.mrc", "m_autopick.tif"]).pairs == {"m_autopick.mrc": "m_autopick.tif"}


@given(stems=STEMS, random=st.randoms())
def test_the_same_names_always_find_each_other(stems: list[str], random: Random) -> None:
    names, others = [f"{stem}.mrc" for stem in stems], [f"folder/{stem}.tif" for stem in stems]
    random.shuffle(others)
    assert match_names(names, others).pairs == {f"{stem}.mrc": f"folder/{stem}.tif" for stem in stems}
