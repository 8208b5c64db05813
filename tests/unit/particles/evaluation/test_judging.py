"""Picks are judged per micrograph, off the border, against the labels of the same micrograph."""

from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import EvaluationError, MicrographNameError
from structloop.particles.evaluation import PicksReport, judge_picks
from structloop.particles.evaluation.plots import write_plots
from structloop.schema.particles import MicrographPicks, PickSet

SHAPE = (1000, 1500)


def one(
    name: str, places: list[tuple[float, float]], scores: list[float] | None = None, sized: bool = True
) -> MicrographPicks:
    xy = np.array(places, dtype=np.float64).reshape(-1, 2)
    return MicrographPicks(
        name, xy, None if scores is None else np.array(scores, dtype=np.float64), shape_px=SHAPE if sized else None
    )


def judge(picks: list[MicrographPicks], truth: list[MicrographPicks], **options: float | bool) -> PicksReport:
    arguments = {"diameter_px": 100.0, **options}
    return judge_picks({"ours": PickSet(tuple(picks))}, PickSet(tuple(truth), origin="truth.star"), **arguments)  # type: ignore[arg-type]


TRUTH = [one("a.mrc", [(200, 200), (500, 500), (800, 300)]), one("b.mrc", [(700, 700)])]


def test_precision_recall_and_f1_are_means_over_micrographs() -> None:
    picks = [one("x/a", [(210, 200), (535, 500), (900, 900)]), one("b.tif", [(700, 700), (100, 100)])]
    close, wide = judge(picks, TRUTH).methods[0].radii
    assert (close.radius_diameters, wide.radius_diameters) == (0.3, 0.5)
    assert close.precision == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert close.recall == pytest.approx((1 / 3 + 1) / 2)
    assert close.f1 == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert wide.recall == pytest.approx((2 / 3 + 1) / 2)
    assert close.mean_distance_px == pytest.approx(5)
    assert close.average_precision is None
    assert "have no score" in close.reasons["scores"]


def test_the_border_is_left_out_of_picks_and_labels() -> None:
    truth = [one("a", [(127, 500), (128, 500), (1371, 871), (1372, 871), (600, 872)])]
    result = judge(truth, truth, border_px=128).methods[0].micrographs[0]
    assert (result.picks, result.truth) == (2, 2)


def test_a_border_needs_the_size_of_the_micrograph_from_either_file() -> None:
    bare = [one("a", [(500, 500)], sized=False)]
    with pytest.raises(EvaluationError, match="size of micrograph a is not known"):
        judge(bare, bare, border_px=10)
    sized = [one("a", [(500, 500)])]
    assert judge(bare, sized, border_px=10).methods[0].radii[0].f1 == 1
    assert judge(sized, bare, border_px=10).methods[0].radii[0].f1 == 1


def test_scores_are_judged_over_all_picks_and_the_threshold_over_those_above() -> None:
    picks = [one("a", [(200, 200), (500, 500), (900, 900)], [0.9, 0.4, 0.6]), one("b", [(700, 700)], [0.8])]
    report = judge(picks, TRUTH, threshold=0.5)
    result = report.methods[0].radii[0]
    assert [each.picks for each in report.methods[0].micrographs] == [2, 1]
    assert result.precision == pytest.approx((1 / 2 + 1) / 2)
    assert result.average_precision == pytest.approx(0.25 + 0.25 + 0.25 * 3 / 4)
    assert result.quality is not None
    assert result.quality.brier == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)
    with pytest.raises(EvaluationError, match="have no score"):
        judge(TRUTH, TRUTH, threshold=0.5)


def test_scores_beyond_one_are_no_probabilities_but_can_be_ranked() -> None:
    picks = [one("a", [(200, 200)], [-3.0]), one("b", [(700, 700)], [7.0])]
    result = judge(picks, TRUTH).methods[0].radii[0]
    assert result.average_precision == pytest.approx(0.5)
    assert result.quality is None
    assert "from -3 to 7" in result.reasons["probabilities"]


def test_micrographs_without_picks_are_told_and_can_be_counted() -> None:
    picks = [one("a", [(200, 200), (500, 500), (800, 300)])]
    report = judge(picks, TRUTH)
    assert report.micrographs == ("a.mrc",)
    assert any("1 of 2 micrographs of the truth have no picks" in remark for remark in report.remarks)
    assert judge(picks, TRUTH, count_missing=True).methods[0].radii[0].recall == pytest.approx(0.5)


def test_a_micrograph_with_neither_picks_nor_labels_has_no_numbers() -> None:
    report = judge([one("a", []), one("b", [(700, 700)])], [one("a", []), one("b", [(700, 700)])])
    assert report.methods[0].micrographs[0].matched[0.3].f1 is None
    assert report.methods[0].radii[0].f1 == 1.0


def test_picks_upside_down_are_suspected() -> None:
    random = np.random.default_rng(1)
    places = random.uniform(50, 950, (40, 2))
    upside_down = places * [1, -1] + [0, SHAPE[0] - 1]
    truth = [MicrographPicks("a", places, shape_px=SHAPE)]
    report = judge([MicrographPicks("a", upside_down, shape_px=SHAPE)], truth)
    assert any("and 40 with y counted from the last row" in remark for remark in report.remarks)
    assert not any("last row" in remark for remark in judge(truth, truth).remarks)


def test_picks_outside_the_micrograph_are_told() -> None:
    report = judge([one("a", [(1600, 100), (200, 200)])], TRUTH)
    assert any("1 of 2 picks in a.mrc lie outside its 1500 x 1000 pixels" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"diameter_px": 0.0}, "0 px diameter cannot be"),
        ({"diameter_px": float("nan")}, "nan px diameter cannot be"),
        ({"border_px": -1.0}, "border of -1 px cannot be"),
        ({"threshold": float("inf")}, "threshold of inf cannot be"),
    ],
)
def test_numbers_that_cannot_be_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        judge(TRUTH, TRUTH, **options)


def test_names_that_fit_nothing_or_two_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"it has 'c', the truth has 'a.mrc'"):
        judge([one("c", [(1, 1)])], TRUTH)
    with pytest.raises(MicrographNameError, match="could be"):
        judge([one("a", [(1, 1)])], [one("x/a.mrc", []), one("y/a.mrc", [])])


def test_methods_are_compared_and_drawn(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    truth, good, poor = [], [], []
    for number in range(6):
        places = random.uniform(60, 940, (30, 2))
        truth.append(MicrographPicks(f"m_{number}.mrc", places, shape_px=SHAPE))
        good.append(MicrographPicks(f"m_{number}", places + random.normal(0, 5, (30, 2)), random.uniform(0.6, 1, 30)))
        poor.append(MicrographPicks(f"m_{number}", places + random.normal(0, 40, (30, 2)), random.uniform(0, 1, 30)))
    report = judge_picks(
        {"good": PickSet(tuple(good)), "poor": PickSet(tuple(poor))}, PickSet(tuple(truth)), diameter_px=100
    )
    comparison = {each.metric: each for each in report.comparisons}["f1"]
    assert (comparison.effect, comparison.micrographs) == (1.0, 6)
    assert comparison.p_value == pytest.approx(2 / 64)
    files = write_plots(tmp_path / "plots", report)
    assert {file.name for file in files} == {
        f"{name}.{ending}" for name in ("precision-recall", "reliability") for ending in ("png", "svg")
    }
    assert all(file.stat().st_size > 5000 for file in files)
    assert {row["protocol"] for row in report.rows()} == {"particle-wise 0.3 D", "particle-wise 0.5 D", "pixel-wise"}
