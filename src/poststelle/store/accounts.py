"""Accounts: their settings, secrets and grants; verbs that return records. What the engine notes of them is in `store.rounds`.

Secrets go in and come out only through `access_of`, which the engine and the probe use. A change of host, port, encryption or
user name drops the stored secret unless a new one comes with it (RELIABILITY section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import AccountRecord, GrantRecord, LoginRecord, Page
from poststelle.mail.settings import (
    AccountSettings,
    Authentication,
    Encryption,
    Endpoint,
    Kind,
    Login,
    Mechanism,
    Right,
    Scope,
)
from poststelle.store import journal, models
from poststelle.store.access import Reach, column_of, granted
from poststelle.store.keys import KeyFile, open_key_file
from poststelle.store.people import find_user, user_record
from poststelle.store.rows import change as change_rows
from poststelle.store.secrets import Place, seal, unseal
from poststelle.store.trouble import trouble_record

ACTIVE = "active"
ALL_RIGHTS = frozenset(Right)


@dataclass(frozen=True, slots=True)
class Access:
    """How to get into a mailbox and out of it, secrets included. Never leaves the process, never logged."""

    account: str
    pool: int
    version: int
    address: str
    incoming: Endpoint | None
    login: Login | None
    outgoing: Endpoint | None
    outgoing_login: Login | None


def add(pool: int, settings: AccountSettings, *, actor: str, caretaker: str) -> str:
    """A new account, active; its id. `caretaker`: the user who gets all rights where the settings name no grants and no owner.

    Raises Invalid naming label (``taken``), owner or grants (``unknown-user``).
    """
    try:
        with transaction.atomic():
            row = models.Account(pool_id=pool)
            _fill(row, settings)
            _check_label(row)
            row.save()
            _grant(row, settings, caretaker)
            journal.write(
                pool, actor, "account-added", f"account:{row.pk}", account=row.pk, facts={"label": settings.label}
            )
    except IntegrityError as error:
        raise Invalid({"label": "taken"}) from error
    return str(row.pk)


def change(reach: Reach, account: str, settings: AccountSettings, *, actor: str, caretaker: str) -> None:
    """New settings for an account; it becomes active and is tried at once."""
    try:
        with transaction.atomic():
            row = account_row(reach, account)
            logins = _logins(row)
            changed = _fill(row, settings)
            _check_label(row)
            row.settings_version += 1
            resume(row)
            row.save()
            _drop_unused(logins)
            if _grant(row, settings, caretaker):
                changed.add("grants")
            journal.write(
                reach.pool,
                actor,
                "account-changed",
                f"account:{row.pk}",
                account=row.pk,
                facts={"fields": sorted(changed)},
            )
    except IntegrityError as error:
        raise Invalid({"label": "taken"}) from error


def remove(reach: Reach, account: str, *, actor: str) -> None:
    """Forget the account, its folders and placements. The server is not touched; messages stay in their segments."""
    with transaction.atomic():
        row = account_row(reach, account)
        logins = _logins(row)
        journal.write(
            reach.pool, actor, "account-removed", f"account:{row.pk}", account=row.pk, facts={"label": row.label}
        )
        _forget_placements(row)
        row.delete()
        _drop_unused(logins)


def _forget_placements(row: models.Account) -> None:
    # Django would load hundreds of thousands of placements to see what hangs on them.
    placements = "SELECT p.id FROM store_placement p JOIN store_folder f ON f.id = p.folder_id WHERE f.account_id = %s"
    account = row.pk.hex
    change_rows("DELETE FROM store_errand WHERE account_id = %s", [account])
    change_rows(f"UPDATE store_outgoing SET answers_id = NULL WHERE answers_id IN ({placements})", [account])  # noqa: S608
    for table in ("store_placement", "store_setaside"):
        folders = "SELECT id FROM store_folder WHERE account_id = %s"
        change_rows(f"DELETE FROM {table} WHERE folder_id IN ({folders})", [account])  # noqa: S608


def _logins(row: models.Account) -> list[models.Login]:
    return [login for login in (row.login, row.outgoing_login) if login is not None]


def _drop_unused(logins: Sequence[models.Login]) -> None:
    """A secret nobody uses is not kept."""
    for login in logins:
        if not models.Account.objects.filter(Q(login=login) | Q(outgoing_login=login)).exists():
            login.delete()


def find(reach: Reach, account: str) -> AccountRecord:
    """One account by id or label, within reach by any right. Raises NotFound."""
    return _records(reach, [account_row(reach, account)])[0]


def page(reach: Reach, limit: int, after: str | None, *rights: Right) -> Page[AccountRecord]:
    """Accounts within reach by any of these rights (default: any right), by label. Raises Invalid for a foreign cursor."""
    rows = _base().filter(granted(reach, *(rights or ALL_RIGHTS))).order_by("label", "pk")
    if after is not None:
        rows = rows.filter(label__gt=_label(after))
    found = list(rows[: limit + 1])
    return Page(_records(reach, found[:limit]), found[limit - 1].label.encode().hex() if len(found) > limit else None)


def within(reach: Reach, *rights: Right) -> list[AccountRecord]:
    """All accounts within reach by any of these rights, by label."""
    return _records(reach, list(_base().filter(granted(reach, *rights)).order_by("label", "pk")))


def access_of(account: str) -> Access:
    """Everything needed to connect. Raises NotFound, Conflict("secret-unreadable")."""
    try:
        row = _base().get(pk=account)
    except models.Account.DoesNotExist as error:
        raise NotFound("account-unknown") from error
    login = _opened(row.login)
    own = _opened(row.outgoing_login)
    outgoing_login = {Authentication.NONE: None, Authentication.SAME: login, Authentication.OWN: own}
    return Access(
        str(row.pk), row.pool_id, row.settings_version, row.address, _incoming(row), login, _outgoing(row),
        outgoing_login[Authentication(row.authentication)],
    )  # fmt: skip


def rights_on(reach: Reach, account: str) -> frozenset[Right]:
    """What the reach may do with an account; empty when it is out of reach."""
    return _rights(reach, [account]).get(account, frozenset())


def account_row(reach: Reach, account: str) -> models.Account:
    """The row of an account by id or label, within reach by any right. Raises NotFound."""
    rows = _base().filter(granted(reach, *ALL_RIGHTS))
    try:
        row = rows.filter(pk=UUID(account)).first()
    except ValueError:
        row = rows.filter(label=account).first()
    if row is None:
        raise NotFound("account-unknown", account=account)
    return row


def resume(row: models.Account) -> None:
    """A person has acted: the row's trouble is over, and what could not be sent because of it is due again. Does not save the row."""
    activate(row)
    models.Outgoing.objects.filter(account=row, state="deferred", due_at=None).update(due_at=timezone.now())


def activate(row: models.Account) -> None:
    """The row's trouble is over. Does not save the row."""
    row.state, row.trouble, row.trouble_since, row.failures, row.retry_at = ACTIVE, None, None, 0, None


def _base() -> QuerySet[models.Account]:
    return models.Account.objects.select_related("owner", "login", "outgoing_login")


def _label(cursor: str) -> str:
    try:
        return bytes.fromhex(cursor).decode()
    except ValueError as error:
        raise Invalid({"cursor": "unknown-value"}) from error


def _check_label(row: models.Account) -> None:
    if models.Account.objects.filter(pool=row.pool_id, label__iexact=row.label).exclude(pk=row.pk).exists():
        raise Invalid({"label": "taken"})


def _fill(row: models.Account, settings: AccountSettings) -> set[str]:
    """Put the settings into the row, logins included; the names of the parts that changed."""
    before = _settings_of(row)
    row.label, row.kind, row.scope = settings.label, settings.kind.value, settings.scope.value
    row.address, row.display_name = settings.address, settings.display_name
    try:
        row.owner_id = UUID(find_user(settings.owner).id) if settings.owner else None
    except NotFound as error:
        raise Invalid({"owner": "unknown-user"}) from error
    known, way_out = _servers_of_login(row), _outgoing(row)
    _put_endpoint(row, "incoming", settings.incoming)
    _put_endpoint(row, "outgoing", settings.outgoing)
    row.authentication = settings.authentication.value
    moved = not _servers_of_login(row) <= known
    row.login = _put_login(row, row.login, settings.login, "login", moved=moved)
    moved = way_out != settings.outgoing
    row.outgoing_login = _put_login(row, row.outgoing_login, settings.outgoing_login, "outgoing.login", moved=moved)
    after = _settings_of(row)
    return {name for name in after if after[name] != before[name]}


def _settings_of(row: models.Account) -> dict[str, object]:
    return {
        "label": row.label, "kind": row.kind, "scope": row.scope, "owner": row.owner_id, "address": row.address,
        "display_name": row.display_name, "incoming": _incoming(row), "outgoing": _outgoing(row),
        "authentication": row.authentication, "login": _login_settings(row.login),
        "outgoing.login": _login_settings(row.outgoing_login),
    }  # fmt: skip


def _login_settings(row: models.Login | None) -> tuple[object, ...] | None:
    return (row.username, row.mechanism, bytes(row.secret or b"")) if row is not None else None


def _servers_of_login(row: models.Account) -> set[Endpoint]:
    """Where the account's log-in goes: a stored secret was confirmed for these servers and no others."""
    way_out = _outgoing(row) if row.authentication == Authentication.SAME.value else None
    return {server for server in (_incoming(row), way_out) if server is not None}


def _put_endpoint(row: models.Account, way: str, endpoint: Endpoint | None) -> None:
    told = (
        (endpoint.protocol, endpoint.host, endpoint.port, endpoint.encryption.value) if endpoint else ("", "", None, "")
    )
    for name, value in zip(("protocol", "host", "port", "encryption"), told, strict=True):
        setattr(row, f"{way}_{name}", value)


def _put_login(
    account: models.Account, row: models.Login | None, login: Login | None, where: str, *, moved: bool
) -> models.Login | None:
    if login is None:
        return None
    if row is None:
        row = models.Login(pool_id=account.pool_id)
    if login.password is not None:
        place = Place("login", str(row.pk), "secret", account.pool_id)
        row.secret = seal(_keys(), login.password, place)
    elif row.secret is None:
        raise Invalid({f"{where}.password": "missing"})
    elif moved or row.username != login.username:
        raise Invalid({f"{where}.password": "needed-again"})
    row.username, row.mechanism = login.username, login.mechanism.value
    row.save()
    return row


def _opened(row: models.Login | None) -> Login | None:
    if row is None:
        return None
    secret = None
    if row.secret is not None:
        secret = unseal(_keys(), bytes(row.secret), Place("login", str(row.pk), "secret", row.pool_id))
    return Login(row.username, secret, Mechanism(row.mechanism))


def _keys() -> KeyFile:
    return open_key_file(django_settings.POSTSTELLE.home / "keys.json")


def _grant(row: models.Account, settings: AccountSettings, caretaker: str) -> bool:
    """The grants the settings name; all rights to the owner, else to `caretaker`, where they name none. Whether any differs.

    Somebody always administers: where no grant says who, the caretaker gets that right (and no other).
    """
    if settings.grants is not None:
        wishes = [(wish.user, wish.rights) for wish in settings.grants]
    else:
        wishes = [(str(row.owner_id) if row.owner_id else caretaker, ALL_RIGHTS)]
    rights: dict[str, frozenset[Right]] = {}
    for number, (name, wanted) in enumerate(wishes):
        try:
            user = find_user(name).id
        except NotFound as error:
            raise Invalid({f"grants.{number}.user": "unknown-user"}) from error
        rights[user] = rights.get(user, frozenset()) | wanted
    if not any(Right.ADMINISTER in granted_rights for granted_rights in rights.values()):
        rights[caretaker] = rights.get(caretaker, frozenset()) | {Right.ADMINISTER}
    before = {str(grant.user_id): _rights_of(grant) for grant in row.grants.all()}
    if before == rights:
        return False
    row.grants.exclude(user_id__in=rights).delete()
    for user, wanted in rights.items():
        columns = {column_of(right): right in wanted for right in Right}
        models.Grant.objects.update_or_create(account=row, user_id=user, defaults=columns)
    return True


def _endpoint(row: models.Account, way: str) -> Endpoint | None:
    protocol = getattr(row, f"{way}_protocol")
    if not protocol:
        return None
    encryption = Encryption(getattr(row, f"{way}_encryption"))
    return Endpoint(protocol, getattr(row, f"{way}_host"), getattr(row, f"{way}_port"), encryption)


def _incoming(row: models.Account) -> Endpoint | None:
    return _endpoint(row, "incoming")


def _outgoing(row: models.Account) -> Endpoint | None:
    return _endpoint(row, "outgoing")


def _rights(reach: Reach, accounts: Sequence[str]) -> dict[str, frozenset[Right]]:
    if reach.user is None:
        return dict.fromkeys(accounts, ALL_RIGHTS)
    now = timezone.now()
    rows = models.Grant.objects.filter(
        Q(starts_at=None) | Q(starts_at__lte=now), Q(ends_at=None) | Q(ends_at__gt=now),
        user_id=reach.user, account_id__in=accounts, account__pool=reach.pool,
    )  # fmt: skip
    return {str(row.account_id): _rights_of(row) for row in rows}


def _rights_of(row: models.Grant) -> frozenset[Right]:
    return frozenset(right for right in Right if getattr(row, column_of(right)))


def _records(reach: Reach, rows: Sequence[models.Account]) -> list[AccountRecord]:
    numbers = [str(row.pk) for row in rows]
    rights = _rights(reach, numbers)
    counts = {
        str(row["account"]): (row["held"] or 0, row["remaining"] or 0)
        for row in models.Folder.objects.filter(account_id__in=numbers)
        .values("account")
        .annotate(held=Sum("total"), remaining=Sum("remaining"))
    }
    administered = [number for number in numbers if Right.ADMINISTER in rights.get(number, ())]
    grants: dict[str, list[GrantRecord]] = {}
    for grant in models.Grant.objects.filter(account_id__in=administered).select_related("user").order_by("user__name"):
        grants.setdefault(str(grant.account_id), []).append(GrantRecord(user_record(grant.user), _rights_of(grant)))
    return [
        _record(
            row, rights.get(str(row.pk), frozenset()), grants.get(str(row.pk), []), *counts.get(str(row.pk), (0, 0))
        )
        for row in rows
    ]


def _record(
    row: models.Account, rights: frozenset[Right], grants: Sequence[GrantRecord], held: int, remaining: int
) -> AccountRecord:
    may = Right.ADMINISTER in rights
    return AccountRecord(
        id=str(row.pk), label=row.label, kind=Kind(row.kind), scope=Scope(row.scope),
        owner=user_record(row.owner) if row.owner else None, address=row.address, display_name=row.display_name,
        incoming=_incoming(row), outgoing=_outgoing(row), authentication=Authentication(row.authentication),
        login=_login_record(row.login) if may else None,
        outgoing_login=_login_record(row.outgoing_login) if may else None,
        grants=grants, rights=rights, state=row.state, trouble=trouble_record(row.trouble, row.trouble_since),
        retry_at=row.retry_at, synced_at=row.synced_at,
        syncing=row.syncing, expected=held + remaining, held=held, created_at=row.created_at,
    )  # fmt: skip


def _login_record(row: models.Login | None) -> LoginRecord | None:
    return LoginRecord(row.username, Mechanism(row.mechanism), row.secret is not None) if row else None
