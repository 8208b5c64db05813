"""The XML file that describes one of EPU's images (`MicroscopeImage`), of any level and version."""

import math

from structloop.imaging.pixel_sizes import shortest
from structloop.instruments.epu.documents import (
    METRE_ANGSTROM,
    Element,
    child,
    expect,
    flag,
    integer,
    micrometres,
    moment,
    name_of,
    number,
    pair,
    parts,
    stage_position,
    text,
)
from structloop.schema.grids import FoundHole, ImageLevel, ImageRecord, Matrix

# Electrons per square metre, as EPU writes doses.
_PER_SQUARE_ANGSTROM = 1e-20
_UNITS_M = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "nm": 1e-9, "å": 1e-10, "a": 1e-10, "pm": 1e-12}


def image_of(root: Element, key: str, level: ImageLevel, path: str) -> ImageRecord:
    """All that an image's XML says; what it does not say is None.

    EPU's defocus is negative for underfocus, ours positive. Its matrix (`ReferenceTransformation`) is for unbinned
    pixels and says where the picture moves; the stage moves the other way. Both were checked against EPU's own hole
    positions and its moves when it centres on holes (EPU 3.7 and 3.9).

    Args:
        path: The file, relative to the session's root.

    Raises:
        AcquisitionFileError: it describes no image.
    """
    expect(root, path, "microscopeimage", "microscopedata", "spatialscale")
    custom = _custom_data(root)
    microscope = child(root, "microscopedata")
    camera = child(microscope, "acquisition", "camera")
    optics = child(microscope, "optics")
    pixel_m = _pixel_size_m(root)
    applied, measured = _number(custom, "AppliedDefocus"), number(optics, "defocus")
    frames = _frames(camera)
    per_px = _number(custom, "DoseOnCamera")
    return ImageRecord(
        key=key,
        level=level,
        metadata_path=path,
        taken_at=moment(microscope, "acquisition", "acquisitiondatetime"),
        width_px=_positive(integer(camera, "readoutarea", "width")),
        height_px=_positive(integer(camera, "readoutarea", "height")),
        pixel_size_angstrom=None if pixel_m is None else shortest(pixel_m * METRE_ANGSTROM),
        image_to_stage_um=_image_to_stage(child(root, "referencetransformation", "matrix"), pixel_m),
        stage=stage_position(child(microscope, "stage", "position")),
        magnification=number(optics, "temmagnification", "nominalmagnification"),
        voltage_kv=_scaled(number(microscope, "gun", "accelerationvoltage"), 1e-3),
        defocus_um=_underfocus(applied if applied is not None else measured),
        measured_defocus_um=_underfocus(measured),
        exposure_s=number(camera, "exposuretime"),
        dose_e_per_angstrom2=_dose(_number(custom, "Dose"), per_px, pixel_m),
        dose_e_per_px=per_px,
        beam_diameter_um=micrometres(number(optics, "beamdiameter")),
        spot_size=integer(optics, "spotindex"),
        beam_shift=pair(child(optics, "beamshift")),
        beam_tilt=pair(child(optics, "beamtilt")),
        image_shift=pair(child(optics, "imageshift")),
        slit_width_ev=_slit(child(optics, "energyfilter")),
        apertures=_apertures(custom, child(optics, "apertures")),
        detector=_detector(custom, camera),
        binning=_positive(integer(camera, "binning", "x")),
        frames=frames,
        phase_plate=flag(custom.get("phaseplateused")),
        microscope=text(microscope, "instrument", "instrumentmodel") or text(microscope, "instrument", "instrumentid"),
        program_version=text(microscope, "core", "applicationsoftwareversion"),
        found_hole=_found_hole(custom.get("findfoilholecenterresults")),
    )


def _custom_data(root: Element) -> dict[str, Element]:
    """The values of `CustomData` by their key in lower case."""
    values: dict[str, Element] = {}
    for entry in parts(root, "customdata"):
        key, value = text(entry, "key"), child(entry, "value")
        if key is not None and value is not None:
            values.setdefault(key.lower(), value)
    return values


def _value(custom: dict[str, Element], key: str) -> str | None:
    return text(custom.get(key))


def _number(custom: dict[str, Element], key: str) -> float | None:
    return number(custom.get(key.lower()), called=f"CustomData {key}")


def _pixel_size_m(root: Element) -> float | None:
    size = child(root, "spatialscale", "pixelsize", "x")
    value = number(size, "numericvalue")
    if value is None or value <= 0:
        return None
    for part in parts(size, "unit"):
        if "symbol" in name_of(part):
            return value * _UNITS_M.get((text(part) or "m").lower(), 1.0)
    return value


def _image_to_stage(matrix: Element | None, pixel_m: float | None) -> Matrix | None:
    """Micrometres of stage per pixel of the readout; EPU's matrix gives the direction, its pixel size the length."""
    rows = pair(matrix, "m11", "m21"), pair(matrix, "m12", "m22")
    if rows[0] is None or rows[1] is None or pixel_m is None:
        return None
    length = math.sqrt(abs(rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]))
    if length == 0:
        return None
    scale = -pixel_m * 1e6 / length
    return (rows[0][0] * scale, rows[0][1] * scale), (rows[1][0] * scale, rows[1][1] * scale)


def _underfocus(value_m: float | None) -> float | None:
    # Rounded far below what means anything, so that 2.1 stays 2.1; adding zero makes a negative zero positive.
    return None if value_m is None else round(-value_m * 1e6, 9) + 0.0


def _dose(per_square_metre: float | None, per_px: float | None, pixel_m: float | None) -> float | None:
    if per_square_metre is not None:
        return per_square_metre * _PER_SQUARE_ANGSTROM
    if per_px is None or pixel_m is None:
        return None
    return per_px / (pixel_m * METRE_ANGSTROM) ** 2


def _slit(energy_filter: Element | None) -> float | None:
    return (
        number(energy_filter, "energyselectionslitwidth")
        if flag(energy_filter, "energyselectionslitinserted")
        else None
    )


def _apertures(custom: dict[str, Element], apertures: Element | None) -> tuple[tuple[str, str], ...]:
    named = {
        key.removeprefix("aperture[").partition("]")[0].upper(): text(value) or "None"
        for key, value in custom.items()
        if key.startswith("aperture[") and key.endswith("].name")
    }
    if not named:
        for part in parts(apertures):
            diameter = text(part, "diameter")
            if diameter is not None:
                named[name_of(part).removesuffix("aperture").upper()] = diameter
    return tuple(sorted(named.items()))


def _detector(custom: dict[str, Element], camera: Element | None) -> str | None:
    name = _value(custom, "detectorcommercialname")
    if name is None:
        name = next(
            (text(value) for key, value in sorted(custom.items()) if key.endswith("].commercialname") and text(value)),
            None,
        )
    return name or text(camera, "name")


def _frames(camera: Element | None) -> int | None:
    """The number of frames: versions tell it as a number, or list each."""
    listed = 0
    for part in parts(camera, "cameraspecificinput"):
        for element in part.iter():
            name = name_of(element)
            if name in {"numberoffractions", "numberofframes"}:
                return _positive(integer(element))
            listed += name in {"dosefractiondefinition", "fractiondefinition"}
    return listed or None


def _found_hole(shape: Element | None) -> FoundHole | None:
    center = pair(child(shape, "center"))
    if center is None:
        return None
    return FoundHole(
        center_px=center,
        size_px=pair(child(shape, "size"), "width", "height"),
        quality=number(shape, "quality"),
        rotation_rad=number(shape, "rotation"),
    )


def _positive(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


__all__ = ["image_of"]
