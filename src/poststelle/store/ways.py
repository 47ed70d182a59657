"""The ways into a mailbox and out of it, secrets included: the only place they come out of the store (laws: `store.login_rows`).

For the engine, which connects, and for the test of a mailbox. Nothing here leaves the process or is logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.utils import timezone

from poststelle.errors import NotFound
from poststelle.mail.settings import (
    Authentication,
    Certificate,
    CertificateMode,
    Endpoint,
    Kind,
    Login,
    Receiving,
    Sending,
)
from poststelle.store import models
from poststelle.store.account_rows import endpoint
from poststelle.store.login_rows import Servers, hosts, opened, opened_for, places
from poststelle.store.settings_columns import receiving_of, sending_of
from poststelle.store.way_out import Defaults, choose, login_for


@dataclass(frozen=True, slots=True)
class Access:
    """How to get into a mailbox and out of it, secrets included.

    `outgoing` is what the chain gives (store.way_out), for the reason `way_out`. An exception that has run out counts no more:
    the endpoint is strict again.
    """

    account: str
    pool: int
    version: int
    address: str
    incoming: Endpoint | None
    login: Login | None
    outgoing: Endpoint | None
    outgoing_login: Login | None
    kind: Kind = Kind.SYNCHRONISED
    receiving: Receiving = field(default_factory=Receiving)
    sending: Sending = field(default_factory=Sending)
    way_out: str = "account"


def access_of(account: str, user: str | None = None) -> Access:
    """Everything needed to connect. `user`: whose mail is to be sent, where their own outgoing server may apply.

    Raises NotFound, Conflict("secret-unreadable").
    """
    row = _row(account)
    way = choose(row, Defaults.of(row.pool_id, user))
    incoming = endpoint(row, "incoming")
    return Access(
        str(row.pk), row.pool_id, row.settings_version, row.address, _in_force(incoming), opened_for(row.login, incoming),
        _in_force(way.endpoint) if way else None, login_for(row, way) if way else None,
        Kind(row.kind), receiving_of(row.receiving), sending_of(row.sending), way.reason if way else "",
    )  # fmt: skip


def way_in_of(account: str) -> Access:
    """The same without the way out, for those who only receive: an engine asks for thousands at its start."""
    row = models.Account.objects.select_related("login").filter(pk=account).first()
    if row is None:
        raise NotFound("account-unknown")
    incoming = endpoint(row, "incoming")
    return Access(
        str(row.pk), row.pool_id, row.settings_version, row.address, _in_force(incoming), opened_for(row.login, incoming),
        None, None, Kind(row.kind), receiving_of(row.receiving), sending_of(row.sending),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """A login with its secrets and the servers they are for."""

    login: Login
    servers: Servers

    def serves(self, *endpoints: Endpoint | None) -> bool:
        """Whether the secrets may be used at all of these."""
        return places(*endpoints) <= self.servers


def stored_logins(account: str) -> tuple[StoredLogin | None, StoredLogin | None]:
    """The account's logins, in and out, for its test. Raises NotFound, Conflict("secret-unreadable")."""
    row = _row(account)
    incoming, outgoing = endpoint(row, "incoming"), endpoint(row, "outgoing")
    same = outgoing if row.authentication == Authentication.SAME.value else None
    return _stored(row.login, incoming, same), _stored(row.outgoing_login, outgoing)


def _stored(row: models.Login | None, *now: Endpoint | None) -> StoredLogin | None:
    login = opened(row)
    return StoredLogin(login, hosts(row) or places(*now)) if row is not None and login is not None else None


def _in_force(one: Endpoint | None) -> Endpoint | None:
    if one is None or one.certificate.mode is not CertificateMode.UNCHECKED:
        return one
    if not one.certificate.until or one.certificate.until >= timezone.localdate().isoformat():
        return one
    return replace(one, certificate=Certificate())


def _row(account: str) -> models.Account:
    rows = models.Account.objects.select_related("login", "outgoing_login", "outgoing_server__login")
    try:
        return rows.get(pk=account)
    except models.Account.DoesNotExist as error:
        raise NotFound("account-unknown") from error
