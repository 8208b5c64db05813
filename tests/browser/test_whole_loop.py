"""The whole loop by browser alone: from a scored plate to the next plate, scored by what people taught.

Everything is a click or a key in a page. Before it begins, plates were imported and scored, and three of them labelled
by somebody else, as in any laboratory that has used the program before.
"""

import json
import os
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.conftest import Server
from browser.loop_home import FRONT, LABELLED, NEXT, Truth, fill_loop_home
from browser.test_screenshots import IMAGES, LARGEST_BYTES, NARROW, UPDATE, WIDE, reduce_colours
from browser.waiting import A_JOB_MS, drawn, fits, until

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("STRUCTLOOP_TEST_LOOP_PICTURES")
"""A folder for pictures of every page on the way, in both themes and widths."""
KEPT = ("disagreements", "learning")
"""Pictures for the documentation, made again with the others (see `test_screenshots`)."""
DIALOGS_FIT = "[...document.querySelectorAll('dialog[open]')].every((one) => one.scrollWidth <= one.clientWidth)"
TRAINED = re.compile("^Candidate crystals-visible-fast-head-")


def call(server: Server, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  # our own address
        f"{server.url}/api/v1{path}", data=data, headers={"Content-Type": "application/json", "Origin": server.url}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return json.load(answer)


@pytest.fixture
def loop(bare_page: Page, server: Server) -> tuple[Page, Truth]:
    """The list of plates on a server where all but one of them are scored."""
    truth = fill_loop_home(server.home)
    server.start()
    plates = {plate["barcode"]: plate["id"] for plate in call(server, "/plates")["items"]}
    for barcode in (FRONT, *LABELLED):
        call(server, f"/plates/{plates[barcode]}/score", {})

    def idle() -> bool:
        return all(job["state"] not in ("queued", "running") for job in call(server, "/jobs")["items"])

    until(bare_page, idle, "the plates are scored")
    bare_page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    bare_page.goto(server.url)
    return bare_page, truth


def look(page: Page, name: str) -> None:
    """The page fits into a narrow window, too; pictures are taken where they are asked for."""
    for size in (NARROW, WIDE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        fits(page, size[0], name)
        until(page, lambda: bool(page.evaluate(DIALOGS_FIT)), f"what {name} asks fits {size[0]} px")
        if PICTURES is None and not (UPDATE and name in KEPT):
            continue
        expect(page.locator(".toast")).to_have_count(0)
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            drawn(page)
            picture = Path(PICTURES or IMAGES) / f"{name}{'' if size == WIDE else '-narrow'}-{theme}.png"
            if PICTURES is not None:
                picture.parent.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=picture)
            elif size == WIDE and theme == "light":
                page.screenshot(path=picture)
                reduce_colours(picture)
                assert picture.stat().st_size < LARGEST_BYTES


def cells(page: Page) -> Locator:
    """The drops of the map, drawn."""
    expect(page.locator("[aria-busy='true'], .skeleton")).to_have_count(0)
    return page.locator(".plate-grid a.drop")


def open_plate(page: Page, barcode: str) -> None:
    page.get_by_role("link", name="Plates", exact=True).click()
    page.get_by_role("link", name=re.compile(barcode)).click()
    expect(page.get_by_role("heading", name=barcode)).to_be_visible()


def sit_down(page: Page, curator: str) -> None:
    """Somebody else curates."""
    page.get_by_title("Somebody else curates").click()
    page.get_by_label("Your name").fill(curator)
    page.keyboard.press("Enter")


def said_by(heading: Locator) -> str:
    """What a heading says, whether it is in sight or not."""
    return heading.text_content() or ""


def answer(page: Page, key: Callable[[str], str], count: int, *, before: int = 0) -> None:
    """The curator answers so many drops by keys, after others before them."""
    heading = page.locator(".drop-head .crumbs")
    for number in range(before + 1, before + count + 1):
        expect(page.locator(".drop-page")).to_have_attribute("aria-busy", "false")
        page.keyboard.press(key(said_by(heading)))
        expect(page.get_by_test_id("answered").or_(page.get_by_text("That was all for you"))).to_have_text(
            re.compile(rf"^{number}\b|That was all")
        )


def place_of(heading: str) -> tuple[str, str]:
    barcode, well = re.findall(r"SL\d{6}|[A-H]\d\d", heading)[:2]
    return barcode, well


@pytest.mark.timeout(900)
def test_what_people_settle_scores_the_next_plate(loop: tuple[Page, Truth], server: Server) -> None:
    page, truth = loop

    # Drops are scored by keys; one hit is denied on purpose.
    open_plate(page, FRONT)
    expect(page.get_by_role("button", name="No disagreements")).to_be_visible()
    page.keyboard.press("o")
    expect(page.get_by_role("region", name="Disagreements")).to_contain_text("Nobody has scored a drop")
    page.keyboard.press("o")
    hits = {cell.get_attribute("data-drop") for cell in cells(page).all() if "hit" in str(cell.get_attribute("class"))}
    assert hits, "the model sees no crystal: the test has nothing to deny"
    denied = min(str(drop) for drop in hits)
    said = {}
    cells(page).first.click()
    for cell in range(6):
        well = page.get_by_role("heading", level=1)
        expect(page.locator(".drop-page")).to_have_attribute("aria-busy", "false")
        drop = ".".join(re.findall(r"[A-H]\d\d|\d+$", said_by(well)))
        said[drop] = truth[FRONT, drop[:3]] != (drop == denied)
        before = said_by(well)
        page.keyboard.press("9" if said[drop] else "o")
        if cell == 0:
            page.get_by_role("button", name="Stay anonymous").click()
        if cell < 5:
            expect(well).not_to_have_text(before)
    page.keyboard.press("Escape")

    # Where they and the model disagree is on the map, and one steps from one to the next.
    disputed = sorted(drop for drop, crystal in said.items() if crystal != (drop in hits))
    assert denied in disputed
    expect(page.locator(".plate-grid a.drop.disagrees")).to_have_count(len(disputed))
    page.keyboard.press("d")
    expect(page.locator(f"[data-drop='{disputed[0]}']")).to_be_focused()
    expect(page.locator(f"[data-drop='{disputed[0]}']")).to_have_accessible_name(re.compile("disagreement: person"))
    page.keyboard.press("o")
    listed = page.get_by_role("region", name="Disagreements").get_by_role("listitem")
    expect(listed).to_have_count(len(disputed))
    look(page, "disagreements")

    # They are taken to the curators from the map.
    for number, drop in enumerate(disputed, start=1):
        page.locator(f"[data-drop='{drop}']").focus()
        page.keyboard.press("q")
        expect(page.get_by_role("link", name=f"Curate {number}")).to_be_visible()
    page.locator(f"[data-drop='{denied}']").focus()
    page.keyboard.press("q")
    page.get_by_label("Your name").fill("Ada")
    page.keyboard.press("Enter")
    expect(page.locator(".drop-head .crumbs")).to_contain_text(denied[:3])
    expect(page.get_by_test_id("why")).to_be_visible()

    def rightly(heading: str) -> str:
        return "c" if truth[place_of(heading)] else "o"

    # More comes by filling the queue. The second curator errs about one drop, which a third one decides.
    answer(page, rightly, len(disputed))
    page.get_by_role("button", name="Fill the queue").click()
    expect(page.locator(".drop-head .crumbs")).to_be_visible()
    look(page, "curation")
    answer(page, rightly, 1, before=len(disputed))
    sit_down(page, "Ben")
    answer(page, lambda heading: "o" if rightly(heading) == "c" else "c", 1)
    answer(page, rightly, len(disputed), before=1)
    sit_down(page, "Cleo")
    expect(page.get_by_text("2 given, which differ; 2 equal ones settle it")).to_be_visible()
    answer(page, rightly, 1)
    open_plate(page, FRONT)
    expect(page.get_by_role("button", name="No disagreements")).to_be_visible()

    # A version of the data set, a model trained on it, and what the gate says of it.
    page.get_by_role("link", name="Learning", exact=True).click()
    expect(page.get_by_role("button", name="Build a version")).to_be_visible()
    look(page, "learning-empty")
    page.keyboard.press("b")
    page.get_by_label("From").select_option("annotated")
    expect(page.locator(".plan")).to_contain_text("Its test part is frozen for good.")
    look(page, "build")
    page.get_by_role("textbox", name="Why").fill("the first four plates")
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page.get_by_role("link", name="crystals/visible#1").first).to_be_visible()
    page.keyboard.press("n")
    candidate = page.get_by_role("region", name=TRAINED)
    expect(candidate).to_be_visible(timeout=A_JOB_MS)
    # Six images say little: the page tells why the gate refuses, and a person may overrule it with a reason.
    expect(candidate).to_contain_text("The gate refuses it")
    expect(candidate.locator(".checks .refused")).to_contain_text([re.compile("20 are needed")])
    look(page, "learning")
    candidate.get_by_role("button", name="Promote despite the gate").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Promote despite the gate")).to_be_disabled()
    page.keyboard.type("the test plate is small; it is right where we looked")
    look(page, "despite-gate")
    page.keyboard.press("Enter")
    production = page.get_by_role("region", name="In production")
    expect(production).to_contain_text("by Cleo: the test plate is small", timeout=A_JOB_MS)
    model = production.get_by_role("link").first.text_content() or ""
    assert model.startswith("crystals-visible-fast-head-")

    # The next plate is scored by it, and the page says so.
    open_plate(page, NEXT)
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text(f"visible: {model}, UV: drops-compact")
    page.get_by_role("dialog").get_by_role("button", name="Score", exact=True).click()
    expect(page.locator(".scoring-note")).to_contain_text(f"visible: {model}", timeout=A_JOB_MS)
    expect(page.locator(".plate-grid a.drop.unscored")).to_have_count(0)

    # From a score to the model, the data set, those who labelled and those who curated.
    cells(page).first.click()
    page.get_by_role("link", name="Where does this score come from?").click()
    visible = page.get_by_role("region", name="Score of the visible image")
    expect(visible).to_contain_text(f"Made by {model}")
    expect(visible).to_contain_text("crystals/visible#1, made by Cleo: the first four plates")
    for person, part in (("Ada", "curator"), ("Ben", "curator"), ("Dora", "annotator")):
        expect(visible).to_contain_text(re.compile(rf"{person} \({part}, \d+ images?\)"))
    expect(visible).to_contain_text("the test plate is small")
    visible.get_by_text("Its images, and who said what").click()
    visible.get_by_role("button", name="Who said so?").first.click()
    expect(visible.locator(".labels-list .said")).to_contain_text(["Ada"])
    visible.locator(".labels-list li").filter(has_text=LABELLED[0]).filter(has_text="annotated").get_by_role(
        "button"
    ).first.click()
    expect(visible.locator(".labels-list .said").filter(has_text="Dora")).to_be_visible()
    look(page, "lineage")

    # Copies of labelled images are in the next plate: the one of a test image is refused, with both pictures shown.
    page.keyboard.press("Escape")
    for _ in range(4):
        well = page.get_by_role("heading", level=1)
        expect(page.locator(".drop-page")).to_have_attribute("aria-busy", "false")
        before = said_by(well)
        page.keyboard.press("c" if truth[NEXT, place_of(f"{NEXT} {before}")[1]] else "o")
        expect(well).not_to_have_text(before)
    page.get_by_role("link", name="Learning", exact=True).click()
    page.get_by_role("button", name="Build a version").click()
    page.get_by_label("From").select_option("annotated")
    expect(page.locator(".plan")).to_contain_text("A model would be judged by what it has seen")
    expect(page.locator(".leaks li").first.locator("img")).to_have_count(2)
    expect(page.get_by_role("button", name="Build", exact=True)).to_be_disabled()
    look(page, "leak")
    page.get_by_text("Leave those out").click()
    page.get_by_role("button", name="Build", exact=True).click()
    page.get_by_role("link", name="crystals/visible#2").first.click()
    expect(page.get_by_role("region", name="What differs")).to_contain_text("added")
    page.get_by_text(re.compile("^Added: ")).click()
    expect(page.get_by_role("region", name="What differs").locator(".row-picture img")).not_to_have_count(0)
    look(page, "dataset")
