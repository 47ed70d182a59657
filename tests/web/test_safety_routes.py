"""Every address of the URL map in every role: who has no right finds nothing, changes nothing, and reads no word of the mail.

A new route without an entry here fails (RELIABILITY G15).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from poststelle.mail.records import PlacementRecord
from poststelle.office import feed, groups, logins, outbox, outgoing_servers, templates
from poststelle.office.outbox import Draft
from poststelle.run.urls import urlpatterns
from poststelle.web.frame import FrameWish, PictureWish, frame_url, picture_url
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, everything_is_indexed
from tests.web.visitor import Visitor

SECRET = "Geheimsache-4711"

NAMED = {route.name: route for route in urlpatterns if isinstance(route, URLPattern)}

OPEN = {
    "set-up",
    "account_login",
    "account_logout",
    "account_inactive",
    "alive",
    "ready",
    "metrics",
    "hand-over",
    "welcome",
}
"""Nobody has to be logged in; there is nothing of anybody's mail."""
SIGNED = {"mail-frame", "picture"}
"""The signature says whose eyes it is for; the rights of that person are looked at now."""
ANYBODY = {
    "home", "mail", "tree", "tree-arrange", "send-receive", "tree-menu", "tree-fold", "tree-mount", "tree-move", "tree-rename", "tree-remove",
    "tree-reset", "folder-new", "handle", "choose", "undo", "palette", "targets", "arrivals", "list-look", "search", "complete", "place",
    "write", "outbox", "mailboxes", "mailbox-new", "probe-new", "logins", "login-new", "servers", "server-new", "rights", "personal",
    "language", "theme", "preferences", "token", "distrust", "live", "checklist", "exceptions", "bulk", "export", "groups", "templates",
    "ledger", "unreadable", "health", "journal", "verify", "people", "invite", "mailbox-discover", "providers", "probe-report",
}  # fmt: skip
"""Anybody logged in may ask, and gets what is theirs; some are refused as the administrators' own."""
SEEING = {
    "placed", "found", "folder", "look", "message", "mark", "work", "here", "trust", "message-body", "print", "source",
    "attachments-zip", "attachment", "attachment-look", "original",
}  # fmt: skip
"""Takes *see*: everybody else finds nothing, by whatever method."""
PROCESSING = {"folder-rename", "folder-delete", "folder-empty", "folder-read"}
"""Takes *process*: who only sees is refused, everybody else finds nothing."""
OTHERS = {
    "note", "mailbox", "mailbox-line", "mailbox-folders", "mailbox-folder-new", "mailbox-rights", "mailbox-revoke",
    "mailbox-hand-over", "mailbox-archive", "mailbox-move", "probe", "mailbox-remove", "mailbox-retry", "accept-loss",
    "mailbox-events", "mailbox-transcript", "mailbox-transcript-file", "mailbox-ledger", "ledger-compare", "unreadable-retry",
    "group", "template", "login-edit", "login-password", "login-remove", "server-edit", "server-test", "server-remove", "grant",
    "person",
}  # fmt: skip
"""Things of a mailbox's administrators, of a person's own, or of the office's: refused to everybody without a right on them."""

LEADS_BACK = {"probe": (302,)}
"""Looked at instead of sent to, these lead to the page with the form, which refuses by itself."""

OUTSIDERS = ("stranger", "send-as", "on-behalf", "expired", "not-yet", "administrator")
"""Nobody of these may see the mailbox's mail."""


@dataclass
class House:
    ada: Visitor
    roles: dict[str, Visitor]
    message: PlacementRecord
    ids: dict[str, Any]


@pytest.fixture
def house(ada: Visitor) -> House:
    now = timezone.now()
    rights: dict[str, dict[str, object]] = {
        "see": {"rights": ["see"]}, "process": {"rights": ["see", "process"]}, "send-as": {"rights": ["send-as"]},
        "on-behalf": {"rights": ["send-on-behalf"]},
        "expired": {"rights": ["see", "process", "administer"], "until": (now - timedelta(hours=1)).isoformat()},
        "not-yet": {"rights": ["see", "process", "administer"], "from": (now + timedelta(hours=1)).isoformat()},
    }  # fmt: skip
    roles = {name: Visitor(a_person(f"{name}@amt.test", administrator=name == "administrator"))
             for name in (*rights, "stranger", "administrator")}  # fmt: skip
    own = {"user": ada.user.email, "rights": ["see", "process", "send-as", "administer"]}
    grants = [own, *({"user": f"{name}@amt.test", **grant} for name, grant in rights.items())]
    account = an_account(ada.actor, SECRET, grants=grants)
    raw = a_letter(
        SECRET, SECRET, html=f"<p>{SECRET}</p>", attachments=[(f"{SECRET}.txt", "text/plain", SECRET.encode())]
    )
    message = a_message_in(a_folder(account), raw)
    everything_is_indexed()
    sent = outbox.submit(ada.actor, Draft(account.id, to=("eva@kunde.test",), subject=SECRET, text=SECRET))
    login = logins.add(ada.actor, {"label": SECRET, "username": "a", "password": "x", "owner": ada.user.email})
    server = outgoing_servers.add(ada.actor, {"label": SECRET, "host": "out.test", "owner": ada.user.email})
    groups.add(ada.actor, "Alle", [ada.user.email])
    templates.put(ada.actor, "Haus", {"receiving": {"push": False}})
    ids = {
        "folder": message.folder_id, "placement": message.id, "number": 0, "account": account.id, "where": f"account:{account.id}",
        "login": login.id, "server": server.id, "group": groups.within(ada.actor)[0].id, "template": "Haus", "user": ada.user.id,
        "token": "forged", "signature": "forged",
    }  # fmt: skip
    return House(ada, roles, message, ids | {"outgoing": sent.id})


def address(house: House, name: str) -> str:
    wanted = NAMED[name].pattern.converters
    ids = house.ids | ({"number": house.ids["outgoing"]} if name == "note" else {})
    return reverse(name, kwargs={key: ids[key] for key in wanted})


def asked(client: Client, path: str) -> list[Any]:
    """The answers to looking and to sending an empty form."""
    return [client.get(path), client.post(path, {})]


def read(answer: Any) -> str:
    return "" if answer.streaming else answer.content.decode("utf-8", "replace")


def test_every_route_has_an_entry() -> None:
    known = [OPEN, SIGNED, ANYBODY, SEEING, PROCESSING, OTHERS]
    assert NAMED.keys() - set().union(*known) == set()
    assert sum(map(len, known)) == len(set().union(*known))


def test_nobody_gets_in_without_a_log_in(house: House) -> None:
    before = feed.latest()
    for name in NAMED.keys() - OPEN - SIGNED:
        for answer in asked(Client(), address(house, name)):
            assert answer.status_code in {302, 405}, name
            assert answer.status_code == 405 or answer["Location"].startswith("/login"), name
    for name in (OPEN | SIGNED) & NAMED.keys():
        for answer in asked(Client(), address(house, name)):
            # Without an engine beside it the web is alive but not ready.
            assert answer.status_code < 500 or name == "ready", name
            assert SECRET not in read(answer), name
    assert feed.latest() == before


@pytest.mark.parametrize("role", OUTSIDERS)
def test_whoever_may_not_see_finds_nothing_and_changes_nothing(house: House, role: str) -> None:
    visitor, before = house.roles[role], feed.latest()
    for name in (SEEING | PROCESSING) & NAMED.keys():
        answers = asked(visitor.client, address(house, name))
        assert {answer.status_code for answer in answers} <= {404, 405}, name
        assert any(answer.status_code == 404 for answer in answers), name
        assert not any(SECRET in read(answer) for answer in answers), name
    assert feed.latest() == before


@pytest.mark.parametrize("role", ["stranger", "expired", "not-yet"])
def test_whoever_has_no_right_reads_no_word_of_it_anywhere(house: House, role: str) -> None:
    visitor, before = house.roles[role], feed.latest()
    for name in (ANYBODY | OTHERS) & NAMED.keys() - {"live", "token", "language", "theme"}:
        answers = asked(visitor.client, address(house, name))
        assert all(answer.status_code < 500 and SECRET not in read(answer) for answer in answers), name
        if name in OTHERS:
            assert {answer.status_code for answer in answers} <= {403, 404, 405, *LEADS_BACK.get(name, ())}, name
    assert feed.latest() == before


def test_whoever_sees_gets_in_and_may_not_process(house: House) -> None:
    visitor, before = house.roles["see"], feed.latest()
    for name in SEEING & NAMED.keys():
        status = {answer.status_code for answer in asked(visitor.client, address(house, name))}
        assert status & {200, 302, 204}, name
        assert not status & {404, 500}, name
    for name in PROCESSING & NAMED.keys():
        assert 403 in {answer.status_code for answer in asked(visitor.client, address(house, name))}, name
    for deed in (
        {"do": "status", "status": "done"},
        {"do": "assign", "user": ""},
        {"do": "follow-up", "soon": "tomorrow"},
    ):
        assert visitor.client.post(address(house, "work"), deed).status_code == 403
    assert visitor.client.post(address(house, "mark"), {"add": "seen"}).status_code == 403
    assert {entry.kind for entry in feed.changes(house.ada.actor, before).items} <= {
        "sender-trusted",
        "answering-changed",
    }


def test_a_signed_address_holds_no_longer_than_the_right(house: House) -> None:
    for role in OUTSIDERS:
        user = house.roles[role].user.id
        assert Client().get(frame_url(FrameWish(user, house.message.id, remote=False))).status_code == 404
        assert Client().get(picture_url(PictureWish(user, house.message.id, "https://x.test/a.png"))).status_code == 404
    assert (
        Client().get(frame_url(FrameWish(house.roles["see"].user.id, house.message.id, remote=False))).status_code
        == 200
    )
