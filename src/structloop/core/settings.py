"""Every setting, from three places: `structloop.toml` in the home folder, environment variables, the command line.

Later places win. An unknown key is an error wherever it stands, so that a misspelt setting is never silently ignored.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from structloop.core.errors import SettingsError

ENVIRONMENT_PREFIX = "STRUCTLOOP_"
SETTINGS_FILE = "structloop.toml"
# Variables that belong to the test suite, not to the program.
_TEST_PREFIX = "STRUCTLOOP_TEST_"

ModalityName = Literal["visible", "uv", "uv-tpef", "shg"]


def default_home() -> Path:
    """The folder of all state when STRUCTLOOP_HOME is not set: `~/.structloop`."""
    return Path.home() / ".structloop"


class LayoutPattern(BaseModel):
    """A facility's own image layout: a pattern with named fields, matched to the path below the imported folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name for --layout; letters, digits and dashes.", pattern=r"^[a-z0-9][a-z0-9-]*$")
    pattern: str = Field(
        min_length=1,
        description="End of an image's path, with fields in braces, such as "
        "'{barcode}/{inspection}/{well}_{drop}_{modality}.jpg'. Fields: barcode, well (A01), row (1-based number), "
        "row_letter, column, well_number (along rows), drop, drop_letter, inspection, modality, profile, date, imager, "
        "any (ignored).",
    )
    modalities: dict[str, ModalityName] = Field(
        default_factory=dict,
        description="What the modality (or profile) field says, and the modality it means: "
        "visible, uv, uv-tpef or shg.",
    )
    default_modality: ModalityName = Field(
        default="visible", description="Modality where the pattern has no such field."
    )
    plate_rows: int = Field(default=8, ge=1, le=64, description="Rows of the plate.")
    plate_columns: int = Field(default=12, ge=1, le=96, description="Columns of the plate.")
    date_format: str = Field(default="%Y-%m-%d", description="strptime format of the date field.")
    um_per_pixel: float | None = Field(default=None, gt=0, description="Micrometres per pixel, where known.")


class Settings(BaseSettings):
    """All settings of structloop. `load_settings` is the way to make one."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    home: Path = Field(
        default_factory=default_home,
        description="Folder of all state: database, models, derived files, jobs.",
    )
    database_url: str | None = Field(
        default=None,
        description="Database. Unset: SQLite in the home folder. PostgreSQL: postgresql+psycopg://user@host/name",
        repr=False,
    )
    host: str = Field(
        default="127.0.0.1", description="Address the server listens on; only loopback until users exist."
    )
    port: int = Field(default=8765, ge=0, le=65535, description="Port the server listens on; 0 picks a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="How much is logged to standard error."
    )
    log_style: Literal["console", "json"] = Field(
        default="console", description="Log lines for people or for machines."
    )
    default_model: str = Field(default="drops-compact", description="Model that scores drops where none is named.")
    promotion_policy: Literal["person", "gate"] = Field(
        default="person",
        description="Who puts a trained model in production: a person, or the gate alone where it passes.",
    )
    combination_rule: Literal["max", "mean", "product", "noisy-or"] = Field(
        default="max", description="How visible and UV probabilities become one per experiment."
    )
    runtime: Literal["auto", "openvino", "torch"] = Field(
        default="auto",
        description="What runs the networks; auto: CUDA where present, else OpenVINO, else torch.",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="Arithmetic of the networks; auto: bf16 where the processor has it."
    )
    threads: int | None = Field(default=None, ge=1, description="Processor threads to use. Unset: all.")
    batch_size: int = Field(default=16, ge=1, le=1024, description="Images scored at once.")
    allow_download: bool = Field(default=False, description="Whether models may be fetched from the hub when needed.")
    thumbnail_px: int = Field(default=320, ge=32, le=2048, description="Longest side of thumbnails, in pixels.")
    settle_s: float = Field(
        default=10.0, ge=0, description="Seconds a file must be unchanged before a watched folder imports it."
    )
    import_roots: list[Path] = Field(
        default_factory=list,
        description="Folders from which the browser may import; none: only the command line may.",
    )
    profile_modalities: dict[str, ModalityName] = Field(
        default_factory=dict,
        description="Which light an imager's profile stands for where only the profile is named, such as "
        "{'2' = 'uv'}; profiles that are not listed count as what the layout says, mostly visible.",
    )
    crystal_layouts: list[LayoutPattern] = Field(
        default_factory=list,
        description="The facility's own image layouts, by pattern; see the import guide.",
    )

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("import_roots")
    @classmethod
    def _absolute_roots(cls, value: list[Path]) -> list[Path]:
        return [path.expanduser().resolve() for path in value]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over file."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=_home_of(init_settings()) / SETTINGS_FILE)
        return init_settings, env_settings, file

    @property
    def resolved_database_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.home / 'structloop.db'}"


def _home_of(given: Mapping[str, Any]) -> Path:
    raw = given.get("home") or os.environ.get(f"{ENVIRONMENT_PREFIX}HOME") or default_home()
    return Path(raw).expanduser().absolute()


def _check_environment(environment: Mapping[str, str]) -> None:
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields}
    for variable in environment:
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable.startswith(_TEST_PREFIX):
            continue
        if variable.split("__", 1)[0] not in known:
            near = difflib.get_close_matches(variable, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; `structloop settings` lists all"
            raise SettingsError(f"environment variable {variable} is no setting of structloop{hint}")


def load_settings(**overrides: Any) -> Settings:
    """Reads file, environment and `overrides` (the command line; entries that are None are left out).

    Raises:
        SettingsError: an unknown key or a bad value; the message names the key, the place and the remedy.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    _check_environment(os.environ)
    file = _home_of(given) / SETTINGS_FILE
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    except ValidationError as error:
        lines = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                near = difflib.get_close_matches(key, Settings.model_fields, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else "; `structloop settings` lists all"
                lines.append(f"unknown setting '{key}'{hint}")
            else:
                lines.append(f"setting '{key}': {item['msg']}")
        raise SettingsError(f"settings ({file}, environment or command line): " + "; ".join(lines)) from error


__all__ = [
    "ENVIRONMENT_PREFIX",
    "SETTINGS_FILE",
    "LayoutPattern",
    "ModalityName",
    "Settings",
    "default_home",
    "load_settings",
]
