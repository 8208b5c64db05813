"""A particle project in the browser: from a folder to a file for RELION, by mouse and keyboard."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from browser.conftest import Server
from browser.waiting import A_JOB_MS, until
from structloop.particles.coordinates import read_coordinates
from support.discs import DIAMETER_PX, SIZE, write_discs

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture
def truth(server: Server, tmp_path: Path) -> dict[str, NDArray[np.float64]]:
    """A folder of three micrographs and a broken one, below the one folder that the browser may look into."""
    folder = tmp_path / "data" / "discs"
    folder.mkdir(parents=True)
    (folder / "broken.mrc").write_bytes(b"")
    (server.home / "structloop.toml").write_text(f'import_roots = ["{tmp_path / "data"}"]\n', encoding="utf-8")
    return {f"m_{number}.png": write_discs(folder / f"m_{number}.png", number) for number in (1, 2, 3)}


@pytest.fixture
def project(bare_page: Page, server: Server, truth: dict[str, NDArray[np.float64]]) -> Page:
    """The page of a new project of that folder."""
    server.start()
    bare_page.goto(f"{server.url}/particles")
    bare_page.get_by_role("button", name="New project…").click()
    bare_page.get_by_role("button", name="discs").click()
    expect(bare_page.get_by_text("4 micrographs directly in it")).to_be_visible()
    bare_page.get_by_label("Diameter of the particle").fill(f"{DIAMETER_PX:g}")
    expect(bare_page.get_by_text("do not say their pixel size")).to_be_visible()
    bare_page.get_by_label("Unit of the diameter").select_option("px")
    bare_page.get_by_role("button", name="Make the project").click()
    expect(bare_page.get_by_role("heading", name="discs")).to_be_visible()
    expect(bare_page.get_by_text("m_3.png").first).to_be_visible()
    return bare_page


def _open(page: Page, name: str) -> None:
    page.get_by_role("link", name=re.compile(re.escape(name))).first.click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_text("Reading the micrograph")).to_have_count(0)


def _click(page: Page, place: NDArray[np.float64]) -> None:
    canvas = page.locator("canvas.over")
    box = canvas.bounding_box()
    assert box is not None
    scale = min(box["width"] / SIZE[1], box["height"] / SIZE[0])
    left, top = (box["width"] - SIZE[1] * scale) / 2, (box["height"] - SIZE[0] * scale) / 2
    canvas.click(position={"x": left + (place[0] + 0.5) * scale, "y": top + (place[1] + 0.5) * scale})


def test_marks_are_added_removed_undone_and_exported(
    project: Page, truth: dict[str, NDArray[np.float64]], tmp_path: Path
) -> None:
    page = project
    _open(page, "m_1.png")
    for number, place in enumerate(truth["m_1.png"][:3], start=1):
        _click(page, place)
        expect(page.get_by_text(f"{number} particle")).to_be_visible()
    _click(page, truth["m_1.png"][1] + 3)
    expect(page.get_by_text("2 particles marked")).to_be_visible()
    page.keyboard.press("z")
    expect(page.get_by_text("3 particles marked")).to_be_visible()
    page.keyboard.press("y")
    expect(page.get_by_text("2 particles marked")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="m_2.png")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("2 marked")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export 2 particles").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "discs.star"
    (exported,) = [each for each in read_coordinates(file) if len(each)]
    assert exported.micrograph == "m_1.png"
    assert np.abs(exported.xy_px - truth["m_1.png"][[0, 2]]).max() < 1.5


def test_a_box_is_cleared_and_a_micrograph_accepted(project: Page, truth: dict[str, NDArray[np.float64]]) -> None:
    page = project
    _open(page, "m_1.png")
    for place in truth["m_1.png"][:3]:
        _click(page, place)
    expect(page.get_by_text("3 particles marked")).to_be_visible()
    page.keyboard.press("b")
    canvas = page.locator("canvas.over").bounding_box()
    assert canvas is not None
    page.mouse.move(canvas["x"] + 10, canvas["y"] + 10)
    page.mouse.down()
    page.mouse.move(canvas["x"] + canvas["width"] - 10, canvas["y"] + canvas["height"] - 10, steps=4)
    page.mouse.up()
    expect(page.get_by_text("0 particles marked")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("3 particles marked")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 particles confirmed")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("finished")).to_be_visible()


def test_what_is_picked_without_labels_is_shown_and_the_threshold_shows_fewer(
    project: Page, truth: dict[str, NDArray[np.float64]]
) -> None:
    page = project
    expect(page.get_by_text("Problems 1")).to_be_visible()
    page.get_by_role("button", name="Pick 3 micrographs").click()
    expect(page.get_by_role("button", name="All are picked")).to_be_visible(timeout=A_JOB_MS)
    _open(page, "m_2.png")
    slider = page.get_by_role("slider", name="Threshold")
    slider.fill("0.02")
    shown = page.locator(".expected", has_text="Picks shown").locator("dd").last
    enough = len(truth["m_2.png"]) // 2
    until(page, lambda: int(shown.text_content() or "0") >= enough, f"{enough} picks are shown")
    slider.fill("1")
    expect(shown).to_have_text("0")
    expect(page.get_by_text(re.compile(r"Expected precision"))).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Problems 1").click()
    expect(page.get_by_text("cannot be used")).to_be_visible()


def test_without_a_network_it_picks_too_and_each_model_s_picks_are_kept(project: Page) -> None:
    page = project
    model = page.get_by_label("Model")
    expect(model.locator("option")).to_have_text(["General network", "Dark blobs", "Round template"])
    model.select_option("Dark blobs")
    expect(page.get_by_text("No network")).to_be_visible()
    page.get_by_role("button", name="Pick 3 micrographs").click()
    expect(page.get_by_role("button", name="All are picked")).to_be_visible(timeout=A_JOB_MS)
    page.get_by_role("slider", name="Threshold").fill("1")
    expect(page.get_by_role("button", name="Export 0 particles")).to_be_disabled()
    model.select_option("Round template")
    expect(page.get_by_role("button", name="Pick 3 micrographs")).to_be_enabled()
    model.select_option("Dark blobs")
    expect(page.get_by_role("button", name="All are picked")).to_be_visible()


def test_without_folders_it_says_how_to_allow_one(bare_page: Page, server: Server) -> None:
    server.start()
    bare_page.goto(f"{server.url}/particles")
    expect(bare_page.get_by_text("structloop serve --import-root FOLDER")).to_be_visible()
    expect(bare_page.get_by_role("button", name="New project…")).to_be_disabled()
