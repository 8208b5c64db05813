"""How thick the ice is, from how much of the beam it lets through; the method is always said.

ice = ice_thickness(pixels, reference=vacuum_counts, kind="vacuum", mean_free_path_nm=320)
ice.thickness_nm, ice.relative, ice.method
"""

from structloop.micrographs.ice.thickness import (
    IceReference,
    IceThickness,
    ice_thickness,
    ice_thickness_of_zero_loss,
    thinnest_reference,
)

__all__ = [
    "IceReference",
    "IceThickness",
    "ice_thickness",
    "ice_thickness_of_zero_loss",
    "thinnest_reference",
]
