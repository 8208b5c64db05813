"""A picker that no real label went into is calibrated on the micrographs it picks, and keeps to that."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from structloop.cli.main import app
from structloop.core.errors import ParticlesError
from structloop.models.pickers import Picker
from structloop.models.registry import GENERAL_PICKER, ModelRegistry
from structloop.particles.classical import ClassicalPicker, default_picker
from structloop.particles.picking import (
    BlindPicker,
    FoundMicrograph,
    PickingOptions,
    PickJournal,
    Scale,
    calibrated_blind,
    find_micrographs,
    is_blind,
    read_journal,
)
from structloop.particles.watching import Round, watch_and_pick
from structloop.schema.models import TrainingDataset
from support.tiny_micrographs import DIAMETER_PX, write_tiny

OPTIONS = PickingOptions(Scale(DIAMETER_PX))


def unlabelled_picker() -> ClassicalPicker:
    """As a network from simulated micrographs: nothing real went in, and its own calibration is far off."""
    card = default_picker("log").card.updated(parameters={}, threshold=0.99)
    return ClassicalPicker(card, {"sigma_px": np.array([2.9], np.float32)})


def folder_of(tmp_path: Path, count: int) -> list[FoundMicrograph]:
    for seed in range(count):
        write_tiny(tmp_path / "in" / f"m{seed:02}.mrc", seed)
    return find_micrographs(str(tmp_path / "in"))


def test_only_pickers_without_real_labels_are_blind(home: Path) -> None:
    general = ModelRegistry(home).picker_card(GENERAL_PICKER)
    assert is_blind(general)
    assert not is_blind(default_picker("log").card)
    real = TrainingDataset(name="labels", version="1", description="five micrographs")
    assert not is_blind(general.updated(training=real))


def test_the_calibration_comes_from_the_micrographs_and_is_kept(tmp_path: Path) -> None:
    found = folder_of(tmp_path, 10)
    found[0].path.write_bytes(b"no micrograph")
    picker = unlabelled_picker()
    with PickJournal.open(tmp_path / "j", {}) as journal:
        first = calibrated_blind(picker, found, journal, OPTIONS)
        note = journal.note
    assert isinstance(first, BlindPicker)
    # One of the evenly spread cannot be read, and another takes its place.
    assert first.micrographs == 8
    assert first.card.calibration != picker.card.calibration
    with PickJournal.open(tmp_path / "j", {}) as journal:
        assert journal.note == note
        again = calibrated_blind(picker, found[:1], journal, OPTIONS)
        assert again.card == first.card
    with PickJournal.open(tmp_path / "j", {"model": "another"}) as journal:
        assert journal.note is None


def test_a_folder_that_fills_calibrates_until_it_has_enough(tmp_path: Path) -> None:
    found = folder_of(tmp_path, 4)
    with PickJournal.open(tmp_path / "j", {}) as journal:
        counts = []
        for there in (2, 4, 3):
            picker = calibrated_blind(unlabelled_picker(), found[:there], journal, OPTIONS, least=4)
            assert isinstance(picker, BlindPicker)
            counts.append(picker.micrographs)
    assert counts == [2, 4, 4]


def test_what_gives_no_calibration_leaves_the_picker_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.mrc").write_bytes(b"no micrograph")
    found = find_micrographs(str(tmp_path / "in"))
    with PickJournal.open(tmp_path / "j", {}) as journal:
        for picker in (unlabelled_picker(), default_picker("log")):
            assert calibrated_blind(picker, found, journal, OPTIONS) is picker
        assert journal.note is None


def test_a_watched_folder_is_calibrated_on_what_has_come(tmp_path: Path) -> None:
    folder_of(tmp_path, 1)
    counts = []

    def threshold_of(picker: Picker) -> float:
        counts.append(picker.micrographs if isinstance(picker, BlindPicker) else 0)
        return picker.card.threshold

    def come(_round: Round) -> None:
        if len(counts) == 1:
            write_tiny(tmp_path / "in" / "m9.mrc", 9)

    for _ in range(2):
        watch_and_pick(
            unlabelled_picker(),
            tmp_path / "in",
            tmp_path / "out",
            OPTIONS,
            made_by={},
            stop=threading.Event(),
            settle_s=0.1,
            idle_s=0.4,
            threshold_of=threshold_of,
            on_round=come,
        )
    # The second watch has nothing new, and calibrates on all that is there.
    assert counts == [1, 2, 2]
    assert len(list(read_journal(tmp_path / "out" / "picks.journal"))) == 2


def test_the_general_model_picks_the_same_whether_interrupted_or_not(tmp_path: Path, home: Path) -> None:
    folder_of(tmp_path, 3)
    given = ["--model", "general", "--diameter-px", "20", "--json"]

    def pick(out: Path) -> dict[str, object]:
        done = CliRunner().invoke(
            app, ["particles", "pick", "--micrographs", str(tmp_path / "in"), "--out", str(out), *given]
        )
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    report = pick(tmp_path / "whole.star")
    card = ModelRegistry(home).picker_card(GENERAL_PICKER)
    assert report["version"] == card.version
    assert report["threshold"] != card.threshold
    journal = tmp_path / "whole.star.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    # Killed after the first micrograph, in the middle of the second's line.
    (tmp_path / "cut.star.journal").write_bytes(b"".join(lines[:3]) + lines[3][:40])
    assert pick(tmp_path / "cut.star")["micrographs_known"] == 1
    assert (tmp_path / "cut.star").read_text() == (tmp_path / "whole.star").read_text()
    assert len(list(read_journal(tmp_path / "cut.star.journal"))) == 3
    both = ["--threshold", "0.5", "--expected-precision", "0.5", "--out", str(tmp_path / "x.star")]
    with pytest.raises(ParticlesError, match="not both"):
        CliRunner().invoke(
            app, ["particles", "pick", "--micrographs", str(tmp_path / "in"), *given, *both], catch_exceptions=False
        )
