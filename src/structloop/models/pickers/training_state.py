"""What a training remembers of itself on disk, and what it tells while it runs."""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PLAN = "plan.json"


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        stage: In words.
        done, total: Steps, over all stages.
        loss: Of the last step.
        seconds_left: Estimated.
    """

    stage: str
    done: int
    total: int
    loss: float
    seconds_left: float


class Plan:
    """Planned steps and finished folds, on disk where there is a folder.

    Args:
        root: The training's folder, or None.
        digest: Of everything that decides the result.
        facts: What is known so far.
    """

    def __init__(self, root: Path | None, digest: str, facts: dict[str, Any]) -> None:
        self.digest = digest
        self._root = root
        self._facts = facts

    @classmethod
    def opened(cls, root: Path | None, digest: str) -> "Plan":
        """The plan of `root` if it is of this training; otherwise a new one, and what lay there is removed."""
        if root is None:
            return cls(None, digest, {})
        try:
            found = json.loads((root / _PLAN).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            found = None
        if isinstance(found, dict) and found.get("digest") == digest:
            return cls(root, digest, found)
        for stale in (*root.glob("fold-*"), *root.glob("final")):
            shutil.rmtree(stale)
        return cls(root, digest, {"digest": digest})

    def __contains__(self, key: str) -> bool:
        return key in self._facts

    def kept(self, key: str) -> Any:
        """What was kept under `key`, or None."""
        return self._facts.get(key)

    def steps(self, key: str) -> int:
        """A planned number of steps."""
        return int(self._facts[key])

    def update(self, **facts: object) -> None:
        """Keeps more; whoever reads the file finds all of it or none."""
        self._facts |= facts
        if self._root is None:
            return
        self._root.mkdir(parents=True, exist_ok=True)
        partial = self._root / f".{_PLAN}.partial"
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(self._facts, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self._root / _PLAN)

    def folder(self, stage: str) -> Path | None:
        """Where a stage keeps its state."""
        return None if self._root is None else self._root / stage


class Teller:
    """Turns steps of stages into progress of the whole.

    Args:
        plan: Knows how many steps there are.
        folds: How many folds.
        tell: Whom to tell; None tells nobody and still measures.
    """

    def __init__(self, plan: Plan, folds: int, tell: Callable[[TrainingProgress], None] | None) -> None:
        self._plan = plan
        self._folds = folds
        self._tell = tell
        self._last = 0.0
        self.seconds_per_step = 0.0

    def of(self, stage: str, before: int) -> Callable[[int, float], None]:
        """What a stage calls after each step; `before` steps were done in earlier stages."""
        self._last = time.monotonic()

        def told(done: int, loss: float) -> None:
            now = time.monotonic()
            took = now - self._last
            self._last = now
            self.seconds_per_step = took if not self.seconds_per_step else 0.9 * self.seconds_per_step + 0.1 * took
            total = self._folds * self._plan.steps("fold_steps") + self._plan.steps("final_steps")
            left = (total - before - done) * self.seconds_per_step
            if self._tell is not None:
                self._tell(TrainingProgress(stage, before + done, total, loss, left))

        return told


__all__ = ["Plan", "Teller", "TrainingProgress"]
