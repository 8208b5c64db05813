"""Tables of CTF fits as files: RELION's `micrographs_ctf.star` written and read, CTFFIND4's results read.

RELION and CTFFIND4 count defocus in Angstrom, positive for underfocus, and the angle of U from x towards y of the
micrograph as its MRC file stores it: the same direction as ours, so the numbers stay and only the unit changes. (RELION
turns TIFF and EER upside down when it reads them; micrographs are MRC after motion correction, where nothing turns.)
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from structloop.core.errors import CoordinateFileError, CtfError
from structloop.imaging.star_syntax import StarBlock, format_loop, parse_star
from structloop.schema.ctf import CtfEstimate, CtfTable

NO_RESOLUTION_ANGSTROM = 999.0
"""What stands for "no rings are seen" in a STAR file, so that a limit on the resolution leaves the micrograph out."""

_HEADER = "\n# version 30001\n\n"
_OPTICS = (
    "rlnOpticsGroupName",
    "rlnOpticsGroup",
    "rlnMicrographOriginalPixelSize",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnMicrographPixelSize",
)
_ROWS = (
    "rlnMicrographName",
    "rlnOpticsGroup",
    "rlnDefocusU",
    "rlnDefocusV",
    "rlnCtfAstigmatism",
    "rlnDefocusAngle",
    "rlnCtfFigureOfMerit",
    "rlnCtfMaxResolution",
)
_PHASE = "rlnPhaseShift"
_CTFFIND_GIVEN = {
    "pixel_size_angstrom": r"Pixel size:\s*([-+.\deE]+)",
    "voltage_kv": r"acceleration voltage:\s*([-+.\deE]+)",
    "cs_mm": r"spherical aberration:\s*([-+.\deE]+)",
    "amplitude_contrast": r"amplitude contrast:\s*([-+.\deE]+)",
}
_CTFFIND_COLUMNS = 7


def write_micrographs_ctf(table: CtfTable, path: Path) -> None:
    """Writes RELION 3.1's `micrographs_ctf.star`; micrographs of the same optics are one group.

    The figure of merit is the confidence where a fit has one.

    Raises:
        CtfError: there is nothing to write, a micrograph lacks its optics, or its name cannot stand in a STAR file.
        OSError: it cannot be written.
    """
    if not len(table):
        raise CtfError(f"there are no fits to write to {path}")
    groups: dict[tuple[float, ...], int] = {}
    shifted = any(each.phase_shift_deg for each in table)
    rows = []
    for each in table:
        given = (each.pixel_size_angstrom, each.voltage_kv, each.cs_mm, each.amplitude_contrast)
        if any(value is None for value in given):
            raise CtfError(
                f"{each.micrograph}: pixel size, voltage, Cs or amplitude contrast is not known, and RELION needs "
                "them; fit it again, or read the file that says them"
            )
        number = groups.setdefault(tuple(value for value in given if value is not None), len(groups) + 1)
        merit = each.figure_of_merit if each.confidence is None else each.confidence
        resolution = each.fit_resolution_angstrom or NO_RESOLUTION_ANGSTROM
        values = [
            each.defocus_u_um * 1e4,
            each.defocus_v_um * 1e4,
            each.astigmatism_um * 1e4,
            each.angle_deg,
            0.0 if merit is None else merit,
            resolution,
        ]
        texts = [each.micrograph, str(number), *(f"{value:.6f}" for value in values)]
        rows.append([*texts, f"{each.phase_shift_deg:.6f}"] if shifted else texts)
    optics = [
        [f"opticsGroup{number}", str(number), *(f"{value:.6f}" for value in (pixel, kv, cs, contrast, pixel))]
        for (pixel, kv, cs, contrast), number in groups.items()
    ]
    columns = (*_ROWS, _PHASE) if shifted else _ROWS
    try:
        text = _HEADER + format_loop("optics", _OPTICS, optics) + _HEADER + format_loop("micrographs", columns, rows)
    except CoordinateFileError as error:
        raise CtfError(f"{path} cannot be written: {error}") from error
    path.write_text(text)


def read_ctf_table(path: Path) -> CtfTable:
    """Fits of another program: RELION's STAR files (3.0, 3.1 and later), or CTFFIND4's table of results.

    Raises:
        CtfError: it is neither, is damaged, or holds no result.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CtfError(f"{path} cannot be read as text: {error}") from error
    start = text.lstrip()
    if start.startswith("{"):
        raise CtfError(
            f"{path} is JSON: tasks of a workflow, not results of CTFFIND4; give the text file that CTFFIND4 wrote "
            "beside its diagnostic picture (*_ctf.txt), or a STAR file"
        )
    if "ctffind" in start[:400].lower() and not re.search(r"^data_", text, re.MULTILINE):
        return _read_ctffind(text, path)
    return _read_relion(text, path)


def _estimate(values: dict[str, float | None], micrograph: str, program: str, **given: float | None) -> CtfEstimate:
    """Angstrom to micrometres, the larger defocus first, the angle from 0 to 180."""
    u, v, angle = (float(values[name] or 0.0) for name in ("u", "v", "angle"))
    if v > u:
        u, v, angle = v, u, angle + 90
    angle %= 180
    resolution = values.get("resolution")
    seen = resolution if resolution and math.isfinite(resolution) and 0 < resolution < NO_RESOLUTION_ANGSTROM else None
    return CtfEstimate(
        micrograph,
        u / 1e4,
        v / 1e4,
        0.0 if angle == 180 else angle,
        float(values.get("shift") or 0.0),
        fit_resolution_angstrom=seen,
        figure_of_merit=values.get("merit"),
        program=program,
        **given,
    )


def _read_ctffind(text: str, path: Path) -> CtfTable:
    given: dict[str, float | None] = {}
    for name, pattern in _CTFFIND_GIVEN.items():
        found = re.search(pattern, text)
        given[name] = _number(found[1], f"{path}: {name}") if found else None
    source = re.search(r"Input file:\s*(.*?)\s*;", text)
    name = source[1] if source else path.stem
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    rows = [(number, values) for number, values in lines if values and not values[0].startswith("#")]
    if not rows:
        raise CtfError(f"{path} holds no result: CTFFIND4 stopped before it wrote one; run it again")
    estimates = []
    for number, texts in rows:
        where = f"{path}, line {number}"
        if len(texts) < _CTFFIND_COLUMNS:
            raise CtfError(f"{where}: {len(texts)} values where CTFFIND4 writes {_CTFFIND_COLUMNS}; it is cut short")
        values = [_number(each, where) for each in texts[:6]]
        # CTFFIND4 writes "inf" where no ring was fitted.
        last = _number(texts[6], where, infinite=True)
        columns = dict(zip(("number", "u", "v", "angle", "shift", "merit"), values, strict=True))
        shift = math.degrees(columns["shift"]) % 180
        of_stack = f"{int(columns['number']):06d}@{name}" if len(rows) > 1 else name
        named: dict[str, float | None] = {**columns, "shift": shift, "resolution": last}
        estimates.append(_estimate(named, of_stack, "CTFFIND4", **given))
    return CtfTable(tuple(estimates), str(path))


def _number(text: str, where: str, *, infinite: bool = False) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise CtfError(f"{where}: '{text[:40]}' is no number; the file is damaged") from error
    if not math.isfinite(value) and not infinite:
        raise CtfError(f"{where}: '{text[:40]}' is not finite; the fit failed: leave that micrograph out")
    return value


def _read_relion(text: str, path: Path) -> CtfTable:
    try:
        blocks = parse_star(text, path)
    except CoordinateFileError as error:
        raise CtfError(f"{error} (a table of CTF fits is a STAR file of RELION or CTFFIND4's text)") from error
    tables = [each for each in blocks if "rlnMicrographName" in each.columns and "rlnDefocusU" in each.columns]
    if not tables:
        raise CtfError(f"{path} has no table with _rlnMicrographName and _rlnDefocusU; give micrographs_ctf.star")
    table = tables[0]
    optics = [block for block in blocks if block.name == "optics"]
    groups = _groups(optics[0], path) if optics else {}
    estimates = [
        _of_row(dict(zip(table.columns, row, strict=True)), groups, f"{path}, line {line}")
        for row, line in zip(table.rows, table.lines, strict=True)
    ]
    names = Counter(each.micrograph for each in estimates)
    for name, times in names.items():
        if times > 1:
            raise CtfError(f"{path}: micrograph {name} stands there {times} times; keep one of its rows")
    return CtfTable(tuple(estimates), str(path))


def _groups(block: StarBlock, path: Path) -> dict[str, Mapping[str, str]]:
    number = block.column("rlnOpticsGroup")
    if number is None:
        raise CtfError(f"{path}: block data_optics has no column _rlnOpticsGroup")
    return {one: dict(zip(block.columns, row, strict=True)) for one, row in zip(number, block.rows, strict=True)}


def _of_row(row: Mapping[str, str], groups: Mapping[str, Mapping[str, str]], where: str) -> CtfEstimate:
    group = groups.get(row.get("rlnOpticsGroup", ""), {})
    if "rlnOpticsGroup" in row and groups and not group:
        raise CtfError(f"{where}: optics group {row['rlnOpticsGroup']} is not in block data_optics")
    known = {**group, **row}

    def value(name: str) -> float | None:
        return _number(known[name], f"{where}: {name}") if name in known else None

    for name in ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"):
        if name not in known:
            raise CtfError(f"{where}: column _{name} is missing")
    values = {
        "u": value("rlnDefocusU"),
        "v": value("rlnDefocusV"),
        "angle": value("rlnDefocusAngle"),
        "shift": value(_PHASE),
        "merit": value("rlnCtfFigureOfMerit"),
        "resolution": value("rlnCtfMaxResolution"),
    }
    pixel = value("rlnMicrographPixelSize")
    if pixel is None:
        # RELION 3.0: the detector's pixels in micrometres, and the magnification.
        detector, magnification = value("rlnDetectorPixelSize"), value("rlnMagnification")
        pixel = detector * 1e4 / magnification if detector and magnification else None
    return _estimate(
        values,
        known["rlnMicrographName"],
        "RELION",
        pixel_size_angstrom=pixel,
        voltage_kv=value("rlnVoltage"),
        cs_mm=value("rlnSphericalAberration"),
        amplitude_contrast=value("rlnAmplitudeContrast"),
    )


__all__ = ["NO_RESOLUTION_ANGSTROM", "read_ctf_table", "write_micrographs_ctf"]
