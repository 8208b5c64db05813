"""Small plates of drop images on disk, named as XChem does, for tests of importing."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = "97wo_2021-09-14_RI1000-0276-3drop"


def jpeg(seed: int, size: tuple[int, int] = (96, 64)) -> bytes:
    """A JPEG whose contents differ by seed."""
    values = np.random.default_rng(seed).integers(0, 255, (size[1] // 8, size[0] // 8), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).resize(size).save(buffer, "JPEG")
    return buffer.getvalue()


def write_plate(root: Path, wells: int = 12, drops: int = 2, folder: str = FOLDER) -> list[Path]:
    """Images of the first `wells` wells of a plate; their paths."""
    barcode = folder.split("_")[0]
    paths = []
    for number in range(wells):
        row, column = divmod(number, 12)
        for drop in range(1, drops + 1):
            path = root / folder / f"{barcode}_{column + 1:02d}{'ABCDEFGH'[row]}_{drop}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(number * 10 + drop + sum(map(ord, folder)) * 1000))
            paths.append(path)
    return paths


__all__ = ["FOLDER", "jpeg", "write_plate"]
