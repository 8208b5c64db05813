"""What the page does while something happens elsewhere: jobs run, the server goes away and comes back."""

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from browser.conftest import Server
from browser.waiting import A_JOB_MS
from browser.workspace import UNSCORED_BARCODE

pytestmark = pytest.mark.browser

JOB = {
    "id": "a-job",
    "kind": "crystals.score",
    "subject": UNSCORED_BARCODE,
    "state": "running",
    "done": 3,
    "total": 8,
    "message": "scoring",
    "created_at": "2026-03-01T12:00:00Z",
    "started_at": "2026-03-01T12:00:00Z",
    "finished_at": None,
}


def test_the_page_says_that_the_server_is_gone_and_goes_on_when_it_is_back(bare_page: Page, server: Server) -> None:
    server.start()
    bare_page.goto(server.url)
    expect(bare_page.get_by_role("heading", name="No plates yet")).to_be_visible()
    server.stop()
    banner = bare_page.get_by_role("alert").filter(has_text="The server does not answer")
    expect(banner).to_be_visible()
    server.start()
    expect(banner).to_be_hidden()


def test_progress_of_a_job_is_shown_where_the_plate_is(bare_page: Page, shared_server: Server) -> None:
    def events(route: Route) -> None:
        told = (json.dumps(JOB | {"done": done}) for done in (3, 6))
        route.fulfill(content_type="text/event-stream", body="".join(f"event: job\ndata: {job}\n\n" for job in told))

    bare_page.route("**/api/v1/jobs*", lambda route: route.fulfill(json={"items": [JOB]}))
    bare_page.route("**/api/v1/events", events)
    bare_page.goto(shared_server.url)
    running = bare_page.get_by_role("list", name="Running jobs")
    expect(running).to_contain_text("6 of 8")
    expect(bare_page.get_by_role("progressbar").first).to_have_attribute("aria-valuenow", "6")
    bare_page.goto(f"{shared_server.url}/jobs")
    expect(bare_page.locator("[data-job='a-job']")).to_contain_text("Running")
    expect(bare_page.get_by_role("button", name="Stop")).to_be_visible()


def test_a_plate_is_scored_from_the_browser_while_one_looks(bare_page: Page, server: Server, filled_home: Path) -> None:
    shutil.copytree(filled_home, server.home, dirs_exist_ok=True)
    server.start()
    bare_page.goto(f"{server.url}/plates/2")
    unscored = bare_page.locator(".plate-grid .drop.unscored")
    expect(unscored).to_have_count(4)
    bare_page.get_by_role("button", name="Score").click()
    dialog = bare_page.get_by_role("dialog")
    expect(dialog).to_contain_text("drops-compact")
    dialog.get_by_role("button", name="Score").click()
    expect(dialog).to_be_hidden()
    expect(unscored).to_have_count(0, timeout=A_JOB_MS)
    expect(bare_page.locator(".scoring-note")).to_contain_text("Trained on simulated drops only")
    bare_page.get_by_role("link", name="Jobs").click()
    expect(bare_page.locator(".job").first).to_contain_text(f"Scoring {UNSCORED_BARCODE}")
    expect(bare_page.locator(".job").first).to_contain_text("Done")


def test_models_say_what_they_are_and_where_they_fail(page: Page) -> None:
    page.get_by_role("link", name="Models").click()
    card = page.locator(".card").first
    expect(card).to_contain_text("default")
    card.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Where it fails")).to_be_visible()
    expect(page.locator(".model-card")).to_contain_text(re.compile("simulated", re.IGNORECASE))


def test_an_error_is_told_with_its_remedy(bare_page: Page, shared_server: Server) -> None:
    problem = {
        "type": "urn:structloop:store-unavailable",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the database is locked",
        "remedy": "close the other program",
    }
    answer = {"status": 503, "content_type": "application/problem+json", "json": problem}
    bare_page.route("**/api/v1/plates?*", lambda route: route.fulfill(**answer))
    bare_page.goto(shared_server.url)
    alert = bare_page.get_by_role("alert")
    expect(alert).to_contain_text("the database is locked")
    expect(alert).to_contain_text("close the other program")
    bare_page.unroute("**/api/v1/plates?*")
    alert.get_by_role("button", name="Try again").click()
    expect(bare_page.get_by_role("link", name=re.compile(UNSCORED_BARCODE))).to_be_visible()
