"""Picking many micrographs: bad input is listed and the rest goes on; journals, thresholds, labels, watching."""

import threading
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from structloop.cli.main import app
from structloop.core.errors import ParticlesError
from structloop.particles.classical import default_picker, fit_classical
from structloop.particles.coordinates import read_coordinates
from structloop.particles.evaluation import match_picks
from structloop.particles.picking import (
    PickingOptions,
    PickJournal,
    Scale,
    find_micrographs,
    pick_micrographs,
    pick_set,
    threshold_for,
)
from structloop.particles.suggesting import MicrographTraits, suggest
from structloop.particles.training import read_labelled
from structloop.particles.watching import Round, watch_and_pick
from support.tiny_micrographs import DIAMETER_PX, TinyMicrograph, write_labels, write_tiny

OPTIONS = PickingOptions(Scale(DIAMETER_PX))


def folder_of(tmp_path: Path, count: int = 3) -> dict[str, TinyMicrograph]:
    return {f"m{seed}": write_tiny(tmp_path / "in" / f"m{seed}.mrc", seed) for seed in range(count)}


def test_what_cannot_be_picked_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    made = folder_of(tmp_path)
    whole = (tmp_path / "in" / "m0.mrc").read_bytes()
    (tmp_path / "in" / "cut.mrc").write_bytes(whole[:4000])
    (tmp_path / "in" / "none.mrc").write_bytes(b"")
    with PickJournal.open(tmp_path / "j", {}) as journal:
        found = find_micrographs(str(tmp_path / "in"))
        result = pick_micrographs(default_picker("log"), found, journal, OPTIONS)
        again = pick_micrographs(default_picker("log"), found, journal, OPTIONS)
        picks = pick_set(journal.picked.values(), threshold=0.5, origin="test")
        assert all((each.probability < 1).all() for each in journal.picked.values())
    assert (result.picked, result.known) == (3, 0)
    assert sorted(Path(name).name for name, _ in result.failed) == ["cut.mrc", "none.mrc"]
    assert (again.picked, again.known, len(again.failed)) == (0, 3, 2)
    for each in picks:
        truth = made[Path(each.micrograph).stem].xy_px
        assert len(match_picks(each.xy_px, truth, 0.3 * DIAMETER_PX).picks) > 0.6 * len(truth)


def test_a_changed_file_is_picked_again_and_another_model_begins_anew(tmp_path: Path) -> None:
    folder_of(tmp_path, 2)
    found = find_micrographs(str(tmp_path / "in" / "*.mrc"))
    with PickJournal.open(tmp_path / "j", {"model": "a"}) as journal:
        pick_micrographs(default_picker("log"), found, journal, OPTIONS)
        write_tiny(tmp_path / "in" / "m1.mrc", 7, height=220)
        assert pick_micrographs(default_picker("log"), found, journal, OPTIONS).picked == 1
        with pytest.raises(ParticlesError, match="another process"):
            PickJournal.open(tmp_path / "j", {"model": "a"})
    with PickJournal.open(tmp_path / "j", {"model": "b"}) as journal:
        assert not journal.picked


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ParticlesError, match="above 0"):
        Scale(0.0)
    with pytest.raises(ParticlesError, match="not known"):
        Scale()
    with pytest.raises(ParticlesError, match="not both"):
        Scale(10.0, 10.0)


def test_the_pixel_size_of_the_header_is_used(tmp_path: Path) -> None:
    folder_of(tmp_path, 1)
    with PickJournal.open(tmp_path / "j", {}) as journal:
        options = PickingOptions(Scale(None, 100.0))
        pick_micrographs(default_picker("log"), find_micrographs(str(tmp_path / "in")), journal, options)
        (entry,) = journal.picked.values()
    assert entry.diameter_px == pytest.approx(20.0)


def test_files_that_differ_only_in_their_ending_are_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, 1)
    (tmp_path / "in" / "m0.png").write_bytes(b"x")
    with pytest.raises(ParticlesError, match="endings"):
        find_micrographs(str(tmp_path / "in"))
    with pytest.raises(ParticlesError, match="leads to no micrograph"):
        find_micrographs(str(tmp_path / "*.mrc"))


def test_thresholds_follow_what_is_expected(tmp_path: Path) -> None:
    made = folder_of(tmp_path)
    labels = write_labels(tmp_path / "l.star", {name: each.xy_px for name, each in made.items()})
    files = read_labelled(find_micrographs(str(tmp_path / "in")), labels, Scale(DIAMETER_PX))
    card = fit_classical(files.labelled, family="log", name="x").card
    low, high = (threshold_for(card, threshold=None, expected_precision=each) for each in (0.3, 0.7))
    assert low <= high
    with pytest.raises(ParticlesError, match="not both"):
        threshold_for(card, threshold=0.5, expected_precision=0.5)
    bare = default_picker("log").card
    found = [np.array([0.9, 0.8, 0.2])]
    assert threshold_for(bare, threshold=None, expected_precision=0.85, found=found) == 0.8


def test_odd_labels_are_listed_and_the_rest_is_learned(tmp_path: Path) -> None:
    made = folder_of(tmp_path, 2)
    xy = np.concatenate([made["m0"].xy_px, [[5000.0, 10.0]]])
    labels = write_labels(tmp_path / "l.star", {"m0": xy, "gone": xy})
    files = read_labelled(find_micrographs(str(tmp_path / "in")), labels, Scale(DIAMETER_PX))
    assert len(files.labelled) == 1
    assert files.labels == len(made["m0"].xy_px)
    reasons = " ".join(reason for _, reason in files.problems)
    assert "outside" in reasons
    assert "no micrograph given is called so" in reasons
    with pytest.raises(ParticlesError, match="none of the 1"):
        read_labelled(
            find_micrographs(str(tmp_path / "in")), write_labels(tmp_path / "n.star", {"gone": xy}), Scale(DIAMETER_PX)
        )


def test_a_watched_folder_is_picked_as_it_fills_and_goes_on(tmp_path: Path) -> None:
    folder_of(tmp_path, 1)
    rounds: list[Round] = []

    def next_one(now: Round) -> None:
        rounds.append(now)
        if len(rounds) == 1:
            write_tiny(tmp_path / "in" / "m1.mrc", 1)

    def watch() -> int:
        stop = threading.Event()
        how = {"made_by": {}, "stop": stop, "settle_s": 0.1, "idle_s": 0.5}
        return watch_and_pick(
            default_picker("log"),
            tmp_path / "in",
            tmp_path / "out",
            OPTIONS,
            on_round=next_one,
            **how,  # type: ignore[arg-type]
        )

    assert watch() == 2
    assert [len(each.picked) for each in rounds] == [1, 1]
    assert watch() == 2
    assert len(rounds) == 2
    assert {each.name for each in (tmp_path / "out").glob("*.star")} == {"m0.star", "m1.star", "picks.star"}
    assert len(read_coordinates(tmp_path / "out" / "picks.star").micrographs) == 2


def test_suggestions_differ_from_one_another_and_from_what_is_labelled() -> None:
    traits = [
        MicrographTraits(f"{kind}{i}", 1.0, 10.0, np.array([9.0 * kind, 0.1 * i]))
        for kind in range(3)
        for i in range(4)
    ]
    chosen = suggest(traits, count=3)
    assert {each.micrograph[0] for each in chosen} == {"0", "1", "2"}
    assert suggest(traits, count=1, labelled=["0" + str(i) for i in range(4)])[0].micrograph[0] == "2"
    with pytest.raises(ParticlesError, match="nothing to suggest"):
        suggest(traits, count=1, labelled=[each.micrograph for each in traits])


def test_the_commands_train_and_pick(tmp_path: Path, home: Path) -> None:
    made = folder_of(tmp_path)
    labels = write_labels(tmp_path / "l.star", {name: each.xy_px for name, each in made.items()})
    run = CliRunner().invoke
    given = ["--micrographs", str(tmp_path / "in")]
    trained = run(
        app,
        [
            "particles",
            "train",
            *given,
            "--coordinates",
            str(labels),
            "--diameter-px",
            "20",
            "--name",
            "a",
            "--backend",
            "template",
        ],
    )
    assert trained.exit_code == 0, trained.output
    out = tmp_path / "p.star"
    picked = run(
        app, ["particles", "pick", *given, "--model", "a", "--out", str(out), "--pictures", str(tmp_path / "pics")]
    )
    assert picked.exit_code == 0, picked.output
    assert read_coordinates(out).count > 30
    assert len(list((tmp_path / "pics").glob("*.png"))) == 3
    refused = run(app, ["particles", "pick", *given, "--model", "a", "--out", str(out), "--diameter-px", "0"])
    assert isinstance(refused.exception, ParticlesError)
