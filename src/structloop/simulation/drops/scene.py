"""A drop with everything in and around it: what is there, without any pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from structloop.core.errors import SimulationError
from structloop.simulation.drops.contents import (
    Content,
    Crystal,
    DropShape,
    Flake,
    Habit,
    Precipitate,
    PrecipitateKind,
    Skin,
    Speck,
    Sphere,
    Strand,
)
from structloop.simulation.drops.facilities import Facility

MICROCRYSTAL_UM = 20.0


@dataclass(frozen=True, slots=True)
class DropScene:
    """A scene and how it is photographed.

    `without_crystals` is the same scene less its crystals: rendered, the two differ only where crystals are (and, for
    the camera's blur and compression, right beside them).

    Attributes:
        seed: Of the camera's noise.
        facility: Whose imager.
        well_x_um: Centre of the well.
        well_y_um: Centre of the well.
        exposure: Brightness relative to the facility's usual one.
        focus: Blur relative to the facility's usual one.
        drops: The liquid; empty for an empty well.
        precipitates: Textures, in every drop (brighter than their surroundings where the amount is negative).
        skins: Films, on every drop.
        spheres: Oil droplets, bubbles and spherulites.
        sphere_contents: What each sphere is.
        strands: Fibres, hairs and scratches.
        strand_contents: What each strand is.
        flakes: Pieces of dried film.
        specks: Dust and particles.
        speck_contents: What each speck is.
        crystals: Crystals, of protein and salt.
    """

    seed: int
    facility: Facility
    well_x_um: float
    well_y_um: float
    exposure: float
    focus: float
    drops: tuple[DropShape, ...]
    precipitates: tuple[Precipitate, ...]
    skins: tuple[Skin, ...]
    spheres: tuple[Sphere, ...]
    sphere_contents: tuple[Content, ...]
    strands: tuple[Strand, ...]
    strand_contents: tuple[Content, ...]
    flakes: tuple[Flake, ...]
    specks: tuple[Speck, ...]
    speck_contents: tuple[Content, ...]
    crystals: tuple[Crystal, ...]

    def without_crystals(self) -> "DropScene":
        """The same scene without its crystals."""
        return replace(self, crystals=())

    def with_crystals(self, crystals: Sequence[Crystal]) -> "DropScene":
        """The same scene with these crystals in place of its own."""
        return replace(self, crystals=tuple(crystals))

    def grown(self, fraction: float) -> "DropScene":
        """The scene while its crystals have reached `fraction` (0 to 1) of their size.

        Raises:
            SimulationError: `fraction` is out of range.
        """
        if not 0.0 <= fraction <= 1.0:
            raise SimulationError(f"growth fraction is {fraction}; it must lie between 0 and 1")
        if fraction == 0.0:
            return self.without_crystals()
        grown = [replace(crystal, size_um=crystal.size_um * fraction) for crystal in self.crystals]
        return replace(self, crystals=tuple(grown))

    @property
    def contents(self) -> tuple[Content, ...]:
        """What the scene holds, each kind once, in the order of `Content`."""
        found: set[Content] = set()
        found.update(self.sphere_contents, self.strand_contents, self.speck_contents)
        for precipitate in self.precipitates:
            if precipitate.kind is PrecipitateKind.GEL:
                found.add(Content.GEL)
            elif abs(precipitate.amount) * precipitate.cover > 0.25:
                found.add(Content.HEAVY_PRECIPITATE)
            else:
                found.add(Content.LIGHT_PRECIPITATE)
        if self.flakes:
            found.add(Content.FILM_PIECE)
        if self.skins:
            found.add(Content.SKIN)
        for crystal in self.crystals:
            if crystal.salt:
                found.add(Content.SALT)
            found.add(_crystal_content(crystal))
        if not self.drops:
            found.add(Content.EMPTY_WELL)
        elif not found & _IN_DROP:
            found.add(Content.CLEAR)
        return tuple(kind for kind in Content if kind in found)

    @property
    def grade(self) -> int:
        """The ISPyB grade: the most promising thing in the drop."""
        found = self.contents
        grades = [crystal.habit.grade for crystal in self.crystals if crystal.size_um >= MICROCRYSTAL_UM]
        if self.crystals and not grades:
            grades = [6]
        for kind, grade in _GRADES.items():
            if kind in found:
                grades.append(grade)
        return max(grades, default=0)


_IN_DROP = {
    Content.LIGHT_PRECIPITATE,
    Content.HEAVY_PRECIPITATE,
    Content.GEL,
    Content.SKIN,
    Content.PHASE_SEPARATION,
    Content.SPHERULITES,
    Content.PARTICLES,
    Content.MICROCRYSTALS,
    Content.NEEDLES,
    Content.PLATES,
    Content.CRYSTALS_3D,
}
_GRADES = {
    Content.SPHERULITES: 5,
    Content.PHASE_SEPARATION: 4,
    Content.HEAVY_PRECIPITATE: 3,
    Content.GEL: 3,
    Content.SKIN: 3,
    Content.LIGHT_PRECIPITATE: 2,
    Content.PARTICLES: 2,
    Content.FIBRE: 1,
    Content.DUST: 1,
}


def _crystal_content(crystal: Crystal) -> Content:
    if crystal.size_um < MICROCRYSTAL_UM:
        return Content.MICROCRYSTALS
    if crystal.habit is Habit.PLATE:
        return Content.PLATES
    return Content.NEEDLES if crystal.habit.grade == 7 else Content.CRYSTALS_3D
