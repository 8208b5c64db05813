"""Movie files made by hand: EER with its run lengths, and others as cameras' programs write them."""

import struct
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray


def write_mrc_movie(path: Path, frames: NDArray[Any], angstrom: float | None = None) -> Path:
    """A stack (frames, y, x) as an MRC file."""
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(frames)
        if angstrom is not None:
            file.voxel_size = angstrom
    return path


def run_lengths(counts: NDArray[Any], skip_bits: int = 7) -> bytes:
    """One EER frame: gaps between electrons in `skip_bits` bits, then four bits of place within the pixel."""
    places = np.repeat(np.arange(counts.size), counts.ravel())
    assert counts.max() <= 1, "a pixel counts an electron once per frame"
    longest = (1 << skip_bits) - 1
    bits: list[int] = []

    def put(value: int, width: int) -> None:
        bits.extend(value >> place & 1 for place in range(width))

    here = 0
    for place in places:
        gap = int(place) - here
        while gap >= longest:
            put(longest, skip_bits)
            gap -= longest
        put(gap, skip_bits)
        put(0b0110, 4)
        here = int(place) + 1
    gap = counts.size - here
    while gap >= longest:
        put(longest, skip_bits)
        gap -= longest
    put(gap, skip_bits)
    put(0, 4)
    return np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()


def write_eer(path: Path, frames: NDArray[Any], compression: int = 65001) -> Path:
    """A BigTIFF of event frames (frames, y, x) of 0 and 1."""
    out = bytearray(b"II+\x00" + struct.pack("<HHQ", 8, 0, 0))
    link = 8
    for frame in frames:
        data = run_lengths(frame, 8 if compression == 65000 else 7)
        at = len(out)
        out += data + bytes(-len(data) % 8)
        height, width = frame.shape
        tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1), (273, 16, at)]
        tags += [(277, 3, 1), (278, 4, height), (279, 16, len(data))]
        out[link : link + 8] = struct.pack("<Q", len(out))
        out += struct.pack("<Q", len(tags))
        for tag, kind, value in tags:
            out += struct.pack("<HHQQ", tag, kind, 1, value)
        link = len(out)
        out += bytes(8)
    path.write_bytes(out)
    return path
