"""The small workspace that the browser tests look at: simulated plates with known truth, scored from that truth.

The scores are drawn, not computed: what is tested here is what people see and do, with every kind of drop present, and
it must not take minutes. They go through the same tables and the same combination as those of a network.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import select

from structloop.core.settings import Settings
from structloop.crystals.importing import import_folder
from structloop.crystals.scoring.assignment import ModelAssignment
from structloop.crystals.scoring.results import record_experiments, record_models, record_scoring, summarise_plate
from structloop.jobs import Workspace
from structloop.schema.crystals import CombinationRule
from structloop.schema.images import Modality
from structloop.schema.models import InputSpecification, ModelCard, TrainingDataset
from structloop.simulation.plates import PlateRecipe, WrittenImage, plan_plate, write_images
from structloop.store.tables import DropImageFile, ImageScore, Plate

THRESHOLD = 0.5
BARCODE = "SL000042"
UNSCORED_BARCODE = "SL000043"
BROKEN_FILE = "FORMULATRIX_SL000042_1_06-01-2026_A01_1_Vis (copy).jpg"


@dataclass(frozen=True)
class Sizes:
    """How large the simulated plate is."""

    rows: int = 3
    columns: int = 4
    drops: int = 2
    long_side: int = 240


def fill_workspace(home: Path, sizes: Sizes) -> None:
    """Writes the images of two plates beside `home`, imports both, and scores the first."""
    images = home.parent / "images"
    recipe = PlateRecipe(
        barcode=BARCODE,
        seed=11,
        rows=sizes.rows,
        columns=sizes.columns,
        drops=sizes.drops,
        prevalence=0.14,
        long_side=sizes.long_side,
    )
    written = list(write_images(recipe, plan_plate(recipe), images))
    other = PlateRecipe(barcode=UNSCORED_BARCODE, seed=12, rows=2, columns=2, days=(1,), long_side=sizes.long_side)
    list(write_images(other, plan_plate(other), images))
    (images / written[0].planned.path.parent / BROKEN_FILE).write_bytes(b"\xff\xd8 not really an image")
    settings = Settings(home=home, settle_s=0)
    with Workspace(settings) as workspace:
        import_folder(workspace.database, images, settings=settings)
        draw_scores(workspace, images, written)


def draw_scores(workspace: Workspace, images: Path, written: list[WrittenImage]) -> None:
    """Scores the plate: crystals mostly high, the rest mostly low, some of both in between."""
    card = ModelCard(
        name="drawn-scores",
        summary="Scores drawn from the truth of simulated drops, for tests of the interface.",
        family="compact",
        input=InputSpecification(
            width_px=224, height_px=224, colour="rgb", resize="squash", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
        ),
        labels=("crystal", "other"),
        modalities=(Modality.VISIBLE, Modality.UV),
        alarm_threshold=THRESHOLD,
        licence="Apache-2.0",
        origin="tests/browser",
        training=TrainingDataset(name="none", version="1", description="Not trained.", synthetic=True),
        limitations=("Knows only simulated drops.",),
    )
    assignment = ModelAssignment(card, card)
    database = workspace.database
    versions = record_models(database, assignment)
    rng = np.random.default_rng(5)
    crystal = {str((images / item.planned.path).resolve()): item.truth.crystal for item in written}
    with database.session() as session:
        plate_id = session.scalars(select(Plate.id).where(Plate.barcode == BARCODE)).one()
        found = session.execute(select(DropImageFile.id, DropImageFile.path, DropImageFile.modality)).all()
        for image_id, path, modality in sorted(found):
            truth = crystal.get(path)
            if truth is None:
                continue
            probability = float(rng.beta(5, 1.6) if truth else rng.beta(0.7, 6))
            session.add(
                ImageScore(
                    image_id=image_id,
                    model_version_id=versions[Modality(modality)],
                    probability=probability,
                    error=None,
                    created_at=datetime.now(UTC),
                )
            )
    scoring_id = record_scoring(database, plate_id, assignment, versions, CombinationRule.MAX)
    record_experiments(database, plate_id, scoring_id, versions, CombinationRule.MAX, {}, None)
    summarise_plate(database, plate_id, scoring_id)
