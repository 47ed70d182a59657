"""Outgoing servers that accounts refer to: the office's and each person's own, and which of them is whose default.

A server's own log-in is asked for again when host, port, encryption or user name change. Which one applies: `store.way_out`.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.records import OutgoingServerRecord
from poststelle.mail.settings import Endpoint, Login
from poststelle.store import journal, models
from poststelle.store.access import Reach
from poststelle.store.accounts import account_row, resume_all
from poststelle.store.ids import is_id
from poststelle.store.login_rows import drop_unused, opened, places, put, record, refer
from poststelle.store.people import user_record
from poststelle.store.settings_columns import answered_for, exceptions_of, tls_column
from poststelle.store.way_out import Defaults, WayOut, choose, server_endpoint


def usable(reach: Reach, name: str) -> bool:
    """Whether the reach may let a mailbox refer to the server with this label or id: the office's, or one's own."""
    return _named(_visible(reach), name) is not None


def within(reach: Reach) -> list[OutgoingServerRecord]:
    """The office's servers and one's own (the system: all), by label."""
    return [_told(row) for row in _visible(reach).order_by("label")]


def find(reach: Reach, name: str) -> OutgoingServerRecord:
    """One of them, by label or id. Raises NotFound."""
    return _told(_row(reach, name))


def add(
    reach: Reach, label: str, endpoint: Endpoint, login: Login | None, login_of: str, owner: str | None, *,
    default: bool, actor: str,
) -> str:  # fmt: skip
    """A new server; its id. Raises Invalid: label ``taken``, login ``unknown-login``, login.password ``missing``."""
    with transaction.atomic():
        row = models.OutgoingServer(pool_id=reach.pool, owner_id=owner)
        _fill(row, label, endpoint, login, login_of, actor)
        _make_default(row, default=default)
        facts = _facts(label, endpoint)
        journal.write(reach.pool, actor, "outgoing-server-added", f"outgoing-server:{row.pk}", facts=facts)
    return str(row.pk)


def change(
    reach: Reach,
    name: str,
    label: str,
    endpoint: Endpoint,
    login: Login | None,
    login_of: str,
    *,
    default: bool,
    actor: str,
) -> None:
    """The server is now like this; the mailboxes that use it are tried again."""
    with transaction.atomic():
        row = _row(reach, name)
        earlier, was = row.login, _parts(row)
        _fill(row, label, endpoint, login, login_of, actor)
        _make_default(row, default=default)
        if earlier is not None and earlier != row.login:
            drop_unused([earlier])
        resume_all(models.Account.objects.filter(outgoing_server=row))
        facts = _facts(label, endpoint)
        facts |= journal.difference({key: (was[key], now) for key, now in _parts(row).items() if was[key] != now})
        journal.write(reach.pool, actor, "outgoing-server-changed", f"outgoing-server:{row.pk}", facts=facts)


def remove(reach: Reach, name: str, *, actor: str) -> None:
    """Forget the server. Raises Conflict("outgoing-server-in-use")."""
    with transaction.atomic():
        row = _row(reach, name)
        if row.accounts.exists():
            raise Conflict("outgoing-server-in-use", server=row.label, count=row.accounts.count())
        login = row.login
        journal.write(
            reach.pool, actor, "outgoing-server-removed", f"outgoing-server:{row.pk}", facts={"label": row.label}
        )
        row.delete()
        if login is not None:
            drop_unused([login])


def opened_login(reach: Reach, name: str) -> Login | None:
    """How to log in there, secret included. For the test; never leaves the process."""
    return opened(_row(reach, name).login)


def remember_recipient(reach: Reach, name: str, address: str) -> None:
    """Whom its test wrote to: proposed the next time."""
    row = _row(reach, name)
    models.OutgoingServer.objects.filter(pk=row.pk).update(test_recipient=address)


def which(reach: Reach, account: str, user: str | None) -> tuple[str, Endpoint | None, OutgoingServerRecord | None]:
    """The reason, the server that sends this person's mail for the account, and its object if it is one. Raises NotFound."""
    row = account_row(reach, account)
    way: WayOut | None = choose(row, Defaults.of(row.pool_id, user))
    if way is None:
        return "", None, None
    return way.reason, way.endpoint, _told(way.server) if way.server is not None else None


def _visible(reach: Reach) -> QuerySet[models.OutgoingServer]:
    rows = models.OutgoingServer.objects.filter(pool=reach.pool).select_related("owner", "login__owner")
    if reach.user is not None:
        rows = rows.filter(Q(owner=None) | Q(owner=reach.user))
    return rows.annotate(used=Count("accounts"))


def _named(rows: QuerySet[models.OutgoingServer], name: str) -> models.OutgoingServer | None:
    return rows.filter(pk=name).first() if is_id(name) else rows.filter(label__iexact=name).first()


def _row(reach: Reach, name: str) -> models.OutgoingServer:
    row = _named(_visible(reach), name)
    if row is None:
        raise NotFound("outgoing-server-unknown", server=name)
    return row


def _facts(label: str, endpoint: Endpoint) -> dict[str, object]:
    told: dict[str, object] = {"label": label, "host": endpoint.host, "exceptions": list(endpoint.exceptions)}
    return told | ({"reason": endpoint.exception_reason} if endpoint.exception_reason else {})


def _parts(row: models.OutgoingServer) -> dict[str, object]:
    """What the journal tells of it."""
    names = ("label", "host", "port", "encryption", "is_default", "tls")
    return {name.removeprefix("is_"): getattr(row, name) for name in names}


def _fill(
    row: models.OutgoingServer, label: str, endpoint: Endpoint, login: Login | None, login_of: str, actor: str
) -> None:
    before = server_endpoint(row) if row.protocol else None
    known = places(before)
    row.label = label
    row.protocol, row.host, row.port, row.encryption = (
        endpoint.protocol, endpoint.host, endpoint.port, endpoint.encryption.value,
    )  # fmt: skip
    row.tls = answered_for(tls_column(endpoint), endpoint, row.tls, actor, kept=before == endpoint)
    if models.OutgoingServer.objects.filter(pool=row.pool_id, label__iexact=label).exclude(pk=row.pk).exists():
        raise Invalid({"label": "taken"})
    servers = places(endpoint)
    if login_of:
        password = login.password if login is not None else None
        row.login = refer(row.pool_id, login_of, "login", servers=servers, password=password)
    elif login is not None:
        row.login = put(row.login, row.pool_id, login, "login", servers=servers, known=known)
    else:
        row.login = None
    row.save()


def _make_default(row: models.OutgoingServer, *, default: bool) -> None:
    if default:
        models.OutgoingServer.objects.filter(pool=row.pool_id, owner=row.owner_id).update(is_default=False)
    if row.is_default != default or default:
        row.is_default = default
        row.save(update_fields=["is_default"])


def _told(row: models.OutgoingServer) -> OutgoingServerRecord:
    used = getattr(row, "used", None)
    return OutgoingServerRecord(
        str(row.pk), row.label, user_record(row.owner) if row.owner else None, row.is_default, server_endpoint(row),
        record(row.login), row.test_recipient, row.accounts.count() if used is None else used,
        exceptions_of("outgoing", server_endpoint(row), row.tls),
    )  # fmt: skip
