from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from structloop.api.interface import mount_interface
from structloop.api.security import check_address
from structloop.core.errors import AddressRefusedError
from support.stored_plates import StoredPlate

API = "/api/v1"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "127.0.0.1", "LOCALHOST", "127.0.0.2:8765", "[0::1]"]
)
def test_this_machine_is_answered(client: TestClient, host: str) -> None:
    assert client.get(f"{API}/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "192.168.0.7:8765",
        "0.0.0.0",
        "",
        "[::1",
        "[x]",
        "a@localhost.b",
    ],
)
def test_other_names_are_not(client: TestClient, host: str) -> None:
    answer = client.get(f"{API}/health", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:structloop:wrong-host"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[x"},
        {"Origin": "http://[x]"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://localhost:8765"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_may_not_write(client: TestClient, plate: StoredPlate, headers: dict[str, str]) -> None:
    for path in (f"/plates/{plate.id}/score", "/annotations", "/imports", "/jobs/x/cancel", "/annotations/1/withdraw"):
        answer = client.post(API + path, json={}, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:structloop:origin-refused")


def test_the_own_page_and_scripts_may_write(client: TestClient, plate: StoredPlate) -> None:
    own = {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}
    assert client.post(f"{API}/plates/{plate.id}/score", json={}, headers=own).status_code == 202
    assert client.post(f"{API}/plates/{plate.id}/score", json={}).status_code == 202


def test_every_answer_binds_the_browser(client: TestClient, plate: StoredPlate) -> None:
    paths = ("/", f"{API}/health", f"{API}/plates/999", f"{API}/images/{plate.images['A02', 3, 1, 'uv']}/original")
    for path in paths:
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])
def test_loopback_addresses_are_listened_on(host: str) -> None:
    assert check_address(host) == host.strip("[]")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_whatever_is_listened_on_is_answered(client: TestClient, host: str) -> None:
    listening = check_address(host)
    name = f"[{listening}]:8765" if ":" in listening else f"{listening}:8765"
    assert client.get(f"{API}/health", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "8.8.8.8", "localhost.example"])
def test_others_are_refused_with_a_remedy(host: str) -> None:
    with pytest.raises(AddressRefusedError, match="ssh -L"):
        check_address(host)


def test_without_a_build_the_first_page_says_what_to_do(tmp_path: Path) -> None:
    app = FastAPI()
    mount_interface(app, tmp_path)
    client = TestClient(app)
    page = client.get("/")
    assert page.status_code == 200
    assert "npm run build" in page.text
    assert client.get("/plates/3").status_code == 404


def test_the_interface_is_served_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<title>app</title>")
    (web / "assets" / "a-1234.js").write_text("1")
    (web / "icon.svg").write_text("<svg/>")
    (web / "link.txt").symlink_to(tmp_path / "secret.txt")
    app = FastAPI()
    mount_interface(app, web)
    client = TestClient(app)
    for path in ("/", "/index.html", "/plates/3", "/hits", "/drops/9?inspection=2", "/link.txt"):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (200, "<title>app</title>")
        assert answer.headers["cache-control"] == "no-cache"
    asset = client.get("/assets/a-1234.js")
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]
    assert client.get("/icon.svg").headers["cache-control"] == "no-cache"
    assert client.get("/assets/old-9999.js").status_code == 404
    assert client.get("/api/v2/plates").status_code == 404
    for path in ("/..%2Fsecret.txt", "/%2e%2e/secret.txt", "/assets/..%2F..%2Fsecret.txt", "/%00", "/" + "a" * 5000):
        assert client.get(path).text != "secret"
