"""Accounts: their settings, secrets, grants and state; verbs that return records.

Secrets go in and come out only through `access_of`, which the engine and the probe use. A change of host, port, encryption or
user name drops the stored secret unless a new one comes with it (RELIABILITY section 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from poststelle.errors import Invalid, NotFound, PoststelleError
from poststelle.mail.records import AccountRecord, GrantRecord, LoginRecord, Page, TroubleRecord
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
from poststelle.store.secrets import Place, seal, unseal

ACTIVE, SUSPENDED = "active", "suspended"
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
    """New settings for an account; it becomes active and is tried at once. Grants stay where the settings name none."""
    try:
        with transaction.atomic():
            row = _row(reach, account)
            changed = _fill(row, settings)
            _check_label(row)
            row.settings_version += 1
            _activate(row)
            row.save()
            _release_outgoing(row)
            if settings.grants is not None:
                row.grants.all().delete()
                _grant(row, settings, caretaker)
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
        row = _row(reach, account)
        logins = [login for login in (row.login, row.outgoing_login) if login is not None]
        journal.write(
            reach.pool, actor, "account-removed", f"account:{row.pk}", account=row.pk, facts={"label": row.label}
        )
        models.Errand.objects.filter(account=row).delete()
        row.delete()
        for login in logins:
            if not models.Account.objects.filter(Q(login=login) | Q(outgoing_login=login)).exists():
                login.delete()


def find(reach: Reach, account: str) -> AccountRecord:
    """One account by id or label, within reach by any right. Raises NotFound."""
    return _records(reach, [_row(reach, account)])[0]


def page(reach: Reach, limit: int, after: str | None, *rights: Right) -> Page[AccountRecord]:
    """Accounts within reach by any of these rights (default: any right), by label. Raises Invalid for a foreign cursor."""
    rows = _base().filter(granted(reach, *(rights or ALL_RIGHTS))).order_by("label", "pk")
    if after is not None:
        rows = rows.filter(label__gt=_label(after))
    found = list(rows[: limit + 1])
    return Page(_records(reach, found[:limit]), found[limit - 1].label.encode().hex() if len(found) > limit else None)


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


# State, as the engine moves it.


def to_watch() -> dict[str, int]:
    """Accounts the engine should hold a session for: id and settings version."""
    rows = models.Account.objects.filter(state=ACTIVE, kind=Kind.SYNCHRONISED.value)
    return {str(number): version for number, version in rows.values_list("id", "settings_version")}


def wanted_since(account: str) -> datetime | None:
    """When somebody last asked for a round that has not been finished since; None when nobody waits."""
    row = models.Account.objects.filter(pk=account).values_list("sync_wanted_at", "last_round_at").first()
    if row is None or row[0] is None or (row[1] is not None and row[1] >= row[0]):
        return None
    return row[0]


def waiting() -> set[str]:
    """Active accounts for which somebody asked for a round not yet finished."""
    rows = models.Account.objects.filter(state=ACTIVE, sync_wanted_at__isnull=False)
    rows = rows.filter(Q(last_round_at=None) | Q(last_round_at__lt=F("sync_wanted_at")))
    return {str(number) for number in rows.values_list("id", flat=True)}


def want_round(reach: Reach, account: str, *, actor: str) -> datetime:
    """Ask for a round now; a suspended account is tried again. When it was asked."""
    with transaction.atomic():
        row = _row(reach, account)
        row.sync_wanted_at = timezone.now()
        _activate(row)
        row.save()
        _release_outgoing(row)
        journal.write(reach.pool, actor, "sync-requested", f"account:{row.pk}", account=row.pk)
    return row.sync_wanted_at


def round_started(account: str) -> None:
    """The engine is at it: shown as activity."""
    models.Account.objects.filter(pk=account, syncing=False).update(syncing=True)


def round_finished(account: str, report: Sequence[Mapping[str, object]], started_at: datetime) -> None:
    """A round ended well: `report` is kept for whoever asked; earlier trouble is over."""
    with transaction.atomic():
        row = models.Account.objects.filter(pk=account).first()
        if row is None:
            return
        if row.trouble is not None:
            journal.write(row.pool_id, journal.SYSTEM, "account-resumed", f"account:{row.pk}", account=row.pk)
        _activate(row)
        row.syncing = False
        row.synced_at = timezone.now()
        # A wish made while the round was running is answered by the next one.
        row.last_round_at, row.last_round = started_at, list(report)
        row.save()


def round_failed(account: str, error: PoststelleError, retry_after: float | None) -> None:
    """A round failed: try again after so many seconds, or (None) suspend until a person acts."""
    with transaction.atomic():
        row = models.Account.objects.filter(pk=account).first()
        if row is None:
            return
        now = timezone.now()
        if row.trouble is None or row.trouble.get("code") != error.code:
            row.trouble_since = now
        first = row.trouble is None
        row.trouble = {"code": error.code, "facts": _plain(error.facts)}
        row.failures += 1
        row.syncing = False
        # Whoever asked for this round has their answer; otherwise the wish would be tried again without a pause.
        row.sync_wanted_at = None
        row.state = ACTIVE if retry_after is not None else SUSPENDED
        row.retry_at = now + timedelta(seconds=retry_after) if retry_after is not None else None
        row.save()
        if row.state == SUSPENDED or first:
            kind = "account-suspended" if row.state == SUSPENDED else "account-troubled"
            journal.write(
                row.pool_id, journal.SYSTEM, kind, f"account:{row.pk}", account=row.pk, facts={"code": error.code}
            )


def failures_of(account: str) -> int:
    """How many rounds in a row have failed."""
    return models.Account.objects.filter(pk=account).values_list("failures", flat=True).first() or 0


def last_round(account: str) -> tuple[datetime | None, list[dict[str, object]]]:
    """When the last finished round began, and its report."""
    at, report = models.Account.objects.values_list("last_round_at", "last_round").get(pk=account)
    return at, report or []


def engine_started() -> None:
    """Nothing is running when the engine starts: clear what a killed one left."""
    models.Account.objects.filter(syncing=True).update(syncing=False)


def accept_loss(reach: Reach, account: str, *, actor: str) -> None:
    """A person says: what is missing on the server may go here too. Tried again at once."""
    with transaction.atomic():
        row = _row(reach, account)
        models.Folder.objects.filter(account=row).update(loss_accepted=True)
        _activate(row)
        row.sync_wanted_at = timezone.now()
        row.save()
        journal.write(reach.pool, actor, "loss-accepted", f"account:{row.pk}", account=row.pk)


def _activate(row: models.Account) -> None:
    row.state, row.trouble, row.trouble_since, row.failures, row.retry_at = ACTIVE, None, None, 0, None


def _release_outgoing(row: models.Account) -> None:
    """What waits for a person because of this account is tried again: a person has acted."""
    models.Outgoing.objects.filter(account=row, state="deferred", due_at=None).update(due_at=timezone.now())


def _plain(facts: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in facts.items()
    }


def _base() -> QuerySet[models.Account]:
    return models.Account.objects.select_related("owner", "login", "outgoing_login")


def _row(reach: Reach, account: str) -> models.Account:
    rows = _base().filter(granted(reach, *ALL_RIGHTS))
    row = None
    try:
        row = rows.filter(pk=UUID(account)).first()
    except ValueError:
        row = rows.filter(label=account).first()
    if row is None:
        raise NotFound("account-unknown", account=account)
    return row


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
    moved_in = _put_endpoint(row, "incoming", settings.incoming)
    moved_out = _put_endpoint(row, "outgoing", settings.outgoing)
    row.authentication = settings.authentication.value
    moved = moved_in or (moved_out and settings.authentication is Authentication.SAME)
    row.login = _put_login(row, row.login, settings.login, "login", moved=moved)
    row.outgoing_login = _put_login(row, row.outgoing_login, settings.outgoing_login, "outgoing.login", moved=moved_out)
    after = _settings_of(row)
    return {name for name in after if after[name] != before[name]}


def _settings_of(row: models.Account) -> dict[str, object]:
    return {
        "label": row.label, "kind": row.kind, "scope": row.scope, "owner": row.owner_id, "address": row.address,
        "display_name": row.display_name, "incoming": _incoming(row), "outgoing": _outgoing(row),
        "authentication": row.authentication,
    }  # fmt: skip


def _put_endpoint(row: models.Account, way: str, endpoint: Endpoint | None) -> bool:
    """Whether the endpoint differs from the one a stored secret was confirmed for."""
    before = _endpoint(row, way)
    told = (
        (endpoint.protocol, endpoint.host, endpoint.port, endpoint.encryption.value) if endpoint else ("", "", None, "")
    )
    for name, value in zip(("protocol", "host", "port", "encryption"), told, strict=True):
        setattr(row, f"{way}_{name}", value)
    return before is not None and before != endpoint


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
    elif moved or (row.username and row.username != login.username):
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


def _grant(row: models.Account, settings: AccountSettings, caretaker: str) -> None:
    """The grants the settings name; all rights to the owner, else to `caretaker`, where they name none.

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
    for user, wanted in rights.items():
        models.Grant.objects.create(account=row, user_id=user, **{column_of(right): right in wanted for right in Right})


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
    trouble = None
    if row.trouble is not None and row.trouble_since is not None:
        trouble = TroubleRecord(row.trouble["code"], row.trouble["facts"], row.trouble_since)
    return AccountRecord(
        id=str(row.pk), label=row.label, kind=Kind(row.kind), scope=Scope(row.scope),
        owner=user_record(row.owner) if row.owner else None, address=row.address, display_name=row.display_name,
        incoming=_incoming(row), outgoing=_outgoing(row), authentication=Authentication(row.authentication),
        login=_login_record(row.login) if may else None,
        outgoing_login=_login_record(row.outgoing_login) if may else None,
        grants=grants, rights=rights, state=row.state, trouble=trouble, retry_at=row.retry_at, synced_at=row.synced_at,
        syncing=row.syncing, expected=held + remaining, held=held, created_at=row.created_at,
    )  # fmt: skip


def _login_record(row: models.Login | None) -> LoginRecord | None:
    return LoginRecord(row.username, Mechanism(row.mechanism), row.secret is not None) if row else None
