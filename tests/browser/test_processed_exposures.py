"""What `structloop micrographs process` made of simulated movies, in the browser: pictures, rings, tracks, values."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.conftest import Server
from browser.test_exposures import drag
from support.exposures import mdoc, write_cut_off, write_exposure

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

FINE = "FoilHole_7{}_Data_{}_20261121_10150{}_fractions"
CUT = "FoilHole_79_Data_9_20261121_102500_fractions"


@dataclass(frozen=True)
class Processed:
    """A server on a home with one processed session.

    Attributes:
        server: Which runs.
        output: What the command printed.
        rows: Of its table, by name of the exposure.
    """

    server: Server
    output: str
    rows: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processed]:
    """Three movies, the newest of them cut off, processed by the command in a process of its own."""
    folder = tmp_path_factory.mktemp("processed")
    raw, out, home = folder / "raw", folder / "out", folder / "home"
    raw.mkdir()
    for number in range(2):
        name = FINE.format(number, number, number)
        movie = write_exposure(raw / f"{name}.mrcs", number, defocus_um=1.0 + 0.4 * number, side=320)
        said = mdoc(movie.name).replace("10:15:00", f"10:15:0{number}")
        Path(f"{movie}.mdoc").write_text(said, encoding="utf-8")
    write_cut_off(raw / f"{CUT}.mrcs")
    command = ["--home", str(home), "micrographs", "process", str(raw), "--out", str(out), "--no-condition"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "structloop", *command, "--threads", "1", "--workers", "2"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    with (out / "exposures.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    server = Server(home)
    server.start()
    yield Processed(server, done.stdout, rows)
    server.stop()


@pytest.fixture
def dashboard(bare_page: Page, processed: Processed) -> Page:
    """The session's dashboard."""
    bare_page.goto(f"{processed.server.url}/exposures/1")
    expect(bare_page.get_by_role("list", name="Exposures", exact=True)).to_be_visible(timeout=20_000)
    return bare_page


def is_drawn(picture: Locator) -> None:
    """Waits until an `img` shows what was fetched."""
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 100


def test_a_processed_session_opens_on_an_exposure_that_has_results(dashboard: Page, processed: Processed) -> None:
    page = dashboard
    summary = page.get_by_role("region", name="Exposure", exact=True)
    name = summary.locator(".name").text_content() or ""
    row = processed.rows[name]
    # The newest of all is the one that is cut off.
    assert row["state"] == "done"
    for picture in summary.locator(".pair img").all():
        is_drawn(picture)
    expect(summary.locator(".pair img")).to_have_count(2)
    defocus = (float(row["defocus_u_um"]) + float(row["defocus_v_um"])) / 2
    for shown in (f"{float(row['total_motion_angstrom']):.1f} Å", f"{defocus:.2f} µm"):
        expect(summary.locator(".numbers")).to_contain_text(shown)
    rate = re.search(r"(\d+) an hour", processed.output)
    assert rate, processed.output
    expect(page.locator(".pace")).to_contain_text(f"3 exposures · {rate[0]}")
    # A limit far beyond what the plot shows is no line at its edge.
    motion = page.get_by_role("slider", name="Highest motion")
    expect(motion).to_have_attribute("aria-valuetext", "≤ 50 Å, above what the plot shows")
    expect(page.locator(".trend").first.locator(".limit-line")).to_have_count(0)

    page.get_by_role("radiogroup", name="Show").get_by_role("radio", name=re.compile("^Failed")).click()
    expect(summary.locator(".name")).to_have_text(CUT)
    expect(summary).to_contain_text("It could not be processedThe movie is cut off")
    expect(summary.locator(".pair")).to_have_count(0)


def test_a_processed_exposure_has_its_picture_rings_tracks_and_values(dashboard: Page, processed: Processed) -> None:
    page = dashboard
    page.keyboard.press("Enter")
    heading = page.locator(".exposure-page h1")
    expect(heading).to_be_visible()
    row = processed.rows[heading.text_content() or ""]
    expect(page.get_by_role("img", name="aligned")).to_be_visible()
    is_drawn(page.get_by_role("img", name="Power spectrum, the fit in its left half"))
    path = page.get_by_role("img", name="Path of the specimen over 6 frames")
    expect(path.locator("circle")).to_have_count(6)
    facts = page.locator(".exposure-page .facts").first
    expect(facts).to_contain_text(f"{float(row['total_motion_angstrom']):.1f} Å")
    expect(facts).to_contain_text(f"{float(row['ctf_resolution_angstrom']):.2f} Å")
    expect(page.locator(".exposure-page")).to_contain_text("300")
    page.keyboard.press("k")
    expect(heading).to_have_text(CUT)
    expect(page.get_by_role("heading", name="This exposure could not be processed")).to_be_visible()
    expect(page.get_by_text("The movie is cut off").first).to_be_visible()


def test_dialogs_are_left_by_keys_and_drags_select_no_text(dashboard: Page) -> None:
    page = dashboard
    address = page.url
    plot = page.locator(".trend-plot").first.bounding_box()
    assert plot is not None
    drag(page, (plot["x"] + 60, plot["y"] + 30), (plot["x"] + plot["width"] - 4, plot["y"] + 500))
    expect(page.locator(".chip.accent", has_text="selected")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == ""
    limits = page.get_by_role("button", name="Limits l")
    for leave in ("Escape", "Cancel"):
        limits.click()
        sheet = page.get_by_role("dialog", name="Limits")
        expect(sheet.get_by_label("Motion at most", exact=True)).to_be_focused()
        expect(sheet).to_contain_text("Ice nmnot measured here")
        if leave == "Escape":
            page.keyboard.press(leave)
        else:
            sheet.get_by_role("button", name=leave).click()
        expect(sheet).to_be_hidden()
        expect(limits).to_be_focused()
    assert page.url == address
    page.keyboard.press("e")
    expect(page.get_by_role("dialog", name="Export exposures").get_by_role("radio", name="Selected")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.locator(".draft-bar")).to_contain_text("2 problematic")
