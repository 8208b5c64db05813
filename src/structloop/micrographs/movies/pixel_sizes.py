"""Which pixel sizes of headers are believed."""

_PLAUSIBLE_ANGSTROM = (0.05, 200.0)


def believable(sizes: tuple[float, float] | None) -> tuple[float | None, tuple[str, ...]]:
    """The pixel size that a header gives as (x, y) in Angstrom, and a remark, where it can be true.

    72 dpi, pixels that are not square, and 0 are not believed; 1 Angstrom is, with a remark.
    """
    if sizes is None or not _PLAUSIBLE_ANGSTROM[0] <= sizes[0] <= _PLAUSIBLE_ANGSTROM[1]:
        return None, ()
    x, y = sizes
    if abs(x - y) > 0.01 * x:
        return None, (f"the header gives pixels of {x:g} x {y:g} angstrom, which is not believed",)
    if x == 1.0:
        return x, ("the header says 1 angstrom per pixel, which programs also write when they do not know it",)
    return x, ()


__all__ = ["believable"]
