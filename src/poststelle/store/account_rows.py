"""How the settings of an account become its row, and its row the settings again; senders and exceptions included.

A part that changed is named by its field in the document, so that the journal can tell. Who may change what is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from poststelle.errors import Invalid, NotFound
from poststelle.mail.ports import Role
from poststelle.mail.settings import (
    AccountSettings,
    Authentication,
    Certificate,
    Endpoint,
    IdentityWish,
    Login,
    Receiving,
    Sending,
    Signature,
)
from poststelle.store import folders, journal, models
from poststelle.store.ids import is_id, uuid7
from poststelle.store.login_rows import Servers, places, put, refer
from poststelle.store.people import find_user
from poststelle.store.places import LIMBO_PLACE
from poststelle.store.settings_columns import (
    answered_for,
    column,
    endpoint_of,
    receiving_of,
    sending_of,
    signature_of,
    tls_column,
)
from poststelle.store.way_out import server_endpoint

_WAYS = ("incoming", "outgoing")
_LOGINS = ("login", "outgoing.login")


def fill(row: models.Account, settings: AccountSettings, *, actor: str) -> dict[str, tuple[object, object]]:
    """Put the settings into the row, logins included; the parts that changed, by name, as they were and are. The row is not saved.

    Raises Invalid: owner ``unknown-user``, outgoing.server ``unknown-server``, login.password …, office_account, receiving.files_for, sending.files_for.
    """
    before, ways = _parts_of(row), {way: endpoint(row, way) for way in _WAYS}
    row.label, row.kind, row.scope = settings.label, settings.kind.value, settings.scope.value
    row.address, row.display_name = settings.address, settings.display_name
    row.organisation, row.reply_to = settings.organisation, settings.reply_to
    row.signature = column(settings.signature)
    row.active, row.is_office_account = settings.active, settings.is_office_account
    row.incoming_files = _group(row.pool_id, "receiving.files_for", settings.receiving.files_for)
    row.outgoing_files = _group(row.pool_id, "sending.files_for", settings.sending.files_for)
    row.receiving = column(replace(settings.receiving, files_for=""))
    row.sending = column(replace(settings.sending, files_for=""))
    row.owner_id = _owner(settings)
    known = _servers_of_login(row)
    for way, one in (("incoming", settings.incoming), ("outgoing", settings.outgoing)):
        _put_endpoint(row, way, one, actor, kept=ways[way] == one)
    row.authentication = settings.authentication.value
    row.outgoing_server = _server(row.pool_id, settings.outgoing_server)
    _put_logins(row, settings, known, places(ways["outgoing"]))
    _check_alone(row)
    after = _parts_of(row)
    return {name: (before[name], after[name]) for name in after if after[name] != before[name]}


def was_and_is(changed: Mapping[str, tuple[object, object]]) -> dict[str, object]:
    """What was and what is, as facts for the journal: of what has parts those that differ, of log-ins nothing."""
    differing: dict[str, tuple[object, object]] = {}
    for name, pair in changed.items():
        if name in _LOGINS:
            continue
        before, after = (_flat(name, value) for value in pair)
        for path in {**before, **after}:
            if before.get(path) != after.get(path):
                differing[path] = (before.get(path), after.get(path))
    return journal.difference(differing)


def _flat(name: str, value: object) -> dict[str, object]:
    if isinstance(value, Endpoint):
        parts = column(replace(value, certificate=Certificate())) | {
            f"certificate.{key}": one for key, one in column(value.certificate).items()
        }
        return {f"{name}.{key}": one for key, one in parts.items() if key != "certificate"}
    if isinstance(value, Receiving | Sending | Signature):
        return {f"{name}.{key}": one for key, one in column(value).items()}
    return {name: value}


def receiving(row: models.Account) -> Receiving:
    """How mail comes in."""
    return replace(receiving_of(row.receiving), files_for=row.incoming_files.name if row.incoming_files else "")


def sending(row: models.Account) -> Sending:
    """How mail goes out."""
    return replace(sending_of(row.sending), files_for=row.outgoing_files.name if row.outgoing_files else "")


def _group(pool: int, where: str, name: str) -> models.Group | None:
    if not name:
        return None
    rows = models.Group.objects.filter(pool=pool)
    found = rows.filter(pk=name).first() if is_id(name) else rows.filter(name__iexact=name).first()
    if found is None:
        raise Invalid({where: "unknown-group"})
    return found


def put_identities(row: models.Account, wishes: Sequence[IdentityWish]) -> bool:
    """The account's alternative senders are these, in this order; who stays keeps its id. Whether any differs."""
    known = {one.address.lower(): one for one in row.identities.all()}
    differs = False
    for position, wish in enumerate(wishes):
        one = known.pop(wish.address.lower(), None) or models.Identity(account=row)
        told = {
            "position": position, "address": wish.address, "display_name": wish.display_name,
            "organisation": wish.organisation, "reply_to": wish.reply_to,
            "signature": column(wish.signature) if wish.signature is not None else {},
        }  # fmt: skip
        if one._state.adding or any(getattr(one, name) != value for name, value in told.items()):
            differs = True
            for name, value in told.items():
                setattr(one, name, value)
            one.save()
    for one in known.values():
        one.delete()
    return differs or bool(known)


def tell_exceptions(row: models.Account, before: dict[str, Endpoint | None], actor: str) -> None:
    """Journal what has become less safe, or safe again (RELIABILITY Q44)."""
    for way in _WAYS:
        was, now = before.get(way), endpoint(row, way)
        had, has = (one.exceptions if one is not None else () for one in (was, now))
        if has and (was != now or was is None):
            facts: dict[str, object] = {"way": way, "what": list(has)}
            if now is not None and now.certificate.until:
                facts["until"] = now.certificate.until
            if now is not None and now.exception_reason:
                facts["reason"] = now.exception_reason
            kind = "exception-made"
        elif had and not has:
            kind, facts = "exception-ended", {"way": way, "what": list(had)}
        else:
            continue
        journal.write(row.pool_id, actor, kind, f"account:{row.pk}", account=row.pk, facts=facts)


def endpoint(row: models.Account, way: str) -> Endpoint | None:
    """The account's own server, ``incoming`` or ``outgoing``."""
    names = ("protocol", "host", "port", "encryption", "tls")
    return endpoint_of(*(getattr(row, f"{way}_{name}") for name in names))


def logins_of(row: models.Account) -> list[models.Login]:
    """The logins it uses."""
    return [login for login in (row.login, row.outgoing_login) if login is not None]


def _owner(settings: AccountSettings) -> Any:
    if not settings.owner:
        return None
    try:
        return models.User.objects.get(pk=find_user(settings.owner).id).pk
    except NotFound as error:
        raise Invalid({"owner": "unknown-user"}) from error


def _put_endpoint(row: models.Account, way: str, one: Endpoint | None, actor: str, *, kept: bool) -> None:
    told: Sequence[Any] = ("", "", None, "")
    if one is not None:
        told = (one.protocol, one.host, one.port, one.encryption.value)
    for name, value in zip(("protocol", "host", "port", "encryption"), told, strict=True):
        setattr(row, f"{way}_{name}", value)
    setattr(row, f"{way}_tls", answered_for(tls_column(one), one, getattr(row, f"{way}_tls"), actor, kept=kept))


def _server(pool: int, name: str) -> models.OutgoingServer | None:
    if not name:
        return None
    rows = models.OutgoingServer.objects.filter(pool=pool).select_related("login")
    found = rows.filter(pk=name).first() if is_id(name) else rows.filter(label__iexact=name).first()
    if found is None:
        raise Invalid({"outgoing.server": "unknown-server"})
    return found


def _put_logins(row: models.Account, settings: AccountSettings, known: Servers, known_out: Servers) -> None:
    row.login = _login(
        row, row.login, settings.login, settings.login_of, "login", servers=_servers_of_login(row), known=known
    )
    out = settings.outgoing
    if out is None and row.outgoing_server is not None:
        out = server_endpoint(row.outgoing_server)
    row.outgoing_login = _login(
        row, row.outgoing_login, settings.outgoing_login, settings.outgoing_login_of, "outgoing.login",
        servers=places(out), known=known_out,
    )  # fmt: skip


def _login(
    account: models.Account, row: models.Login | None, login: Login | None, shared: str, where: str, *,
    servers: Servers, known: Servers,
) -> models.Login | None:  # fmt: skip
    if shared:
        password = login.password if login is not None else None
        return refer(account.pool_id, shared, where, servers=servers, password=password)
    if login is None:
        return None
    return put(row, account.pool_id, login, where, servers=servers, known=known)


def _servers_of_login(row: models.Account) -> Servers:
    """Where the account's log-in goes: a stored secret was confirmed for these servers and no others."""
    way_out = None
    if row.authentication == Authentication.SAME.value:
        way_out = endpoint(row, "outgoing")
        if way_out is None and row.outgoing_server is not None:
            way_out = server_endpoint(row.outgoing_server)
    return places(endpoint(row, "incoming"), way_out)


def _check_alone(row: models.Account) -> None:
    if row.is_office_account:
        others = models.Account.objects.filter(pool=row.pool_id, is_office_account=True).exclude(pk=row.pk)
        if others.exists():
            raise Invalid({"office_account": "another-office-account"})


def put_roles(row: models.Account, roles: Mapping[Role, Sequence[str]], *, actor: str) -> None:
    """The folders (by path) that are for these purposes from now on; one that no listing has shown yet is expected there."""
    for role, path in roles.items():
        rows = models.Folder.objects.filter(account=row, vanished_at=None).exclude(place=LIMBO_PLACE)
        folder = next((one for one in rows if one.path == list(path)), None)
        if folder is None:
            # No name any server gives: the first listing finds it by its path, or it goes.
            folder = models.Folder.objects.create(account=row, path=list(path), remote_id=f"expected.{uuid7().hex}")
        if folder.choices.get("role") != role.value:
            folders.choose(folder, {"role": role.value}, pool=row.pool_id, actor=actor)


def _parts_of(row: models.Account) -> dict[str, object]:
    return {
        "label": row.label, "kind": row.kind, "scope": row.scope, "owner": row.owner.email if row.owner else None, "address": row.address,
        "display_name": row.display_name, "organisation": row.organisation, "reply_to": row.reply_to,
        "signature": signature_of(row.signature), "active": row.active, "office_account": row.is_office_account,
        "receiving": receiving(row), "sending": sending(row),
        **{way: endpoint(row, way) for way in _WAYS}, **{f"{way}.exception_reason": _reason(row, way) for way in _WAYS},
        "outgoing.server": row.outgoing_server.label if row.outgoing_server else None, "authentication": row.authentication,
        "login": _login_parts(row.login), "outgoing.login": _login_parts(row.outgoing_login),
    }  # fmt: skip


def _reason(row: models.Account, way: str) -> str:
    one = endpoint(row, way)
    return one.exception_reason if one is not None else ""


def _login_parts(row: models.Login | None) -> tuple[object, ...] | None:
    if row is None:
        return None
    secrets = (bytes(row.secret or b""), bytes(row.client_certificate or b""))
    return (row.pk, row.username, row.domain, row.mechanism, *secrets)
