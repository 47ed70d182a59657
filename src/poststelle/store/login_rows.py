"""Login rows: secrets sealed on the way in, opened on the way out, and the servers each was confirmed for.

Law: a stored secret goes to the servers (host, port, encryption) somebody entered it for and to no others; a change of those, or
of the user name, asks for it again (RELIABILITY section 3). Nothing here is logged.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings as django_settings
from django.db.models import Q
from django.utils import timezone

from poststelle.errors import Invalid
from poststelle.mail.records import LoginRecord
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism
from poststelle.store import models
from poststelle.store.ids import is_id
from poststelle.store.keys import KeyFile, open_key_file
from poststelle.store.people import user_record
from poststelle.store.secrets import Place, seal, unseal

Servers = frozenset[tuple[str, int, Encryption]]


def places(*endpoints: Endpoint | None) -> Servers:
    """Where these servers are."""
    return frozenset(
        (host.lower(), port, encryption)
        for host, port, encryption in (one.place for one in endpoints if one is not None)
    )


def put(
    row: models.Login | None, pool: int, login: Login, where: str, *, servers: Servers, known: Servers
) -> models.Login:
    """Keep an account's own login. `known`: where a row that names no servers may go without asking.

    Raises Invalid for `where`.password, or `where`.client_certificate where that takes its place: ``missing``, ``needed-again``.
    """
    proof = "client_certificate" if login.mechanism is Mechanism.EXTERNAL else "password"
    if row is None or row.label:
        row = models.Login(pool_id=pool)
    if login.by_owner:
        row.secret = row.client_certificate = None
    elif login.password is not None or login.client_certificate is not None:
        seal_into(row, login)
    elif row.secret is None and row.client_certificate is None:
        raise Invalid({f"{where}.{proof}": "missing"})
    elif not servers <= (hosts(row) or known) or (row.username, row.domain) != (login.username, login.domain):
        raise Invalid({f"{where}.{proof}": "needed-again"})
    else:
        servers |= hosts(row)
    if login.mechanism is Mechanism.EXTERNAL and row.client_certificate is None and not login.by_owner:
        raise Invalid({f"{where}.client_certificate": "missing"})
    row.username, row.domain, row.mechanism = login.username, login.domain, login.mechanism.value
    confirm(row, servers)
    row.save()
    return row


def refer(pool: int, name: str, where: str, *, servers: Servers, password: Secret | None) -> models.Login:
    """A login that is an object of its own. The first servers it is used for are taken as meant; for others the secret is asked.

    Raises Invalid for `where`.login (``unknown-login``) and `where`.password (``needed-again``, ``does-not-match``).
    """
    row = shared(pool, name)
    if row is None:
        raise Invalid({f"{where}.login": "unknown-login"})
    confirmed = hosts(row)
    if confirmed and not servers <= confirmed:
        if password is None:
            raise Invalid({f"{where}.password": "needed-again"})
        stored = opened(row)
        if stored is None or stored.password is None or not _equal(stored.password, password):
            raise Invalid({f"{where}.password": "does-not-match"})
    if not servers <= confirmed:
        confirm(row, servers | confirmed)
        row.save(update_fields=["hosts"])
    return row


def shared(pool: int, name: str) -> models.Login | None:
    """The login with this label or id that is an object of its own."""
    rows = models.Login.objects.filter(pool=pool).exclude(label="").select_related("owner")
    return rows.filter(pk=name).first() if is_id(name) else rows.filter(label__iexact=name).first()


def seal_into(row: models.Login, login: Login) -> None:
    """Put the given secrets into the row; what is not given stays. Does not save the row."""
    for field, secret in (("secret", login.password), ("client_certificate", login.client_certificate)):
        if secret is not None:
            setattr(row, field, seal(keys(), secret, Place("login", str(row.pk), field, row.pool_id)))
    row.changed_at = timezone.now()


def opened(row: models.Login | None) -> Login | None:
    """The login with its secrets. Raises Conflict("secret-unreadable")."""
    if row is None:
        return None

    def secret(field: str) -> Secret | None:
        sealed = getattr(row, field)
        return unseal(keys(), bytes(sealed), Place("login", str(row.pk), field, row.pool_id)) if sealed else None

    return Login(row.username, secret("secret"), Mechanism(row.mechanism), row.domain, secret("client_certificate"))


def opened_for(row: models.Login | None, endpoint: Endpoint | None) -> Login | None:
    """The same for one server: without its secrets where they were not confirmed for it."""
    login = opened(row)
    if row is None or login is None or not row.hosts or places(endpoint) <= hosts(row):
        return login
    return replace(login, password=None, client_certificate=None)


def record(row: models.Login | None, accounts: int = 0) -> LoginRecord | None:
    """The record of a row."""
    if row is None:
        return None
    return LoginRecord(
        row.username, Mechanism(row.mechanism), row.secret is not None, str(row.pk), row.label, row.domain,
        row.client_certificate is not None, hosts(row), user_record(row.owner) if row.owner else None, row.changed_at,
        accounts,
    )  # fmt: skip


def hosts(row: models.Login) -> Servers:
    """The servers the secret was confirmed for."""
    return frozenset((host, port, Encryption(encryption)) for host, port, encryption in row.hosts)


def confirm(row: models.Login, servers: Servers) -> None:
    """The secret is for these servers. Does not save the row."""
    row.hosts = sorted([host, port, encryption.value] for host, port, encryption in servers)


def drop_unused(rows: Sequence[models.Login]) -> None:
    """A secret nobody uses is not kept, unless it is an object of its own."""
    for row in rows:
        used = models.Account.objects.filter(Q(login=row) | Q(outgoing_login=row)).exists()
        if not row.label and not used and not row.outgoing_servers.exists():
            row.delete()


def keys() -> KeyFile:
    """The key file of this installation."""
    return open_key_file(django_settings.POSTSTELLE.home / "keys.json")


def _equal(one: Secret, other: Secret) -> bool:
    return hmac.compare_digest(one.reveal().encode(), other.reveal().encode())
