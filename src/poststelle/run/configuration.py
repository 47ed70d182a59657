"""The settings of an installation: `poststelle.toml` in the data folder, every one also as environment variable.

The environment wins over the file, the file over the default. An unknown or malformed setting stops the start with its name.
This module does not know Django; `run.settings` maps what is here.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from poststelle.adapters.connection import EgressPolicy
from poststelle.mail.relay import read_relay

PREFIX = "POSTSTELLE_"
FILE = "poststelle.toml"


class ConfigurationError(Exception):
    """The configuration cannot be used; the text names the setting and what is wrong with it."""


class Configuration(BaseModel):
    """Every setting with its default. Names are the same in the file and, in capitals after POSTSTELLE_, in the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path
    host: str = "127.0.0.1"
    port: int = Field(default=8025, ge=1, le=65535)
    allowed_hosts: tuple[str, ...] = ()
    base_url: str = ""
    ca_file: Path | None = None
    egress_allow: tuple[str, ...] = ()
    poll_seconds: int = Field(default=60, ge=10)
    bulk_connections: int = Field(default=8, ge=1)
    bulk_connections_per_host: int = Field(default=4, ge=1)
    connects_per_second: int = Field(default=20, ge=1)
    daily_megabytes: int = Field(default=0, ge=0)
    live_cache_megabytes: int = Field(default=200, ge=1)
    suspend_after: int = Field(default=5, ge=1)
    relay: str = ""
    allow_unchecked_certificates: bool = False
    discovery_database: bool = True
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    metrics_per_account: bool = False
    demo: bool = False

    @field_validator("allowed_hosts", "egress_allow", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        return value

    @field_validator("egress_allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        EgressPolicy.of(",".join(value))
        return value

    @field_validator("relay")
    @classmethod
    def _relay(cls, value: str) -> str:
        if value:
            read_relay(value)
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("ca_file", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        return value or None

    @field_validator("ca_file")
    @classmethod
    def _certificates(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
            except OSError as error:
                raise ValueError(
                    f"{value} holds no certificates that can be read: {error.strerror or error}"
                ) from error
        return value


def default_home(*, demo: bool = False) -> Path:
    """Where data goes when nobody says: the user's own data directory (XDG base directory specification)."""
    shared = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return shared / ("poststelle-demo" if demo else "poststelle")


def load(environment: Mapping[str, str] = os.environ) -> Configuration:
    """The configuration in force. Raises ConfigurationError."""
    demo = environment.get(f"{PREFIX}DEMO", "").lower() in {"1", "true", "yes", "on"}
    home = Path(environment.get(f"{PREFIX}HOME") or default_home(demo=demo)).absolute()
    given: dict[str, object] = {}
    file = home / FILE
    if file.is_file():
        try:
            given = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file}: {error}") from error
        if isinstance(ca_file := given.get("ca_file"), str) and ca_file:
            given["ca_file"] = home / ca_file
    for name in Configuration.model_fields:
        if (value := environment.get(PREFIX + name.upper())) is not None:
            given[name] = value
    given["home"] = home
    try:
        return Configuration.model_validate(given)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        )
        raise ConfigurationError(told) from error
