"""From a folder of images to a ranked list of drops, with the library alone.

    python examples/score_a_plate.py FOLDER        # images in any layout that is recognised
    python examples/score_a_plate.py               # a small simulated plate

All state goes into a temporary home; give `Path("...")` to `open_workspace` to keep it.
"""

import sys
import tempfile
from pathlib import Path

from structloop.crystals.hits import ranked_hits
from structloop.crystals.importing import import_folder
from structloop.crystals.scoring import score_plate
from structloop.jobs import open_workspace
from structloop.schema.crystals import CombinationRule
from structloop.simulation.plates import PlateRecipe, plan_plate, write_images


def simulate(folder: Path) -> Path:
    """Writes two rows of four drops, at one inspection, in visible light and UV."""
    recipe = PlateRecipe(rows=2, columns=4, days=(7,), prevalence=0.4, long_side=400, seed=11)
    for written in write_images(recipe, plan_plate(recipe), folder):
        print(f"  {written.planned.path.name}  {'crystal' if written.truth.crystal else 'other'}")
    return folder


def main() -> None:
    """Imports, scores, ranks."""
    with tempfile.TemporaryDirectory() as temporary, open_workspace(Path(temporary) / "home") as workspace:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else simulate(Path(temporary) / "images")

        imported = import_folder(workspace.database, folder, settings=workspace.settings)
        print(f"{imported.added} images by layout {imported.layout}: {imported.why}")
        for problem in imported.problems:
            print(f"  left out: {problem.path}: {problem.reason}")

        for plate in imported.plates.values():
            report = score_plate(
                workspace.database, workspace.classifiers, plate.plate_id, rule=CombinationRule.NOISY_OR
            )
            print(f"{report.barcode}: {report.images_scored} images scored by {report.models}")
            hits = ranked_hits(workspace.database, plate_id=plate.plate_id, below_threshold=True, limit=5)
            for hit in hits.items:
                print(f"  {hit.rank}. {hit.well} drop {hit.drop}: {hit.probability:.3f}")


if __name__ == "__main__":
    main()
