"""Made-up EPU sessions on disk, in the manner of several versions. All numbers are ours; only the words are EPU's."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

SQUARE = "501"
HOLES = ("901", "902")
AREA = "77"


@dataclass(frozen=True)
class Manner:
    """How a version of EPU writes.

    Attributes:
        version: Of the program.
        namespace: What stands before the names of its own types.
        pair: Ending of the serialiser's names for pairs of key and value.
        stamp: Date and time in file names.
        number: Third number in an exposure's name.
        without: Names of elements that this version does not write.
    """

    version: str = "3.5.1.7000"
    namespace: str = "http://schemas.datacontract.org/2004/07/Applications.Epu.Persistence"
    pair: str = "XmlAbCdEf12"
    stamp: str = "20230102_112233"
    number: str = "3"
    without: frozenset[str] = field(default_factory=frozenset)

    def element(self, name: str, content: object, *, prefix: str = "") -> str:
        """An element, or nothing where this version does not write it."""
        if name in self.without:
            return ""
        tag = f"{prefix}{name}"
        return f"<{tag}>{content}</{tag}>"


EPU_3 = Manner()
EPU_2 = Manner(
    version="2.7.0.5806REL",
    namespace="http://schemas.datacontract.org/2004/07/Fei.Applications.Epu.Old",
    pair="Older",
    stamp="20190102_1122",
    number="88",
    without=frozenset(
        {"IsNearGridBar", "FilterProperties", "PixelWidthHeight", "AlignedStagePosition", "AutoloaderSlot", "Selected"}
    ),
)

_POINT = "http://schemas.datacontract.org/2004/07/System.Drawing"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_SERIAL = "http://schemas.microsoft.com/2003/10/Serialization/"


def _root(manner: Manner, name: str, content: str) -> str:
    return (
        f'<{name} xmlns="{manner.namespace}" xmlns:i="{_INSTANCE}" xmlns:z="{_SERIAL}" xmlns:d="{_POINT}" z:Id="1" '
        f'z:Assembly="Applications.Epu.Persistence, Version={manner.version}, Culture=neutral">{content}</{name}>'
    )


def _stage(manner: Manner, name: str, x_um: float, y_um: float, z_um: float = 90.0) -> str:
    inner = f"<A>0.01</A><B>0</B><X>{x_um * 1e-6!r}</X><Y>{y_um * 1e-6!r}</Y><Z>{z_um * 1e-6!r}</Z>"
    return manner.element(name, inner)


def _pair(manner: Manner, kind: str, key: str, value: str) -> str:
    tag = f"KeyValuePairOfint{kind}{manner.pair}"
    return f"<{tag}><key>{key}</key><value>{value}</value></{tag}>"


def session_xml(
    manner: Manner = EPU_3, *, squares: tuple[str, ...] = (SQUARE,), name: str = "Supervisor_made_up"
) -> str:
    """`EpuSession.dm`."""
    references = "".join(
        _pair(manner, "Square", key, f"<FileName>Metadata\\GridSquare_{key}.dm</FileName>") for key in squares
    )
    area = (
        f"<Id>{AREA}</Id><ImageAcquisitionSettingXml><Defocus><double>-2.1E-06</double><double>-1.2E-06</double>"
        "</Defocus><ExposureTime>1.5</ExposureTime></ImageAcquisitionSettingXml>"
        "<ShiftInPixels><d:width>100</d:width><d:height>-50</d:height></ShiftInPixels>"
    )
    sample = (
        "<AtlasId>Z:\\somewhere\\Sample2\\Atlas\\Atlas.dm</AtlasId>"
        + manner.element("HoleSize", "1.2E-06")
        + manner.element("HoleSpacing", "2.5E-06")
        + f"<GridType>HoleyCarbon</GridType><GridSquares>{references}</GridSquares>"
        + f"<DataAcquisitionAreas>{_pair(manner, 'Area', AREA, area)}</DataAcquisitionAreas>"
        + "<TemplateImagePixelSize><d:height>2E-09</d:height><d:width>2E-09</d:width></TemplateImagePixelSize>"
    )
    return _root(
        manner,
        "EpuSessionXml",
        f"<Id>4001</Id><Name>{name}</Name>{manner.element('AutoloaderSlot', 1)}"
        f"<Samples><_items><SampleXml>{sample}</SampleXml></_items></Samples>"
        "<StartDateTime>2023-01-02T11:00:00.1234567+01:00</StartDateTime>",
    )


def atlas_xml(manner: Manner = EPU_3, *, squares: tuple[str, ...] = (SQUARE,)) -> str:
    """`Atlas.dm`: nine tiles of 100 x 80 pixels at half a micrometre, and squares 20 pixels apart."""
    nodes = "".join(
        _pair(
            manner,
            "Node",
            key,
            f"<Id>{key}</Id>{_stage(manner, 'StagePosition', 10 * place, -5)}"
            f"{_stage(manner, 'AlignedStagePosition', 10 * place + 1, -6)}<Category>2</Category>"
            f"<PositionOnTheAtlas><Center><d:x>{150 + 20 * place}</d:x><d:y>120</d:y></Center>"
            "<Physical><d:height>3E-05</d:height><d:width>4E-05</d:width><d:x>1E-05</d:x><d:y>-2E-05</d:y></Physical>"
            "<Size><d:height>60</d:height><d:width>80</d:width></Size></PositionOnTheAtlas>",
        )
        for place, key in enumerate(squares)
    )
    tiles = "".join(
        f"<TileXml><Id>{column}{row}</Id><AtlasPixelPosition><d:height>80</d:height><d:width>100</d:width>"
        f"<d:x>{100 * column}</d:x><d:y>{80 * row}</d:y></AtlasPixelPosition>"
        f"{_stage(manner, 'StagePosition', 50 * (column - 1), -40 * (row - 1))}"
        f"<Nodes>{nodes if (column, row) == (1, 1) else ''}</Nodes>"
        f"<TileImageReference><BaseFileName>Tile_{column}{row}_0_7</BaseFileName></TileImageReference></TileXml>"
        for column in range(3)
        for row in range(3)
    )
    return _root(
        manner,
        "AtlasSessionXml",
        f"<Id>3001</Id><Atlas><Id>3001</Id><TilesEfficient><_items>{tiles}</_items></TilesEfficient></Atlas>",
    )


def square_xml(
    manner: Manner = EPU_3, *, key: str = SQUARE, holes: tuple[str, ...] = HOLES, state: str = "Defined"
) -> str:
    """`Metadata/GridSquare_<id>.dm`: holes 100 pixels apart."""
    targets = "".join(
        _pair(
            manner,
            "Target",
            hole,
            f"<Id>{hole}</Id><GridSquareId>{key}</GridSquareId>{manner.element('IsNearGridBar', 'true')}"
            + manner.element("PixelWidthHeight", "<d:height>30</d:height><d:width>30</d:width>")
            + f"<PixelCenter><d:x>{400 + 100 * place}</d:x><d:y>{300 + 10 * place * place}</d:y></PixelCenter>"
            + manner.element(
                "FilterProperties",
                "<PixelIntensityMean>700</PixelIntensityMean><PixelIntensityStDev>9</PixelIntensityStDev>",
            )
            + manner.element("Selected", "true")
            + f"<State>Completed</State>{_stage(manner, 'StagePosition', 5 + 4 * place, -7)}",
        )
        for place, hole in enumerate(holes)
    )
    return _root(
        manner,
        "GridSquareXml",
        f"<Id>{key}</Id>{_stage(manner, 'Position', 11, -6)}<State>{state}</State>{manner.element('Selected', 'true')}"
        "<TargetLocations><TargetLocationsEfficient><m_serializationArray>"
        f"{targets}</m_serializationArray></TargetLocationsEfficient></TargetLocations>",
    )


def image_xml(
    manner: Manner = EPU_3,
    *,
    pixel_size_m: float = 4e-8,
    at: str = "2023-01-02T11:22:30.5+01:00",
    stage_um: tuple[float, float] = (10.0, -6.0),
    custom: str = "",
) -> str:
    """The XML of an image: 1024 x 768 pixels, binned twice, turned by nothing but a mirror."""
    half = pixel_size_m / 2
    content = (
        f"<CustomData>{custom}</CustomData>"
        + manner.element(
            "ReferenceTransformation",
            f"<matrix><d:_m11>{half!r}</d:_m11><d:_m12>0</d:_m12><d:_m21>0</d:_m21><d:_m22>{-half!r}</d:_m22></matrix>",
        )
        + f"<SpatialScale><pixelSize><x><numericValue>{pixel_size_m!r}</numericValue></x></pixelSize></SpatialScale>"
        + "<microscopeData><acquisition>"
        + manner.element("acquisitionDateTime", at)
        + "<camera><Binning><d:x>2</d:x><d:y>2</d:y></Binning><ExposureTime>1.5</ExposureTime><Name>Falcon</Name>"
        + manner.element("ReadoutArea", "<d:height>768</d:height><d:width>1024</d:width>")
        + "</camera></acquisition><core>"
        + manner.element("ApplicationSoftwareVersion", manner.version)
        + "</core>"
        + "<gun><AccelerationVoltage>200000</AccelerationVoltage></gun>"
        + "<optics><Apertures><C2Aperture><Diameter>70</Diameter></C2Aperture></Apertures>"
        + "<BeamDiameter>9E-07</BeamDiameter><BeamShift><d:_x>0.5</d:_x><d:_y>-0.25</d:_y></BeamShift>"
        + "<Defocus>-1.8E-06</Defocus>"
        + "<TemMagnification><NominalMagnification>130000</NominalMagnification></TemMagnification></optics>"
        + f"<stage>{_stage(manner, 'Position', *stage_um)}</stage></microscopeData>"
    )
    spaces = f'xmlns="{manner.namespace}" xmlns:d="{_POINT}" xmlns:i="{_INSTANCE}"'
    return f"<MicroscopeImage {spaces}>{content}</MicroscopeImage>"


def custom_value(key: str, value: str) -> str:
    """An entry of `CustomData`."""
    return f"<d:KeyValueOfstringanyType><d:Key>{key}</d:Key><d:Value>{value}</d:Value></d:KeyValueOfstringanyType>"


def write_jpeg(path: Path, *, width: int = 256, height: int = 192) -> None:
    """A reduced picture: a ramp, brighter to the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))).save(path)


def write_text(path: Path, text: str) -> None:
    """A file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_image(folder: Path, stem: str, xml: str) -> None:
    """An image: its XML and its picture."""
    write_text(folder / f"{stem}.xml", xml)
    write_jpeg(folder / f"{stem}.jpg")


def write_session(root: Path, manner: Manner = EPU_3) -> Path:
    """A whole session: an atlas, a square, two holes, one of them imaged, and one exposure with its movie."""
    write_text(root / "EpuSession.dm", session_xml(manner))
    write_text(root / "Metadata" / f"GridSquare_{SQUARE}.dm", square_xml(manner))
    write_text(root / "Sample2" / "Atlas" / "Atlas.dm", atlas_xml(manner))
    folder = root / "Images-Disc1" / f"GridSquare_{SQUARE}"
    write_image(folder, f"GridSquare_{manner.stamp}", image_xml(manner))
    hole, exposure = hole_stem(manner), exposure_stem(manner)
    write_image(folder / "FoilHoles", hole, image_xml(manner, pixel_size_m=2e-9, at="2023-01-02T11:23:00Z"))
    write_image(folder / "Data", exposure, image_xml(manner, pixel_size_m=8e-11, at="2023-01-02T11:24:00Z"))
    (folder / "Data" / f"{exposure}_Fractions.mrc").write_bytes(b"movie")
    return root


def hole_stem(manner: Manner = EPU_3, hole: str = HOLES[0]) -> str:
    """The name of a hole's image."""
    return f"FoilHole_{hole}_{manner.stamp}"


def exposure_stem(manner: Manner = EPU_3, hole: str = HOLES[0]) -> str:
    """The name of an exposure."""
    return f"FoilHole_{hole}_Data_{AREA}_{manner.number}_{manner.stamp}"
