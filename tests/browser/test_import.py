"""From a folder to a score with a name, in the browser alone."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browser.conftest import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """What an imager wrote: two drops, one of them only begun."""
    folder = tmp_path / "rawimages" / "2026" / "EM0001" / "1"
    folder.mkdir(parents=True)
    for well in ("A01", "A02"):
        Image.new("RGB", (64, 64), "grey").save(folder / f"FORMULATRIX_EM0001_1_05-01-2026_{well}_1_Vis.jpg")
    cut_off = folder / "FORMULATRIX_EM0001_1_05-01-2026_A02_1_Vis.jpg"
    cut_off.write_bytes(cut_off.read_bytes()[:300])
    return tmp_path / "rawimages"


def test_a_folder_is_looked_at_imported_and_scored_under_a_name(bare_page: Page, server: Server, images: Path) -> None:
    page = bare_page
    (server.home / "structloop.toml").write_text(f'import_roots = ["{images}"]\nsettle_s = 0\n', encoding="utf-8")
    server.start()
    page.goto(server.url)
    page.get_by_role("button", name="Import…").click()
    dialog = page.get_by_role("dialog", name="Import images")
    expect(dialog.get_by_label("Folder or CSV manifest")).to_have_value(str(images))
    dialog.get_by_label("Folder or CSV manifest").fill(f"{images}/nowhere")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("nowhere")
    dialog.get_by_label("Folder or CSV manifest").fill(str(images))
    dialog.get_by_role("button", name="Look").click()
    expect(dialog.locator(".plan")).to_contain_text("EM0001 new 2 images, visible")
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(dialog.locator(".plan")).to_contain_text("1 image imported")
    expect(dialog.get_by_role("listitem").filter(has_text="A02_1_Vis.jpg")).to_contain_text("is damaged")
    dialog.get_by_role("link", name="EM0001").click()

    page.locator("[data-drop='A01.1']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A01 drop 1")
    page.keyboard.press("o")
    page.get_by_role("dialog", name="Who scores?").get_by_label("Your name").fill("Ada")
    page.keyboard.press("Enter")
    expect(page.get_by_label("What people said")).to_contain_text("Ada")
    # Asked once: the next score is hers, too.
    page.keyboard.press("c")
    expect(page.get_by_label("What people said")).to_contain_text("Crystal Ada")
    page.get_by_title("Somebody else scores").click()
    page.keyboard.press("o")
    page.get_by_role("button", name="Stay anonymous").click()
    expect(page.get_by_role("button", name="anonymous")).to_be_visible()
