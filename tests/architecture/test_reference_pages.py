"""The pages of the reference that are made from the code say what the code says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """The script that writes the pages."""
    specification = importlib.util.spec_from_file_location("writer", ROOT / "scripts" / "write_reference_pages.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings", "errors", "cli", "microscopes", "recovery", "serialem-commands"])
def test_the_page_is_what_the_code_says(writer: ModuleType, name: str) -> None:
    page = ROOT / "docs" / "reference" / f"{name}.md"
    expected = getattr(writer, f"{name.replace('-', '_')}_page")()
    assert page.is_file()
    assert page.read_text(encoding="utf-8") == expected, "run python scripts/write_reference_pages.py"
