"""Which server sends for an account, and why: its own, the one it refers to, its sender's, the office's, the installation's.

The first that exists is taken. A server may be the default of one person or of the office; the installation's is the setting
`relay`. This module does not know whether somebody may send.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings as django_settings
from django.db.models import Q

from poststelle.mail.relay import read_relay
from poststelle.mail.settings import Authentication, Endpoint, Kind, Login
from poststelle.store import models
from poststelle.store.login_rows import opened, opened_for
from poststelle.store.settings_columns import endpoint_of


@dataclass(frozen=True, slots=True)
class WayOut:
    """`reason`: account, server (the account refers to it), user, office or instance. `server`: None for the first and the last."""

    reason: str
    endpoint: Endpoint
    server: models.OutgoingServer | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the chain falls back to, for one person's mail (or nobody's in particular)."""

    user: models.OutgoingServer | None
    office: models.OutgoingServer | None

    @classmethod
    def of(cls, pool: int, user: str | None) -> Defaults:
        """Those of this person and of the office."""
        rows = models.OutgoingServer.objects.filter(Q(owner=None) | Q(owner=user), pool=pool, is_default=True)
        found = {row.owner_id is not None: row for row in rows.select_related("login")}
        return cls(found.get(True), found.get(False))


def choose(row: models.Account, defaults: Defaults) -> WayOut | None:
    """The way out of an account; None where there is none, or where it is an archive or does not send."""
    if row.kind == Kind.ARCHIVE.value or not row.sending.get("included", True):
        return None
    own = endpoint_of(
        row.outgoing_protocol, row.outgoing_host, row.outgoing_port, row.outgoing_encryption, row.outgoing_tls
    )
    if own is not None:
        return WayOut("account", own)
    if row.outgoing_server is not None:
        return WayOut("server", server_endpoint(row.outgoing_server), row.outgoing_server)
    for reason, server in (("user", defaults.user), ("office", defaults.office)):
        if server is not None:
            return WayOut(reason, server_endpoint(server), server)
    if django_settings.POSTSTELLE.relay:
        return WayOut("instance", read_relay(django_settings.POSTSTELLE.relay)[0])
    return None


def login_for(row: models.Account, way: WayOut) -> Login | None:
    """How to log in there, secrets included. Raises Conflict("secret-unreadable")."""
    if way.reason == "instance":
        return read_relay(django_settings.POSTSTELLE.relay)[1]
    authentication = Authentication(row.authentication)
    if way.server is not None and (way.reason != "server" or authentication is Authentication.SERVER):
        return opened(way.server.login)
    if authentication is Authentication.NONE:
        return None
    return opened_for(row.outgoing_login if authentication is Authentication.OWN else row.login, way.endpoint)


def server_endpoint(row: models.OutgoingServer) -> Endpoint:
    """Where an outgoing server is."""
    endpoint = endpoint_of(row.protocol, row.host, row.port, row.encryption, row.tls)
    assert endpoint is not None  # the columns are never empty
    return endpoint
