"""The settings of an installation: `poststelle.toml` in the data folder, every one also as environment variable.

The environment wins over the file, the file over the default. An unknown or malformed setting stops the start with its name.
This module does not know Django; `run.settings` maps what is here.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from poststelle.mail.provider import Places
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
    largest_message_megabytes: int = Field(default=256, ge=1, le=1000)
    connect_seconds: int = Field(default=10, ge=1, le=60)
    greeting_seconds: int = Field(default=30, ge=1, le=90)
    answer_seconds: int = Field(default=60, ge=5, le=90)
    command_minutes: int = Field(default=30, ge=1, le=240)
    relay: str = ""
    allow_unchecked_certificates: bool = False
    discovery_autoconfig: tuple[str, ...] = Places().autoconfig
    discovery_database: bool = True
    discovery_database_url: str = Places().database
    discovery_exchange: bool = True
    discovery_guessing: bool = True
    discovery_nameserver: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    metrics_per_account: bool = False
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    reauthenticate_minutes: int = Field(default=15, ge=1)
    api_requests_per_minute: int = Field(default=3000, ge=1)
    oidc_name: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_sign_up: bool = False
    demo: bool = False

    @field_validator("allowed_hosts", "egress_allow", "discovery_autoconfig", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        return value

    @field_validator("egress_allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            from poststelle.adapters.connection import EgressPolicy

            EgressPolicy.of(",".join(value))
        return value

    @field_validator("discovery_nameserver")
    @classmethod
    def _nameserver(cls, value: str) -> str:
        if value:
            _nameserver(value)
        return value

    @property
    def place(self) -> str:
        """The address people use, without a slash at its end: `base_url`, else where `serve` listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url.rstrip("/") or f"http://{host}:{self.port}"

    @property
    def discovery_places(self) -> Places:
        """Where settings for an address are looked for."""
        host, port = _nameserver(self.discovery_nameserver) if self.discovery_nameserver else ("", 53)
        places = Places(
            autoconfig=self.discovery_autoconfig, database=self.discovery_database_url if self.discovery_database else "",
            nameservers=(host,) if host else (), dns_port=port,
        )  # fmt: skip
        if not self.discovery_exchange:
            places = replace(places, exchange_json="", exchange=(), exchange_redirect="")
        return places if self.discovery_guessing else replace(places, guesses=())

    @field_validator("relay")
    @classmethod
    def _relay(cls, value: str) -> str:
        if value:
            read_relay(value)
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        place = urlsplit(value)
        # Without encryption only on this very machine: whoever can change the answers could be anybody.
        plain = place.scheme == "http" and place.hostname in {"127.0.0.1", "localhost", "::1"}
        if value and not (plain or (place.scheme == "https" and place.hostname)):
            raise ValueError("must be an https address")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _single_sign_on(self) -> Configuration:
        given = [bool(self.oidc_issuer), bool(self.oidc_client_id), bool(self.oidc_client_secret.get_secret_value())]
        if any(given) and not all(given):
            raise ValueError("oidc_issuer, oidc_client_id and oidc_client_secret belong together")
        return self

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


def _nameserver(text: str) -> tuple[str, int]:
    """``address`` or ``address:port``. Raises ValueError."""
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    ip_address(host)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not an address with a port")
    return host, int(port)


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
