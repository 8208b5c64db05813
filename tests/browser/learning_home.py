"""A home with a data set that can be learnt from in seconds: small images, and a small network as the default model."""

from pathlib import Path

from structloop.core.settings import load_settings
from structloop.jobs import Workspace
from support.loop_datasets import store_dataset
from support.tiny_models import TINY, add_tiny_model


def fill_learning_home(home: Path) -> None:
    """Adds the model `tiny`, makes it the default, and stores `crystals/visible#1` of 150 images."""
    add_tiny_model(home, home.parent / "scratch")
    (home / "structloop.toml").write_text(
        f'default_model = "{TINY}"\nruntime = "torch"\nprecision = "fp32"\nthreads = 1\n', encoding="utf-8"
    )
    with Workspace(load_settings(home=home)) as workspace:
        store_dataset(workspace.database, workspace.kept, home.parent / "learning-images")


__all__ = ["fill_learning_home"]
