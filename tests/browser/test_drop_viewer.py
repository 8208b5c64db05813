"""The drop viewer: looking, moving and scoring by mouse and by single keys."""

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from browser.conftest import Server
from browser.waiting import at_rest

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _nobody_is_asked_for_a_name(profile: BrowserContext) -> None:
    profile.add_init_script("localStorage.setItem('structloop.anonymous', 'on')")


@pytest.fixture
def viewer(bare_page: Page, shared_server: Server) -> Page:
    """The viewer at drop A01.1 of the scored plate, its images drawn."""
    bare_page.goto(f"{shared_server.url}/plates/1/drops/1")
    expect(heading(bare_page)).to_have_text("A01 drop 1")
    expect(bare_page.locator(".deep-zoom .canvas:not(.waiting)")).to_have_count(2)
    return bare_page


def heading(page: Page) -> Locator:
    """Which drop is shown."""
    return page.get_by_role("heading", level=1)


def said(page: Page) -> Locator:
    """What people said of the drop."""
    return page.get_by_label("What people said")


def taken_back(page: Page) -> None:
    """Waits until a score is taken back for good: other tests look at the same drops on the same server."""
    expect(page.locator(".toast").filter(has_text="Taken back")).to_be_visible()


def test_visible_and_uv_stand_side_by_side(viewer: Page) -> None:
    visible = viewer.get_by_role("img", name=re.compile("A01 drop 1, visible"))
    uv = viewer.get_by_role("img", name=re.compile("A01 drop 1, UV"))
    left, right = visible.bounding_box(), uv.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    assert abs(left["y"] - right["y"]) < 2
    expect(viewer.get_by_test_id("model-score")).to_have_text(re.compile("%"))


def test_images_zoom_to_the_pixel_and_keep_together(viewer: Page) -> None:
    levels = viewer.locator(".zoom-level")
    expect(levels).to_have_count(2)

    def percent() -> list[int]:
        return [int(at_rest(level).split()[0]) for level in levels.all()]

    before = percent()
    viewer.keyboard.press("+")
    for level, was in zip(levels.all(), before, strict=True):
        expect(level).not_to_have_text(f"{was} %")
    after = percent()
    assert after[0] > before[0]
    assert after[1] > before[1]
    viewer.locator(".deep-zoom").first.hover()
    viewer.mouse.wheel(0, -600)
    expect(levels.first).not_to_have_text(f"{after[0]} %")
    assert percent()[0] > after[0]
    viewer.keyboard.press("p")
    expect(levels.first).to_have_text("100 %")
    viewer.keyboard.press("f")
    expect(levels.first).to_have_text(f"{before[0]} %")


def test_keys_walk_over_drops_wells_and_inspections(viewer: Page) -> None:
    for key, drop in (
        ("j", "A01 drop 2"),
        ("ArrowRight", "A02 drop 1"),
        ("k", "A01 drop 2"),
        ("ArrowDown", "A02 drop 2"),
        ("ArrowUp", "A01 drop 2"),
        ("ArrowLeft", "A01 drop 1"),
    ):
        viewer.keyboard.press(key)
        expect(heading(viewer)).to_have_text(drop)
    inspections = viewer.get_by_label("Time course").get_by_role("radio")
    inspections.first.click()
    expect(inspections.first).to_be_checked()
    expect(viewer).to_have_url(re.compile("inspection=1"))
    for step, number in (("]", 2), ("[", 1)):
        viewer.keyboard.press(step)
        # The address changes before the page does, and the page answers keys.
        expect(inspections.nth(number - 1)).to_be_checked()
        expect(viewer).to_have_url(re.compile(f"inspection={number}"))


def test_buttons_do_what_keys_do(viewer: Page) -> None:
    viewer.get_by_role("button", name="Next drop").click()
    expect(heading(viewer)).to_have_text("A01 drop 2")
    viewer.get_by_role("button", name="Previous drop").click()
    expect(heading(viewer)).to_have_text("A01 drop 1")
    viewer.get_by_role("button", name="Crystals, 3-D").click()
    expect(heading(viewer)).to_have_text("A01 drop 2")
    viewer.locator(".toast").get_by_role("button", name="Undo").click()
    taken_back(viewer)
    expect(heading(viewer)).to_have_text("A01 drop 1")
    expect(said(viewer)).to_have_count(0)


def test_scoring_by_keys_goes_on_by_itself_and_can_be_undone(viewer: Page, shared_server: Server) -> None:
    viewer.keyboard.press("c")
    expect(heading(viewer)).to_have_text("A01 drop 2")
    viewer.keyboard.press("3")
    expect(heading(viewer)).to_have_text("A02 drop 1")
    viewer.keyboard.press("z")
    taken_back(viewer)
    expect(heading(viewer)).to_have_text("A01 drop 2")
    expect(said(viewer)).to_have_count(0)
    viewer.keyboard.press("k")
    expect(heading(viewer)).to_have_text("A01 drop 1")
    expect(said(viewer)).to_contain_text("Crystal")
    expect(viewer.get_by_role("button", name="c Crystal", exact=True)).to_have_attribute("aria-pressed", "true")
    viewer.goto(f"{shared_server.url}/plates/1")
    expect(viewer.locator("[data-drop='A01.1']")).to_have_class(re.compile("mark-crystal"))
    expect(viewer.locator("[data-drop='A01.2']")).not_to_have_class(re.compile("mark-"))
    answers = viewer.request.get(f"{shared_server.url}/api/v1/drops/1/annotations").json()
    standing = [answer for answer in answers if not answer["withdrawn"]]
    assert [(answer["scheme"], answer["label"], answer["score_visible"]) for answer in standing] == [
        ("axis", "crystal", True)
    ]
    withdraw = f"{shared_server.url}/api/v1/annotations/{standing[0]['id']}/withdraw"
    assert viewer.request.post(withdraw).ok


def test_blind_scoring_hides_the_model_and_is_recorded(viewer: Page, shared_server: Server) -> None:
    viewer.keyboard.press("h")
    expect(viewer.get_by_test_id("model-score")).to_have_count(0)
    expect(viewer.locator(".pane figcaption")).to_have_text(["Visible", "UV"])
    expect(viewer.get_by_label("Time course")).not_to_contain_text("%")
    with viewer.expect_response(lambda answer: answer.request.method == "POST" and "/annotations" in answer.url):
        viewer.keyboard.press("o")
    expect(heading(viewer)).to_have_text("A01 drop 2")
    newest = viewer.request.get(f"{shared_server.url}/api/v1/drops/1/annotations").json()[0]
    assert (newest["label"], newest["score_visible"]) == ("other", False)
    viewer.keyboard.press("z")
    taken_back(viewer)
    expect(heading(viewer)).to_have_text("A01 drop 1")
    viewer.keyboard.press("h")
    expect(viewer.get_by_test_id("model-score")).to_be_visible()


def test_a_score_that_cannot_be_stored_is_not_lost_silently(viewer: Page) -> None:
    viewer.route("**/api/v1/annotations", lambda route: route.abort("connectionrefused"))
    viewer.keyboard.press("c")
    expect(viewer.locator(".toast.bad")).to_contain_text("A01 drop 1 was not stored")
    expect(heading(viewer)).to_have_text("A01 drop 1")


def test_rank_order_starts_with_the_likeliest(bare_page: Page, shared_server: Server) -> None:
    bare_page.goto(f"{shared_server.url}/hits?all=1")
    names = bare_page.locator(".picture .name")
    expect(names).to_have_count(24)
    first, second = names.all_text_contents()[:2]
    bare_page.locator(".picture").first.click()
    expect(heading(bare_page)).to_have_text(first.replace(".", " drop "))
    bare_page.keyboard.press("j")
    expect(heading(bare_page)).to_have_text(second.replace(".", " drop "))
    bare_page.keyboard.press("Escape")
    expect(bare_page.get_by_role("heading", name="Drops by rank")).to_be_visible()


def test_reviewed_drops_leave_the_list_of_unreviewed_ones(bare_page: Page, shared_server: Server) -> None:
    bare_page.goto(f"{shared_server.url}/hits?all=1&unreviewed=1")
    names = bare_page.locator(".picture .name")
    expect(names).to_have_count(24)
    first, second = names.all_text_contents()[:2]
    bare_page.locator(".picture").first.click()
    expect(heading(bare_page)).to_have_text(first.replace(".", " drop "))
    bare_page.keyboard.press("6")
    expect(heading(bare_page)).to_have_text(second.replace(".", " drop "))
    bare_page.keyboard.press("Escape")
    expect(names).to_have_count(23)
    expect(names.first).to_have_text(second)
    bare_page.go_back()
    bare_page.keyboard.press("z")
    expect(bare_page.locator(".toast").last).to_contain_text(re.compile("Taken back|Nothing to undo"))
