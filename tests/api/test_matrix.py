"""Who gets at what (RELIABILITY G15): every route of the URL map, asked by everybody there can be.

The table says who may; everybody else is refused and told nothing, and nothing changes. A route that is new and stands nowhere in
the table fails: it gets an entry. Routes that answer everybody with what is their own are `listing` routes: there whoever may not see
a thing gets an answer without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.utils import timezone

from poststelle.api.urls import api
from poststelle.mail.ports import Role
from poststelle.mail.tree import EntryKind, Mount, Tree
from poststelle.office import egress, feed, groups, handling, logins, outbox, outgoing_servers, templates, trees, work
from poststelle.office.actor import Actor
from poststelle.office.outbox import Draft
from poststelle.store import models
from poststelle.store.people import user_record
from tests.builders import (
    a_folder,
    a_letter,
    a_message_in,
    a_token,
    an_account,
    an_account_document,
    everybody_is_known,
    everything_is_indexed,
)

pytestmark = pytest.mark.django_db

CANARY, LABEL, KEYS = "Kanarie", "Zwielicht", "Schluesselbund"
"""In everything one needs the right to see; in the mailbox's own name, which those see who have any right on it; in what is its
owner's own."""

RIGHTS: Mapping[str, tuple[str, ...]] = {
    "owner": ("see", "process", "send_as", "send_on_behalf", "administer"),
    "reader": ("see",),
    "worker": ("see", "process"),
    "sender": ("send_as",),
    "delegate": ("send_on_behalf",),
    "keeper": ("administer",),
}
NOBODY = ("stranger", "former deputy", "deputy to come", "outsider", "guest of a folder", "administrator")
"""Who has no right on the mailbox as a whole: no grant at all, one that has ended, one that has not begun, one from another pool,
one on another folder of it, and whoever runs the office."""

ROLES = ("anonymous", *RIGHTS, *NOBODY)
SEE, PROCESS = {"owner", "reader", "worker"}, {"owner", "worker"}
OUTGOING = {"owner", "sender", "delegate"}
KEEP = {"owner", "keeper"}
OVERSEE = {"owner", "keeper", "administrator"}
ANY_RIGHT = {*RIGHTS, "guest of a folder"}
ADMINISTRATORS = {"administrator"}
EVERYBODY = {*RIGHTS, *NOBODY}


@dataclass(frozen=True)
class Route:
    """Who may, and with what. `listing`: the others get an answer too, without anything they may not know."""

    may: set[str]
    body: Any = None
    listing: bool = False
    query: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)


@dataclass
class World:
    """One mailbox with everything in it, and everybody."""

    tokens: dict[str, str]
    ids: dict[str, str]

    def ask(self, method: str, path: str, route: Route, role: str) -> tuple[int, str]:
        """Status and everything the answer says."""
        headers = {"authorization": f"Bearer {self.tokens[role]}"} if role != "anonymous" else {}
        address = f"/api/v1/{path.format(**(self.ids | dict(route.ids)))}{route.query.format(**self.ids)}"
        body = json.dumps(_filled(route.body, self.ids)).encode() if route.body is not None else b""
        answer: Any = Client().generic(method.upper(), address, body, content_type="application/json", headers=headers)
        content = b"".join(_all(answer)) if answer.streaming else answer.content
        return answer.status_code, content.decode("utf-8", "replace")


def _filled(body: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(body, str):
        return body.format(**ids)
    if isinstance(body, list):
        return [_filled(one, ids) for one in body]
    return {name: _filled(value, ids) for name, value in body.items()} if isinstance(body, dict) else body


def _all(answer: Any) -> Iterator[bytes]:
    if not answer.is_async:
        yield from answer.streaming_content
        return
    from asgiref.sync import async_to_sync

    async def collected() -> list[bytes]:
        return [piece async for piece in answer.streaming_content]

    yield from async_to_sync(collected)()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    patch = pytest.MonkeyPatch()
    home: Path = tmp_path_factory.mktemp("matrix")
    patch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"home": home}))
    with django_db_blocker.unblock(), transaction.atomic():
        yield _made()
        transaction.set_rollback(True)
    patch.undo()


def _made() -> World:
    pool = models.Pool.objects.create(name="Amt")
    models.Office.objects.create(name="Amt", language="en")
    everybody = {role: _person(role, pool) for role in ROLES[1:] if role != "outsider"}
    everybody["outsider"] = _person("outsider", models.Pool.objects.create(name="Andere"))
    ada = everybody["administrator"]
    account = an_account(ada, LABEL, grants=[{"user": "owner@amt.test", "rights": ["administer"]}])
    models.Grant.objects.filter(account=account.id).delete()
    now = timezone.now()
    for role, rights in RIGHTS.items():
        _grant(account.id, everybody[role], rights)
    _grant(account.id, everybody["former deputy"], RIGHTS["owner"], ends_at=now - timedelta(seconds=1))
    _grant(account.id, everybody["deputy to come"], RIGHTS["owner"], starts_at=now + timedelta(days=1))
    _grant(account.id, everybody["outsider"], RIGHTS["owner"])
    guests = a_folder(account, "Gästezimmer")
    _grant(account.id, everybody["guest of a folder"], ("see", "process"), folder_id=guests.id)
    owner = everybody["owner"]
    folder, other = a_folder(account, CANARY, role=Role.INBOX), a_folder(account, f"{CANARY} 2")
    for name, role in (("Archiv", Role.ARCHIVE), ("Papierkorb", Role.TRASH)):
        a_folder(account, f"{CANARY} {name}", role=role)
    raw = a_letter(
        CANARY, f"{CANARY} singt", sender=f"{CANARY} <kanarie@kunde.test>", html=f"<p>{CANARY}</p>",
        attachments=[(f"{CANARY}.txt", "text/plain", CANARY.encode())],
    )  # fmt: skip
    placed = a_message_in(folder, raw, flags=[CANARY], received_at=now - timedelta(hours=1))
    models.User.objects.update(created_at=now - timedelta(days=2))
    note = work.add_note(owner, placed.id, CANARY)
    work.assign(owner, [placed.id], owner.user.email if owner.user else "")
    sent = outbox.submit(owner, Draft(account.id, to=("kanarie@kunde.test",), subject=CANARY, text=CANARY))
    moved = handling.move(owner, handling.Selection([a_message_in(folder, a_letter(CANARY)).id]), other.id)
    login = logins.add(owner, {"label": f"{KEYS} 1", "owner": "owner@amt.test", "username": "k", "password": "k"})
    server = outgoing_servers.add(owner, {"label": f"{KEYS} 2", "owner": "owner@amt.test", "host": "out.test"})
    egress.allow(ada, "10.9.9.9")
    template = templates.put(ada, "Haus", {"receiving": {"push": False}})
    group = groups.add(ada, "Alle", ["owner@amt.test"])
    search = trees.mount(owner, Tree.OWN, Mount(EntryKind.SEARCH, query=CANARY, label=CANARY))
    heading = trees.mount(ada, Tree.SHARED, Mount(EntryKind.HEADING, label="Leer"))
    work.trust_sender(owner, placed.id)
    models.Tag.objects.create(pool=pool, keyword="Frist", name="Frist", colour="")
    everything_is_indexed()
    everybody_is_known()
    ids = {
        "account": account.id, "folder": folder.id, "other": other.id, "message": placed.id, "n": "0", "note": note.id,
        "outgoing": sent.id, "token": str(moved.token), "login": login.id, "server": server.id, "template": template.id,
        "group": group.id, "user": "stranger@amt.test", "keyword": "Frist", "address": "kanarie@kunde.test",
        "search": search, "heading": heading, "tree": "own", "session": "none",
    }  # fmt: skip
    return World({role: a_token(person) for role, person in everybody.items()}, ids)


def _person(role: str, pool: models.Pool) -> Actor:
    address = f"{role.replace(' ', '-')}@amt.test"
    row = models.User.objects.create(
        email=address, name=role, pool=pool, language="en", password="!", is_administrator=role == "administrator"
    )
    return Actor(user_record(row))


def _grant(account: str, person: Actor, rights: tuple[str, ...], **more: Any) -> None:
    assert person.user is not None
    models.Grant.objects.create(account_id=account, user_id=person.user.id, **dict.fromkeys(rights, True), **more)


TABLE: dict[str, Route] = {
    # The report of one's own last test: nobody here has made one before the next lines do.
    "get probe-report": Route(set()),
    "get accounts": Route(ANY_RIGHT, listing=True),
    "post accounts": Route(ADMINISTRATORS, an_account_document("Neu")),
    "get accounts/exceptions": Route(ADMINISTRATORS),
    "post accounts/probe": Route(ADMINISTRATORS, an_account_document("Neu")),
    "post accounts/import": Route(ADMINISTRATORS, {}),
    "get accounts/export": Route(ADMINISTRATORS),
    "get presets": Route(EVERYBODY),
    "post discover": Route(ADMINISTRATORS, {"address": "nobody"}),
    "get accounts/{account}": Route(ANY_RIGHT),
    "patch accounts/{account}": Route(KEEP, {"display_name": "Neu"}),
    "delete accounts/{account}": Route(KEEP),
    "post accounts/{account}/sync": Route(SEE | KEEP),
    "post accounts/{account}/accept-loss": Route(KEEP),
    "get accounts/{account}/consequences": Route(KEEP),
    "get accounts/{account}/way-out": Route(ANY_RIGHT),
    "post accounts/{account}/archive": Route(KEEP),
    "post accounts/{account}/move": Route(KEEP, {"incoming": {"protocol": "pop3"}}),
    "post accounts/{account}/copy": Route(set(), {"label": "Neu"}),
    "post accounts/{account}/hand-over": Route(KEEP),
    "get accounts/{account}/folders": Route(SEE | {"guest of a folder"}),
    "post accounts/{account}/folders": Route(PROCESS, {"path": "Neu"}),
    "get folders/{folder}": Route(SEE),
    "patch folders/{folder}": Route(PROCESS, {"subscribed": False}),
    "delete folders/{folder}": Route(PROCESS, ids={"folder": "{other}"}),
    "post folders/{folder}/fetch": Route(PROCESS),
    "get folders/{folder}/messages": Route(SEE),
    "get folders/{folder}/live": Route(SEE),
    "post folders/{folder}/live": Route(SEE, {}),
    "post undo/{token}": Route({"owner"}),
    "post messages/bulk": Route(PROCESS, {"ids": ["{message}"], "action": "flags", "add": ["flagged"]}),
    "get messages/{message}": Route(SEE),
    "patch messages/{message}": Route(PROCESS, {"seen": True}),
    "delete messages/{message}": Route(PROCESS),
    "post messages/{message}/move": Route(PROCESS, {"folder": "{other}"}),
    "post messages/{message}/copy": Route(PROCESS, {"folder": "{other}"}),
    "get messages/{message}/raw": Route(SEE),
    "get messages/{message}/attachments.zip": Route(SEE),
    "get messages/{message}/attachments/{n}": Route(SEE),
    "post outgoing": Route(OUTGOING, {"account": "{account}", "to": ["a@b.test"], "text": "x"}),
    "get outgoing": Route(OUTGOING, listing=True),
    "get outgoing/{outgoing}": Route(OUTGOING),
    "get outgoing/held": Route(EVERYBODY),
    "post outgoing/held": Route(EVERYBODY, {"action": "send"}),
    "post outgoing/{outgoing}/decision": Route(OUTGOING, {"action": "discard"}),
    "get correspondents": Route(SEE, listing=True, query="?q=kanarie"),
    "get search": Route(SEE, listing=True, query="?q=singt"),
    "get changes": Route(SEE, listing=True, query="?limit=200"),
    "get logins": Route({"owner"}, listing=True),
    "post logins": Route(ADMINISTRATORS, {"label": "Neu", "username": "x", "password": "x"}),
    "get logins/{login}": Route({"owner"}),
    "patch logins/{login}": Route({"owner"}, {"label": "Neu"}),
    "delete logins/{login}": Route({"owner"}),
    "post logins/{login}/password": Route({"owner"}, {"password": "neu"}),
    "post logins/{login}/password/test": Route({"owner"}, {"password": "neu"}),
    "get outgoing-servers": Route({"owner"}, listing=True),
    "post outgoing-servers": Route(ADMINISTRATORS, {"label": "Neu", "host": "neu.test"}),
    "get outgoing-servers/{server}": Route({"owner"}),
    "patch outgoing-servers/{server}": Route({"owner"}, {"label": "Neu"}),
    "delete outgoing-servers/{server}": Route({"owner"}),
    "get outgoing-servers/exceptions": Route(ADMINISTRATORS),
    "post outgoing-servers/probe": Route(ADMINISTRATORS, {"label": "Neu", "host": "neu.test"}),
    "post outgoing-servers/{server}/probe": Route({"owner"}),
    "get templates": Route(ADMINISTRATORS),
    "post templates": Route(ADMINISTRATORS, {"label": "Neu", "document": {}}),
    "get templates/{template}": Route(ADMINISTRATORS),
    "put templates/{template}": Route(ADMINISTRATORS, {"label": "Neu", "document": {}}),
    "delete templates/{template}": Route(ADMINISTRATORS),
    "post templates/{template}/preview": Route(ADMINISTRATORS, {}),
    "post templates/{template}/apply": Route(set(), {}, query="?account={account}"),
    "get internal-servers": Route(ADMINISTRATORS),
    "post internal-servers": Route(ADMINISTRATORS, {"server": "10.1.2.3"}),
    "delete internal-servers": Route(ADMINISTRATORS, query="?server=10.9.9.9"),
    "get single-sign-on": Route(ADMINISTRATORS),
    "post single-sign-on/test": Route(ADMINISTRATORS),
    "post accounts/{account}/folders/special": Route(PROCESS),
    "get notice": Route(ADMINISTRATORS),
    "put notice": Route(ADMINISTRATORS, {"text": "Neu"}),
    "get groups": Route(ADMINISTRATORS),
    "post groups": Route(ADMINISTRATORS, {"name": "Neu"}),
    "get groups/{group}": Route(ADMINISTRATORS),
    "patch groups/{group}": Route(ADMINISTRATORS, {"name": "Neu"}),
    "delete groups/{group}": Route(ADMINISTRATORS),
    "get people": Route(ADMINISTRATORS),
    "post people": Route(ADMINISTRATORS, {"email": "neu@amt.test", "name": "Neu", "password": "ein langes Passwort"}),
    "post people/invitations": Route(ADMINISTRATORS, {"email": "neu@amt.test", "name": "Neu"}),
    "post people/programs": Route(ADMINISTRATORS, {"email": "scanner@amt.test", "name": "Scanner"}),
    "get second-factor-rule": Route(ADMINISTRATORS),
    "put second-factor-rule": Route(ADMINISTRATORS, {"everybody": True}),
    "get people/{user}/second-factors": Route(ADMINISTRATORS | {"stranger"}),
    "delete people/{user}/second-factors": Route(ADMINISTRATORS),
    "get people/{user}/sessions": Route(ADMINISTRATORS | {"stranger"}),
    "delete people/{user}/sessions": Route(ADMINISTRATORS | {"stranger"}),
    "delete people/{user}/sessions/{session}": Route(set()),
    "get people/{user}/tokens": Route(ADMINISTRATORS | {"stranger"}),
    "post people/{user}/tokens": Route({"stranger"}, {"name": "Neu", "scopes": ["read"]}),
    "delete people/{user}/tokens/{token}": Route(set()),
    "get people/me/default-sender": Route(EVERYBODY, listing=True),
    "put people/me/default-sender": Route(OUTGOING, {"account": "{account}"}),
    "patch people/{user}": Route(ADMINISTRATORS, {"name": "Neu"}),
    "post people/{user}/block": Route(ADMINISTRATORS),
    "post people/{user}/unblock": Route(ADMINISTRATORS),
    "post people/{user}/depart": Route(ADMINISTRATORS, {"heir": "owner@amt.test"}),
    "get journal": Route(ADMINISTRATORS),
    "get rights": Route(OVERSEE, listing=True),
    "put accounts/{account}/grants": Route(OVERSEE, {"user": "stranger@amt.test", "rights": ["send-as"]}),
    "get accounts/{account}/ledger": Route(OVERSEE),
    "post accounts/{account}/ledger/compare": Route(OVERSEE),
    "get accounts/{account}/events": Route(OVERSEE),
    "get accounts/{account}/transcript": Route(OVERSEE),
    "post accounts/{account}/transcript": Route(OVERSEE, {"minutes": 5}),
    "delete accounts/{account}/transcript": Route(OVERSEE),
    "get health": Route(OVERSEE, listing=True),
    "get health/office": Route(EVERYBODY, listing=True),
    "get messages": Route(SEE, listing=True),
    "get messages/{message}/thread": Route(SEE),
    "get messages/{message}/work": Route(SEE),
    "patch messages/{message}/work": Route(PROCESS, {"status": "done"}),
    "post work": Route(PROCESS, {"ids": ["{message}"], "status": "done"}),
    "post messages/{message}/notes": Route(SEE, {"text": "x"}),
    "patch messages/{message}/notes/{note}": Route({"owner"}, {"text": "x"}),
    "delete messages/{message}/notes/{note}": Route({"owner"}),
    "put messages/{message}/presence": Route(SEE, {"doing": "reading"}),
    "delete messages/{message}/presence": Route(SEE),
    "post messages/{message}/looked": Route(SEE),
    "post me/looked": Route(EVERYBODY),
    "get tags": Route(SEE, listing=True),
    "post tags": Route(PROCESS | ADMINISTRATORS | {"guest of a folder"}, {"name": "Neu"}),
    "put tags/{keyword}": Route(ADMINISTRATORS, {"name": "Neu"}),
    "delete tags/{keyword}": Route(ADMINISTRATORS),
    "get me/trusted-senders": Route({"owner"}, listing=True),
    "put messages/{message}/trust": Route(SEE, {}),
    "delete me/trusted-senders/{address}": Route(EVERYBODY),
    "get tree": Route(SEE, listing=True, query="?everything=true"),
    "put tree/folded": Route(EVERYBODY, {"key": "account:{account}", "folded": True}),
    "post tree/{tree}/entries": Route(SEE, {"kind": "folder", "id": "{folder}"}),
    "patch tree/{tree}/entries/{key}": Route({"owner"}, {"label": "Neu"}, ids={"key": "{search}"}),
    "delete tree/{tree}/entries/{key}": Route(ADMINISTRATORS, ids={"tree": "shared", "key": "{heading}"}),
    "delete tree/{tree}": Route(ADMINISTRATORS, ids={"tree": "shared"}),
    "get me": Route(EVERYBODY, listing=True),
    "patch me": Route(EVERYBODY, {"theme": "dark"}, listing=True),
}
"""Method and path → who may. Nobody here administers both the mailbox and the office."""

MORE: list[tuple[str, Route]] = [
    *(
        ("get messages", Route(SEE, listing=True, query=f"?where={where}"))
        for where in ("inbox", "role:inbox", "new", "inbox&threads=true&sort=sender")
    ),
    ("get messages", Route(SEE, query="?where=folder:{folder}")),
    ("get messages", Route(SEE, listing=True, query="?where=role:trash")),
    ("get messages", Route(SEE | {"guest of a folder"}, query="?where=account:{account}")),
    ("get messages", Route({"owner"}, listing=True, query="?where=mine")),
    ("get messages", Route(SEE, query="?where=inbox&around={message}")),
    ("get tree", Route(ADMINISTRATORS, query="?arranging=true")),
    (
        "post tree/{tree}/entries",
        Route(ANY_RIGHT - {"sender", "delegate", "keeper"}, {"kind": "account", "id": "{account}"}),
    ),
    (
        "patch tree/{tree}/entries/{key}",
        Route(ADMINISTRATORS, {"label": "Neu"}, ids={"tree": "shared", "key": "{heading}"}),
    ),
    ("post messages/bulk", Route(PROCESS, {"folder": "{folder}", "action": "delete"})),
    ("post accounts/probe", Route(KEEP, {}, query="?account={account}")),
]
"""The same routes with something else in them that must not be had."""

ROUTES = [
    (method, path.removeprefix("/api/v1/"))
    for path, methods in api.get_openapi_schema(path_prefix="/api/v1/")["paths"].items()
    for method in methods
]
CASES = list(TABLE.items()) + MORE


def test_every_route_stands_in_the_table_and_nothing_else() -> None:
    assert {f"{method} {path}" for method, path in ROUTES} == set(TABLE)


@pytest.mark.parametrize(("name", "route"), CASES, ids=[f"{name}{route.query}" for name, route in CASES])
def test_whoever_may_not_is_refused_and_told_nothing(
    name: str, route: Route, world: World, django_db_blocker: Any
) -> None:
    method, _, path = name.partition(" ")
    ids = {key: value.format(**world.ids) for key, value in route.ids.items()}
    route = Route(route.may, route.body, route.listing, route.query, ids)
    for role in ROLES:
        with transaction.atomic():
            before = feed.latest()
            status, said = world.ask(method, path, route, role)
            after = feed.latest()
            transaction.set_rollback(True)
        told = f"{role}: {name}{route.query} → {status} {said[:300]}"
        assert status < 500, told
        if role in route.may:
            assert status not in {401, 403, 404}, told
            continue
        assert CANARY not in said, told
        assert KEYS not in said or (role, name) == ("administrator", "get changes"), told
        assert LABEL not in said or role in {*RIGHTS, "administrator", "guest of a folder"}, told
        assert after == before, told
        if role == "anonymous":
            assert status == 401, told
        elif route.listing:
            assert status == 200, told
        else:
            assert status in {403, 404}, told


@pytest.mark.parametrize("name", sorted(name for name, route in TABLE.items() if route.listing and route.may == SEE))
def test_whoever_may_see_finds_it_in_what_is_listed(name: str, world: World) -> None:
    """Without this the canary might sing nowhere, and every answer be clean."""
    method, _, path = name.partition(" ")
    if name == "get changes":
        return
    for role in SEE:
        with transaction.atomic():
            _, said = world.ask(method, path, TABLE[name], role)
            transaction.set_rollback(True)
        assert CANARY in said, f"{role}: {name} {said[:300]}"
