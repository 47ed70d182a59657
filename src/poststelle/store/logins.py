"""Logins that are objects of their own: one secret for several mailboxes, changed in one place.

Secrets are write-only; a login belongs to one person or to the office. Laws of the rows: `store.login_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db import IntegrityError, transaction
from django.db.models import Case, Q, QuerySet, When

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.records import LoginRecord
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Endpoint, Login, Right
from poststelle.store import journal, models
from poststelle.store.access import Reach, granted
from poststelle.store.accounts import resume_all
from poststelle.store.ids import is_id
from poststelle.store.login_rows import hosts, opened, places, record, seal_into, shared
from poststelle.store.narrowing import holding
from poststelle.store.way_out import server_endpoint


def usable(reach: Reach, name: str, *, administrator: bool) -> bool:
    """Whether the reach may use the login with this label or id for a mailbox: one's own; the office's, if an administrator."""
    row = shared(reach.pool, name)
    if row is None or reach.user is None:
        return row is not None
    return str(row.owner_id) == reach.user if row.owner_id else administrator


def within(
    reach: Reach,
    *,
    administrator: bool,
    shared: bool = False,
    words: str = "",
    start: int = 0,
    limit: int | None = None,
) -> list[LoginRecord]:
    """The logins whose secret the reach may change, those with a label first (`shared`: only those); `limit` of them from `start`.

    `words` must occur in label or user name.
    """
    rows = _changeable(reach, administrator=administrator)
    rows = rows.filter(holding(words, "label", "username"))
    if shared:
        rows = rows.exclude(label="")
    unlabelled = Case(When(label="", then=1), default=0)
    chosen = list(
        rows.order_by(unlabelled, "label", "username", "pk")[start : None if limit is None else start + limit]
    )
    counts = _counts(chosen)
    return [_told(row, counts.get(str(row.pk), 0)) for row in chosen]


def find(reach: Reach, name: str, *, administrator: bool) -> LoginRecord:
    """One of them, by label or id. Raises NotFound."""
    row = _row(reach, name, administrator=administrator)
    return _told(row, _counts([row]).get(str(row.pk), 0))


def add(reach: Reach, label: str, login: Login, owner: str | None, *, actor: str) -> str:
    """A new login; its id. Raises Invalid({"label": "taken"})."""
    try:
        with transaction.atomic():
            row = models.Login(pool_id=reach.pool, label=label, owner_id=owner)
            _check_label(row)
            row.username, row.domain, row.mechanism = login.username, login.domain, login.mechanism.value
            seal_into(row, login)
            row.save()
            journal.write(reach.pool, actor, "login-added", f"login:{row.pk}", facts={"label": label})
    except IntegrityError as error:
        raise Invalid({"label": "taken"}) from error
    return str(row.pk)


def change(reach: Reach, name: str, label: str, login: Login, *, administrator: bool, actor: str) -> None:
    """Another label, user name, domain or mechanism; another user name asks for the secret again, for all its mailboxes at once."""
    with transaction.atomic():
        row = _row(reach, name, administrator=administrator)
        if not row.label:
            raise NotFound("login-unknown", login=name)
        given = login.password is not None or login.client_certificate is not None
        if (row.username, row.domain) != (login.username, login.domain) and not given:
            raise Invalid({"password": "needed-again"})
        wanted = {
            "label": label, "username": login.username, "domain": login.domain, "mechanism": login.mechanism.value,
        }  # fmt: skip
        differing = {name: (getattr(row, name), value) for name, value in wanted.items() if getattr(row, name) != value}
        row.label, row.username, row.domain, row.mechanism = wanted.values()
        _check_label(row)
        seal_into(row, login)
        row.save()
        resume_all(_accounts(row))
        facts = {"label": label, "secret": given} | journal.difference(differing)
        journal.write(reach.pool, actor, "login-changed", f"login:{row.pk}", facts=facts)


def change_password(reach: Reach, name: str, password: Secret, *, administrator: bool, actor: str) -> int:
    """A new password for every mailbox that uses the login; they are tried again at once. How many there are."""
    with transaction.atomic():
        row = _row(reach, name, administrator=administrator)
        seal_into(row, Login(row.username, password))
        row.save()
        accounts = _accounts(row)
        count = accounts.count()
        resume_all(accounts)
        # The journal says it to those who see these mailboxes, too.
        facts = {"label": row.label, "accounts": count}
        for account in accounts.values_list("pk", flat=True):
            journal.write(reach.pool, actor, "password-changed", f"login:{row.pk}", account=account, facts=facts)
        if not count:
            journal.write(reach.pool, actor, "password-changed", f"login:{row.pk}", facts=facts)
    return count


def opened_shared(pool: int, name: str, *servers: Endpoint | None) -> Login:
    """A login with this label or id, for a test: with its secrets where they are for these servers, or for none yet.

    Raises NotFound, Conflict("secret-unreadable").
    """
    row = shared(pool, name)
    login = opened(row)
    if row is None or login is None:
        raise NotFound("login-unknown", login=name)
    if row.hosts and not places(*servers) <= hosts(row):
        return replace(login, password=None, client_certificate=None)
    return login


def accounts_of(reach: Reach, name: str, *, administrator: bool) -> list[str]:
    """The mailboxes that use the login, by id."""
    row = _row(reach, name, administrator=administrator)
    return [str(number) for number in _accounts(row).order_by("label").values_list("pk", flat=True)]


def servers_of(reach: Reach, name: str, *, administrator: bool) -> list[tuple[str, Endpoint]]:
    """The outgoing servers that use the login: label and where they are."""
    row = _row(reach, name, administrator=administrator)
    return [(one.label, server_endpoint(one)) for one in row.outgoing_servers.order_by("label")]


def remove(reach: Reach, name: str, *, administrator: bool, actor: str) -> None:
    """Forget the login. Raises Conflict("login-in-use")."""
    with transaction.atomic():
        row = _row(reach, name, administrator=administrator)
        if _accounts(row).exists() or row.outgoing_servers.exists():
            raise Conflict("login-in-use", login=row.label)
        journal.write(reach.pool, actor, "login-removed", f"login:{row.pk}", facts={"label": row.label})
        row.delete()


def _changeable(reach: Reach, *, administrator: bool) -> QuerySet[models.Login]:
    rows = models.Login.objects.filter(pool=reach.pool).select_related("owner")
    if reach.user is None:
        return rows
    # One's own mailboxes, and those one administers, with the login that is theirs alone.
    accounts = models.Account.objects.filter(Q(owner=reach.user) | granted(reach, Right.ADMINISTER)).values("pk")
    own = Q(label="") & (Q(accounts_in__in=accounts) | Q(accounts_out__in=accounts))
    office = ~Q(label="") & Q(owner=None) if administrator else Q(pk=None)
    return models.Login.objects.filter(
        pk__in=rows.filter(Q(owner=reach.user) | own | office).values("pk")
    ).select_related("owner")


def _row(reach: Reach, name: str, *, administrator: bool) -> models.Login:
    rows = _changeable(reach, administrator=administrator)
    row = rows.filter(pk=name).first() if is_id(name) else rows.exclude(label="").filter(label__iexact=name).first()
    if row is None:
        raise NotFound("login-unknown", login=name)
    return row


def _accounts(row: models.Login) -> QuerySet[models.Account]:
    return models.Account.objects.filter(
        Q(login=row) | Q(outgoing_login=row) | Q(outgoing_server__login=row, authentication="server")
    )


def _counts(rows: Sequence[models.Login] | QuerySet[models.Login]) -> dict[str, int]:
    numbers = {row.pk for row in rows}
    found: dict[str, set[str]] = {}
    used = models.Account.objects.filter(Q(login__in=numbers) | Q(outgoing_login__in=numbers))
    for account, one, other in used.values_list("pk", "login_id", "outgoing_login_id"):
        for number in (one, other):
            if number in numbers:
                found.setdefault(str(number), set()).add(str(account))
    return {number: len(accounts) for number, accounts in found.items()}


def _told(row: models.Login, accounts: int) -> LoginRecord:
    told = record(row, accounts)
    assert told is not None  # there is a row
    return told


def _check_label(row: models.Login) -> None:
    if models.Login.objects.filter(pool=row.pool_id, label__iexact=row.label).exclude(pk=row.pk).exists():
        raise Invalid({"label": "taken"})
