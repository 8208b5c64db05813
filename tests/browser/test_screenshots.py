"""The pictures in the documentation, made again where STRUCTLOOP_TEST_UPDATE_SCREENSHOTS=1 is set, else left alone.

Every run opens all of these pages in light and dark, wide and narrow, and looks for what is broken; only with the
variable set are the files written, because rendering differs a little from machine to machine. They then show the plate
of `structloop demo`; STRUCTLOOP_TEST_DEMO_HOME may name a home where that plate is prepared already, to save minutes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from browser.conftest import Console, Server
from browser.particle_project import fill_particle_project
from browser.waiting import drawn, fits
from structloop.models.registry import GENERAL_PICKER

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

UPDATE = os.environ.get("STRUCTLOOP_TEST_UPDATE_SCREENSHOTS") == "1"
IMAGES = Path(__file__).parents[2] / "docs/images"
LARGEST_BYTES = 300_000
WIDE, NARROW = (1360, 850), (390, 844)


@dataclass(frozen=True)
class Shot:
    """One picture: its file name, where, how wide and in which theme; whether it is kept, and as a photograph."""

    name: str
    path: str
    theme: str = "light"
    size: tuple[int, int] = WIDE
    kept: bool = True
    photo: bool = False


SHOTS = [
    Shot("plates-light", "/"),
    Shot("plates-dark", "/", "dark"),
    Shot("plates-narrow-light", "/", size=NARROW),
    Shot("plate-map-light", "/plates/1"),
    Shot("plate-map-dark", "/plates/1", "dark"),
    Shot("plate-map-narrow-light", "/plates/1", size=NARROW),
    Shot("plate-map-narrow-dark", "/plates/1", "dark", NARROW),
    Shot("plate-images-light", "/plates/1?view=images"),
    Shot("drop-viewer-light", "/plates/1/drops/{best}?order=rank"),
    Shot("drop-viewer-dark", "/plates/1/drops/{best}?order=rank", "dark"),
    Shot("drop-viewer-narrow-light", "/plates/1/drops/{best}", size=NARROW),
    Shot("drop-viewer-narrow-dark", "/plates/1/drops/{best}", "dark", NARROW),
    Shot("curation-light", "/curation"),
    Shot("curation-dark", "/curation", "dark"),
    Shot("curation-narrow-light", "/curation", size=NARROW),
    Shot("hits-dark", "/hits?all=1", "dark"),
    Shot("model-light", "/models/{model}"),
    Shot("targeting-light", "/targeting/{session}"),
    Shot("targeting-dark", "/targeting/{session}", "dark"),
    Shot("targeting-narrow-light", "/targeting/{session}", size=NARROW),
]
PARTICLE_SHOTS = [
    Shot("particle-projects-light", "/particles", kept=False),
    Shot("particle-project-light", "/particles/1"),
    Shot("particle-project-dark", "/particles/1", "dark"),
    Shot("particle-project-narrow-light", "/particles/1", size=NARROW),
    Shot("micrograph-light", "/particles/1/3"),
    Shot("micrograph-dark", "/particles/1/3", "dark"),
    Shot("micrograph-narrow-light", "/particles/1/3", size=NARROW),
]


@pytest.fixture(scope="module")
def pictured(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The small workspace of the other tests, or, to make pictures, the demo: a full plate and the default model."""
    if not UPDATE:
        yield shared_server
        return
    prepared = os.environ.get("STRUCTLOOP_TEST_DEMO_HOME")
    home = Path(prepared) if prepared else tmp_path_factory.mktemp("pictures") / "demo"
    if not prepared:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STRUCTLOOP_")}
        command = [sys.executable, "-m", "structloop", "demo", "--once", "--home", str(home)]
        subprocess.run(command, env=environment, check=True)
    server = Server(home)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_pages_are_whole_in_every_theme_and_width(
    shot: Shot, chromium: Browser, pictured: Server, tmp_path: Path
) -> None:
    page, console = opened(shot, chromium)
    ranked = page.request.get(f"{pictured.url}/api/v1/hits?plate=1&below_threshold=true&limit=1").json()
    models = page.request.get(f"{pictured.url}/api/v1/models").json()
    if "{model}" in shot.path and not models:
        pytest.skip("no model is installed")
    model = next((model["name"] for model in models if model["is_default"]), "")
    # Made up from a seed and kept by its contents: the same session every time.
    session = page.request.post(f"{pictured.url}/api/v1/targeting/sessions/simulated?seed=4").json()["id"]
    if shot.path == "/curation":
        page.request.post(f"{pictured.url}/api/v1/curation/fill", data={"size": 50})
        page.add_init_script("localStorage.setItem('structloop.curator', 'Ada')")
    page.goto(pictured.url + shot.path.format(best=ranked["items"][0]["drop_id"], model=model, session=session))
    drawn(page)
    if "{session}" in shot.path:
        expect(page.get_by_role("img", name="holes in")).to_be_visible()
        expect(page.locator(".session-numbers")).to_contain_text("possible")
        for _ in range(6):
            page.keyboard.press("PageDown")
        expect(page.get_by_role("slider", name="Exposure")).to_have_value("60")
        drawn(page)
    if shot.path == "/plates/1" and shot.size == WIDE:
        page.locator(".plate-grid a.drop.hit").first.hover()
    taken(page, console, shot, tmp_path)


@pytest.fixture(scope="module")
def particle_pictured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A home with a particle project: small and picked without a network, or, to make pictures, as a user has it."""
    home = tmp_path_factory.mktemp("particles") / "home"
    if UPDATE:
        fill_particle_project(home, count=9, binning=2, model=GENERAL_PICKER)
    else:
        fill_particle_project(home, count=3, binning=8, model="log")
    server = Server(home)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("shot", PARTICLE_SHOTS, ids=lambda shot: shot.name)
def test_particle_pages_are_whole_in_every_theme_and_width(
    shot: Shot, chromium: Browser, particle_pictured: Server, tmp_path: Path
) -> None:
    page, console = opened(shot, chromium)
    page.goto(particle_pictured.url + shot.path)
    drawn(page)
    expect(page.get_by_text("Reading the micrograph")).to_have_count(0)
    if shot.name.startswith("micrograph"):
        expect(page.get_by_text("Picks shown", exact=True)).to_be_visible()
        drawn(page)
    taken(page, console, shot, tmp_path)


def opened(shot: Shot, chromium: Browser) -> tuple[Page, Console]:
    """A page that is as wide and as dark as the picture is to be."""
    width, height = shot.size
    profile = chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.theme == "dark" else "light",
        device_scale_factor=1 if shot.size == WIDE else 2,
        reduced_motion="reduce",
    )
    page = profile.new_page()
    console = Console()
    console.watch(page)
    return page, console


def taken(page: Page, console: Console, shot: Shot, folder: Path) -> None:
    """Takes the picture, looks for what is broken, and keeps the picture where pictures are made."""
    picture = folder / f"{shot.name}.png"
    page.screenshot(path=picture)
    fits(page, shot.size[0], shot.name)
    assert console.complaints == []
    page.context.close()
    if not UPDATE or not shot.kept:
        return
    IMAGES.mkdir(exist_ok=True, parents=True)
    if shot.photo or shot in PARTICLE_SHOTS:
        # Noise fits into no few colours.
        with Image.open(picture) as image:
            whole = image.convert("RGB")
        picture = picture.with_suffix(".jpg")
        for quality in (85, 75, 65):
            whole.save(picture, quality=quality, optimize=True)
            if picture.stat().st_size < LARGEST_BYTES:
                break
    else:
        reduce_colours(picture)
    assert picture.stat().st_size < LARGEST_BYTES
    shutil.copyfile(picture, IMAGES / picture.name)


def reduce_colours(picture: Path) -> None:
    """Photographs make large PNG files; where they do, fewer colours still show what a page looks like."""
    with Image.open(picture) as image:
        full = image.convert("RGB")
    full.save(picture, optimize=True)
    for colours in (256, 128, 64, 32):
        if picture.stat().st_size < LARGEST_BYTES:
            return
        # Maximum coverage keeps the few strong colours of the scale, which the many greys would crowd out.
        few = full.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(picture, optimize=True)
