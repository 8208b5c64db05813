"""Our operations in the simulated microscope's words, which are ours."""

from structloop.instruments.mapping import OPERATIONS, VendorMapping, direct, missing, vendor_mapping

_NOT_DONE = {"observe": "It is commanded.", "advise": "It is commanded."}

MAPPING: VendorMapping = vendor_mapping(
    "simulated",
    "The simulated microscope",
    interface="Python, in the same process; nothing is installed and nothing is connected.",
    units="Micrometres, degrees, defocus positive for underfocus: the units are ours.",
    rows=[
        *(direct(name, name) for name in OPERATIONS if name not in _NOT_DONE),
        *(missing(name, note) for name, note in _NOT_DONE.items()),
    ],
)

__all__ = ["MAPPING"]
