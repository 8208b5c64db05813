"""The label schemes of crystallization drops, and which translate into which.

Sources: ISPyB's ten grades; the four classes of MARCO (Bruno et al., PLoS ONE 2018); the two classes of AXIS
(Personnaz et al., 2025). Aliases are the folder and column names under which the published sets of MARCO, C3, VMXi and
CRIMS, and their users, write these classes.
"""

from types import MappingProxyType

from structloop.loop.annotations import LabelScheme, LabelSchemes
from structloop.schema.crystals import Grade
from structloop.schema.loop import UNCERTAIN, UNUSABLE

GRADE_SCHEME = "ispyb-grade"
AXIS_SCHEME = "axis"
MARCO_SCHEME = "marco"
TYPE_SCHEME = "crystal-type"
CRYSTAL, OTHER = "crystal", "other"
CRYSTAL_TYPES = ("microcrystals", "1d", "2d", "3d")
"""Kinds of crystals that curators may tell apart: the grades 6 to 9."""

_TYPE_OF_GRADE = {str(6 + place): kind for place, kind in enumerate(CRYSTAL_TYPES)}

AXIS = LabelScheme(
    AXIS_SCHEME,
    "Crystal or other",
    MappingProxyType({CRYSTAL: CRYSTAL, OTHER: OTHER, UNCERTAIN: None, UNUSABLE: None}),
    aliases=MappingProxyType(
        {
            "crystals": CRYSTAL,
            "yes": CRYSTAL,
            "hit": CRYSTAL,
            "others": OTHER,
            "no crystal": OTHER,
            "no crystals": OTHER,
            "non crystal": OTHER,
            "not crystal": OTHER,
            "no": OTHER,
            "unsure": UNCERTAIN,
            "bad image": UNUSABLE,
        }
    ),
)
MARCO = LabelScheme(
    MARCO_SCHEME,
    "Crystals, precipitate, clear or other (MARCO)",
    MappingProxyType({"crystals": CRYSTAL, "precipitate": OTHER, "clear": OTHER, "other": OTHER}),
    aliases=MappingProxyType({"crystal": "crystals", "precipitates": "precipitate", "precip": "precipitate"}),
)
GRADES = LabelScheme(
    GRADE_SCHEME,
    "Ten grades (ISPyB)",
    MappingProxyType({str(grade.value): CRYSTAL if grade.is_crystal else OTHER for grade in Grade}),
    details=MappingProxyType(_TYPE_OF_GRADE),
    aliases=MappingProxyType(
        {
            "clear": "0",
            "contaminated": "1",
            "contamination": "1",
            "light precipitate": "2",
            "heavy precipitate": "3",
            "phase separation": "4",
            "spherulites": "5",
            "spherulite": "5",
            "microcrystals": "6",
            "microcrystal": "6",
            "1d crystals": "7",
            "crystals 1d": "7",
            "needles": "7",
            "2d crystals": "8",
            "crystals 2d": "8",
            "plates": "8",
            "3d crystals": "9",
            "crystals 3d": "9",
        }
    ),
)
TYPES = LabelScheme(
    TYPE_SCHEME,
    "Type of crystal",
    MappingProxyType(dict.fromkeys(CRYSTAL_TYPES, CRYSTAL)),
    details=MappingProxyType({kind: kind for kind in CRYSTAL_TYPES}),
    aliases=MappingProxyType(
        {
            "microcrystal": "microcrystals",
            "micro": "microcrystals",
            "needles": "1d",
            "plates": "2d",
            "1d crystals": "1d",
            "2d crystals": "2d",
            "3d crystals": "3d",
        }
    ),
)

SCHEMES = LabelSchemes(
    (AXIS, MARCO, GRADES, TYPES),
    {
        (GRADE_SCHEME, MARCO_SCHEME): {
            "0": "clear",
            "1": "other",
            "2": "precipitate",
            "3": "precipitate",
            "4": "other",
            "5": "other",
            **dict.fromkeys(_TYPE_OF_GRADE, "crystals"),
        },
        (MARCO_SCHEME, GRADE_SCHEME): {"clear": "0"},
        (GRADE_SCHEME, TYPE_SCHEME): _TYPE_OF_GRADE,
        (TYPE_SCHEME, GRADE_SCHEME): {kind: grade for grade, kind in _TYPE_OF_GRADE.items()},
    },
)

__all__ = [
    "AXIS_SCHEME",
    "CRYSTAL",
    "CRYSTAL_TYPES",
    "GRADE_SCHEME",
    "MARCO_SCHEME",
    "OTHER",
    "SCHEMES",
    "TYPE_SCHEME",
]
