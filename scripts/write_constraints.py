"""Writes constraints.txt: the versions installed here of everything that structloop and its extras need.

    python scripts/write_constraints.py        # in an environment in which all tests passed

Indirect dependencies are included. Build tags (`2.13.0+cpu`) are left out, so that the file holds on every platform
and a machine with a GPU gets its own build.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TARGET = Path(__file__).parents[1] / "constraints.txt"
EXTRAS = ("", "test", "docs", "train")
# Not part of any environment's needs: pip's own tools, whose versions the user's Python brings.
UNPINNED = {"pip", "setuptools", "wheel"}
HEAD = """\
# The versions that the tests passed with, for every `pip install -c constraints.txt ...` (docs/how-to/install.md).
# Written by scripts/write_constraints.py.
"""


def versions() -> dict[str, str]:
    """Version of each required distribution that is installed, by name."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [("structloop", extra) for extra in EXTRAS]
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            # Another platform's, or a newer or older Python's.
            continue
        found[name] = re.sub(r"\+.*", "", installed.version)
        for line in installed.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                queue += [(canonicalize_name(requirement.name), item) for item in {"", *requirement.extras}]
    return {name: version for name, version in found.items() if name not in {*UNPINNED, "structloop"}}


def main() -> None:
    """Writes the file."""
    pins = versions()
    TARGET.write_text(HEAD + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins)), encoding="utf-8")
    print(f"{TARGET.name}: {len(pins)} versions")


if __name__ == "__main__":
    main()
