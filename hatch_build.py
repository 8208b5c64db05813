"""Builds the browser interface into the package when a wheel or an editable installation is made.

Where Node or npm is missing, or the build fails, it says so in one line and goes on (pip shows the line with -v): the
server then works without the interface, and says so when it starts. An interface that is there already (from an sdist,
or from the last build) is used, and the line says so where it is older than the sources.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_AT_LEAST = (20, 19)
OUTPUT = Path("src/structloop/api/web")
RECORD = "build.json"
_SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "index.html", "public", "src")


class InterfaceBuild(BuildHookInterface[Any]):
    """Hatchling's hook; see the module's docstring."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before anything is packed."""
        if self.target_name not in ("wheel", "editable", "sdist"):
            return
        message = build_interface(Path(self.root))
        if message:
            self.app.display_warning(message)


def build_interface(root: Path) -> str | None:
    """Builds `web` into the package below `root` unless that is done; returns why it could not, in one line."""
    web, output = root / "web", root / OUTPUT
    present = (output / "index.html").is_file()
    if not (web / "package.json").is_file():
        return None if present else "structloop: built without its browser interface: the folder web is not here"
    digest = _digest(web)
    if present and _recorded(output) == digest:
        return None
    missing = _missing_tools()
    if missing:
        return f"structloop: browser interface: {missing}; {_instead(present)}"
    npm = shutil.which("npm") or "npm"
    for command in ([npm, "ci", "--no-audit", "--no-fund"], [npm, "run", "build"]):
        done = subprocess.run(command, cwd=web, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            errors = [line for line in lines if re.search(r"error", line, re.IGNORECASE)]
            why = (errors or lines or ["no output"])[0].strip()
            shown = " ".join(["npm", *command[1:]])
            # A build that fails may have emptied its output before.
            present = (output / "index.html").is_file()
            return f"structloop: browser interface: `{shown}` failed in {web}: {why}; {_instead(present)}"
    (output / RECORD).write_text(json.dumps({"sources": digest}) + "\n", encoding="utf-8")
    return None


def _instead(present: bool) -> str:
    """What is packed in place of the interface that could not be built."""
    if present:
        return f"the older build in {OUTPUT.as_posix()} is used, which may not fit"
    return "built without it, the server works all the same"


def _digest(web: Path) -> str:
    """SHA-256 over names and contents of everything that the build reads."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        top = web / name
        for path in sorted(path for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()):
            digest.update(path.relative_to(web).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _recorded(output: Path) -> str | None:
    try:
        record = json.loads((output / RECORD).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    sources = record.get("sources") if isinstance(record, dict) else None
    return sources if isinstance(sources, str) else None


def _missing_tools() -> str | None:
    wanted = ".".join(str(part) for part in NODE_AT_LEAST)
    install = f"install Node {wanted} or newer with npm (https://nodejs.org) and install structloop again"
    node = shutil.which("node")
    if node is None:
        return f"Node is missing, {install}"
    if shutil.which("npm") is None:
        return f"npm is missing, {install}"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if found < NODE_AT_LEAST:
        return f"Node {said.strip() or '?'} is too old, {install}"
    return None


def main() -> int:
    """`python hatch_build.py` builds the interface in place."""
    message = build_interface(Path(__file__).parent)
    if message:
        sys.stderr.write(message + "\n")
    return 1 if message else 0


if __name__ == "__main__":
    raise SystemExit(main())
