"""The XML that EPU would write of an image and of its lists, as far as readers look."""

import html
import math
from collections.abc import Iterable
from datetime import datetime

from structloop.schema.acquisition import ImageFacts, StagePosition

VERSION = "3.7.0.0"
_SHARED = "http://schemas.datacontract.org/2004/07/Fei.SharedObjects"
_EPU = "http://schemas.datacontract.org/2004/07/Applications.Epu.Persistence"
_ATLAS = "http://schemas.datacontract.org/2004/07/Applications.SciencesAppsShared.GridAtlas.Persistence"
_SERIALISATION = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
_Z = 'xmlns:z="http://schemas.microsoft.com/2003/10/Serialization/"'


def tag(name: str, *contents: object) -> str:
    """An element: texts and numbers are escaped, elements (made by this function) are not."""
    inner = "".join(part if isinstance(part, _Xml) else html.escape(_plain(part)) for part in contents)
    return _Xml(f"<{name}>{inner}</{name.split(' ')[0]}>")


class _Xml(str):
    """Text that is XML already."""

    __slots__ = ()


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def pair(name: str, x: float, y: float, first: str = "x", second: str = "y") -> str:
    """An element with two numbers."""
    return tag(name, tag(first, x), tag(second, y))


def stage(name: str, at: StagePosition) -> str:
    """A stage position, in metres and radians."""
    return tag(
        name,
        tag("A", math.radians(at.tilt_deg)),
        tag("B", 0.0),
        tag("X", at.x_um * 1e-6),
        tag("Y", at.y_um * 1e-6),
        tag("Z", at.z_um * 1e-6),
    )


def image_xml(facts: ImageFacts, magnification: float) -> str:
    """`MicroscopeImage`: the description of one image."""
    pixel_m = facts.pixel_size_angstrom * 1e-10
    (a, b), (c, d) = facts.image_to_stage_um
    size = tag("numericValue", pixel_m) + tag("unit", tag("_x003C_Symbol_x003E_k__BackingField", "m"))
    custom = [("DetectorCommercialName", "Simulated camera")]
    if facts.defocus_um is not None:
        custom.append(("AppliedDefocus", _plain(-facts.defocus_um * 1e-6)))
    if facts.dose_e_per_angstrom2 is not None:
        custom.append(("Dose", _plain(facts.dose_e_per_angstrom2 * 1e20)))
    entries = [tag("KeyValueOfstringanyType", tag("Key", key), tag("Value", value)) for key, value in custom]
    # EPU's matrix says where the picture moves when the stage moves: the reverse of ours.
    matrix = tag("_m11", -a * 1e-6), tag("_m12", -c * 1e-6), tag("_m21", -b * 1e-6), tag("_m22", -d * 1e-6)
    camera = tag(
        "camera",
        pair("Binning", 1, 1),
        tag("ExposureTime", facts.exposure_s or 0.0),
        tag("Name", "Simulated"),
        pair("ReadoutArea", facts.width_px, facts.height_px, "width", "height"),
    )
    optics = tag(
        "optics",
        tag("Defocus", -(facts.defocus_um or 0.0) * 1e-6),
        pair("ImageShift", facts.image_shift_um[0] * 1e-6, facts.image_shift_um[1] * 1e-6, "_x", "_y"),
        tag("TemMagnification", tag("NominalMagnification", magnification)),
    )
    body = (
        tag("uniqueID", facts.image_id),
        tag("CustomData", *entries),
        tag("ReferenceTransformation", tag("matrix", *matrix)),
        tag("SpatialScale", tag("pixelSize", tag("x", _Xml(size)), tag("y", _Xml(size)))),
        tag(
            "microscopeData",
            tag("acquisition", tag("acquisitionDateTime", _time(facts.taken_at)), camera),
            tag("core", tag("ApplicationSoftware", "structloop"), tag("ApplicationSoftwareVersion", VERSION)),
            tag("gun", tag("AccelerationVoltage", 300000)),
            tag("instrument", tag("InstrumentID", "0"), tag("InstrumentModel", "SIMULATED")),
            optics,
            tag("stage", stage("Position", facts.stage)),
        ),
    )
    return document("MicroscopeImage", _SHARED, body)


def session_xml(
    key: str, name: str, slot: int, began: datetime, squares: Iterable[str], areas: Iterable[str], atlas_path: str
) -> str:
    """`EpuSession.dm`. `areas` are elements made by `area_xml`."""
    files = [
        tag("KeyValuePair", tag("key", square), tag("value", tag("FileName", f"Metadata\\GridSquare_{square}.dm")))
        for square in squares
    ]
    sample = tag(
        "SampleXml",
        tag("Id", f"{key}1"),
        tag("AtlasId", atlas_path),
        tag("GridGeometry", "Square"),
        tag("GridSquares", *files),
        tag("GridType", "HoleyCarbon"),
        tag("TargetAreaTemplate", tag("DataAcquisitionAreas", *areas)),
    )
    body = (
        tag("Id", key),
        # EPU counts slots from 0 here.
        tag("AutoloaderSlot", slot - 1),
        tag("MicroscopeName", "SIMULATED"),
        tag("Name", name),
        tag("Samples", tag("_items", sample)),
        tag("StartDateTime", _time(began)),
        tag("Version", *(tag(part, number) for part, number in zip(_PARTS, VERSION.split("."), strict=True))),
    )
    return document("EpuSessionXml", _EPU, body)


_PARTS = ("Major", "Minor", "Build", "Revision")


def area_xml(key: str, offset_px: tuple[float, float], exposure_s: float, defocus_um: Iterable[float]) -> str:
    """A place in every hole where exposures are taken."""
    values = [tag("double", -value * 1e-6) for value in defocus_um]
    setting = tag("ImageAcquisitionSettingXml", tag("Defocus", *values), tag("ExposureTime", exposure_s))
    return tag(
        "KeyValuePair",
        tag("key", key),
        tag("value", tag("Id", key), setting, pair("ShiftInPixels", *offset_px, "width", "height")),
    )


def atlas_xml(key: str, slot: int, taken_at: datetime, tiles: Iterable[str], nodes: Iterable[str]) -> str:
    """`Atlas.dm`. `tiles` and `nodes` are elements made by `tile_xml` and `node_xml`."""
    atlas = tag(
        "Atlas",
        tag("Id", key),
        tag("AcquisitionDateTime", _time(taken_at)),
        tag("TilesEfficient", tag("_items", *tiles)),
        tag("Nodes", *nodes),
    )
    return document("AtlasSessionXml", _ATLAS, (tag("Id", key), atlas, tag("Name", f"Sample{slot}")))


def tile_xml(key: str, file_name: str, corner_px: tuple[int, int], size_px: tuple[int, int], at: StagePosition) -> str:
    """A tile of an atlas."""
    place = tag(
        "AtlasPixelPosition",
        tag("height", size_px[1]),
        tag("width", size_px[0]),
        tag("x", corner_px[0]),
        tag("y", corner_px[1]),
    )
    named = tag("TileImageReference", tag("BaseFileName", file_name))
    return tag("TileXml", tag("Id", key), place, stage("StagePosition", at), named)


def node_xml(key: str, center_px: tuple[float, float], size_px: float, size_um: float, at: StagePosition) -> str:
    """A square on an atlas."""
    physical = tag(
        "Physical", tag("height", size_um * 1e-6), tag("width", size_um * 1e-6), tag("x", 0.0), tag("y", 0.0)
    )
    place = tag(
        "PositionOnTheAtlas",
        pair("Center", *center_px),
        physical,
        tag("Quality", 1.0),
        pair("Size", size_px, size_px, "width", "height"),
    )
    value = tag("value", tag("Id", key), place, stage("StagePosition", at))
    return tag("KeyValuePair", tag("key", key), value)


def square_xml(key: str, state: str, selected: bool, at: StagePosition, holes: Iterable[str]) -> str:
    """`GridSquare_<id>.dm`. `holes` are elements made by `hole_xml`."""
    body = (
        tag("Id", key),
        stage("Position", at),
        tag("Selected", selected),
        tag("State", state),
        tag("TargetLocations", tag("TargetLocationsEfficient", *holes)),
    )
    return document("GridSquareXml", _EPU, body)


def hole_xml(
    key: str, state: str, center_px: tuple[float, float], diameter_px: float, near_bar: bool, at: StagePosition
) -> str:
    """A hole of a square's list."""
    value = tag(
        "value",
        tag("Id", key),
        tag("IsNearGridBar", near_bar),
        tag("IsPositionCorrected", False),
        pair("PixelCenter", *center_px),
        pair("PixelWidthHeight", diameter_px, diameter_px, "width", "height"),
        tag("Quality", 1.0),
        tag("Selected", state == "Completed"),
        stage("StagePosition", at),
        tag("State", state),
    )
    return tag("KeyValuePair", tag("key", key), value)


def document(name: str, namespace: str, body: Iterable[str]) -> str:
    """A whole document."""
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tag(f'{name} xmlns="{namespace}" {_SERIALISATION} {_Z}', *body)


def _time(moment: datetime) -> str:
    return moment.isoformat()


__all__ = [
    "area_xml",
    "atlas_xml",
    "document",
    "hole_xml",
    "image_xml",
    "node_xml",
    "session_xml",
    "square_xml",
    "tile_xml",
]
