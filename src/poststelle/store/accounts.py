"""Accounts: their settings, secrets and grants; verbs that return records. What the engine notes of them is in `store.rounds`.

Secrets go in here and come out only through `store.ways` (laws: `store.login_rows`).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.records import AccountRecord, ExceptionRecord, GrantRecord, IdentityRecord, Page
from poststelle.mail.settings import (
    AccountSettings,
    Authentication,
    Endpoint,
    Kind,
    Right,
    Scope,
)
from poststelle.store import grants, journal, models, removal
from poststelle.store.access import Reach, reachable
from poststelle.store.account_rows import (
    endpoint,
    fill,
    logins_of,
    put_identities,
    put_roles,
    receiving,
    sending,
    tell_exceptions,
    was_and_is,
)
from poststelle.store.ids import is_id
from poststelle.store.login_rows import drop_unused, record
from poststelle.store.narrowing import holding
from poststelle.store.people import user_record
from poststelle.store.settings_columns import exceptions_of, signature_of
from poststelle.store.trouble import trouble_record
from poststelle.store.way_out import Defaults, WayOut, choose

ACTIVE = "active"
BREATH_SECONDS = 0.01
ALL_RIGHTS = grants.ALL_RIGHTS


def add(pool: int, settings: AccountSettings, *, actor: str, caretaker: str, notice: str = "") -> str:
    """A new account, active; its id. `caretaker`: the user who gets all rights where the settings name no grants and no owner.
    `notice`: the version of the notice that was acknowledged for it.

    Raises Invalid naming label (``taken``), owner or grants (``unknown-user``), and what `account_rows.fill` names.
    """
    try:
        with transaction.atomic():
            row = models.Account(pool_id=pool)
            fill(row, settings, actor=actor)
            _check_label(row)
            row.save()
            put_identities(row, settings.identities)
            facts = {"label": settings.label} | ({"notice": notice} if notice else {})
            journal.write(pool, actor, "account-added", f"account:{row.pk}", account=row.pk, facts=facts)
            grants.put(row, settings, caretaker=caretaker, actor=actor)
            put_roles(row, settings.roles, actor=actor)
            tell_exceptions(row, {}, actor)
    except IntegrityError as error:
        raise Invalid({"label": "taken"}) from error
    return str(row.pk)


def keep_probe(account: str, report: Mapping[str, object] | None) -> None:
    """Keep the last test of an account's settings; None keeps the one that is there."""
    if report is not None:
        models.Account.objects.filter(pk=account).update(probe=dict(report))


def kept_probe(account: str) -> Mapping[str, object] | None:
    """The last test of an account's settings."""
    kept: Mapping[str, object] | None = models.Account.objects.values_list("probe", flat=True).get(pk=account)
    return kept


def change(reach: Reach, account: str, settings: AccountSettings, *, actor: str, caretaker: str) -> None:
    """New settings for an account; it becomes active and is tried at once.

    Raises what `add` raises, and Conflict("changed-meanwhile") when the settings were made from an earlier version.
    """
    try:
        with transaction.atomic():
            row = account_row(reach, account)
            if settings.version not in {None, row.settings_version}:
                raise Conflict("changed-meanwhile", version=row.settings_version)
            logins = logins_of(row)
            ways = {way: endpoint(row, way) for way in ("incoming", "outgoing")}
            changed = fill(row, settings, actor=actor)
            _check_label(row)
            row.settings_version += 1
            resume(row)
            row.save()
            drop_unused(logins)
            senders = [*row.identities.order_by("position").values_list("address", flat=True)]
            if put_identities(row, settings.identities):
                changed["identities"] = (senders, [one.address for one in settings.identities])
            names = {*changed}
            if grants.put(row, settings, caretaker=caretaker, actor=actor):
                names.add("grants")
            put_roles(row, settings.roles, actor=actor)
            journal.write(
                reach.pool,
                actor,
                "account-changed",
                f"account:{row.pk}",
                account=row.pk,
                facts={"fields": sorted(names)} | was_and_is(changed),
            )
            tell_exceptions(row, ways, actor)
    except IntegrityError as error:
        raise Invalid({"label": "taken"}) from error


class _NotMeant(Exception):
    """Undoes what was only tried."""


def check(pool: int, settings: AccountSettings, account: str | None, *, caretaker: str) -> None:
    """Raises what `add`, or `change` of `account`, would raise; changes nothing."""
    system = Reach(pool, None)
    with suppress(_NotMeant), transaction.atomic():
        if account is None:
            add(pool, settings, actor=journal.SYSTEM, caretaker=caretaker)
        else:
            change(system, account, settings, actor=journal.SYSTEM, caretaker=caretaker)
        raise _NotMeant


def tell_bulk(pool: int, kind: str, actor: str, **counts: int) -> None:
    """Journal that many accounts were imported or exported."""
    with transaction.atomic():
        journal.write(pool, actor, kind, "accounts:all", facts=counts)


def remove(reach: Reach, account: str, *, actor: str) -> None:
    """Forget the account, its folders and placements: out of sight at once, then in steps, those of a large one by the engine."""
    with transaction.atomic():
        row = account_row(reach, account)
        logins = logins_of(row)
        journal.write(
            reach.pool, actor, "account-removed", f"account:{row.pk}", account=row.pk, facts={"label": row.label}
        )
        removal.put_away(row)
        drop_unused(logins)
    for _ in islice(removal.forgotten(), removal.PORTIONS_AT_ONCE):
        time.sleep(BREATH_SECONDS)


def find(reach: Reach, account: str) -> AccountRecord:
    """One account by id or label, within reach by any right. Raises NotFound."""
    return _records(reach, [account_row(reach, account)])[0]


def named(reach: Reach, label: str) -> AccountRecord:
    """One account by its label in any case, within reach by any right. Raises NotFound."""
    row = _base().filter(reachable(reach, *ALL_RIGHTS), label__iexact=label).first()
    if row is None:
        raise NotFound("account-unknown", account=label)
    return _records(reach, [row])[0]


def page(
    reach: Reach, limit: int, after: str | None, *rights: Right, words: str = "", only: str = ""
) -> Page[AccountRecord]:
    """Accounts within reach by any of these rights (default: any right), by label. Raises Invalid for a foreign cursor.

    `words` must occur in label or address; `only`: of that kind or scope, or ``inactive``, ``suspended`` or ``trouble``.
    """
    rows = _base().filter(reachable(reach, *(rights or ALL_RIGHTS)))
    rows = rows.filter(holding(words, "label", "address"))
    if only == "inactive":
        rows = rows.filter(active=False)
    elif only == "suspended":
        rows = rows.exclude(state=ACTIVE)
    elif only == "trouble":
        rows = rows.filter(trouble__isnull=False)
    elif only:
        rows = rows.filter(Q(kind=only) | Q(scope=only))
    return _window(reach, rows, limit, after)


def _window(reach: Reach, rows: QuerySet[models.Account], limit: int, after: str | None) -> Page[AccountRecord]:
    rows = rows.order_by("label", "pk")
    if after is not None:
        rows = rows.filter(label__gt=_label(after))
    found = list(rows[: limit + 1])
    return Page(_records(reach, found[:limit]), found[limit - 1].label.encode().hex() if len(found) > limit else None)


def labels(reach: Reach, numbers: Collection[str]) -> dict[str, str]:
    """What those of these accounts that are within reach by any right are called."""
    rows = models.Account.objects.filter(reachable(reach, *ALL_RIGHTS), pk__in=[*numbers])
    return {str(number): label for number, label in rows.values_list("pk", "label")}


def within(reach: Reach, *rights: Right) -> list[AccountRecord]:
    """All accounts within reach by any of these rights, on the whole or on a folder, by label."""
    return _records(reach, list(_base().filter(reachable(reach, *rights)).order_by("label", "pk")))


def office_account(reach: Reach) -> AccountRecord | None:
    """The one account the office itself sends from, if there is one."""
    row = _base().filter(pool=reach.pool, is_office_account=True).first()
    return _records(reach, [row])[0] if row is not None else None


def with_exceptions(pool: int, limit: int, after: str | None) -> Page[AccountRecord]:
    """Accounts with an exception from safe connections, in or out, by label."""
    rows = _base().filter(Q(incoming_tls__has_key="by") | Q(outgoing_tls__has_key="by"), pool=pool)
    return _window(Reach(pool, None), rows, limit, after)


def rights_on(reach: Reach, account: str, folder: str | None = None) -> frozenset[Right]:
    """What the reach may do with an account, or with one folder of it; empty when it is out of reach."""
    whole = grants.rights(reach, [account]).get(account, frozenset())
    return whole if folder is None else whole | grants.rights_in(reach, folder)


def rights_on_all(reach: Reach, numbers: Sequence[str]) -> Mapping[str, frozenset[Right]]:
    """What the reach may do with each of these accounts as a whole; absent where that is nothing."""
    return grants.rights(reach, numbers)


def account_row(reach: Reach, account: str) -> models.Account:
    """The row of an account by id or label, within reach by any right. Raises NotFound."""
    rows = _base().filter(reachable(reach, *ALL_RIGHTS))
    row = rows.filter(pk=account).first() if is_id(account) else rows.filter(label=account).first()
    if row is None:
        raise NotFound("account-unknown", account=account)
    return row


def resume(row: models.Account) -> None:
    """A person has acted: the row's trouble is over, and what could not be sent because of it is due again. Does not save the row."""
    activate(row)
    models.Outgoing.objects.filter(account=row, state="deferred", due_at=None).update(due_at=timezone.now())


def resume_all(accounts: QuerySet[models.Account]) -> None:
    """The same for several accounts whose login or server has changed; their sessions are opened anew."""
    numbers = list(accounts.values_list("pk", flat=True))
    models.Account.objects.filter(pk__in=numbers).update(
        settings_version=F("settings_version") + 1,
        state=ACTIVE,
        trouble=None,
        trouble_since=None,
        failures=0,
        retry_at=None,
    )
    waiting = models.Outgoing.objects.filter(account__in=numbers, state="deferred", due_at=None)
    waiting.update(due_at=timezone.now())


def activate(row: models.Account) -> None:
    """The row's trouble is over. Does not save the row."""
    row.state, row.trouble, row.trouble_since, row.failures, row.retry_at = ACTIVE, None, None, 0, None


def _base() -> QuerySet[models.Account]:
    return models.Account.objects.select_related(
        "owner", "login", "login__owner", "outgoing_login", "outgoing_login__owner", "outgoing_server__login",
        "incoming_files", "outgoing_files",
    )  # fmt: skip


def _label(cursor: str) -> str:
    try:
        return bytes.fromhex(cursor).decode()
    except ValueError as error:
        raise Invalid({"cursor": "unknown-value"}) from error


def _check_label(row: models.Account) -> None:
    if models.Account.objects.filter(pool=row.pool_id, label__iexact=row.label).exclude(pk=row.pk).exists():
        raise Invalid({"label": "taken"})


def _records(reach: Reach, rows: Sequence[models.Account]) -> list[AccountRecord]:
    numbers = [str(row.pk) for row in rows]
    rights = grants.rights(reach, numbers)
    counts = _counts(numbers)
    told = grants.records([number for number in numbers if Right.ADMINISTER in rights.get(number, ())])
    senders: dict[str, list[IdentityRecord]] = {}
    for one in models.Identity.objects.filter(account_id__in=numbers).order_by("position", "address"):
        senders.setdefault(str(one.account_id), []).append(_identity(one))
    defaults = Defaults.of(reach.pool, reach.user)
    return [
        replace(
            _record(row, rights.get(str(row.pk), frozenset()), told.get(str(row.pk), []), defaults),
            identities=senders.get(str(row.pk), []),
            held=counts.get(str(row.pk), (0, 0))[0],
            expected=sum(counts.get(str(row.pk), (0, 0))),
        )
        for row in rows
    ]


def _counts(numbers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Messages held of each account, and still expected."""
    rows = models.Folder.objects.filter(account_id__in=numbers).values("account")
    return {
        str(row["account"]): (row["held"] or 0, row["remaining"] or 0)
        for row in rows.annotate(held=Sum("total"), remaining=Sum("remaining"))
    }


def _record(
    row: models.Account, rights: frozenset[Right], told: Sequence[GrantRecord], defaults: Defaults
) -> AccountRecord:
    may = Right.ADMINISTER in rights
    way = choose(row, defaults)
    return AccountRecord(
        id=str(row.pk), label=row.label, kind=Kind(row.kind), scope=Scope(row.scope),
        owner=user_record(row.owner) if row.owner else None, address=row.address, display_name=row.display_name,
        incoming=_shown_endpoint(row, "incoming", may=may), outgoing=_shown_endpoint(row, "outgoing", may=may),
        authentication=Authentication(row.authentication),
        login=record(row.login) if may else None, outgoing_login=record(row.outgoing_login) if may else None,
        grants=told, rights=rights, state=row.state, trouble=trouble_record(row.trouble, row.trouble_since),
        retry_at=row.retry_at, synced_at=row.synced_at, syncing=row.syncing, expected=0, held=0, created_at=row.created_at,
        organisation=row.organisation, reply_to=row.reply_to, signature=signature_of(row.signature), active=row.active,
        is_office_account=row.is_office_account, receiving=receiving(row), sending=sending(row),
        outgoing_server=row.outgoing_server.label if row.outgoing_server else "", way_out=way.reason if way else "",
        version=row.settings_version,
        exceptions=_exceptions(row, way) if may else (),
        quota=(row.quota["used"], row.quota["limit"]) if row.quota else None,
    )  # fmt: skip


def _exceptions(row: models.Account, way_out: WayOut | None) -> list[ExceptionRecord]:
    """Its own, and those of the outgoing server it sends through."""
    told = []
    for way, tls in (("incoming", row.incoming_tls), ("outgoing", row.outgoing_tls)):
        told += exceptions_of(way, endpoint(row, way), tls)
    server = way_out.server if way_out is not None else None
    if way_out is None or server is None:
        return told
    return told + [replace(one, server=server.label) for one in exceptions_of("outgoing", way_out.endpoint, server.tls)]


def _shown_endpoint(row: models.Account, way: str, *, may: bool) -> Endpoint | None:
    """A server; why it has exceptions is for those who administer the account."""
    one = endpoint(row, way)
    return one if one is None or may else replace(one, exception_reason="")


def _identity(row: models.Identity) -> IdentityRecord:
    return IdentityRecord(
        str(row.pk), row.address, row.display_name, row.organisation, row.reply_to,
        signature_of(row.signature) if row.signature else None,
    )  # fmt: skip
