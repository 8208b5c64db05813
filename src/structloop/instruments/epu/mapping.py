"""Our operations in EPU's words: files that it writes, and the decision service it asks."""

from structloop.instruments.mapping import OPERATIONS, VendorMapping, direct, missing, vendor_mapping

_ONLY_EPU_COMMANDS = "EPU commands the microscope itself; TEM scripting would (driver tem-scripting)."

MAPPING: VendorMapping = vendor_mapping(
    "epu",
    "EPU (Thermo Fisher)",
    interface=(
        "The files of a session (XML, JPEG, MRC or TIFF), which are watched; and the Smart EPU decision service, a web "
        "service that EPU asks and another program may answer."
    ),
    units=(
        "Lengths in the files are metres, angles radians. Defocus is negative for underfocus. Pixel sizes are of the "
        "whole readout, while the JPEG images are reduced."
    ),
    rows=[
        direct(
            "observe",
            "EpuSession.dm, Atlas.dm, GridSquare_<id>.dm, *.xml, *.jpg",
            note="Files arrive out of order, and some never.",
        ),
        direct(
            "advise",
            "foilHoleSelection, gridSquareSelection, acquisitionOrder, include, ...",
            note="Decisions that EPU's plug-in asks for, over HTTP.",
        ),
        *(missing(name, _ONLY_EPU_COMMANDS) for name in OPERATIONS if name not in ("observe", "advise")),
    ],
)

__all__ = ["MAPPING"]
