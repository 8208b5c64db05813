"""Model cards for people: the table of `models list` and the page of `models show`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from structloop.schema.models import (
    IdentityCalibration,
    Metric,
    ModelCard,
    PickerCard,
    PlattCalibration,
    TemperatureCalibration,
)

if TYPE_CHECKING:
    from structloop.models.registry import AnyCard, BrokenModel


def print_models(cards: "list[AnyCard]", broken: "list[BrokenModel]", default: str) -> None:
    """One line per model; the default one has a star."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "model", "version", "family", "images", "summary"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"model", "version"})
    for card in cards:
        mark = "*" if card.name == default else ""
        images = "micrographs" if isinstance(card, PickerCard) else ", ".join(each.value for each in card.modalities)
        table.add_row(mark, card.name, card.version, escape(card.family), images, escape(card.summary))
    Console().print(table)
    if any(card.name == default for card in cards):
        typer.echo("* default")
    else:
        typer.echo(f"the default model, {default}, is not installed")
    for fault in broken:
        typer.echo(f"{fault.name}: cannot be used: {fault.reason}", err=True)


def print_card(card: ModelCard, folder: Path, *, is_default: bool) -> None:
    """The whole card, one fact a line; scripts may rely on the line ``alarm threshold: X``."""
    lines = [
        f"{card.name}{' (default)' if is_default else ''}",
        f"  {card.summary}",
        "",
        f"version: {card.version}",
        f"task: {card.task}",
        f"family: {card.family}",
        f"images: {', '.join(each.value for each in card.modalities)}",
        f"labels: {', '.join(card.labels)} (positive: {card.positive_label})",
        f"input: {_input(card)}",
        f"alarm threshold: {card.alarm_threshold:g}",
    ]
    lines += [
        f"alarm threshold, {modality.value} alone: {threshold:g}"
        for modality, threshold in card.modality_alarm_thresholds.items()
    ]
    lines += [f"calibration, {modality.value}: {_calibration(card, modality)}" for modality in card.modalities]
    typer.echo("\n".join([*lines, *_provenance(card), *_files(card, folder)]))


def print_picker_card(card: PickerCard, folder: Path) -> None:
    """The whole card of a picker, one fact a line; scripts may rely on the line ``threshold: X``."""
    size = "told when picking" if card.diameter_px is None else f"{card.diameter_px:g} stored px"
    lines = [
        card.name,
        f"  {card.summary}",
        "",
        f"version: {card.version}",
        f"task: {card.task}",
        f"family: {card.family}",
        f"input: micrographs at {card.working_diameter_px:g} px per diameter, particles {card.contrast}",
        f"particle diameter: {size}",
        f"pixel size: {f'{card.pixel_size_angstrom:g} angstrom' if card.pixel_size_angstrom else 'not known'}",
        f"threshold: {card.threshold:g}",
        f"calibration: {_calibrated(card.calibration)}",
    ]
    if card.expected:
        lines += ["expected, by threshold (95 % intervals):"]
        lines += [
            f"  {at.threshold:.2f}: precision {at.precision:.2f} ({at.precision_low:.2f} to {at.precision_high:.2f}), "
            f"recall {at.recall:.2f} ({at.recall_low:.2f} to {at.recall_high:.2f})"
            for at in card.expected
        ]
    typer.echo("\n".join([*lines, *_provenance(card), *_files(card, folder)]))


def _provenance(card: ModelCard | PickerCard) -> list[str]:
    lines = [
        f"base: {card.base or 'none'}",
        f"licence: {card.licence}",
        f"origin: {card.origin}",
        f"created: {card.created.isoformat() if card.created else 'unknown'}",
        f"trained on: {card.training.name}, version {card.training.version}"
        f"{', simulated images only' if card.training.synthetic else ''}"
        f"{f', {card.training.images} images' if card.training.images is not None else ''}",
        f"  {card.training.description}",
    ]
    if card.metrics:
        lines += ["", "measured:", *(f"  {_metric(metric)}" for metric in card.metrics)]
    if card.limitations:
        lines += ["", "where it fails:", *(f"  - {each}" for each in card.limitations)]
    return lines


def _files(card: ModelCard | PickerCard, folder: Path) -> list[str]:
    listed = [f"  {file.path}  {file.size_bytes:,} bytes  sha256 {file.sha256[:16]}..." for file in card.files]
    return ["", f"files in {folder}:", *listed]


def _input(card: ModelCard) -> str:
    wanted = card.input
    return f"{wanted.width_px} x {wanted.height_px} px, {wanted.colour}, {wanted.resize}, {wanted.interpolation}"


def _calibration(card: ModelCard, modality: object) -> str:
    return _calibrated(
        next((value for key, value in card.calibration.items() if key == modality), IdentityCalibration())
    )


def _calibrated(found: IdentityCalibration | TemperatureCalibration | PlattCalibration) -> str:
    match found:
        case IdentityCalibration():
            return "none"
        case TemperatureCalibration(temperature=temperature, prevalence=prevalence, note=note):
            text = f"temperature {temperature:.4g}"
        case PlattCalibration(slope=slope, intercept=intercept, prevalence=prevalence, note=note):
            text = f"Platt, slope {slope:.4g}, intercept {intercept:.4g}"
    if prevalence is not None:
        text += f", at a prevalence of {prevalence:.1%}"
    return f"{text}; {note}" if note else text


def _metric(metric: Metric) -> str:
    interval = f" (95 % {metric.low:.3f} to {metric.high:.3f})" if metric.low is not None else ""
    modality = f", {metric.modality.value}" if metric.modality is not None else ""
    note = f"; {metric.note}" if metric.note else ""
    return f"{metric.name}: {metric.value:.3f}{interval} on {metric.dataset}{modality}{note}"


__all__ = ["print_card", "print_models", "print_picker_card"]
