"""Reads pytest's JUnit report: every set of tests must have run, and none skipped for want of a server or a browser."""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

SETS = ("unit", "contract", "system", "browser", "architecture")
# Real images are not part of the repository. The conformance suites have tests for one kind of layout each, for a
# microscope that lacks something, and for a driver that is installed as a plugin.
ALLOWED_SKIPS = (
    "no real data at",
    "it looks through folders",
    "a list says where its images are",
    "it declares everything",
    "is not installed as a plugin",
)


def main(report: Path) -> int:
    """Prints a table of the sets, and returns 1 where a set did not run or something was skipped wrongly."""
    ran: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    wrong: list[str] = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314  # pytest's own file
        parts = case.get("classname", "").split(".")
        name = parts[1] if parts[0] == "tests" and len(parts) > 1 else parts[0]
        skip = case.find("skipped")
        if skip is None:
            ran[name] += 1
            continue
        skipped[name] += 1
        reason = skip.get("message", "")
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            wrong.append(f"{case.get('classname')}.{case.get('name')} was skipped: {reason}")
    for name in sorted({*SETS, *ran, *skipped}):
        print(f"{name:>14}: {ran[name]} ran, {skipped[name]} skipped")
    wrong += [f"no test of tests/{name} ran" for name in SETS if ran[name] == 0]
    for line in wrong:
        print(line)
    print(f"{sum(ran.values())} passed, 0 failed, {sum(skipped.values())} skipped" if not wrong else "not all ran")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
