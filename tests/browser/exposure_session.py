"""Sessions of exposures for the browser: thousands of made-up rows, some with simulated pictures and their rings."""

from pathlib import Path

import numpy as np
from PIL import Image

from structloop.core.errors import CtfError
from structloop.exposures.made_up import store_made_up_session
from structloop.imaging.micrograph_pictures import to_picture
from structloop.micrographs.ctf import CtfOptions, Lens, fit_ctf
from structloop.micrographs.ctf.picture import thon_picture
from structloop.simulation.micrographs import Recipe, make_up_micrograph
from structloop.simulation.optics import Optics
from structloop.store import Database

PIXEL_ANGSTROM = 0.83


def make_pictures(folder: Path, *, count: int, binning: int) -> list[tuple[str, str]]:
    """Writes simulated micrographs and their power spectra with the fit beside them; returns their names.

    Args:
        folder: Where to; made when needed.
        count: How many pairs.
        binning: Of 4096 x 4096 pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(film_edge=0, film_below=0, beads=0, mixture=0, empty=0, tilted=0, coverage=(0.15, 0.3))
    made = []
    for number in range(count):
        defocus = 0.9 + 0.45 * number
        micrograph = make_up_micrograph(
            70 + number,
            kinds=("ribosome-2500",),
            binning=binning,
            pixel_size_angstrom=PIXEL_ANGSTROM,
            recipe=recipe,
            optics=Optics(defocus_u_um=defocus, defocus_v_um=defocus - 0.06),
            dose_e_per_angstrom2=45.0,
        )
        names = f"micrograph-{number}.jpg", f"rings-{number}.png"
        to_picture(micrograph.image, 1024).save(folder / names[0], "JPEG", quality=85)
        _rings(micrograph.image, micrograph.pixel_size_angstrom).save(folder / names[1])
        made.append(names)
    return made


def _rings(image: np.ndarray[tuple[int, int], np.dtype[np.float32]], pixel_size_angstrom: float) -> Image.Image:
    options = CtfOptions(finest_angstrom=2.1 * pixel_size_angstrom)
    try:
        return thon_picture(fit_ctf(image, pixel_size_angstrom, Lens(300.0, 2.7, 0.1), options), 384)
    except CtfError:
        return Image.new("L", (384, 384), 90)


def fill_exposure_session(
    home: Path, *, count: int, pictures: int, binning: int, name: str = "Apoferritin, grid 3"
) -> int:
    """Makes up a session in a home; returns its key.

    Args:
        home: The home folder; made when needed.
        count: How many exposures.
        pictures: How many pairs of pictures they share.
        binning: Of the pictures.
    """
    home.mkdir(parents=True, exist_ok=True)
    results = home.parent / "processed"
    made = make_pictures(results, count=pictures, binning=binning)
    database = Database(f"sqlite:///{home / 'structloop.db'}")
    try:
        return store_made_up_session(database, results, name=name, count=count, seed=2, pictures=made)
    finally:
        database.close()
