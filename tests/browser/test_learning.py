"""From settled labels to a promoted model and back, and where a score comes from, by browser alone."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Server
from browser.learning_home import fill_learning_home
from browser.waiting import A_JOB_MS

pytestmark = pytest.mark.browser


@pytest.fixture
def learning(bare_page: Page, server: Server, filled_home: Path) -> Page:
    """The page on a home with a data set that can be learnt from, opened by Ada."""
    shutil.copytree(filled_home, server.home, dirs_exist_ok=True)
    fill_learning_home(server.home)
    server.start()
    bare_page.add_init_script("localStorage.setItem('structloop.curator', 'Ada')")
    bare_page.goto(f"{server.url}/learning")
    return bare_page


@pytest.mark.timeout(900)
def test_a_model_is_trained_promoted_and_given_up(learning: Page) -> None:
    page = learning
    production = page.get_by_role("region", name="In production")
    expect(production).to_contain_text("nothing was promoted yet")
    page.get_by_role("button", name="Train").click()
    candidate = page.get_by_role("region", name=re.compile("^Candidate crystals-visible-fast-head-"))
    expect(candidate).to_be_visible(timeout=A_JOB_MS)
    expect(candidate).to_contain_text(re.compile("The gate (lets it pass|refuses it)"))
    expect(candidate.get_by_role("row", name=re.compile("^Recall"))).to_be_visible()
    expect(candidate.locator(".checks li")).not_to_have_count(0)
    candidate.get_by_role("button", name=re.compile("^Promote")).click()
    page.keyboard.type("a test of the page")
    page.keyboard.press("Enter")
    expect(production).to_contain_text("by Ada: a test of the page", timeout=A_JOB_MS)
    expect(production).to_contain_text("crystals-visible-fast-head-")
    page.get_by_role("button", name=re.compile("^Go back to")).click()
    page.keyboard.press("Enter")
    expect(production).to_contain_text("nothing was promoted yet")
    expect(page.locator(".history li")).to_have_count(3)


def test_a_version_is_planned_built_and_looked_at(learning: Page) -> None:
    page = learning
    page.get_by_role("button", name="Build a version").click()
    # Nobody has labelled a drop of this home: the page says so, and nothing can be built.
    expect(page.locator(".plan")).to_contain_text("annotate or curate more")
    expect(page.get_by_role("button", name="Build", exact=True)).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="crystals/visible#1").first.click()
    expect(page.get_by_role("heading", name="crystals/visible#1")).to_be_visible()
    expect(page.locator(".row-picture")).not_to_have_count(0)


def test_a_score_says_where_it_comes_from(learning: Page, server: Server) -> None:
    page = learning
    best = page.request.get(f"{server.url}/api/v1/hits?plate=1&limit=1").json()["items"][0]["drop_id"]
    page.goto(f"{server.url}/plates/1/drops/{best}")
    page.get_by_role("link", name="Where does this score come from?").click()
    expect(page.get_by_role("heading", name="Where this score comes from")).to_be_visible()
    expect(page.get_by_role("region", name="Score of the visible image")).to_contain_text("drawn-scores")
    expect(page.get_by_role("region", name="Score of the visible image")).to_contain_text("Not trained here")
