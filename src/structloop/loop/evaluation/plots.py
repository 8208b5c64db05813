"""The plots of an evaluation: ROC, precision-recall, reliability, and the scores of both classes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structloop.loop.evaluation.binary import BinaryEvaluation
from structloop.loop.evaluation.curves import precision_recall_curve, roc_curve

# Okabe and Ito's colours, told apart with any colour vision; lines differ in style too.
POSITIVE, NEGATIVE, NEUTRAL = "#D55E00", "#0072B2", "#555555"
ENDINGS = (".png", ".svg")


def write_plots(
    folder: Path,
    evaluation: BinaryEvaluation,
    is_positive: ArrayLike,
    probabilities: ArrayLike,
    threshold: float,
    *,
    positive: str,
    negative: str,
    title: str,
) -> list[Path]:
    """Writes every plot that the images allow as PNG and SVG; the two curves need both classes.

    Args:
        folder: Where they go; made where missing.
        evaluation: Of these images.
        is_positive, probabilities: `(n,)` each.
        threshold: The alarm threshold, drawn into the plots.
        positive, negative: Names of the classes.
        title: Title of every plot.

    Returns:
        The files written.

    Raises:
        OSError: the folder cannot be written.
    """
    # No display is needed, and the caller's own choice of backend is left alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    truth = np.asarray(is_positive, dtype=np.bool_)
    values = np.asarray(probabilities, dtype=np.float64)
    drawings: dict[str, Callable[[Any], None]] = {
        "scores": lambda axes: _scores(axes, truth, values, threshold, (positive, negative)),
        "reliability": lambda axes: _reliability(axes, evaluation, positive),
    }
    if evaluation.auc is not None:
        drawings["roc"] = lambda axes: _roc(axes, evaluation, truth, values)
        drawings["precision-recall"] = lambda axes: _precision_recall(axes, evaluation, truth, values)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in drawings.items():
        figure = Figure(figsize=(5, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        draw(axes)
        axes.set_title(title, fontsize=10)
        for ending in ENDINGS:
            written.append(folder / f"{name}{ending}")
            # Without the date, the same numbers give the same file.
            metadata = {"Date": None} if ending == ".svg" else None
            figure.savefig(written[-1], dpi=150, metadata=metadata)
    return written


def _roc(axes: Any, evaluation: BinaryEvaluation, truth: NDArray[np.bool_], values: NDArray[np.float64]) -> None:
    false_rate, true_rate = roc_curve(truth, values)
    label = _labelled("AUC", evaluation.auc)
    axes.plot(false_rate, true_rate, color=NEGATIVE, label=label)
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", label="chance")
    _mark(axes, evaluation.false_positives / evaluation.negatives, evaluation.recall)
    _unit_square(axes, "false positive rate", "true positive rate (recall)")


def _precision_recall(
    axes: Any, evaluation: BinaryEvaluation, truth: NDArray[np.bool_], values: NDArray[np.float64]
) -> None:
    recall, precision = precision_recall_curve(truth, values)
    axes.step(recall, precision, where="pre", color=NEGATIVE, label=_labelled("AP", evaluation.average_precision))
    axes.axhline(float(truth.mean()), color=NEUTRAL, linestyle=":", label="chance")
    if evaluation.recall is not None:
        _mark(axes, evaluation.recall.value, evaluation.precision)
    _unit_square(axes, "recall", "precision")


def _reliability(axes: Any, evaluation: BinaryEvaluation, positive: str) -> None:
    bins = evaluation.reliability
    said = [part.mean_probability for part in bins]
    seen = [part.observed.value for part in bins]
    errors: Sequence[list[float]] = (
        [part.observed.value - part.observed.low for part in bins],
        [part.observed.high - part.observed.value for part in bins],
    )
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", label="said = observed")
    axes.errorbar(said, seen, yerr=errors, fmt="o-", color=NEGATIVE, capsize=3, label="95 % intervals")
    for part in bins:
        place = (part.mean_probability, part.observed.value)
        axes.annotate(str(part.images), place, textcoords="offset points", xytext=(5, -10), fontsize=7)
    _unit_square(axes, f"{positive} probability", f"observed share of {positive}")


def _scores(
    axes: Any, truth: NDArray[np.bool_], values: NDArray[np.float64], threshold: float, names: tuple[str, str]
) -> None:
    edges = np.linspace(0, 1, 26)
    for side, name, colour, hatch in ((truth, names[0], POSITIVE, "//"), (~truth, names[1], NEGATIVE, None)):
        label = f"{name} ({int(side.sum())})"
        axes.hist(values[side], bins=edges, color=colour, alpha=0.6, hatch=hatch, edgecolor=colour, label=label)
    axes.axvline(threshold, color=NEUTRAL, linestyle="--", label=f"alarm threshold {threshold:.3f}")
    axes.set_xlabel(f"{names[0]} probability")
    axes.set_ylabel("images")
    axes.set_xlim(0, 1)
    axes.legend(fontsize=8)


def _labelled(name: str, estimate: Any) -> str:
    return f"{name} {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _mark(axes: Any, x: float, estimate: Any) -> None:
    if estimate is not None:
        axes.plot([x], [estimate.value], marker="D", color=POSITIVE, linestyle="none", label="alarm threshold")


def _unit_square(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(fontsize=8, loc="best")


__all__ = ["write_plots"]
