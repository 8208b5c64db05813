"""An application over a workspace with one small scored plate, and a client that talks to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from structloop.api.app import create_app
from structloop.core.settings import load_settings
from structloop.jobs import Workspace
from structloop.models.registry import ModelRegistry
from support.classifiers import brightness_card
from support.stored_plates import StoredPlate, store_plate

MODEL = "drops-compact"


@pytest.fixture
def import_root(tmp_path: Path) -> Path:
    """A folder from which the browser may import."""
    folder = tmp_path / "imager"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(used_home: Path, import_root: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose only model has a card and no weights."""
    model = tmp_path / "shipped" / MODEL
    model.mkdir(parents=True)
    (model / "card.json").write_text(brightness_card(MODEL).to_json(), encoding="utf-8")
    with Workspace(load_settings(home=used_home, import_roots=[import_root], settle_s=0)) as workspace:
        workspace.__dict__["models"] = ModelRegistry(used_home, shipped=tmp_path / "shipped")
        yield workspace


@pytest.fixture
def plate(workspace: Workspace, tmp_path: Path) -> StoredPlate:
    """A plate with a hit in A02, drop 3, and no drop 1 in A01."""
    return store_plate(
        workspace.database,
        tmp_path / "images",
        probabilities={("A02", 3, 1): 0.9, ("B01", 1, 2): 0.6},
        missing=[("A01", 1, number) for number in (1, 2, 3)],
    )


@pytest.fixture
def app(workspace: Workspace) -> FastAPI:
    """The application."""
    return create_app(workspace)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client on this machine; errors that nobody expected are raised."""
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        yield client
