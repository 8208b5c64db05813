"""The plots of a report: precision against recall, and reliability of the scores, all methods in one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from structloop.particles.evaluation.results import PicksReport

# Okabe and Ito's colours, told apart with any colour vision; lines and marks differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
_LINES = ("-", "--", "-.", ":")
_MARKS = "osD^vPX"
NEUTRAL = "#555555"
ENDINGS = (".png", ".svg")


def write_plots(folder: Path, report: PicksReport) -> list[Path]:
    """Writes `precision-recall` and `reliability` as PNG and SVG, at the report's first radius.

    A plot that no method has the numbers for (no scores, or scores that are no probabilities) is not written.

    Args:
        folder: Where they go; made where missing.
        report: What is shown.

    Returns:
        The files written.

    Raises:
        OSError: the folder cannot be written.
    """
    # No display is needed, and the caller's own choice of backend is left alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawings: dict[str, Callable[[Any, PicksReport], None]] = {}
    if any(each.radii[0].curve is not None for each in report.methods):
        drawings["precision-recall"] = _precision_recall
    if any(each.radii[0].quality is not None for each in report.methods):
        drawings["reliability"] = _reliability
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in drawings.items():
        figure = Figure(figsize=(5, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        draw(axes, report)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_title(f"{len(report.micrographs)} micrographs, {report.diameter_px:g} px diameter", fontsize=10)
        axes.legend(fontsize=8, loc="best")
        for ending in ENDINGS:
            written.append(folder / f"{name}{ending}")
            # Without the date, the same numbers give the same file.
            figure.savefig(written[-1], dpi=150, metadata={"Date": None} if ending == ".svg" else None)
    return written


def _precision_recall(axes: Any, report: PicksReport) -> None:
    for place, method in enumerate(report.methods):
        result = method.radii[0]
        colour = COLOURS[place % len(COLOURS)]
        if result.curve is not None:
            axes.step(
                np.concatenate([[0.0], result.curve.recall]),
                np.concatenate([result.curve.precision[:1], result.curve.precision]),
                where="pre",
                color=colour,
                linestyle=_LINES[place % len(_LINES)],
                label=f"{method.name}, AP {result.curve.average_precision:.3f}",
            )
        if result.precision is not None and result.recall is not None:
            label = None if result.curve is not None else f"{method.name} (no scores)"
            mark = _MARKS[place % len(_MARKS)]
            axes.plot([result.recall], [result.precision], mark, color=colour, label=label)
    axes.set_xlabel(f"recall within {report.methods[0].radii[0].radius_diameters:g} diameters")
    axes.set_ylabel("precision")


def _reliability(axes: Any, report: PicksReport) -> None:
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", label="said = observed")
    for place, method in enumerate(report.methods):
        quality = method.radii[0].quality
        if quality is None:
            continue
        seen = [part.observed for part in quality.bins]
        axes.errorbar(
            [part.mean_probability for part in quality.bins],
            [each.value for each in seen],
            yerr=([each.value - each.low for each in seen], [each.high - each.value for each in seen]),
            fmt=f"{_MARKS[place % len(_MARKS)]}{_LINES[place % len(_LINES)]}",
            color=COLOURS[place % len(COLOURS)],
            capsize=3,
            label=f"{method.name}, ECE {quality.calibration_error:.3f}",
        )
    axes.set_xlabel("score of the picks")
    axes.set_ylabel("observed share of particles, 95 % intervals")


__all__ = ["write_plots"]
