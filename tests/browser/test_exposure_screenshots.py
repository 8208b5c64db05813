"""Pictures of the pages of exposures for the documentation, made and looked at like those of `test_screenshots`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browser.conftest import Server
from browser.exposure_session import fill_exposure_session
from browser.test_screenshots import NARROW, UPDATE, Shot, opened, taken
from browser.waiting import drawn

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

SHOTS = [
    Shot("exposures-light", "/exposures/1", photo=True),
    Shot("exposures-dark", "/exposures/1", "dark", photo=True),
    Shot("exposures-narrow-light", "/exposures/1", size=NARROW, photo=True),
    Shot("exposure-light", "/exposures/1/40", photo=True),
    Shot("exposure-narrow-dark", "/exposures/1/40", "dark", NARROW, kept=False, photo=True),
]


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A home with a session: small, or, to make pictures, as large as one night."""
    home = tmp_path_factory.mktemp("exposures") / "home"
    if UPDATE:
        fill_exposure_session(home, count=2500, pictures=6, binning=2)
    else:
        fill_exposure_session(home, count=120, pictures=1, binning=8)
    server = Server(home)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_pages_of_exposures_are_whole_in_every_theme_and_width(
    shot: Shot, chromium: Browser, pictured: Server, tmp_path: Path
) -> None:
    page, console = opened(shot, chromium)
    page.goto(pictured.url + shot.path)
    expect(page.locator(".trends, .exposure-page").first).to_be_visible()
    drawn(page)
    taken(page, console, shot, tmp_path)
