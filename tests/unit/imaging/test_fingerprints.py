import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from structloop.imaging.fingerprints import (
    LOOKS_THE_SAME_BITS,
    LOOKS_THE_SAME_SIMILARITY,
    distances,
    fingerprint,
    from_text,
    similarity,
    to_text,
)


def picture(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(20, 235, (16, 20), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    return Image.open(buffer)


def apart(one: Image.Image, other: Image.Image) -> int:
    first, second = fingerprint(one), fingerprint(other)
    assert first is not None
    assert second is not None
    return int(distances(first, second[np.newaxis])[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_that_was_recompressed_resized_or_lit_otherwise_looks_the_same(seed: int) -> None:
    one = picture(seed)
    for other in (
        recompressed(one),
        one.resize((100, 75), Image.Resampling.LANCZOS),
        one.convert("RGB"),
        ImageEnhance.Brightness(one).enhance(0.9),
        ImageEnhance.Contrast(one).enhance(0.8),
    ):
        assert apart(one, other) <= LOOKS_THE_SAME_BITS
        assert similarity(one, other) >= LOOKS_THE_SAME_SIMILARITY


def test_other_pictures_do_not_look_the_same() -> None:
    assert apart(picture(1), picture(2)) > 2 * LOOKS_THE_SAME_BITS
    assert similarity(picture(1), picture(2)) < 0.5


def test_a_flat_picture_looks_like_nothing() -> None:
    flat = Image.new("L", (64, 64), 90)
    assert fingerprint(flat) is None
    assert similarity(flat, picture(1)) == -1.0


@given(st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4))
def test_hashes_survive_being_written(parts: list[int]) -> None:
    value = np.array(parts, dtype=np.uint64)
    assert (from_text(to_text(value)) == value).all()
    assert int(distances(value, value[np.newaxis])[0]) == 0
    assert int(distances(value, ~value[np.newaxis])[0]) == 256


def test_texts_that_are_no_hashes_are_refused() -> None:
    with pytest.raises(ValueError, match="no hash"):
        from_text("00")
