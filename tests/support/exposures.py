"""Small movies of exposures with Thon rings, and the ways in which movies go wrong."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.movies import write_mrc_movie
from support.thon_rings import exposure

SIDE_PX, FRAMES, PIXEL_ANGSTROM, PER_PIXEL = 384, 6, 1.5, 8.0


def frames_of(
    seed: int, *, defocus_um: float = 1.2, side: int = SIDE_PX, brightness: float = 1.0, frames: int = FRAMES
) -> NDArray[np.int16]:
    """Counts of an exposure with rings that moves by a pixel along x from frame to frame."""
    picture = exposure(seed, defocus_um + 0.02, defocus_um, size=side, pixel=PIXEL_ANGSTROM, snr=2.0)
    rate = np.maximum(1 + 0.15 * (picture - picture.mean()) / picture.std(), 0.05) * PER_PIXEL * brightness
    draw = np.random.default_rng(seed)
    moved = [draw.poisson(np.roll(rate, number, axis=1)) for number in range(frames)]
    return np.asarray(moved, np.int16)


def write_exposure(path: Path, seed: int, *, angstrom: float | None = PIXEL_ANGSTROM, **how: float) -> Path:
    """A movie in an MRC file."""
    return write_mrc_movie(path, frames_of(seed, **how), angstrom)  # type: ignore[arg-type]


def write_cut_off(path: Path, seed: int = 1) -> Path:
    """A movie whose file ends in the middle."""
    whole = write_exposure(path, seed).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def write_no_frames(path: Path) -> Path:
    """What a program leaves that was killed when it began: a header with a size, and no sections."""
    header = bytearray(write_exposure(path, 1).read_bytes()[:1024])
    header[8:12] = (0).to_bytes(4, "little")
    path.write_bytes(header)
    return path


def write_not_numbers(path: Path, seed: int = 1, *, side: int = SIDE_PX) -> Path:
    """A movie of floating-point numbers in which a twentieth are none."""
    frames = frames_of(seed, side=side).astype("<f4")
    write_mrc_movie(path, frames, PIXEL_ANGSTROM)
    frames[2, ::20] = np.nan
    path.write_bytes(path.read_bytes()[:1024] + frames.tobytes())
    return path


EPU_XML = """<MicroscopeImage xmlns="http://schemas.datacontract.org/2004/07/Fei.SharedObjects"
 xmlns:a="http://schemas.microsoft.com/2003/10/Serialization/Arrays">
<CustomData><a:KeyValueOfstringanyType><a:Key>Dose</a:Key><a:Value>{dose}</a:Value></a:KeyValueOfstringanyType></CustomData>
<microscopeData><acquisition><acquisitionDateTime>{taken}</acquisitionDateTime><camera><ReadoutArea>
<height>{side}</height><width>{side}</width></ReadoutArea></camera></acquisition>
<gun><AccelerationVoltage>200000</AccelerationVoltage></gun>
<stage><Position><X>1e-05</X><Y>-2e-05</Y><Z>0</Z><A>0</A></Position></stage></microscopeData>
<SpatialScale><pixelSize><x><numericValue>{pixel}</numericValue></x></pixelSize></SpatialScale></MicroscopeImage>
"""


def epu_xml(
    *,
    pixel_angstrom: float = PIXEL_ANGSTROM,
    dose: float = 30.0,
    taken: str = "2026-11-21T10:00:00Z",
    side: int = SIDE_PX,
) -> str:
    """What EPU writes beside an exposure."""
    return EPU_XML.format(pixel=pixel_angstrom * 1e-10, dose=dose * 1e20, taken=taken, side=SIDE_PX)


MDOC = """T = SerialEM: simulated
Voltage = 300

[FrameSet = 0]
TiltAngle = 0.5
StagePosition = -114.7 -37.9
ExposureDose = {dose}
PixelSpacing = {pixel}
Binning = 1
TargetDefocus = -1.4
SubFramePath = X:\\Data\\{name}
NumSubFrames = 6
DateTime = 21-Nov-26  10:15:00
NavigatorLabel = 7-3
Cs = 2.7
"""


def mdoc(name: str, *, pixel_angstrom: float = PIXEL_ANGSTROM, dose: float = 24.0) -> str:
    """What SerialEM writes beside the frames."""
    return MDOC.format(name=name, pixel=pixel_angstrom, dose=dose)
