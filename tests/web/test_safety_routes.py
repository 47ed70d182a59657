"""Every address of the URL map in every role: who has no right finds nothing, changes nothing, and reads no word of the mail.

A new route without an entry here fails (RELIABILITY G15). What the event stream tells these roles is tests/web/test_live_rights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import reverse

from poststelle.api.urls import api
from poststelle.office import feed, reading, work
from poststelle.web.frame import FrameWish, PictureWish, frame_url, picture_url
from tests.builders import a_token, an_office
from tests.web.house import LABEL, MAY_READ, OUTSIDERS, SECRET, SENT, House, a_house
from tests.web.routes import API, API_OPEN, PAGES
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db

NAMED = PAGES

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
    "mfa_authenticate",
    "mfa_login_webauthn",
    "forgotten",
    "sign-on",
    "openid_connect_callback",
    "icon",
}
"""Nobody has to be logged in; there is nothing of anybody's mail."""
SIGNED = {"mail-frame", "picture"}
"""The signature says whose eyes it is for; the rights of that person are looked at now."""
ANYBODY = {
    "home", "mail", "tree", "tree-arrange", "send-receive", "tree-menu", "tree-fold", "tree-mount", "tree-move", "tree-rename", "tree-remove",
    "tree-reset", "folder-new", "handle", "choose", "undo", "palette", "targets", "arrivals", "list-look", "search", "complete", "correspondents", "place",
    "write", "outbox", "outbox-decide", "mailboxes", "mailbox-new", "probe-new", "logins", "login-new", "servers", "server-new", "server-test-new", "rights", "personal",
    "language", "theme", "preferences", "token", "distrust", "live", "checklist", "exceptions", "egress-allow", "egress-revoke", "notice", "bulk", "export", "groups", "templates",
    "ledger", "unreadable", "health", "journal", "verify", "people", "invite", "sign-on-state", "sign-on-prove", "confirmed", "mailbox-discover", "providers", "probe-report",
    "mfa_index", "second-factor-needed", "mfa_activate_totp", "mfa_deactivate_totp", "mfa_add_webauthn", "mfa_remove_webauthn",
    "mfa_generate_recovery_codes", "mfa_view_recovery_codes", "sessions-end", "token-revoke", "password", "second-factor-rule",
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
    "note", "outgoing-decide", "mailbox", "mailbox-line", "mailbox-folders", "mailbox-folder-new", "mailbox-rights", "mailbox-revoke",
    "mailbox-hand-over", "mailbox-archive", "mailbox-move", "mailbox-move-test", "probe", "mailbox-remove", "mailbox-retry", "accept-loss",
    "mailbox-events", "mailbox-transcript", "mailbox-transcript-file", "mailbox-ledger", "ledger-compare", "unreadable-retry",
    "group", "template", "login-edit", "login-password", "login-remove", "server-edit", "server-test", "server-remove", "grant",
    "person",
}  # fmt: skip
"""Things of a mailbox's administrators, of a person's own, or of the office's: refused to everybody without a right on them."""

LEADS_BACK = {"probe": (302,), "outgoing-decide": (302,)}
"""Looked at instead of sent to, or sent to without a choice, these lead to the page with the form, which refuses by itself."""

ACTING = {"live", "token", "language", "theme"}
"""An empty form is a deed there, or the answer has no end."""

MORE = (
    ("search", f"q={SECRET}"), ("search", f"q={SECRET}&order=best"), ("complete", f"q={SECRET[:6]}"), ("complete", "q=from:ev"), ("correspondents", "q=ev"), ("palette", f"q={SECRET[:6]}"),
    ("palette", "message={placement}"), ("targets", "message={placement}"), ("arrivals", "after=0"), ("write", "reply={placement}"),
    ("write", "forward={placement}"), ("write", "reply_all={placement}&account={account}"), ("choose", "where=inbox"),
    ("choose", "where=folder:{folder}"), ("choose", "where=account:{account}"), ("journal", "account={account}"),
    ("rights", f"q={LABEL}"), ("health", "state=all"), ("live", "after=0"), ("attachment-look", "page=1"),
    *(("place", where) for where in ("inbox", "role:inbox", "new", "mine", "folder:{folder}", "account:{account}")),
)  # fmt: skip
"""The same addresses asked for something in particular; of ``place`` what it is a place of."""
DEEDS = (
    ("handle", {"verb": "delete", "ids": "{placement}"}), ("handle", {"verb": "move", "ids": "{placement}", "target": "{folder}"}),
    ("handle", {"verb": "read", "everything": "1", "where": "folder:{folder}"}), ("mark", {"add": "seen"}),
    ("work", {"do": "note", "text": "x"}), ("work", {"do": "assign", "user": "ada@amt.test"}), ("trust", {}),
    ("write", {"account": "{account}", "to": "x@kunde.test", "subject": "x", "text": "x", "forwards": "{placement}"}),
    ("outgoing-decide", {"do": "discard"}), ("outbox-decide", {"do": "discard"}), ("mailbox-hand-over", {"days": "3"}), ("mailbox-remove", {"confirm": "1"}), ("send-receive", {"account": "{account}"}),
    ("tree-mount", {"tree": "own", "kind": "folder", "id": "{folder}"}), ("folder-new", {"account": "{account}", "name": "x"}),
)  # fmt: skip
"""What is done by forms, with everything a form of that kind needs."""


@pytest.fixture(scope="module")
def house(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all tests of this module; what a test does in it is undone after the test."""
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("house")
    patch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"home": home}))
    with django_db_blocker.unblock(), transaction.atomic():
        yield a_house(Visitor(an_office()))
        transaction.set_rollback(True)
    patch.undo()


def address(house: House, name: str) -> str:
    wanted = NAMED[name].pattern.converters
    ids = house.ids | ({"number": house.ids["outgoing"]} if name in {"note", "outgoing-decide"} else {})
    return reverse(name, kwargs={key: ids[key] for key in wanted})


def asked(client: Client, path: str) -> list[Any]:
    """The answers to looking and to sending an empty form."""
    return [client.get(path), client.post(path, {})]


def read(answer: Any) -> str:
    """Everything the answer says; the event stream, which has no end, is not waited for."""
    if not answer.streaming:
        text: str = answer.content.decode("utf-8", "replace")
        return text
    return "" if answer.is_async else b"".join(answer).decode("utf-8", "replace")


def particular(house: House, name: str, query: str) -> str:
    filled = query.format(**house.ids)
    return reverse(name, args=[filled]) if name == "place" else f"{address(house, name)}?{filled}"


def test_every_route_has_an_entry() -> None:
    known = [OPEN, SIGNED, ANYBODY, SEEING, PROCESSING, OTHERS]
    assert NAMED.keys() - set().union(*known) == set()
    assert set().union(*known) - NAMED.keys() == set()
    assert sum(map(len, known)) == len(set().union(*known))


def test_every_route_of_the_api_is_one_its_description_has() -> None:
    described = api.get_openapi_schema(path_prefix="/api/v1/")["paths"]
    asked_for = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path) for path, route in API.items() if route.name not in API_OPEN
    }
    assert asked_for - {""} == {path.removeprefix("/api/v1/") for path in described}


def test_nobody_gets_in_without_a_log_in(house: House) -> None:
    before = feed.latest()
    for name in NAMED.keys() - OPEN - SIGNED:
        for answer in asked(Client(), address(house, name)):
            assert answer.status_code in {302, 405}, name
            assert answer.status_code == 405 or answer["Location"].startswith("/login"), name
    for name in OPEN | SIGNED:
        for answer in asked(Client(), address(house, name)):
            # Without an engine beside it the web is alive but not ready.
            assert answer.status_code < 500 or name == "ready", name
            assert SECRET not in read(answer), name
    assert feed.latest() == before


@pytest.mark.parametrize("role", OUTSIDERS)
def test_whoever_may_not_see_finds_nothing_and_changes_nothing(house: House, role: str) -> None:
    visitor, before = house.roles[role], feed.latest()
    for name in SEEING | PROCESSING:
        answers = asked(visitor.client, address(house, name))
        assert {answer.status_code for answer in answers} <= {404, 405}, name
        assert any(answer.status_code == 404 for answer in answers), name
        assert not any(SECRET in read(answer) for answer in answers), name
    assert feed.latest() == before


@pytest.mark.parametrize("role", OUTSIDERS)
def test_nobody_reads_a_word_anywhere_that_is_not_for_them(house: House, role: str) -> None:
    visitor, before = house.roles[role], feed.latest()
    hidden = {SECRET, LABEL, SENT} - MAY_READ.get(role, set())
    for name in (ANYBODY | OTHERS) - ACTING:
        answers = asked(visitor.client, address(house, name))
        for answer in answers:
            told = read(answer)
            assert answer.status_code < 500, name
            assert not any(word in told for word in hidden), name
        if name in OTHERS and role in {"stranger", "expired", "not-yet", "other-pool"}:
            assert {answer.status_code for answer in answers} <= {403, 404, 405, *LEADS_BACK.get(name, ())}, name
    if not MAY_READ.get(role):
        assert feed.latest() == before


@pytest.mark.parametrize("role", OUTSIDERS)
def test_nothing_in_particular_is_found_or_done_without_the_right(house: House, role: str) -> None:
    visitor = house.roles[role]
    for name, query in MORE:
        answer = visitor.client.get(particular(house, name, query))
        assert answer.status_code < 500, (name, query)
        # What was typed stands in the answer again; what it should not find does not.
        told = read(answer).replace(query, "") if SECRET in query else read(answer)
        assert house.message.subject not in told or SECRET in query, (name, query)
        assert f"/m/{house.message.id}/" not in told, (name, query)
    flags, placed = house.message.flags, reading.placement(house.ada.actor, house.message.id)
    # Whoever administers a mailbox may remove it.
    for name, form in DEEDS if role != "keeper" else [deed for deed in DEEDS if deed[0] != "mailbox-remove"]:
        visitor.client.post(address(house, name), {key: value.format(**house.ids) for key, value in form.items()})
    after = reading.placement(house.ada.actor, house.message.id)
    assert (after.flags, after.folder_id) == (flags, placed.folder_id)
    assert not work.on(house.ada.actor, house.message.id).notes


def test_whoever_sees_gets_in_and_may_not_process(house: House) -> None:
    visitor, before = house.roles["see"], feed.latest()
    for name in SEEING:
        status = {answer.status_code for answer in asked(visitor.client, address(house, name))}
        assert status & {200, 302, 204}, name
        assert not status & {404, 500}, name
    for name in PROCESSING:
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


def held(answer: Any, name: str) -> None:
    """What every answer tells the browser, whoever asked and however it went (RELIABILITY Q61, Q62, Q65)."""
    told = (name, answer.status_code)
    is_framed = name in {"mail-frame", "print"} and answer.status_code == 200
    assert answer["X-Content-Type-Options"] == "nosniff", told
    assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}, told
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", told
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin", told
    assert answer["X-Frame-Options"] == ("SAMEORIGIN" if is_framed and name != "print" else "DENY"), told
    assert {"no-store", "no-cache"} & {*answer["Cache-Control"].replace(",", " ").split()}, told
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'", told
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "data:"} & {*policy.get("script-src", "").split()}, told
    if "sandbox" in policy:
        assert "allow-scripts" not in policy["sandbox"], told
        assert "allow-same-origin" not in policy["sandbox"], told
    else:
        assert re.fullmatch(r"'nonce-[\w-]{20,}'", policy["script-src"]), told
        assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == (
            "'none'",
            "'none'",
            "'self'",
        ), told
        assert policy["require-trusted-types-for"] == "'script'", told
    assert ("sandbox" in policy) >= is_framed, told
    for cookie in answer.cookies.values():
        # One that is being deleted holds nothing; the theme is chosen in the browser.
        if cookie.value and cookie.key != "theme":
            assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax"), (*told, cookie.key)


def test_every_answer_of_every_page_is_held_by_its_headers(house: House) -> None:
    for client in (house.ada.client, house.roles["stranger"].client, Client()):
        for name in NAMED:
            held(client.get(address(house, name)), name)
    signed = frame_url(FrameWish(house.ada.user.id, house.message.id, remote=False))
    held(Client().get(signed), "mail-frame")
    held(house.ada.client.get("/nowhere/"), "nowhere")
    pages = [house.ada.client.get("/mailboxes/")["Content-Security-Policy"] for _ in range(2)]
    assert pages[0] != pages[1]


def test_every_answer_of_the_api_is_held_by_its_headers(house: House) -> None:
    ids = house.ids | {
        "message": house.message.id,
        "n": 0,
        "note": "x",
        "keyword": "x",
        "tree": "own",
        "key": "x",
        "address": "a@b.test",
    }
    for token in (a_token(house.ada.actor), "forged"):
        for path in API:
            filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(ids.get(match[1], "x")), path)
            answer = Client().get(f"/api/v1/{filled}", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code < 500, filled
            assert (answer["X-Content-Type-Options"], answer["Cross-Origin-Resource-Policy"]) == (
                "nosniff",
                "same-origin",
            ), filled
            assert "Content-Security-Policy" in answer.headers, filled
            assert not answer.cookies, filled
