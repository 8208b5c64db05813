"""Pixel sizes of headers: which are believed, and the number that was meant."""

# Pixel sizes that an electron microscope can have; resolution tags of 72 dpi say millions.
_PLAUSIBLE_ANGSTROM = (0.05, 200.0)
_FLOAT32 = 2.0**-23
"""Two numbers that differ by less than this share of themselves may be one number of 32 bits."""


def believable(sizes: tuple[float, float] | None) -> tuple[float | None, tuple[str, ...]]:
    """The pixel size that a header gives as (x, y) in Angstrom, and a remark, where it can be true.

    72 dpi, pixels that are not square, and 0 are not believed; 1 Angstrom is, with a remark. Headers hold numbers of 32
    bits, so the number that was meant is told: 1.2, not 1.2000000476837158.
    """
    if sizes is None or not _PLAUSIBLE_ANGSTROM[0] <= sizes[0] <= _PLAUSIBLE_ANGSTROM[1]:
        return None, ()
    x, y = sizes
    if abs(x - y) > 0.01 * x:
        return None, (f"the header gives pixels of {x:g} x {y:g} angstrom, which is not believed",)
    size = shortest(x)
    if size == 1.0:
        return size, ("the header says 1 angstrom per pixel, which programs also write when they do not know it",)
    return size, ()


def shortest(number: float) -> float:
    """The decimal number with the fewest digits that is the same as `number` to the precision of 32 bits."""
    decimals = (float(f"{number:.{digits}g}") for digits in range(1, 10))
    return next((each for each in decimals if abs(each - number) <= _FLOAT32 * abs(number)), number)


__all__ = ["believable", "shortest"]
