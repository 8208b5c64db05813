"""What a picture of a micrograph says of its condition, in some hundred numbers that do not depend on its contrast.

The picture is brought to 512 pixels on its longer side, as people look at it, and measured: how its power is spread
over sizes and directions, how grey values are spread, how much the grain differs from place to place, how sharp and
long edges are, whether it falls into two levels, how many dark and bright spots of each size there are and how they
stand out. Where the whole micrograph is given with its pixel size, the rings of crystalline ice are measured, too, in
pieces of it; else they say nothing.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

Floats = NDArray[np.float32]

LONGEST_PX = 512
_LEAST_PX = 128
_BANDS = 12
_SPOTS_PX = (1.5, 2.2, 3.3, 5.0, 7.5, 11.0, 17.0)
_BLURS_PX = (2.0, 6.0, 16.0)
_TILE_PX = 32
_RINGS_PER_ANGSTROM = (1 / 3.90, 1 / 3.67, 1 / 3.44)
_RING_WIDTH = 0.006
_PIECE_PX = 1024
_MOST_PIXEL_ANGSTROM = 1.6
"""With larger pixels the rings lie too near the edge of what the picture holds."""


def picture_features(grey: NDArray[np.floating], rings: float | None = None) -> Floats:
    """The features of a picture.

    Args:
        grey: `(y, x)`, any contrast and size; larger ones are averaged down.
        rings: How far the rings of crystalline ice stand out (`ring_excess`); None where that is not known.

    Returns:
        `(width,)`, as `FEATURE_NAMES` says.
    """
    small = _levelled(_reduced(np.asarray(grey, np.float32)))
    half = _blocks(small, 2)
    quarter = _blocks(half, 2)
    # What is smooth is as well told by fewer pixels.
    smooth = [
        ndimage.gaussian_filter(small, _BLURS_PX[0], truncate=2.5),
        ndimage.gaussian_filter(half, _BLURS_PX[1] / 2, truncate=2.5),
        ndimage.gaussian_filter(quarter, _BLURS_PX[2] / 4, truncate=2.5),
    ]
    found = [
        *_spectrum(small),
        *(value for picture in (half, *smooth) for value in _grey_levels(picture)),
        *_grain(small, smooth[0]),
        *_edges(smooth[0]),
        *_edges(smooth[1]),
        *_two_levels(smooth[1]),
        *_spots(small, half, quarter),
        float(rings is not None),
        0.0 if rings is None else float(np.arcsinh(rings)),
    ]
    return np.nan_to_num(np.array(found, dtype=np.float32), nan=0.0, posinf=30.0, neginf=-30.0)


def grey_of(image: Image.Image) -> Floats:
    """The grey values of a picture of any mode."""
    if image.mode in ("L", "F", "I;16"):
        return np.asarray(image, dtype=np.float32)
    return np.asarray(image.convert("L"), dtype=np.float32)


def ring_excess(micrograph: NDArray[np.floating], pixel_size_angstrom: float | None) -> float | None:
    """How far the rings of crystalline ice stand out of the power around them, in standard deviations of it.

    Measured in the strongest of some pieces of the micrograph, which a single crystal may fill.

    Args:
        micrograph: `(y, x)`, not binned.
        pixel_size_angstrom: Of it; None where it is not known.

    Returns:
        None where that cannot be told: the pixel size is not known or too large, or the micrograph too small.
    """
    if pixel_size_angstrom is None or pixel_size_angstrom > _MOST_PIXEL_ANGSTROM or min(micrograph.shape) < _PIECE_PX:
        return None
    height, width = micrograph.shape
    side = _PIECE_PX
    tops, lefts = (0, height - side), (0, width - side)
    corners = [*((top, left) for top in tops for left in lefts), ((height - side) // 2, (width - side) // 2)]
    best = -np.inf
    window = np.hanning(_PIECE_PX).astype(np.float32)
    frequency: NDArray[np.float64] = np.hypot(
        fft.fftfreq(_PIECE_PX, pixel_size_angstrom)[:, None], fft.rfftfreq(_PIECE_PX, pixel_size_angstrom)[None, :]
    )
    step = _RING_WIDTH / 3
    bins = np.minimum((frequency / step).astype(np.int32), int(0.5 / pixel_size_angstrom / step))
    count = np.maximum(np.bincount(bins.ravel()), 1)
    middle = (np.arange(len(count)) + 0.5) * step
    for top, left in corners:
        piece = np.asarray(micrograph[top : top + side, left : left + side], np.float32)
        piece = (piece - piece.mean()) * window[:, None] * window[None, :]
        spectrum = fft.rfft2(piece)
        power = spectrum.real**2 + spectrum.imag**2
        total = np.bincount(bins.ravel(), power.ravel(), minlength=len(count))
        radial = np.log(total / count + 1e-12)
        best = max(best, _excess(np.asarray(middle, np.float64), np.asarray(radial, np.float64)))
    return float(best)


def _excess(frequency: NDArray[np.float64], radial: NDArray[np.float64]) -> float:
    """Of the strongest ring: its height over a straight line through both its sides, by the scatter about the line."""
    best = -np.inf
    for ring in _RINGS_PER_ANGSTROM:
        distance = np.abs(frequency - ring)
        inside, around = distance < _RING_WIDTH, (distance > 2 * _RING_WIDTH) & (distance < 6 * _RING_WIDTH)
        for other in _RINGS_PER_ANGSTROM:
            around &= np.abs(frequency - other) > 1.5 * _RING_WIDTH
        if inside.sum() < 3 or around.sum() < 6:
            continue
        line = np.polyfit(frequency[around], radial[around], 1)
        scatter = max(float(np.std(radial[around] - np.polyval(line, frequency[around]))), 1e-3)
        best = max(best, float(np.max(radial[inside] - np.polyval(line, frequency[inside]))) / scatter)
    return best


def _reduced(grey: Floats) -> Floats:
    """512 pixels on the longer side; smaller pictures stay as they are, tiny ones are enlarged."""
    height, width = grey.shape
    block = max(1, max(height, width) // LONGEST_PX)
    if block > 1:
        grey = _blocks(grey, block)
    longest, shortest = max(grey.shape), min(grey.shape)
    scale = LONGEST_PX / longest if longest > LONGEST_PX else max(1.0, _LEAST_PX / shortest)
    if scale == 1:
        return grey
    size = (max(_LEAST_PX, round(grey.shape[1] * scale)), max(_LEAST_PX, round(grey.shape[0] * scale)))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(grey).resize(size, method), np.float32)


def _levelled(small: Floats) -> Floats:
    """Median nought, median absolute deviation as of a standard normal variable; far values cut as in pictures."""
    middle = float(np.median(small))
    spread = 1.4826 * float(np.median(np.abs(small - middle))) or float(small.std()) or 1.0
    return np.asarray(np.clip((small - middle) / spread, -4, 4), np.float32)


def _spectrum(small: Floats) -> list[float]:
    side = min(small.shape)
    top, left = (small.shape[0] - side) // 2, (small.shape[1] - side) // 2
    window = np.hanning(side).astype(np.float32)
    spectrum = fft.rfft2((small[top : top + side, left : left + side] - small.mean()) * window[:, None] * window)
    power = spectrum.real**2 + spectrum.imag**2
    ky, kx = fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None, :]
    frequency, angle = np.hypot(ky, kx), np.arctan2(ky, kx)
    edges = np.geomspace(2 / side, 0.5, _BANDS + 1)
    band = np.digitize(frequency, edges) - 1
    levels, turns = [], []
    for index in range(_BANDS):
        inside = band == index
        values = power[inside]
        levels.append(float(np.log(values.mean() + 1e-9)))
        if index in (3, 6, 9):
            # Directions: drift and edges make some stronger than others.
            turn = np.abs((values * np.exp(2j * angle[inside])).sum()) / (values.sum() + 1e-9)
            turns.append(float(turn))
    floor = levels[-1]
    # Rings between bands: how bent the falling curve is.
    return [*(level - floor for level in levels[:-1]), floor, *turns, float(np.std(np.diff(levels)))]


def _grey_levels(picture: Floats) -> list[float]:
    low, quarter, middle, three, high = np.quantile(picture[::2, ::2], (0.01, 0.25, 0.5, 0.75, 0.99))
    spread = max(float(three - quarter), 1e-3)
    deviation = max(float(picture.std()), 1e-3)
    centred = (picture - picture.mean()) / np.float32(deviation)
    square = centred * centred
    return [
        float(np.log(deviation)),
        float(np.arcsinh((square * centred).mean())),
        float(np.log((square * square).mean() + 1e-3)),
        float((high - middle) / spread),
        float((middle - low) / spread),
    ]


def _grain(small: Floats, smooth: Floats) -> list[float]:
    """How the fine structure differs from place to place, and goes with the grey level."""
    fine = small - smooth
    tall, wide = small.shape[0] // _TILE_PX, small.shape[1] // _TILE_PX

    def tiles(picture: Floats) -> Floats:
        cut = picture[: tall * _TILE_PX, : wide * _TILE_PX]
        return cut.reshape(tall, _TILE_PX, wide, _TILE_PX).transpose(0, 2, 1, 3).reshape(tall * wide, -1)

    deviation = np.log(tiles(fine).std(axis=1) + 1e-3)
    medium = np.log(tiles(smooth).std(axis=1) + 1e-3)
    level = tiles(small).mean(axis=1)
    found: list[float] = []
    for values in (deviation, medium):
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
        found += [float(high - middle), float(middle - low), float(values.max() - middle), float(middle)]
    for values in (deviation, medium):
        joint = np.corrcoef(values, level)[0, 1] if values.std() > 1e-6 and level.std() > 1e-6 else 0.0
        found.append(float(joint))
    return found


def _edges(smooth: Floats) -> list[float]:
    down, across = np.gradient(smooth)
    slope = np.hypot(down, across)
    middle, high, highest = np.quantile(slope[::2, ::2], (0.5, 0.99, 0.999))
    strong = slope > 5 * middle
    marks, count = ndimage.label(strong)
    extents = ndimage.find_objects(marks)
    longest = max((max(part[0].stop - part[0].start, part[1].stop - part[1].start) for part in extents), default=0)
    return [
        float(np.log((high + 1e-4) / (middle + 1e-4))),
        float(np.log((highest + 1e-4) / (middle + 1e-4))),
        float(strong.mean()) ** 0.5,
        float(np.log1p(count)),
        longest / max(slope.shape),
    ]


def _two_levels(smooth: Floats) -> list[float]:
    """Otsu's separation into two levels, the share of the smaller one, and how different they are."""
    values = np.sort(smooth.ravel()).astype(np.float64)
    count = len(values)
    total = np.cumsum(values)
    below = np.arange(1, count)
    means = total[:-1] / below, (total[-1] - total[:-1]) / (count - below)
    between = below * (count - below) / count**2 * (means[0] - means[1]) ** 2
    at = int(np.argmax(between))
    share = (at + 1) / count
    within = max(float(values.var()), 1e-9)
    return [
        float(between[at] / within),
        min(share, 1 - share),
        float(share > 0.5),
        float(np.log(means[1][at] - means[0][at] + 1e-3)),
    ]


def _spots(small: Floats, half: Floats, quarter: Floats) -> list[float]:
    """Dark and bright spots of each size: how skew and how peaked their filter's answer is, and how many stand out."""
    found: list[float] = []
    for size in _SPOTS_PX:
        picture, step = (small, 1) if size < 2.5 else (half, 2) if size < 6 else (quarter, 4)
        sigma = size / step
        narrow = ndimage.gaussian_filter(picture, sigma, truncate=2.5)
        answer = ndimage.gaussian_filter(narrow, sigma, truncate=2.5) - narrow
        spread = 1.4826 * float(np.median(np.abs(answer[::2, ::2]))) + 1e-4
        centred = answer / np.float32(max(float(answer.std()), 1e-4))
        square = centred * centred
        reach = max(3, 2 * round(sigma) + 1)
        found += [
            float(np.arcsinh((square * centred).mean())),
            float(np.log((square * square).mean() + 1e-3)),
            float(np.log1p(_standing(answer, 5 * spread, reach))),
            float(np.log1p(_standing(-answer, 5 * spread, reach))),
            float(np.log(answer.max() / spread + 1e-3)),
        ]
    return found


def _standing(answer: Floats, above: float, reach: int) -> int:
    """How many maxima stand out."""
    if not (answer > above).any():
        return 0
    return int(((ndimage.maximum_filter(answer, size=reach) == answer) & (answer > above)).sum())


def _blocks(picture: Floats, step: int) -> Floats:
    tall, wide = picture.shape[0] // step * step, picture.shape[1] // step * step
    blocks = picture[:tall, :wide].reshape(tall // step, step, wide // step, step)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _crossed(first: str, kinds: tuple[str, ...], places: tuple[object, ...]) -> list[str]:
    return [f"{first} {kind} {place}" for place in places for kind in kinds]


def _names() -> tuple[str, ...]:
    levels = ("deviation", "skewness", "kurtosis", "bright tail", "dark tail")
    return (
        *(f"power {index}" for index in range(_BANDS - 1)),
        "power floor",
        *(f"direction {index}" for index in (3, 6, 9)),
        "power bends",
        *_crossed("grey", levels, (0, *_BLURS_PX)),
        *_crossed("grain", ("high", "low", "highest", "middle"), ("fine", "medium")),
        "grain fine with grey",
        "grain medium with grey",
        *_crossed("edges", ("steep", "steepest", "share", "count", "longest"), _BLURS_PX[:2]),
        "levels apart",
        "levels smaller",
        "levels dark",
        "levels difference",
        *_crossed("spots", ("skewness", "kurtosis", "dark", "bright", "strongest"), _SPOTS_PX),
        "rings known",
        "rings",
    )


FEATURE_NAMES = _names()
"""What each feature is of, in order."""

__all__ = ["FEATURE_NAMES", "LONGEST_PX", "grey_of", "picture_features", "ring_excess"]
