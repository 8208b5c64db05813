"""An explanation as one picture for a file: the image, its map with a legend, the images most alike, and the caveat."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from PIL import Image

from structloop.core.errors import ImageError, PictureFileError
from structloop.crystals.explaining.examples import NearestExamples
from structloop.crystals.explaining.kept_maps import scale_of
from structloop.crystals.explaining.occlusion import OcclusionMap
from structloop.crystals.explaining.subjects import Subject
from structloop.crystals.explaining.words import CAVEAT, in_words
from structloop.imaging.overlays import ABOVE, BELOW, diverging_overlay
from structloop.loop.promotion.lineage import Testimony
from structloop.loop.tasks import load_whole_image
from structloop.schema.models import ModelCard

ENDINGS = (".png", ".pdf", ".svg")
_SHOWN_PX = 900
_SMALL_PX = 320
_LETTERS = 118
_PER_ROW = 6


def check_sheet_file(path: Path) -> None:
    """Refuses a file that could not be written, before anything is computed.

    Raises:
        PictureFileError: its ending is none that is known, or its folder is not there.
    """
    if path.suffix.lower() not in ENDINGS:
        raise PictureFileError(f"{path}: the ending must be one of {', '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise PictureFileError(f"the folder of {path} does not exist; make it first")


def write_sheet(
    path: Path,
    subject: Subject,
    card: ModelCard,
    found: OcclusionMap,
    alike: NearestExamples,
    said: dict[str, tuple[Testimony, ...]],
) -> None:
    """Writes an explanation as a picture.

    Args:
        path: Where to; its ending says how.
        subject: The image.
        card: Of the model.
        found: Its occlusion map.
        alike: The images most alike.
        said: Who said what of these, by their keys.

    Raises:
        PictureFileError: it cannot be written.
        ImageError: the image cannot be read any more.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    check_sheet_file(path)
    with subject.open() as opened:
        picture = _within(opened.convert("RGB"), _SHOWN_PX)
    rows = -(-len(alike.examples) // _PER_ROW)
    figure = Figure(figsize=(11, 5.6 + 2.5 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[5.0, 0.9 + 2.5 * rows])
    above, below = parts
    whole, mapped = above.subplots(1, 2)
    whole.imshow(picture)
    whole.set_title(f"{found.probability:.0%} crystal", fontsize=10)
    mapped.imshow(picture)
    mapped.imshow(diverging_overlay(found.at(), scale_of(found), picture.size))
    mapped.set_title("what hiding a part changes", fontsize=10)
    for axes in (whole, mapped):
        axes.set_axis_off()
    _legend(above, mapped, scale_of(found))
    above.suptitle(f"{subject.name}: {card.name}@{card.version}\n{fill(in_words(found), _LETTERS)}", fontsize=11)
    below.suptitle(f"{fill(alike.note, _LETTERS)}", fontsize=9)
    below.supxlabel(fill(CAVEAT, _LETTERS), fontsize=8)
    if alike.examples:
        _examples(below, alike, said, rows)
    try:
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise PictureFileError(f"{path} cannot be written: {error.strerror or error}; choose another place") from error


def _within(image: Image.Image, longest_px: int) -> Image.Image:
    image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    return image


def _legend(figure: Any, axes: Any, scale: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = [np.array(colour) / 255 for colour in (BELOW, (0xE8, 0xE8, 0xE8), ABOVE)]
    ramp = LinearSegmentedColormap.from_list("for and against", colours)
    bar = figure.colorbar(
        ScalarMappable(Normalize(-100 * scale, 100 * scale), ramp), ax=axes, orientation="horizontal", shrink=0.8
    )
    bar.set_label("points of probability: against a crystal | for a crystal", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _examples(figure: Any, alike: NearestExamples, said: dict[str, tuple[Testimony, ...]], rows: int) -> None:
    places = figure.subplots(rows, _PER_ROW, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, example in zip(places, alike.examples, strict=False):
        try:
            with load_whole_image(example.row.image()) as image:
                axes.imshow(_within(image.convert("RGB"), _SMALL_PX))
        except ImageError:
            axes.text(0.5, 0.5, "cannot be read\nany more", ha="center", va="center", fontsize=8)
        kind = f" {example.row.detail}" if example.row.detail else ""
        itself = "\nthis very image" if example.is_itself else ""
        rests_on = settled_by(example.row.source.value, said.get(example.row.key, ()))
        axes.set_title(f"{example.row.label}{kind}, {example.distance:.3f}{itself}\n{rests_on}", fontsize=8)


def settled_by(source: str, said: Sequence[Testimony]) -> str:
    """What a label rests on, and who said so, as `curated: Ada, Max`."""
    who = ", ".join(one.name for one in said)
    return f"{source}: {who}" if who else source


__all__ = ["ENDINGS", "check_sheet_file", "settled_by", "write_sheet"]
