"""What a simulated drop holds: frozen descriptions, in micrometres, without any pixels.

Contents are named after the scores that crystallographers give (ISPyB): 0 clear, 1 contaminated, 2 light precipitate,
3 heavy precipitate, 4 phase separation, 5 spherulites, 6 microcrystals, 7/8/9 one-, two-, three-dimensional crystals.
"""

from dataclasses import dataclass
from enum import StrEnum


class Content(StrEnum):
    """Kinds of things in and around a drop."""

    EMPTY_WELL = "empty-well"
    CLEAR = "clear"
    DUST = "dust"
    FIBRE = "fibre"
    SCRATCH = "scratch"
    CREASE = "crease"
    BUBBLE = "bubble"
    FILM_PIECE = "film-piece"
    PARTICLES = "particles"
    LIGHT_PRECIPITATE = "light-precipitate"
    HEAVY_PRECIPITATE = "heavy-precipitate"
    GEL = "gel"
    SKIN = "skin"
    PHASE_SEPARATION = "phase-separation"
    SPHERULITES = "spherulites"
    MICROCRYSTALS = "microcrystals"
    NEEDLES = "needles"
    PLATES = "plates"
    CRYSTALS_3D = "crystals-3d"
    SALT = "salt"


class PrecipitateKind(StrEnum):
    """Textures of precipitate."""

    GRANULAR = "granular"
    SPECKLED = "speckled"
    CLUMPY = "clumpy"
    FLAKY = "flaky"
    GEL = "gel"
    BROWN = "brown"
    HAZE = "haze"
    STRINGY = "stringy"
    RINGS = "rings"


class Habit(StrEnum):
    """Shapes of crystals."""

    BLOCK = "block"
    RHOMB = "rhomb"
    HEXAGONAL = "hexagonal"
    BIPYRAMID = "bipyramid"
    OCTAHEDRON = "octahedron"
    TETRAHEDRON = "tetrahedron"
    LATTICE = "lattice"
    ROD = "rod"
    PLATE = "plate"
    NEEDLE = "needle"
    BUNDLE = "bundle"
    URCHIN = "urchin"
    DENDRITE = "dendrite"

    @property
    def grade(self) -> int:
        """ISPyB grade of a crystal of this habit that is not micro."""
        if self in (Habit.NEEDLE, Habit.BUNDLE, Habit.URCHIN, Habit.DENDRITE):
            return 7
        return 8 if self is Habit.PLATE else 9


@dataclass(frozen=True, slots=True)
class DropShape:
    """One drop of liquid.

    Attributes:
        x_um: Centre.
        y_um: Centre.
        radius_um: Mean radius.
        elongation: Long over short axis.
        angle_rad: Direction of the long axis.
        irregular: Size of the outline's deviation from an ellipse.
        corners: Number of points at which the outline is pinned.
        nicks: Number of small notches and beaks in the outline.
        edge_slope: Slope of the surface at the outline (tangent of the contact angle).
        flatness: 2 for a lens; larger for a pancake.
        lumps: Unevenness of the surface.
        haze: Optical density of the liquid.
        rim_line: Strength of the dark line along the outline.
        film_um: Width of a film left around the drop, 0 for none.
        with_well: The outline is the well's.
        seed: Of the outline and surface.
    """

    x_um: float
    y_um: float
    radius_um: float
    elongation: float
    angle_rad: float
    irregular: float
    corners: int
    nicks: int
    edge_slope: float
    flatness: float
    lumps: float
    haze: float
    rim_line: float
    film_um: float
    with_well: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Precipitate:
    """A texture of precipitate.

    Attributes:
        kind: Texture.
        amount: Optical density where it is densest.
        grain_um: Size of its grains.
        relief: Slope of its grains, as optical path.
        cover: Part of the drop that it covers, 0 to 1.
        patch_um: Size of the patches that it lies in.
        brown: How much more blue than red it absorbs, 0 to 1.
        centre: Preference for the middle (1) or the edge (-1) of the drop.
        fluorescence: Brightness in UV.
        seed: Of the texture.
    """

    kind: PrecipitateKind
    amount: float
    grain_um: float
    relief: float
    cover: float
    patch_um: float
    brown: float
    centre: float
    fluorescence: float
    seed: int


@dataclass(frozen=True, slots=True)
class Skin:
    """A wrinkled film on the drop.

    Attributes:
        wrinkle_um: Distance of the wrinkles.
        relief: Slope of the wrinkles, as optical path.
        folds: Number of long folds.
        density: Optical density of the film.
        cover: Part of the drop that it covers.
        overhang: How far it reaches beyond the drop, over the radius.
        radial: How far its wrinkles run from the middle outwards, 0 to 1.
        seed: Of the pattern.
    """

    wrinkle_um: float
    relief: float
    folds: int
    density: float
    cover: float
    overhang: float
    radial: float
    seed: int


@dataclass(frozen=True, slots=True)
class Sphere:
    """A round body in the drop.

    Attributes:
        x_um: Centre.
        y_um: Centre.
        radius_um: Radius.
        index_step: Refractive index minus that of the drop (negative for gas).
        flatness: 1 for a sphere, smaller for a lens.
        density: Optical density at the centre.
        fluorescence: Brightness in UV.
        fibres: Strength of radial lines (spherulites).
        seed: Of those lines.
    """

    x_um: float
    y_um: float
    radius_um: float
    index_step: float
    flatness: float
    density: float
    fluorescence: float
    fibres: float
    seed: int


@dataclass(frozen=True, slots=True)
class Strand:
    """A fibre, hair or scratch.

    Attributes:
        x_um: Start.
        y_um: Start.
        length_um: Length along the line.
        width_um: Width.
        angle_rad: Direction at the start.
        curl: Total turn over the length, radians.
        ragged: Unevenness of its width, over the width.
        density: Optical density; negative is bright.
        index_step: Refractive index minus that of its surroundings.
        colour: Hue of its birefringence or dye, 0 to 1; negative for none.
        blur_um: Defocus.
        fluorescence: Brightness in UV.
        seed: Of its course.
    """

    x_um: float
    y_um: float
    length_um: float
    width_um: float
    angle_rad: float
    curl: float
    ragged: float
    density: float
    index_step: float
    colour: float
    blur_um: float
    fluorescence: float
    seed: int


@dataclass(frozen=True, slots=True)
class Flake:
    """A curled piece of dried film or a dark lump, in the drop or beside it.

    Attributes:
        x_um: Centre.
        y_um: Centre.
        size_um: Largest width.
        slim: Width over length.
        angle_rad: Direction.
        bite: How much of a crescent it is, 0 (a lump) to 1.
        ragged: Unevenness of its outline.
        layers: Number of curved layers.
        relief: Slope of its layers, as optical path.
        density: Optical density.
        fluorescence: Brightness in UV.
        seed: Of its outline.
    """

    x_um: float
    y_um: float
    size_um: float
    slim: float
    angle_rad: float
    bite: float
    ragged: float
    layers: float
    relief: float
    density: float
    fluorescence: float
    seed: int


@dataclass(frozen=True, slots=True)
class Speck:
    """A grain of dust or a particle of precipitate.

    Attributes:
        x_um: Centre.
        y_um: Centre.
        size_um: Diameter.
        density: Optical density.
        relief: Optical path at its middle, micrometres.
        blur_um: Defocus.
        ring: How far it looks like a ring, as a defocused grain does; 0 to 1.
        fluorescence: Brightness in UV.
        seed: Of its outline.
    """

    x_um: float
    y_um: float
    size_um: float
    density: float
    relief: float
    blur_um: float
    ring: float
    fluorescence: float
    seed: int


@dataclass(frozen=True, slots=True)
class Crystal:
    """One crystal, or one bundle of needles.

    Attributes:
        habit: Shape.
        x_um: Centre.
        y_um: Centre.
        size_um: Largest width as seen from above.
        angle_rad: Rotation in the image.
        shape_seed: Of faces and orientation; crystals of one population share a few.
        index_step: Refractive index minus that of the drop.
        birefringence: Difference of its refractive indices.
        density: Optical density over its thickness.
        edge: Strength of the dark line along its edges.
        rounding_um: Rounding of edges.
        rough: Unevenness of its faces.
        blur_um: Defocus.
        fluorescence: Brightness in UV; about 0 for salt.
        salt: True if it is not protein.
    """

    habit: Habit
    x_um: float
    y_um: float
    size_um: float
    angle_rad: float
    shape_seed: int
    index_step: float
    birefringence: float
    density: float
    edge: float
    rounding_um: float
    rough: float
    blur_um: float
    fluorescence: float
    salt: bool
