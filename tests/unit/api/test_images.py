import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import update

from structloop.jobs import Workspace
from structloop.store.tables import DropImageFile
from support.stored_plates import StoredPlate

API = "/api/v1"
PICTURES = ("thumbnail", "original", "deepzoom.dzi")


@pytest.fixture
def image(plate: StoredPlate) -> int:
    return plate.images["A02", 3, 1, "visible"]


def test_facts(client: TestClient, image: int) -> None:
    facts = client.get(f"{API}/images/{image}").json()
    assert (facts["width_px"], facts["height_px"], facts["modality"], facts["inspection"]) == (96, 64, "visible", 1)


def test_thumbnails_are_small_and_revalidated(client: TestClient, image: int) -> None:
    answer = client.get(f"{API}/images/{image}/thumbnail", params={"size": 48})
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (48, 32)
    # Another home on the same port numbers its images anew: a browser must ask before it shows a kept one.
    assert "no-cache" in answer.headers["cache-control"]
    again = client.get(
        f"{API}/images/{image}/thumbnail", params={"size": 48}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    other_size = client.get(
        f"{API}/images/{image}/thumbnail", params={"size": 64}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert other_size.status_code == 200


@pytest.mark.parametrize("size", ["31", "2049", "-1", "big"])
def test_sizes_have_limits(client: TestClient, image: int, size: str) -> None:
    assert client.get(f"{API}/images/{image}/thumbnail?size={size}").status_code == 422


def test_the_original_is_byte_for_byte_the_source(client: TestClient, workspace: Workspace, image: int) -> None:
    path = Path(client.get(f"{API}/images/{image}").json()["path"])
    answer = client.get(f"{API}/images/{image}/original")
    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    etag = {"If-None-Match": answer.headers["etag"]}
    assert client.get(f"{API}/images/{image}/original", headers=etag).status_code == 304


def test_a_source_that_is_no_picture_is_only_downloaded(
    client: TestClient, workspace: Workspace, image: int, tmp_path: Path
) -> None:
    page = tmp_path / "page.png"
    page.write_bytes(b"<html><script>alert(1)</script></html>")
    _point_to(workspace, image, page)
    answer = client.get(f"{API}/images/{image}/original")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert client.get(f"{API}/images/{image}/thumbnail").status_code == 422


def test_deep_zoom(client: TestClient, image: int) -> None:
    description = client.get(f"{API}/images/{image}/deepzoom.dzi")
    assert description.headers["content-type"] == "application/xml"
    assert b'Width="96"' in description.content
    tile = client.get(f"{API}/images/{image}/deepzoom_files/7/0_0.jpeg")
    assert tile.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(tile.content)).size == (96, 64)
    etag = {"If-None-Match": tile.headers["etag"]}
    assert client.get(f"{API}/images/{image}/deepzoom_files/7/0_0.jpeg", headers=etag).status_code == 304
    assert client.get(f"{API}/images/{image}/deepzoom_files/7/5_5.jpeg").status_code == 404


@pytest.mark.parametrize(
    "tile",
    [
        "7/..%2F..%2F..%2Fsecret.jpeg",
        "7/0_0.jpeg%00",
        "7/0_0.png",
        "../0_0.jpeg",
        "%2e%2e/0_0.jpeg",
        "99/0_0.jpeg",
        "7/0_0.jpeg/../../../x",
    ],
)
def test_tiles_lead_nowhere_else(client: TestClient, image: int, tile: str) -> None:
    assert client.get(f"{API}/images/{image}/deepzoom_files/{tile}").status_code in (404, 422)


@pytest.mark.parametrize("picture", PICTURES)
def test_a_moved_source_is_gone_and_says_what_to_do(
    client: TestClient, workspace: Workspace, image: int, picture: str, tmp_path: Path
) -> None:
    _point_to(workspace, image, tmp_path / "moved.png", keep_digest=True)
    answer = client.get(f"{API}/images/{image}/{picture}")
    assert answer.status_code == 410
    problem = answer.json()
    assert problem["type"] == "urn:structloop:source-image-gone"
    assert "moved.png" in problem["detail"]
    assert problem["remedy"]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_changed_source_is_never_shown_as_the_old_one(
    client: TestClient, workspace: Workspace, image: int, picture: str, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.png"
    Image.new("RGB", (50, 50), "red").save(changed)
    _point_to(workspace, image, changed, keep_digest=True)
    answer = client.get(f"{API}/images/{image}/{picture}")
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:structloop:source-image-changed")


@pytest.mark.parametrize("path", ["", "/thumbnail", "/original", "/deepzoom.dzi", "/deepzoom_files/7/0_0.jpeg"])
def test_unknown_images(client: TestClient, path: str) -> None:
    assert client.get(f"{API}/images/999{path}").status_code == 404
    assert client.get(f"{API}/images/0{path}").status_code == 422
    assert client.get(f"{API}/images/99999999999999999999{path}").status_code == 422


def _point_to(workspace: Workspace, image: int, path: Path, *, keep_digest: bool = False) -> None:
    import hashlib

    values: dict[str, object] = {"path": str(path)}
    if not keep_digest:
        values["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    with workspace.database.session() as session:
        session.execute(update(DropImageFile).where(DropImageFile.id == image).values(**values))
