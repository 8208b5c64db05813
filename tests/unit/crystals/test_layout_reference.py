"""The reference of layouts names every layout, field and column that there is."""

from pathlib import Path

import pytest

from structloop.crystals.layouts import LayoutCatalog
from structloop.crystals.layouts.manifest import COLUMNS
from structloop.crystals.layouts.patterns import FIELDS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "layouts.md"


@pytest.mark.parametrize("name", [*LayoutCatalog().names(), *FIELDS, *COLUMNS])
def test_it_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
