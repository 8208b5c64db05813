"""The list of plates, the plate map and the walls of images, by mouse and keyboard."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import Server
from browser.waiting import drawn, fits, until
from browser.workspace import BARCODE, UNSCORED_BARCODE

pytestmark = pytest.mark.browser

# Below 100 ms on an idle desktop; a busy machine of two cores gets four times as long.
DRAWN_WITHIN_MS = 400


def open_map(page: Page) -> None:
    """Goes from the list to the map of the scored plate."""
    page.get_by_role("link", name=re.compile(BARCODE)).click()
    expect(page.get_by_role("grid", name=f"Plate map of {BARCODE}")).to_be_visible()


def test_plates_are_listed_with_newest_hits_first(page: Page) -> None:
    names = page.locator(".plates .barcode")
    expect(names).to_have_text([BARCODE, UNSCORED_BARCODE])
    expect(page.get_by_role("link", name=re.compile(UNSCORED_BARCODE))).to_contain_text("not scored")
    page.get_by_label("Sort by").select_option("barcode")
    expect(page).to_have_url(re.compile("sort=barcode"))


def test_search_is_one_key_away_and_kept_in_the_address(page: Page) -> None:
    expect(page.locator(".plates .barcode")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("43")
    expect(page.locator(".plates .barcode")).to_have_text([UNSCORED_BARCODE])
    expect(page).to_have_url(re.compile("search=43"))
    page.reload()
    expect(page.get_by_label("Search plates")).to_have_value("43")
    page.get_by_label("Search plates").fill("nowhere")
    expect(page.get_by_role("heading", name="No plate matches")).to_be_visible()
    page.get_by_role("button", name="Show all plates").click()
    expect(page.locator(".plates .barcode")).to_have_count(2)


def test_states_filter_plates(page: Page) -> None:
    page.get_by_label("Which plates").select_option("unscored")
    expect(page.locator(".plates .barcode")).to_have_text([UNSCORED_BARCODE])


def test_map_shows_every_drop_with_its_exact_value(page: Page) -> None:
    open_map(page)
    cells = page.locator(".plate-grid a.drop")
    expect(cells).to_have_count(24)
    page.locator("[data-drop='B02.2']").hover()
    tip = page.get_by_role("tooltip")
    expect(tip).to_contain_text("B02 drop 2")
    expect(tip).to_have_text(re.compile(r"visible .+ % · UV .+ % · inspection [123]"))
    hits = page.locator(".plate-grid a.drop.hit")
    expect(hits.first).to_have_attribute("aria-label", re.compile(r"percent|%.*hit"))
    expect(page.locator(".legend")).to_contain_text("hit: 50 % or more")


def test_arrow_keys_move_over_the_map_and_enter_opens_the_drop(page: Page) -> None:
    open_map(page)
    page.locator("[data-drop='A01.1']").focus()
    for key, drop in (("ArrowRight", "A01.2"), ("ArrowRight", "A02.1"), ("ArrowDown", "B02.1"), ("End", "B04.2")):
        page.keyboard.press(key)
        expect(page.locator(f"[data-drop='{drop}']")).to_be_focused()
    expect(page.locator(".plate-grid [tabindex='0']")).to_have_count(1)
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("B01 drop 1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("grid")).to_be_visible()


def test_any_inspection_and_light_can_be_chosen(page: Page) -> None:
    open_map(page)
    drop = page.locator("[data-drop='A01.1']")
    best = drop.get_attribute("aria-label")
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile("inspection=1"))
    page.get_by_role("radio", name="3", exact=True).click()
    expect(page).to_have_url(re.compile("inspection=3"))
    page.get_by_role("radio", name="UV", exact=True).click()
    expect(page).to_have_url(re.compile("light=uv"))
    page.get_by_role("radio", name="Best so far").click()
    page.get_by_role("radio", name="Combined").click()
    expect(drop).to_have_attribute("aria-label", best or "")


def test_all_images_of_an_inspection_are_one_lazy_page(page: Page) -> None:
    open_map(page)
    page.keyboard.press("m")
    pictures = page.locator(".wall .picture")
    expect(pictures).to_have_count(24)
    assert pictures.locator("img").first.get_attribute("loading") == "lazy"
    page.get_by_role("radio", name="Likeliest first").click()

    def likeliest_first() -> bool:
        texts = page.locator(".wall .value").all_text_contents()
        values = [float(text.split()[0].lstrip("<>")) for text in texts]
        return len(values) == 24 and values == sorted(values, reverse=True)

    until(page, likeliest_first, "the likeliest come first")
    pictures.first.focus()
    page.keyboard.press("ArrowRight")
    expect(pictures.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Place in the list")).to_have_text("2 / 24")


def test_the_model_and_its_limits_are_shown_with_its_scores(page: Page) -> None:
    open_map(page)
    note = page.locator(".scoring-note")
    expect(note).to_contain_text("drawn-scores")
    expect(note).to_contain_text("combined by max")
    expect(note).to_contain_text("alarm from 50 %")


def test_scores_can_be_taken_away_as_csv(page: Page) -> None:
    open_map(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    path = download.value.path()
    text = Path(path).read_text(encoding="utf-8")
    assert text.startswith("plate,well,drop,inspection,visible_probability,uv_probability,crystal_probability,")
    assert len(text.strip().splitlines()) == 1 + 24 * 3


def test_a_plate_of_288_drops_is_drawn_at_once(page: Page) -> None:
    cells = [
        {
            "drop_id": 1000 + index,
            "well": f"{'ABCDEFGH'[index // 36]}{index // 3 % 12 + 1:02d}",
            "row": index // 36,
            "column": index // 3 % 12,
            "drop": index % 3 + 1,
            "probability": index / 288,
            "visible_probability": index / 288,
            "uv_probability": None,
            "inspection": 1,
            "image_visible_id": None,
            "image_uv_id": None,
            "error": None,
            "label": None,
            "label_scheme": None,
            "label_is_crystal": None,
            "disagreement": None,
        }
        for index in range(288)
    ]
    plate = {
        "plate_id": 77,
        "barcode": "FULL",
        "rows": 8,
        "columns": 12,
        "drops": [1, 2, 3],
        "inspection": None,
        "inspections": [],
        "scoring": None,
        "scorings": [],
        "cells": cells,
    }
    page.route("**/api/v1/plates/77/map*", lambda route: route.fulfill(json=plate))
    page.route("**/api/v1/plates/77/problems*", lambda route: route.fulfill(json={"items": [], "total": 0}))
    page.evaluate(
        """() => {
          window.drawn = [];
          new PerformanceObserver((list) => window.drawn.push(...list.getEntries().map((e) => e.duration)))
            .observe({ type: "longtask", buffered: false });
        }"""
    )
    page.evaluate("() => { history.pushState({}, '', '/plates/77'); dispatchEvent(new PopStateEvent('popstate')); }")
    expect(page.locator(".plate-grid a.drop")).to_have_count(288)
    slowest = page.evaluate("() => Math.max(0, ...window.drawn)")
    assert slowest < DRAWN_WITHIN_MS


def test_an_empty_workspace_says_how_to_import(bare_page: Page, server: Server) -> None:
    server.start()
    bare_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    bare_page.goto(server.url)
    expect(bare_page.get_by_role("heading", name="No plates yet")).to_be_visible()
    expect(bare_page.get_by_text("structloop crystals import PATH")).to_be_visible()
    bare_page.get_by_role("button", name="Copy").click()
    bare_page.wait_for_function(
        "navigator.clipboard.readText().then((text) => text === 'structloop crystals import PATH')"
    )


def test_an_address_that_names_nothing_says_so(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/somewhere/else")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_it_fits_a_phone_without_scrolling_sideways(chromium: Browser, shared_server: Server) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    page = context.new_page()
    for path in ("/", "/plates/1", "/plates/1/drops/1", "/hits?all=1", "/models", "/jobs"):
        page.goto(f"{shared_server.url}{path}")
        expect(page.locator(".topbar")).to_be_visible()
        drawn(page)
        fits(page, 390, path)
    context.close()


def test_the_theme_follows_the_system_until_one_is_chosen(page: Page) -> None:
    def background() -> str:
        colour: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return colour

    light = background()
    root = page.locator("html")
    page.emulate_media(color_scheme="dark")
    expect(root).not_to_have_css("background-color", light)
    page.keyboard.press("t")
    expect(root).to_have_css("background-color", light)
    page.reload()
    expect(root).to_have_css("background-color", light)


def test_question_mark_shows_all_keys(page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Undo the last score")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
