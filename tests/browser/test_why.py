"""Why a score: the panel with its map and the images most alike, by key and by mouse, and its refusals."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from browser.conftest import Server
from browser.learning_home import fill_learning_home
from browser.waiting import finished_job
from support.loop_datasets import TASK

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def test_a_score_is_explained_by_its_map_and_by_what_is_alike(
    bare_page: Page, server: Server, filled_home: Path
) -> None:
    page = bare_page
    shutil.copytree(filled_home, server.home, dirs_exist_ok=True)
    fill_learning_home(server.home)
    server.start()
    api = f"{server.url}/api/v1"
    panel = page.get_by_role("dialog", name="Why this score")
    # A head trained on the facility's data set shows the images that it learnt from.
    trained = page.request.post(
        f"{api}/training-runs", data={"task": TASK, "dataset": f"{TASK}#1", "method": "fast-head"}
    )
    finished_job(page, api, trained.json()["id"])
    name = page.request.get(f"{api}/training-runs").json()[0]["name"]
    finished_job(page, api, page.request.post(f"{api}/plates/1/score", data={"models": [name]}).json()["id"])
    page.goto(f"{server.url}/plates/1/drops/1")
    expect(page.get_by_test_id("model-score")).to_be_visible()
    page.get_by_role("button", name="Why this score").click()
    expect(panel.get_by_test_id("why-says")).to_contain_text(
        re.compile("Hiding the part|No single part"), timeout=30_000
    )
    expect(panel).to_contain_text("It does not show what a crystal is, nor what is true")
    overlay = panel.get_by_role("img", name="Map of what the score comes from")
    expect(overlay).to_be_visible()
    assert overlay.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    page.keyboard.press("m")
    expect(overlay).to_have_count(0)
    panel.get_by_role("checkbox").check()
    expect(overlay).to_be_visible()
    alike = panel.get_by_role("region", name="The most alike")
    expect(alike).to_contain_text(f"learnt from {TASK}#1")
    expect(alike.get_by_role("listitem")).to_have_count(6)
    expect(alike.get_by_role("listitem").first).to_contain_text(
        re.compile("(crystal|other).*distance 0.*settled by curators")
    )
    pictures = alike.get_by_role("listitem").locator("img")
    expect(pictures).to_have_count(6)
    assert pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    # The same from the page that says where the score comes from.
    page.get_by_role("link", name="Where does this score come from?").click()
    expect(page.get_by_role("heading", name="Where this score comes from")).to_be_visible()
    expect(page.get_by_role("button", name="Why this score").first).to_be_visible()
    page.keyboard.press("w")
    expect(panel.get_by_test_id("why-says")).to_be_visible()


def test_a_score_that_cannot_be_explained_says_why(profile: BrowserContext, shared_server: Server) -> None:
    # The browser complains of refused answers by itself, so nobody listens to this page's console.
    page = profile.new_page()
    page.goto(f"{shared_server.url}/plates/1/drops/1")
    expect(page.get_by_test_id("model-score")).to_be_visible()
    page.keyboard.press("w")
    panel = page.get_by_role("dialog", name="Why this score")
    expect(panel.get_by_role("alert").first).to_contain_text("model 'drawn-scores' is not here any more")
    expect(panel.get_by_role("button", name="Try again").first).to_be_visible()
    page.keyboard.press("w")
    expect(panel).to_have_count(0)
    page.keyboard.press("h")
    page.keyboard.press("w")
    expect(page.locator(".toast").last).to_contain_text("Hidden while you score blind")
    expect(panel).to_have_count(0)
