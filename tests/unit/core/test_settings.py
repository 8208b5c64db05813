import os
from pathlib import Path

import pytest

from structloop.core.errors import SettingsError
from structloop.core.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("STRUCTLOOP_") and not name.startswith("STRUCTLOOP_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STRUCTLOOP_HOME", str(tmp_path))


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path
    assert settings.resolved_database_url == f"sqlite:///{tmp_path / 'structloop.db'}"
    assert settings.host == "127.0.0.1"


def test_command_line_wins_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "structloop.toml").write_text("port = 1001\nthumbnail_px = 100\nbatch_size = 3\n")
    monkeypatch.setenv("STRUCTLOOP_PORT", "1002")
    monkeypatch.setenv("STRUCTLOOP_THUMBNAIL_PX", "200")
    settings = load_settings(port=1003, host=None)
    assert (settings.port, settings.thumbnail_px, settings.batch_size) == (1003, 200, 3)


def test_the_file_of_a_home_given_on_the_command_line_is_read(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "structloop.toml").write_text("port = 4321\n")
    assert load_settings(home=other).port == 4321


@pytest.mark.parametrize("text", ["prot = 1\n", "[crystal]\nx = 1\n"])
def test_an_unknown_key_in_the_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "structloop.toml").write_text(text)
    with pytest.raises(SettingsError, match="unknown setting"):
        load_settings()


def test_an_unknown_environment_variable_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTLOOP_PROT", "1")
    with pytest.raises(SettingsError, match="STRUCTLOOP_PORT"):
        load_settings()


def test_a_bad_value_names_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTLOOP_PORT", "many")
    with pytest.raises(SettingsError, match="'port'"):
        load_settings()


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "structloop.toml").write_text("port = = 1")
    with pytest.raises(SettingsError, match=r"structloop\.toml is not valid TOML"):
        load_settings()


def test_layouts_come_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "structloop.toml").write_text(
        '[[crystal_layouts]]\nname = "ours"\npattern = "{barcode}/{well}_{drop}.png"\n'
    )
    assert load_settings().crystal_layouts[0].name == "ours"


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_setting_is_in_the_documentation() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
    text = page.read_text()
    assert [name for name in Settings.model_fields if f"`{name}`" not in text] == []


def test_the_database_url_is_not_in_the_settings_repr() -> None:
    assert "hunter2" not in repr(load_settings(database_url="postgresql+psycopg://me:hunter2@db/x"))
