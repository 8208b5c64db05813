"""An evaluation, or a comparison of two models, as one HTML file: numbers, plots, and pictures of the worst errors.

The file holds everything it shows, so it can be mailed, kept and printed (to PDF, from any browser).
"""

import base64
import io
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from structloop.core.errors import EvaluationSetError, ImageError
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.evaluation.comparing import Comparison
from structloop.loop.evaluation.intervals import Estimate
from structloop.loop.evaluation.judging import Judgement, KindResult
from structloop.loop.evaluation.plots import write_plots

WORST = 12
"""Pictures of each kind of error."""

_PICTURE_PX = 260
_JPEG_QUALITY = 80
_METRICS = (
    ("recall", "recall"),
    ("precision", "precision"),
    ("specificity", "specificity"),
    ("balanced_accuracy", "balanced accuracy"),
    ("precision_at_prevalence", "precision in use"),
    ("auc", "area under the ROC curve"),
    ("average_precision", "average precision"),
)
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;margin:.5rem 0}
td,th{padding:.25rem .8rem .25rem 0;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
td.n{font-variant-numeric:tabular-nums}.plots img{width:23rem;max-width:100%}
.errors{display:flex;flex-wrap:wrap;gap:.8rem}figure{margin:0;width:260px}figure img{width:100%;background:#eee}
figcaption{font-size:.8rem;overflow-wrap:anywhere}.note{color:#555}
@media print{figure{break-inside:avoid}}
"""


def evaluation_page(judgement: Judgement, *, title: str, worst: int = WORST) -> str:
    """The page of one model.

    Args:
        judgement: What is shown.
        title: Of the page.
        worst: Pictures of each kind of error.
    """
    body = [_models([judgement]), _metrics([judgement], None), _load([judgement]), _plots(judgement), _kinds(judgement)]
    body += [_errors(judgement, worst), _remarks(judgement)]
    return _page(title, body)


def comparison_page(comparison: Comparison, *, title: str, worst: int = WORST, reasons: Sequence[str] = ()) -> str:
    """The page of a candidate beside the current model.

    Args:
        comparison: What is shown.
        title: Of the page.
        worst: Pictures of each kind of error, and of disagreements.
        reasons: What the gate says, line by line.
    """
    both = [comparison.current, comparison.candidate]
    body = [_models(both)]
    if reasons:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
        body.append(f"<h2>The gate</h2><ul>{items}</ul>")
    body += [_metrics(both, comparison), _paired(comparison), _load(both)]
    body += [_plots(comparison.candidate), _kinds(comparison.candidate)]
    body += [_disagreements(comparison, worst), _errors(comparison.candidate, worst), _remarks(comparison.candidate)]
    return _page(title, body)


def write_page(path: Path, page: str) -> None:
    """Writes a page.

    Raises:
        EvaluationSetError: the file cannot be written.
    """
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise EvaluationSetError(f"the report {path} cannot be written: {error.strerror or error}") from error


def _page(title: str, body: Sequence[str]) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{''.join(body)}</body></html>\n"
    )


def _models(judgements: Sequence[Judgement]) -> str:
    rows = [("", *(_column(index, len(judgements)) for index in range(len(judgements))))]
    rows.append(("model", *(f"{each.card.name}@{each.card.version}" for each in judgements)))
    rows.append(("alarm threshold", *(f"{each.threshold:.3f}" for each in judgements)))
    rows.append(("trained on", *(f"{each.card.training.name} {each.card.training.version}" for each in judgements)))
    rows.append(("ms per image", *(f"{each.seconds_per_image * 1000:.1f}" for each in judgements)))
    first = judgements[0]
    counts = (
        f"{len(first.items)} {first.modality.value} images from {first.load.groups} groups: {first.overall.positives} "
        f"{first.card.positive_label}, {first.overall.negatives} other"
    )
    return f"<p>{escape(counts)}</p>{_table(rows)}"


def _column(index: int, count: int) -> str:
    return "" if count == 1 else ("current", "candidate")[index]


def _metrics(judgements: Sequence[Judgement], comparison: Comparison | None) -> str:
    header = ["with 95 % interval", *(_column(index, len(judgements)) or "value" for index in range(len(judgements)))]
    rows = [(*header, "difference") if comparison is not None else tuple(header)]
    for name, label in _METRICS:
        cells = [label, *(_estimate(getattr(each.overall, name)) for each in judgements)]
        if comparison is not None:
            difference = comparison.differences.values.get(name)
            if name == "recall":
                difference = comparison.recall_difference
            cells.append(_estimate(difference, signed=True) if difference is not None else "")
        rows.append(tuple(cells))
    for name, label in (("brier", "Brier score"), ("calibration_error", "calibration error")):
        rows.append((label, *(f"{getattr(each.overall, name):.3f}" for each in judgements)))
    prevalence = judgements[0].overall.prevalence
    note = f'<p class="note">Precision in use: where {prevalence:.0%} of the images are positive.</p>'
    return f"<h2>Numbers</h2>{_table(rows)}{note}"


def _paired(comparison: Comparison) -> str:
    found = comparison.mcnemar
    text = (
        f"Only the current model is right on {found.only_first} images, only the candidate on {found.only_second}: "
        f"p = {found.p_value:.3g} (McNemar, exact). Intervals of differences draw {comparison.differences.groups} "
        "groups with replacement."
    )
    return f"<h2>Paired test</h2><p>{escape(text)}</p>"


def _load(judgements: Sequence[Judgement]) -> str:
    rows = [("alarms per group", *(_column(index, len(judgements)) or "value" for index in range(len(judgements))))]
    for name, label, form in (
        ("mean", "mean", "{:.1f}"),
        ("median", "median", "{:.1f}"),
        ("ninth_tenth", "nine groups in ten have at most", "{:.1f}"),
        ("most", "most", "{:d}"),
        ("share", "share of all images", "{:.1%}"),
        ("per_positive", "alarms to look at per positive found", "{:.1f}"),
    ):
        rows.append((label, *(form.format(getattr(each.load, name)) for each in judgements)))
    return f"<h2>Review load</h2>{_table(rows)}"


def _kinds(judgement: Judgement) -> str:
    parts = []
    for name, kinds in (*judgement.by_tag.items(), ("group", judgement.by_group)):
        rows = [(name, "positive", "negative", "recall", "false alarms"), *(_kind(kind) for kind in kinds)]
        parts.append(f"<h2>By {escape(name)}</h2>{_table(rows)}")
    return "".join(parts)


def _kind(kind: KindResult) -> tuple[str, ...]:
    counts = (str(kind.positives), str(kind.negatives))
    return (kind.name, *counts, _estimate(kind.recall), _estimate(kind.false_alarms))


def _plots(judgement: Judgement) -> str:
    with tempfile.TemporaryDirectory(prefix="structloop-report-") as folder:
        files = write_plots(
            Path(folder),
            judgement.overall,
            judgement.is_positive,
            judgement.probabilities,
            judgement.threshold,
            positive=judgement.card.positive_label,
            negative="other",
            title=judgement.card.name,
        )
        images = [_embedded(file.read_bytes(), "image/svg+xml", file.stem) for file in files if file.suffix == ".svg"]
    return f'<h2>Plots</h2><div class="plots">{"".join(images)}</div>'


def _errors(judgement: Judgement, worst: int) -> str:
    missed = np.flatnonzero(judgement.is_positive & ~judgement.is_alarm)
    false = np.flatnonzero(~judgement.is_positive & judgement.is_alarm)
    said = judgement.probabilities
    parts = []
    for title, rows in (
        (f"Missed: {judgement.card.positive_label} with the lowest probability", missed[np.argsort(said[missed])]),
        ("False alarms: others with the highest probability", false[np.argsort(-said[false])]),
    ):
        figures = [_figure(judgement.items[row], f"{said[row]:.3f}") for row in rows[:worst].tolist()]
        shown = "".join(figures) or "<p>None.</p>"
        parts.append(f'<h2>{escape(title)} ({len(rows)} in all)</h2><div class="errors">{shown}</div>')
    return "".join(parts)


def _disagreements(comparison: Comparison, worst: int) -> str:
    place = {item.key: index for index, item in enumerate(comparison.current.items)}
    figures = []
    for key in comparison.disagreements[:worst]:
        index = place[key]
        said = f"{comparison.current.probabilities[index]:.3f} → {comparison.candidate.probabilities[index]:.3f}"
        figures.append(_figure(comparison.candidate.items[index], said))
    shown = "".join(figures) or "<p>None.</p>"
    count = len(comparison.disagreements)
    return f'<h2>Where the two models disagree ({count} images)</h2><div class="errors">{shown}</div>'


def _figure(item: LabelledItem, said: str) -> str:
    caption = f"<figcaption>{escape(item.key)}<br>{escape(item.label)}, {escape(said)}</figcaption>"
    try:
        with item.load() as image:
            small = image.convert("RGB")
            small.thumbnail((_PICTURE_PX, _PICTURE_PX))
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=_JPEG_QUALITY)
    except ImageError as error:
        return f"<figure><p>{escape(str(error))}</p>{caption}</figure>"
    return f"<figure>{_embedded(stream.getvalue(), 'image/jpeg', item.key)}{caption}</figure>"


def _remarks(judgement: Judgement) -> str:
    lines = [*judgement.overall.reasons.items(), *judgement.unreadable.items()]
    if not lines:
        return ""
    items = "".join(f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in lines)
    return f"<h2>Left out</h2><ul>{items}</ul>"


def _embedded(data: bytes, kind: str, alt: str) -> str:
    return f'<img alt="{escape(alt, quote=True)}" src="data:{kind};base64,{base64.b64encode(data).decode()}">'


def _estimate(estimate: Estimate | None, *, signed: bool = False) -> str:
    if estimate is None:
        return "–"
    sign = "+" if signed else ""
    return f"{estimate.value:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f'<td class="n">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


__all__ = ["WORST", "comparison_page", "evaluation_page", "write_page"]
