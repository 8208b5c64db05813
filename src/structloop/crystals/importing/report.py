"""What an import did."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structloop.schema.crystals import FileProblem

# What a job's result keeps of long lists; the problems are all in the database.
LISTED = 1000


@dataclass
class ImportedPlate:
    """A plate that an import added images to."""

    plate_id: int
    barcode: str
    added: int = 0


@dataclass
class ImportReport:
    """What an import found and did.

    Attributes:
        run_id: Its row in the database.
        root: What was imported.
        layout, why: The layout, and why it was chosen.
        found: Image files looked at.
        added: New images.
        replaced: Of these, images that took the place of an earlier one at the same path.
        unchanged: Images known already.
        moved: Known images found at a new path, their old one being gone.
        duplicates: Files with the contents of a known image of the same drop, inspection and light.
        skipped: Files passed over silently, by reason.
        problems: Files that were left out, and why.
        notices: Files that were imported although something about them should be known.
        plates: Plates that got images, by barcode.
        stopped: Whether it was stopped before the end; importing again does the rest.
    """

    run_id: int
    root: Path
    layout: str
    why: str
    found: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    moved: int = 0
    duplicates: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[FileProblem] = field(default_factory=list)
    notices: list[FileProblem] = field(default_factory=list)
    plates: dict[str, ImportedPlate] = field(default_factory=dict)
    stopped: bool = False

    @property
    def usable(self) -> int:
        """Images that are now known, whether they were new or not."""
        return self.added + self.unchanged + self.moved + self.duplicates

    def counts(self) -> Mapping[str, Any]:
        """The numbers, as the run's row keeps them."""
        return {
            "found": self.found,
            "added": self.added,
            "replaced": self.replaced,
            "unchanged": self.unchanged,
            "moved": self.moved,
            "duplicates": self.duplicates,
            "problems": len(self.problems),
            "skipped": dict(self.skipped),
            "stopped": self.stopped,
        }

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON; lists are cut after 1000 entries, their full lengths are among the counts."""
        return {
            "run_id": self.run_id,
            "root": str(self.root),
            "layout": self.layout,
            "why": self.why,
            **self.counts(),
            "plates": [
                {"id": plate.plate_id, "barcode": plate.barcode, "added": plate.added} for plate in self.plates.values()
            ],
            "problem_files": [_entry(problem) for problem in self.problems[:LISTED]],
            "notices": [_entry(notice) for notice in self.notices[:LISTED]],
        }


def _entry(problem: FileProblem) -> dict[str, str]:
    return {"path": str(problem.path), "reason": problem.reason}


__all__ = ["ImportReport", "ImportedPlate"]
