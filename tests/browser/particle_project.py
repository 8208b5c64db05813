"""The particle project of the pictures: simulated micrographs, picked, one finished, and some particles marked."""

from pathlib import Path

import mrcfile

from structloop.core.settings import Settings
from structloop.jobs import Workspace
from structloop.models.pickers import Picker
from structloop.particles.picking.models import load_any_picker
from structloop.particles.projects import marks
from structloop.particles.projects.picking import pick_project
from structloop.particles.projects.projects import ProjectFacts, change_project, create_project, micrograph_views
from structloop.simulation.micrographs import Recipe, make_up_micrograph
from structloop.simulation.molecules import molecule
from structloop.simulation.optics import Optics

KIND = "ribosome-2500"
PIXEL_ANGSTROM = 1.2
WHO = "a.person"


class _Shelf:
    def __init__(self, home: Path) -> None:
        self._home = home

    def load(self, name: str) -> Picker:
        """That picker."""
        return load_any_picker(name, self._home)


def fill_particle_project(home: Path, *, count: int, binning: int, model: str) -> None:
    """Writes micrographs beside `home` and makes a project of them.

    Args:
        home: The home folder, made where it is not there.
        count: Micrographs, at least 3.
        binning: Of 4096 x 4096 pixels.
        model: What picks them: the general model for pictures, one without a network to be quick.
    """
    folder = home.parent / "grid2_ribosomes"
    folder.mkdir(parents=True)
    home.mkdir(exist_ok=True)
    recipe = Recipe(
        film_edge=0.25, film_below=0, beads=0, mixture=0, empty=0, tilted=0, ice_nm=(20, 45), coverage=(0.2, 0.35)
    )
    diameter_px = molecule(KIND).diameter_angstrom / (PIXEL_ANGSTROM * binning)
    for number in range(count):
        defocus = 1.2 + 0.25 * (number % 5)
        made = make_up_micrograph(
            40 + number,
            kinds=(KIND,),
            binning=binning,
            pixel_size_angstrom=PIXEL_ANGSTROM,
            recipe=recipe,
            optics=Optics(defocus_u_um=defocus, defocus_v_um=defocus - 0.03),
            dose_e_per_angstrom2=45.0,
        )
        with mrcfile.new(folder / f"FoilHole_{2401 + 17 * number}_Data_{number + 1:02d}.mrc") as file:
            file.set_data(made.image)
            file.voxel_size = made.pixel_size_angstrom
    settings = Settings(home=home, import_roots=(folder,))
    (home / "structloop.toml").write_text(f'import_roots = ["{folder}"]\n', encoding="utf-8")
    with Workspace(settings) as workspace:
        database = workspace.database
        project = create_project(database, ProjectFacts("Ribosomes, grid 2", folder, diameter_px))
        change_project(database, project, model=model)
        pick_project(database, _Shelf(home), project)
        views = micrograph_views(database, project, 0.5)
        marks.finish(database, views[0].id, threshold=0.5, annotator=WHO)
        for x, y in ((0.31, 0.62), (0.42, 0.35), (0.63, 0.71)):
            width, height = views[1].width_px or 0, views[1].height_px or 0
            marks.add_particle(database, views[1].id, x * width, y * height, annotator=WHO)
