"""Replaying a session: the map, the slider, the sentence, and overrides, by mouse and keyboard."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.conftest import Server
from browser.waiting import at_rest
from structloop.grids.sessions import RecordedSessions

pytestmark = pytest.mark.browser


@pytest.fixture
def empty_page(bare_page: Page, server: Server) -> Page:
    """The page of sessions on an empty home."""
    server.start()
    bare_page.goto(f"{server.url}/targeting")
    expect(bare_page.get_by_role("heading", name="What would structloop have done?")).to_be_visible()
    return bare_page


@pytest.fixture
def session_page(empty_page: Page) -> Page:
    """A made-up session, replayed."""
    empty_page.get_by_role("button", name="Make one up").click()
    expect(empty_page.get_by_role("img", name="holes in")).to_be_visible()
    expect(empty_page.locator(".session-numbers")).to_contain_text("possible")
    return empty_page


def at(page: Page, position: int) -> None:
    """Waits until so many exposures have passed."""
    expect(page.get_by_role("slider", name="Exposure")).to_have_value(str(position))


def best_hole(page: Page) -> Locator:
    """The name of the hole that is best now."""
    return page.locator(".session-table tbody tr").first.locator("td").first


def test_a_recorded_session_is_added_from_a_file(empty_page: Page, tmp_path: Path) -> None:
    made = RecordedSessions(tmp_path / "made").add_simulated(4)
    file = tmp_path / "made" / f"{made.id}.csv"
    empty_page.get_by_label("CSV of holes").set_input_files(file)
    expect(empty_page.get_by_role("heading", name=file.name)).to_be_visible()
    empty_page.get_by_role("link", name="Targeting").first.click()
    expect(empty_page.get_by_role("link", name=file.name)).to_be_visible()
    bad = tmp_path / "bad.csv"
    bad.write_text("hole_id,x\n1,2\n")
    empty_page.get_by_label("CSV of holes").set_input_files(bad)
    expect(empty_page.get_by_text("lacks atlas_tile")).to_be_visible()


def test_the_slider_tells_the_story(session_page: Page) -> None:
    page = session_page
    first = page.locator(".session-reason").text_content() or ""
    for _ in range(3):
        page.keyboard.press("PageDown")
    at(page, 30)
    expect(page.locator(".session-reason")).not_to_have_text(first)
    best = at_rest(best_hole(page))
    expect(page.locator(".session-reason")).to_contain_text(f"hole {best}")
    page.keyboard.press("ArrowLeft")
    at(page, 29)
    page.keyboard.press("End")
    expect(page.locator(".session-reason")).to_contain_text("The session ends here")
    page.keyboard.press("Home")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("slider", name="Exposure")).to_have_value(re.compile(r"^([3-9]|\d\d+)$"))
    page.get_by_role("button", name="Pause").click()


def test_an_override_is_respected_and_taken_back(session_page: Page) -> None:
    page = session_page
    for _ in range(2):
        page.keyboard.press("PageDown")
    at(page, 20)
    before = at_rest(best_hole(page))
    box = page.get_by_role("img", name="holes in").bounding_box()
    assert box is not None
    page.get_by_role("radio", name="Square").click()
    force = page.get_by_role("button", name="Take next")
    # The far corner of the first row of squares: anything that is not exposed yet will do.
    for x in range(20, int(box["width"]), 40):
        for y in range(20, int(box["height"]), 40):
            page.mouse.click(box["x"] + x, box["y"] + y)
            if page.get_by_role("button", name="Forbid").is_enabled():
                break
        else:
            continue
        break
    page.get_by_role("radio", name="Hole").click()
    page.keyboard.press("f")
    expect(page.get_by_role("list", name="Overrides").get_by_text("Forbid")).to_be_visible()
    expect(force).to_be_disabled()
    page.keyboard.press("z")
    expect(page.get_by_role("list", name="Overrides")).to_have_count(0)
    expect(best_hole(page)).to_have_text(before)


def test_settings_that_make_no_sense_are_said(session_page: Page) -> None:
    session_page.get_by_label("Move minutes").fill("9, 2, 6, 8")
    expect(session_page.get_by_role("alert")).to_contain_text("do not fall")
    session_page.get_by_label("Policy").select_option("sweep")
    expect(session_page.get_by_text("this policy expects nothing")).to_be_visible()
