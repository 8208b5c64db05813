"""Curation of exposures in the browser: six answers with keys, undone, and settled by two people."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Server
from structloop.imaging.micrograph_pictures import to_picture
from structloop.simulation.micrographs.conditions import CONDITIONS, make_up_condition
from structloop.store import Database
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

pytestmark = pytest.mark.browser


@pytest.fixture
def page(bare_page: Page, server: Server, tmp_path: Path) -> Page:
    """The page of a server with one exposure in each condition, of which the model is unsure."""
    results = tmp_path / "results"
    results.mkdir()
    database = Database(f"sqlite:///{server.home / 'structloop.db'}")
    with database.session() as session:
        session.add(ProcessingSession(id=1, name="monday", source="/movies", results=str(results)))
        session.flush()
        for key, condition in enumerate(CONDITIONS, start=1):
            made = make_up_condition(800_000 + key, condition, binning=16)
            to_picture(made.image, 512).save(results / f"{key}.png")
            session.add(
                ProcessedExposure(
                    id=key,
                    session_id=1,
                    name=f"FoilHole_{key}",
                    movie=f"/movies/{key}.tiff",
                    fingerprint="0",
                    state="done",
                    grid="grid 1",
                    square="GridSquare_7",
                    picture_file=f"{key}.png",
                    condition="great",
                    condition_probability=0.3 + 0.05 * key,
                    poor_condition=0.4,
                )
            )
    database.close()
    server.start()
    bare_page.goto(f"{server.url}/curation/exposures")
    return bare_page


def test_a_person_answers_with_keys_takes_back_and_another_settles(page: Page) -> None:
    page.get_by_label("Your name").fill("ada")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    page.get_by_role("button", name="Fill the queue").click()
    expect(page.get_by_test_id("left")).to_have_text("6")
    expect(page.get_by_role("img", name="Micrograph")).to_be_visible()
    answers = page.get_by_role("complementary", name="Answer").locator("button.score")
    expect(answers).to_have_count(8)
    expect(answers.nth(4)).to_have_text("5Crystalline ice")
    first = page.get_by_role("heading", level=1).text_content() or ""
    page.keyboard.press("5")
    expect(page.get_by_test_id("left")).to_have_text("5")
    expect(page.get_by_role("heading", level=1)).not_to_have_text(first)
    page.keyboard.press("z")
    expect(page.get_by_role("heading", level=1)).to_have_text(first)
    expect(page.get_by_test_id("left")).to_have_text("6")
    for left in (5, 4, 3, 2, 1):
        page.keyboard.press("2")
        expect(page.get_by_test_id("left")).to_have_text(str(left))
    page.keyboard.press("2")
    expect(page.get_by_text("6 exposures you have answered wait for another curator")).to_be_visible()
    page.get_by_role("button", name="ada").click()
    page.get_by_label("Your name").fill("bea")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("left")).to_have_text("6")
    page.keyboard.press("2")
    expect(page.get_by_test_id("left")).to_have_text("5")
    page.reload()
    expect(page.get_by_role("region", name="Settled").get_by_text("1", exact=True)).to_be_visible()
