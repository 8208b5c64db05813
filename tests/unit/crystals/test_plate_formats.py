"""A plate's format is the smallest that holds all that was seen, and never shrinks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.crystals.plates import grown_format
from structloop.schema.crystals import DropImage, PlateFormat, Well


def image(row: int, column: int, drop: int = 1, size: tuple[int, int] | None = None) -> DropImage:
    return DropImage(
        path=Path("x.jpg"),
        barcode="P1",
        well=Well(row, column),
        drop=drop,
        inspection=1,
        plate_rows=size[0] if size else None,
        plate_columns=size[1] if size else None,
    )


IMAGES = st.lists(st.builds(image, st.integers(0, 31), st.integers(0, 47), st.integers(1, 4)), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([image(0, 0)], PlateFormat(8, 12, (1,))),
        ([image(8, 0)], PlateFormat(16, 24, (1,))),
        ([image(31, 47, 2)], PlateFormat(32, 48, (2,))),
        ([image(3, 5, 1, (4, 6))], PlateFormat(4, 6, (1,))),
        ([image(40, 60)], PlateFormat(41, 61, (1,))),
    ],
)
def test_a_new_plate(images: list[DropImage], expected: PlateFormat) -> None:
    assert grown_format(None, images) == expected


def test_a_new_plate_needs_an_image() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        grown_format(None, [])


@given(first=IMAGES, second=IMAGES)
def test_a_format_holds_everything_and_the_order_does_not_matter(
    first: list[DropImage], second: list[DropImage]
) -> None:
    grown = grown_format(grown_format(None, first), second)
    assert all(grown.holds(item.well) and item.drop in grown.drops for item in [*first, *second])
    assert grown == grown_format(grown_format(None, second), first) == grown_format(None, [*first, *second])
    assert grown_format(grown, first) == grown
