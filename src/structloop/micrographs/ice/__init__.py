"""How thick the ice is, from how much of the beam it lets through; the method is always said.

ice = ice_thickness(pixels, reference=vacuum_counts, kind="vacuum", mean_free_path_nm=320)
ice.thickness_nm, ice.relative, ice.method
"""

from structloop.micrographs.ice.thickness import (
    IceReference,
    IceThickness,
    Transmitted,
    ice_of,
    ice_thickness,
    ice_thickness_of_zero_loss,
    thinnest_reference,
    transmitted,
)

__all__ = [
    "IceReference",
    "IceThickness",
    "Transmitted",
    "ice_of",
    "ice_thickness",
    "ice_thickness_of_zero_loss",
    "thinnest_reference",
    "transmitted",
]
