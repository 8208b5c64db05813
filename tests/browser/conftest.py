"""Fixtures of the browser tests: headless Chromium, a filled home folder, and the real server on it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from browser.workspace import Sizes, fill_workspace

BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
STARTS_WITHIN_S = 120.0
WEB_BUILD = Path(__file__).parents[2] / "src/structloop/api/web/index.html"
ADDRESS = re.compile(rb"structloop is at http://127\.0\.0\.1:(\d+)")
WAITS_S = 30
"""How long a test waits for what it expects: what never comes fails all the same, what comes late does not."""

expect.set_options(timeout=1000 * WAITS_S)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of this machine; nothing is downloaded.

    For one file at a time: while playwright runs, so does an event loop in this thread, and whatever test comes next
    could not start its own.
    """
    path = next((found for name in BROWSER_NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    if not WEB_BUILD.is_file():
        pytest.skip("the interface is not built: run `python hatch_build.py`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a scored plate and one without scores. Tests that change it copy it first."""
    home = tmp_path_factory.mktemp("browser") / "home"
    home.mkdir()
    fill_workspace(home, Sizes())
    return home


class Server:
    """`structloop serve` on one home, as its own process; can be stopped and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, once it was started."""
        assert self._port, "structloop serve was not started yet"
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, at first on a port that it finds free itself, and waits until it answers."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STRUCTLOOP_")}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "structloop", "--home", str(self.home), "serve", "--port", str(self._port)]
        deadline = time.monotonic() + STARTS_WITHIN_S
        with tempfile.TemporaryFile() as output:
            self._process = subprocess.Popen(command, env=environment, stdout=output)
            while (told := ADDRESS.search(os.pread(output.fileno(), 10_000, 0))) is None:
                assert self._process.poll() is None, "structloop serve ended by itself"
                if time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(f"structloop serve did not start within {STARTS_WITHIN_S:.0f} s")
                time.sleep(0.05)
        self._port = int(told[1])
        with urllib.request.urlopen(f"{self.url}/api/v1/health", timeout=WAITS_S):  # noqa: S310  # our own address
            pass

    def stop(self) -> None:
        """Ends it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=WAITS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@pytest.fixture(scope="session")
def shared_server(filled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it running, on a copy: others begin with the home as it was."""
    home = tmp_path_factory.mktemp("shared") / "home"
    shutil.copytree(filled_home, home)
    server = Server(home)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of this test's own, on an empty home, not started."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    server = Server(home)
    yield server
    server.stop()


# A server that is gone is a test's doing, and shown by the page itself. OpenSeadragon tells of tiles of an image that
# was left before they came. A refused answer is a test's doing too.
_EXPECTED = (
    "ERR_CONNECTION",
    "ERR_INCOMPLETE",
    "ERR_EMPTY",
    "Ignoring tile",
    "status of 503",
    "status of 422",
    "status of 409",
)


class Console:
    """What a page complained of."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def watch(self, page: Page) -> None:
        """Listens to `page`."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: ConsoleMessage) -> None:
        expected = any(text in message.text for text in _EXPECTED)
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(message.text)


@pytest.fixture
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile, wide and light."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.set_default_timeout(1000 * WAITS_S)
    yield context
    context.close()


@pytest.fixture
def bare_page(profile: BrowserContext) -> Iterator[Page]:
    """A page that is nowhere yet; the test fails when it logs an error or a warning."""
    page = profile.new_page()
    console = Console()
    console.watch(page)
    yield page
    assert console.complaints == []


@pytest.fixture
def page(bare_page: Page, shared_server: Server) -> Page:
    """The list of plates on the shared server."""
    bare_page.goto(shared_server.url)
    expect(bare_page.get_by_role("heading", name="Plates")).to_be_visible()
    return bare_page
