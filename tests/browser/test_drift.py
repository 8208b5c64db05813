"""An imager that looks new: looked for, its drops put into the queue, and taken out again, by browser alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Server
from browser.waiting import A_JOB_MS
from structloop.core.settings import load_settings
from structloop.jobs import Workspace
from support.drifting import IMAGER, PLATES, store_new_imager
from support.tiny_models import TINY, add_tiny_model

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def test_what_looks_new_goes_into_the_queue_and_out_again(bare_page: Page, server: Server) -> None:
    page, home = bare_page, server.home
    add_tiny_model(home, home.parent / "scratch")
    settings = f'default_model = "{TINY}"\nruntime = "torch"\nprecision = "fp32"\nthreads = 1\n'
    (home / "structloop.toml").write_text(settings, encoding="utf-8")
    with Workspace(load_settings(home=home)) as workspace:
        store_new_imager(workspace, home.parent)
    server.start()
    page.add_init_script("localStorage.setItem('structloop.curator', 'Ada')")
    page.goto(f"{server.url}/learning")
    drift = page.get_by_role("region", name="Drift")
    expect(drift).to_contain_text("Compares the newest plates of every imager")
    drift.get_by_role("button", name="Look for new imagers").click()
    asked = drift.get_by_role("listitem").filter(has_text=IMAGER)
    expect(asked).to_contain_text("looks new", timeout=A_JOB_MS)
    # Two drops of each plate, fewer than the forty that are asked for.
    asked.get_by_role("button", name=f"Put these {2 * PLATES} into the queue").click()
    toast = page.locator(".toast").last
    expect(toast).to_contain_text(f"{2 * PLATES} drops joined the queue (drift: {IMAGER})")
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast").last).to_contain_text(f"{2 * PLATES} drops taken out of the queue")
    asked.get_by_role("button", name=re.compile("^Put these")).click()
    expect(page.locator(".toast").last).to_contain_text("joined the queue")
    page.goto(f"{server.url}/curation")
    expect(page.get_by_label("Why it is asked")).to_contain_text(f"drift: {IMAGER}")
